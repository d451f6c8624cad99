// Tally: the counts of the shift, exact even if events are missed: the line's own counts, and what came since.

const MOST = 4000; // decisions that may be ahead of the last status
const NOTHING = { PASS: 0, REVIEW: 0, FAIL: 0, INVALID: 0 };

export class Tally {
  #shift = null;
  #since = []; // decisions after those that the shift counts, in order

  /** Add a decision; returns false if one before it is missing, and the status should be requested. */
  add(part) {
    if (this.#shift === null || part.seq <= this.#shift.seq) return true; // the line has counted it
    const last = this.#since.at(-1)?.seq ?? this.#shift.seq;
    if (part.seq <= last) return true;
    this.#since.push({ seq: part.seq, camera: part.camera, decision: part.decision });
    if (this.#since.length > MOST) this.#since.shift();
    return part.seq === last + 1;
  }

  /** Set the line's counts, which include all decisions up to their own `seq`. */
  settle(shift) {
    const restarted = this.#shift !== null && shift.run !== this.#shift.run;
    this.#shift = shift;
    this.#since = restarted ? [] : this.#since.filter((part) => part.seq > shift.seq);
  }

  /** Return the counts of a camera, or of all if it is null. */
  count(camera = null) {
    const counted = camera === null ? this.#shift : this.#shift?.cameras[camera];
    const counts = { ...NOTHING, ...counted?.counts };
    for (const part of this.#since) if (camera === null || part.camera === camera) counts[part.decision] += 1;
    return counts;
  }
}

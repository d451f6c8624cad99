// Held fault: a part that isn't PASS is shown for a while, though ten parts a second follow.
import { eventStream, findPart, line } from "./event_stream.js";

const HOLD = 1500; // milliseconds
const held = new Map(); // by camera: the part, and until when it is shown

eventStream.addEventListener("decision", ({ detail }) => {
  if (detail.decision !== "PASS") held.set(detail.camera, { part: detail, until: performance.now() + HOLD });
});

/** Return the part of a camera to show, how many came since it, and for how many milliseconds it stays. */
export function chooseShown(camera) {
  const list = line.parts.get(camera) ?? [];
  const { part, until } = held.get(camera) ?? { part: null, until: 0 };
  const left = until - performance.now();
  const place = left > 0 ? findPart(list, part) : -1;
  return place < 0 ? { part: list.at(-1) ?? null, since: 0, left: 0 } : { part, since: list.length - 1 - place, left };
}

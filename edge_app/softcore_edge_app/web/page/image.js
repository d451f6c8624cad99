// Image: a place on the page that shows a part's image, without flicker, and no more images than can be shown.
import { setAttribute, setText } from "./elements.js";
import { PeakMark } from "./peak.js";

const PAUSE = 250; // milliseconds between two images: nobody looks at more, and the line needs its time
const LATE = 1000; // milliseconds after which an image that isn't there yet is told as late
const LONG = 2.2; // sides in this proportion or more make a wide or a tall image

/** Return the URL of a part's image; null if there is none of that kind. */
export function imageUrl(part, kind) {
  if (!part.picture) return null;
  const existing = kind === "map" && part.x === null ? "overlay" : kind;
  return `api/pictures/${encodeURIComponent(part.trigger)}/${existing}`;
}

function describeShape({ naturalWidth: width, naturalHeight: height }) {
  return width >= LONG * height ? "wide" : height >= LONG * width ? "tall" : "even";
}

export class ImageView {
  #front;
  #back;
  #without;
  #onShown;
  #pause;
  #wanted = null;
  #busy = false;
  #due = null; // since when the image that is being loaded is wanted, or one before it
  #waiting = null; // the same of the images after it

  /**
   * `figure` has two images, and an element for the words if there is no image; `options.peak` are those of a
   * `PeakMark`, without which a part's peak isn't marked.
   */
  constructor(figure, onShown = () => {}, { peak = null, pause = () => PAUSE } = {}) {
    [this.#front, this.#back] = figure.querySelectorAll("img");
    this.#without = figure.querySelector(".without");
    this.#onShown = onShown;
    this.#pause = pause;
    this.paper = figure.querySelector(".images");
    this.peak = peak && new PeakMark(this.paper, peak);
  }

  /** Whether what is shown is older than what is wanted, for longer than an image takes. */
  get isLate() {
    const since = this.#due ?? this.#waiting;
    return since !== null && performance.now() - since > LATE;
  }

  /** Show an image, as soon as the one before it is loaded; `url` null shows the words, `subject` is the part. */
  show(url, alt, words, subject = null) {
    const { url: before, words: said, subject: part } = this.#wanted ?? {};
    if (this.#wanted && before === url && said === words && part?.trigger === subject?.trigger) return;
    this.#wanted = { url, alt, words, subject };
    this.#waiting ??= performance.now();
    if (!this.#busy) this.#showWanted();
  }

  async #showWanted() {
    this.#busy = true;
    for (let done = null; done !== this.#wanted; ) {
      done = this.#wanted;
      [this.#due, this.#waiting] = [this.#waiting, null];
      const loaded = done.url !== null && (await this.#load(done));
      this.#due = null;
      this.#front.hidden = !loaded;
      setText(this.#without, loaded ? "" : done.words);
      const shape = loaded ? describeShape(this.#front) : "even";
      this.#onShown(done.subject, shape);
      this.peak?.show(loaded ? done.subject : null, this.#front, done.subject && imageUrl(done.subject, "peak"));
      if (done.url !== null) await new Promise((go) => setTimeout(go, this.#pause()));
    }
    this.#busy = false;
  }

  async #load({ url, alt }) {
    this.#back.src = url;
    setAttribute(this.#back, "alt", alt);
    try {
      await this.#back.decode();
    } catch {
      return false; // it has been deleted meanwhile
    }
    this.#front.hidden = true;
    [this.#front, this.#back] = [this.#back, this.#front];
    return true;
  }
}

// Image: a place on the page that shows a part's image, without flicker, and no more images than can be shown.
import { setText } from "./elements.js";

const PAUSE = 250; // milliseconds between two images: nobody looks at more, and the line needs its time

/** Return the URL of a part's image; null if there is none of that kind. */
export function imageUrl(part, kind) {
  if (!part.picture) return null;
  const existing = kind === "map" && part.x === null ? "overlay" : kind;
  return `api/pictures/${encodeURIComponent(part.trigger)}/${existing}`;
}

export class ImageView {
  #front;
  #back;
  #without;
  #onShown = () => {};
  #wanted = null;
  #busy = false;

  /** `figure` has two images, and an element for the words if there is no image. */
  constructor(figure, onShown = () => {}) {
    [this.#front, this.#back] = figure.querySelectorAll("img");
    this.#without = figure.querySelector(".without");
    this.#onShown = onShown;
  }

  /** Show an image, as soon as the one before it is loaded; `url` null shows the words. */
  show(url, alt, words, subject = null) {
    if (this.#wanted?.url === url && this.#wanted.words === words && this.#wanted.subject === subject) return;
    this.#wanted = { url, alt, words, subject };
    if (!this.#busy) this.#showWanted();
  }

  async #showWanted() {
    this.#busy = true;
    for (let done = null; done !== this.#wanted; ) {
      done = this.#wanted;
      const loaded = done.url !== null && (await this.#load(done));
      this.#front.hidden = !loaded;
      setText(this.#without, loaded ? "" : done.words);
      this.#onShown(done.subject);
      if (done.url !== null) await new Promise((go) => setTimeout(go, PAUSE));
    }
    this.#busy = false;
  }

  async #load({ url, alt }) {
    this.#back.src = url;
    this.#back.alt = alt;
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

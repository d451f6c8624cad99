// Image: one place on the page where a part's image is shown, without a flicker, and never more than it can carry.
import { write } from "./elements.js";

const PAUSE = 250; // milliseconds between two images: nobody looks at more, and the line has better to do

/** Where a part's image is; null where there is none of that kind. */
export function locate(part, kind) {
  if (!part.picture) return null;
  const there = kind === "map" && part.x === null ? "overlay" : kind;
  return `api/pictures/${encodeURIComponent(part.trigger)}/${there}`;
}

export class Stage {
  #front;
  #back;
  #without;
  #shown = () => {};
  #wanted = null;
  #busy = false;

  /** `figure` has two images, and a place for what is said where there is no image. */
  constructor(figure, shown = () => {}) {
    [this.#front, this.#back] = figure.querySelectorAll("img");
    this.#without = figure.querySelector(".without");
    this.#shown = shown;
  }

  /** Show an image, as soon as the one before it is there; `url` null shows the words. */
  show(url, alt, words, subject = null) {
    if (this.#wanted?.url === url && this.#wanted.words === words && this.#wanted.subject === subject) return;
    this.#wanted = { url, alt, words, subject };
    if (!this.#busy) this.#next();
  }

  async #next() {
    this.#busy = true;
    for (let done = null; done !== this.#wanted; ) {
      done = this.#wanted;
      const there = done.url !== null && (await this.#load(done));
      this.#front.hidden = !there;
      write(this.#without, there ? "" : done.words);
      this.#shown(done.subject);
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
      return false; // it is gone by now
    }
    this.#front.hidden = true;
    [this.#front, this.#back] = [this.#back, this.#front];
    return true;
  }
}

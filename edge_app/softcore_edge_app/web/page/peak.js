// Peak: a ring around the highest score of a part, and the place inside it, enlarged, in a corner.
import { element, setAttribute } from "./elements.js";
import { translate } from "./catalogue.js";

const RING = 0.19; // of the longer side of the image: the ring's diameter
const LEAST = 48; // pixels of it: it is seen from five metres
const CORNER = 0.5; // of the shorter side of the place: the inset's side, where no more is free

/** Return whether a part has a place that a person must see. */
export const hasPeak = (part) => Boolean(part?.picture) && part.x !== null && (part.decision === "FAIL" || part.decision === "REVIEW");

/** Return where an image lies that is shown whole on its paper: left, top, width, height in pixels. */
export function fitImage(image, paper) {
  const { clientWidth, clientHeight } = paper;
  const scale = Math.min(clientWidth / image.naturalWidth, clientHeight / image.naturalHeight);
  const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
  const [across, down] = getComputedStyle(image).objectPosition.split(" ").map((share) => parseFloat(share) / 100);
  return { left: (clientWidth - width) * across, top: (clientHeight - height) * down, width, height };
}

export class PeakMark {
  #figure;
  #paper;
  #ring = element("span", { class: "ring", hidden: "" });
  #inset = null;
  #part = null;
  #image = null;

  /** `paper` holds the images; `inset` is whether the place is shown enlarged, too. */
  constructor(paper, { inset = true } = {}) {
    this.#paper = paper;
    this.#figure = paper.parentElement;
    paper.append(this.#ring);
    if (inset) {
      this.#inset = element("span", { class: "inset", role: "img", hidden: "" });
      paper.after(this.#inset);
    }
    new ResizeObserver(() => this.#place()).observe(paper);
  }

  /** Show the peak of a part, of which `image` is shown; null shows none. */
  show(part, image, url) {
    this.#part = hasPeak(part) ? part : null;
    this.#image = image;
    this.#ring.hidden = this.#part === null;
    if (this.#inset) this.#enlarge(this.#part && url);
    this.#place();
  }

  /** Return where the peak is on the paper, in pixels; the middle if there is none. */
  locate() {
    if (!this.#part) return [undefined, undefined];
    const { left, top, width, height } = fitImage(this.#image, this.#paper);
    return [left + this.#part.x * width, top + this.#part.y * height];
  }

  async #enlarge(url) {
    const { dataset } = this.#inset;
    if (!url) {
      this.#inset.hidden = true;
      dataset.url = "";
      return;
    }
    if (dataset.url === url) return;
    dataset.url = url;
    this.#inset.hidden = true;
    const loaded = new Image();
    loaded.src = url;
    try {
      await loaded.decode();
    } catch {
      return; // the archive has lost it
    }
    if (dataset.url !== url) return;
    this.#inset.style.backgroundImage = `url("${url}")`;
    setAttribute(this.#inset, "aria-label", translate("image.peak"));
    this.#inset.hidden = false;
  }

  #place() {
    if (!this.#part || !this.#paper.clientWidth || !this.#image.naturalWidth) return;
    const [x, y] = this.locate();
    const { width, height } = fitImage(this.#image, this.#paper);
    const ring = Math.max(LEAST, Math.min(RING * Math.max(width, height), 0.8 * Math.min(width, height)));
    this.#ring.style.setProperty("--size", `${ring}px`);
    this.#ring.style.left = `${x}px`;
    this.#ring.style.top = `${y}px`;
    if (!this.#inset) return;
    const { clientWidth, clientHeight } = this.#paper;
    const whole = /^0|^50% 0/.test(getComputedStyle(this.#image).objectPosition) ? 1 : 0.5; // of what is free beside it
    const free = whole * Math.max(clientWidth - width, clientHeight - height) - ring / 2;
    const shorter = Math.min(clientWidth, clientHeight);
    const side = Math.round(Math.min(shorter - 8, Math.max(CORNER * shorter, free - 8)));
    const { style } = this.#inset;
    style.width = style.height = `${side}px`;
    // Away from the peak, so that it hides nothing of it.
    style.left = `${this.#paper.offsetLeft + (x < clientWidth / 2 ? clientWidth - side - 4 : 4)}px`;
    style.top = `${this.#paper.offsetTop + (y < clientHeight / 2 ? clientHeight - side - 4 : 4)}px`;
  }
}

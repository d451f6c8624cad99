// Zoom: an image that is enlarged and moved by wheel, fingers, mouse and keys.

const MOST = 16; // times
const STEP = 1.5; // of a key
const MOVE = 0.15; // of the place's width or height, by an arrow key
const SLOP = 8; // pixels that a finger may move before it drags
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class Zoom {
  #surface;
  #paper;
  #onChange;
  #scale = 1;
  #x = 0; // of the paper's upper left corner, in pixels
  #y = 0;
  #pointers = new Map();
  #dragged = false;

  /** `surface` is touched, `paper` inside it is enlarged; `onChange` is called with the scale. */
  constructor(surface, paper, onChange = () => {}) {
    this.#surface = surface;
    this.#paper = paper;
    this.#onChange = onChange;
    surface.classList.add("zoomable");
    surface.addEventListener("wheel", (event) => this.#turn(event), { passive: false });
    surface.addEventListener("pointerdown", (event) => this.#touch(event));
    surface.addEventListener("pointermove", (event) => this.#move(event));
    for (const kind of ["pointerup", "pointercancel"]) surface.addEventListener(kind, (event) => this.#release(event));
    // A drag ends in a click, which means nothing.
    surface.addEventListener("click", (event) => this.#dragged && event.detail > 0 && event.stopImmediatePropagation(), { capture: true });
    // A page that scrolls under two fingers would take them away.
    surface.addEventListener("touchmove", (event) => event.cancelable && event.touches.length > 1 && event.preventDefault(), { passive: false });
    surface.addEventListener("dragstart", (event) => event.preventDefault());
    new ResizeObserver(() => this.#apply()).observe(paper);
  }

  get scale() {
    return this.#scale;
  }

  /** Show all of it. */
  reset() {
    this.zoom(1 / MOST);
  }

  /** Enlarge by a factor; the place at `x`, `y` of the paper, in pixels, stays where it is. */
  zoom(factor, x = this.#paper.clientWidth / 2, y = this.#paper.clientHeight / 2) {
    const scale = Math.min(MOST, Math.max(1, this.#scale * factor));
    this.#x = x - ((x - this.#x) * scale) / this.#scale;
    this.#y = y - ((y - this.#y) * scale) / this.#scale;
    this.#scale = scale;
    this.#apply();
  }

  /** Do what a key says, and return whether it says anything; `x`, `y` is the place to enlarge. */
  press(event, x, y) {
    if (event.key === "+" || event.key === "=") this.zoom(STEP, ...(this.#scale === 1 ? [x, y] : []));
    else if (event.key === "-") this.zoom(1 / STEP);
    else if (event.key === "0") this.reset();
    else if (event.key in ARROWS && this.#scale > 1 && event.target === this.#surface) {
      this.#x += ARROWS[event.key][0] * MOVE * this.#paper.clientWidth;
      this.#y += ARROWS[event.key][1] * MOVE * this.#paper.clientHeight;
      this.#apply();
    } else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  #apply() {
    const { clientWidth: width, clientHeight: height, style } = this.#paper;
    this.#x = Math.min(0, Math.max(width * (1 - this.#scale), this.#x));
    this.#y = Math.min(0, Math.max(height * (1 - this.#scale), this.#y));
    style.setProperty("--zoom", this.#scale);
    style.transform = this.#scale === 1 ? "" : `translate(${this.#x}px, ${this.#y}px) scale(${this.#scale})`;
    this.#surface.classList.toggle("zoomed", this.#scale > 1);
    this.#onChange(this.#scale);
  }

  /** Return where on the paper, as if it weren't enlarged, a pointer is. */
  #locate({ clientX, clientY }) {
    const { left, top } = this.#paper.parentElement.getBoundingClientRect();
    return [clientX - left - this.#paper.offsetLeft, clientY - top - this.#paper.offsetTop];
  }

  #turn(event) {
    const factor = Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0016));
    if (factor < 1 && this.#scale === 1) return; // the page scrolls on
    event.preventDefault();
    this.zoom(factor, ...this.#locate(event));
  }

  #touch(event) {
    if (event.button !== 0) return;
    this.#pointers.set(event.pointerId, event);
    if (this.#pointers.size === 1) this.#dragged = false;
  }

  #move(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    if (!event.buttons) return this.#release(event); // it was let go elsewhere
    const distance = Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY);
    if (!this.#dragged && this.#pointers.size === 1 && (this.#scale === 1 || distance < SLOP)) return;
    this.#dragged = true;
    if (!this.#surface.hasPointerCapture(event.pointerId)) this.#surface.setPointerCapture(event.pointerId);
    const other = [...this.#pointers.values()].find((one) => one.pointerId !== event.pointerId);
    this.#pointers.set(event.pointerId, event);
    if (other) {
      const span = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      const middle = { clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 };
      this.#shift((event.clientX - before.clientX) / 2, (event.clientY - before.clientY) / 2);
      this.zoom(span(event) / Math.max(1, span(before)), ...this.#locate(middle));
    } else this.#shift(event.clientX - before.clientX, event.clientY - before.clientY);
  }

  #shift(x, y) {
    this.#x += x;
    this.#y += y;
    this.#apply();
  }

  #release(event) {
    this.#pointers.delete(event.pointerId);
  }
}

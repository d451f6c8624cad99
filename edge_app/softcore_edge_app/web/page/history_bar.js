// History bar: the last 50 parts; a finger or the arrow keys choose one.
import { formatClock, formatShare } from "./format.js";
import { translate } from "./catalogue.js";
import { $, element, setAttribute, setSymbol, symbol } from "./elements.js";

export const LENGTH = 50;
const bar = $("history-bar");
const cells = Array.from({ length: LENGTH }, () => {
  const cell = element("span", { class: "none" });
  cell.append(symbol("", "shape"));
  return cell;
});
bar.append(...cells);

let drawn = []; // the parts as they are drawn, the oldest first
let newest = [];
let pointed = LENGTH - 1; // the cell that is chosen
let held = false; // the parts don't move while a finger or key holds one
let openChosen = () => {};

/** Call `open(parts, index)` with the drawn parts, the newest first, when one is chosen. */
export function onChoice(open) {
  openChosen = open;
}

export function show(parts) {
  newest = parts.slice(-LENGTH);
  if (!held) paint();
}

function paint() {
  drawn = newest;
  const empty = LENGTH - drawn.length;
  cells.forEach((cell, place) => {
    const decision = drawn[place - empty]?.decision ?? "none";
    if (cell.dataset.decision === decision) return;
    cell.dataset.decision = decision;
    setSymbol(cell.firstElementChild, decision === "none" || decision === "PASS" ? "" : `shape-${decision}`);
  });
  point();
}

function point() {
  const part = drawn[pointed - (LENGTH - drawn.length)];
  cells.forEach((cell, place) => cell.classList.toggle("at", held && place === pointed));
  setAttribute(bar, "aria-label", translate("history-bar.label"));
  setAttribute(bar, "aria-valuenow", String(pointed + 1));
  const words = () => `${translate(`decision.${part.decision}`)}, ${formatClock(part.triggered_at)}, ${formatShare(part)}`;
  setAttribute(bar, "aria-valuetext", part ? words() : translate("decision.none"));
}

function hold(place) {
  held = true;
  pointed = Math.min(LENGTH - 1, Math.max(LENGTH - drawn.length, place));
  point();
}

function release() {
  held = false;
  pointed = LENGTH - 1;
  paint();
}

function openPointed() {
  const index = drawn.length - 1 - (pointed - (LENGTH - drawn.length));
  if (index >= 0 && index < drawn.length) openChosen([...drawn].reverse(), index);
  release();
}

const findCell = (event) => {
  const { left, width } = bar.getBoundingClientRect();
  return Math.floor(((event.clientX - left) / width) * LENGTH);
};
bar.addEventListener("pointerdown", (event) => {
  bar.setPointerCapture(event.pointerId);
  hold(findCell(event));
});
bar.addEventListener("pointermove", (event) => held && bar.hasPointerCapture(event.pointerId) && hold(findCell(event)));
bar.addEventListener("pointerup", () => held && openPointed());
bar.addEventListener("pointercancel", release);
bar.addEventListener("blur", release);
bar.addEventListener("keydown", (event) => {
  const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -LENGTH, End: LENGTH };
  if (event.key in steps) hold(pointed + steps[event.key]);
  else if (event.key === "Enter" || event.key === " ") openPointed();
  else if (event.key === "Escape") release();
  else return;
  event.preventDefault();
  event.stopPropagation();
});

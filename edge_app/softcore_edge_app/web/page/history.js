// History: the last 50 parts; a finger or the arrows choose one.
import { $, element, set, symbol, draw } from "./elements.js";
import { clock, say, share } from "./words.js";

export const LENGTH = 50;
const bar = $("history");
const cells = Array.from({ length: LENGTH }, () => {
  const cell = element("span", { class: "none" });
  cell.append(symbol("", "shape"));
  return cell;
});
bar.append(...cells);

let list = []; // as it is drawn, the oldest first
let newest = [];
let at = LENGTH - 1;
let held = false; // it doesn't move under a finger
let choose = () => {};

/** Call `chosen(parts, index)` with the drawn parts, the newest first, when one is chosen. */
export function onChoice(chosen) {
  choose = chosen;
}

export function show(parts) {
  newest = parts.slice(-LENGTH);
  if (!held) paint();
}

function paint() {
  list = newest;
  const empty = LENGTH - list.length;
  cells.forEach((cell, place) => {
    const decision = list[place - empty]?.decision ?? "none";
    if (cell.dataset.decision === decision) return;
    cell.dataset.decision = decision;
    draw(cell.firstElementChild, decision === "none" || decision === "PASS" ? "" : `shape-${decision}`);
  });
  point();
}

function point() {
  const part = list[at - (LENGTH - list.length)];
  cells.forEach((cell, place) => cell.classList.toggle("at", held && place === at));
  set(bar, "aria-label", say("history.label"));
  set(bar, "aria-valuenow", String(at + 1));
  set(bar, "aria-valuetext", part ? `${say(`decision.${part.decision}`)}, ${clock(part.triggered_at)}, ${share(part)}` : say("decision.none"));
}

function hold(place) {
  held = true;
  at = Math.min(LENGTH - 1, Math.max(LENGTH - list.length, place));
  point();
}

function release() {
  held = false;
  at = LENGTH - 1;
  paint();
}

function open() {
  const chosen = list.length - 1 - (at - (LENGTH - list.length));
  if (chosen >= 0 && chosen < list.length) choose([...list].reverse(), chosen);
  release();
}

const place = (event) => {
  const { left, width } = bar.getBoundingClientRect();
  return Math.floor(((event.clientX - left) / width) * LENGTH);
};
bar.addEventListener("pointerdown", (event) => {
  bar.setPointerCapture(event.pointerId);
  hold(place(event));
});
bar.addEventListener("pointermove", (event) => held && bar.hasPointerCapture(event.pointerId) && hold(place(event)));
bar.addEventListener("pointerup", () => held && open());
bar.addEventListener("pointercancel", release);
bar.addEventListener("blur", release);
bar.addEventListener("keydown", (event) => {
  const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -LENGTH, End: LENGTH };
  if (event.key in steps) hold(at + steps[event.key]);
  else if (event.key === "Enter" || event.key === " ") open();
  else if (event.key === "Escape") release();
  else return;
  event.preventDefault();
  event.stopPropagation();
});

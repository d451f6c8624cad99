// Editor: an image enlarged, on which a person marks the patches to exclude.
import { chooseTogether } from "./alike.js";
import { request } from "./api.js";
import { $, count, times, translate } from "./elements.js";
import { grid, heatPath } from "./session.js";
import { showError } from "./summary.js";

const { rows, columns } = grid;
const editor = $("editor");
const cells = []; // by key(row, column)
export let edited = null; // {entry: a card's, patches: their suspicion, marks: a set of keys, before: the same when it was opened}
let current = 0; // the cell in the tab order
let painting = null; // while a button is pressed: true marks, false unmarks
let pointer = ""; // mouse, pen or touch

const key = (row, column) => row * columns + column;

editor.querySelector(".canvas").style.setProperty("--aspect", columns / rows);

for (let row = 0; row < rows; row++) {
  const line = document.createElement("div");
  line.setAttribute("role", "row");
  for (let column = 0; column < columns; column++) {
    const cell = document.createElement("i");
    cell.setAttribute("role", "gridcell");
    cell.dataset.key = key(row, column);
    cells.push(cell);
    line.append(cell);
  }
  $("grid").append(line);
}

/** Open the editor of a card's patches, at the most unusual one. */
export async function openEditor(entry) {
  let patches;
  try {
    patches = (await request("GET", `images/${entry.card.sha256}/patches`)).flat();
  } catch (error) {
    showError(error);
    return;
  }
  const marks = entry.card.marks.map(([row, column]) => key(row, column));
  edited = { entry, patches, marks: new Set(marks), before: new Set(marks) };
  $("editor-title").textContent = entry.card.names[0];
  $("grid").setAttribute("aria-label", translate("Patches of {name}", { name: entry.card.names[0] }));
  showView();
  cells.forEach((_, index) => setMark(index, edited.marks.has(index)));
  cells[current].tabIndex = -1;
  current = patches.indexOf(Math.max(...patches)); // the most unusual
  if (!editor.open) editor.showModal();
  moveTo(current);
}

/** Save what was marked since the editor was opened, before another image is shown in it. */
export function leaveEditor() {
  const { marks, before } = edited;
  const same = marks.size === before.size && [...marks].every((mark) => before.has(mark));
  if (marks.size && !same) saveMarks();
}

function saveMarks() {
  const marks = [...edited.marks].sort((a, b) => a - b).map((index) => [Math.floor(index / columns), index % columns]);
  chooseTogether(edited.entry, "exclude patches", marks);
}

function showView() {
  const { sha256 } = edited.entry.card;
  const view = editor.querySelector("[name=view]:checked").value;
  editor.querySelector(".canvas img").src = view === "heat" ? heatPath(sha256) : `images/${sha256}/crop.jpg`;
}

function setMark(index, marked) {
  if (marked) edited.marks.add(index);
  else edited.marks.delete(index);
  const terms = { row: Math.floor(index / columns) + 1, column: (index % columns) + 1, share: times(edited.patches[index]) };
  const place = translate(marked ? "Row {row}, column {column}: {share}, marked" : "Row {row}, column {column}: {share}", terms);
  cells[index].setAttribute("aria-selected", marked);
  cells[index].setAttribute("aria-label", place);
  if (index === current) describePatch(index);
  const n = edited.marks.size;
  $("marked").textContent = n ? count(n, "{n} patch marked.", "{n} patches marked.") : translate("Nothing is marked.");
  $("apply").textContent = n ? count(n, "Exclude {n} patch", "Exclude {n} patches") : translate("Exclude patches");
  $("apply").disabled = !n;
}

function describePatch(index) {
  $("place").textContent = `${cells[index].getAttribute("aria-label")}.`;
}

function moveTo(index) {
  cells[current].tabIndex = -1;
  current = index;
  cells[current].tabIndex = 0;
  cells[current].focus();
  describePatch(current);
}

$("grid").addEventListener("keydown", (event) => {
  const row = Math.floor(current / columns);
  const column = current % columns;
  const steps = {
    ArrowLeft: [row, Math.max(0, column - 1)],
    ArrowRight: [row, Math.min(columns - 1, column + 1)],
    ArrowUp: [Math.max(0, row - 1), column],
    ArrowDown: [Math.min(rows - 1, row + 1), column],
    Home: [event.ctrlKey ? 0 : row, 0],
    End: [event.ctrlKey ? rows - 1 : row, columns - 1],
  };
  if (event.key === " " || event.key === "Enter") setMark(current, !edited.marks.has(current));
  else if (event.key in steps) {
    const marked = edited.marks.has(current);
    moveTo(key(...steps[event.key]));
    if (event.shiftKey) setMark(current, marked);
  } else return;
  event.preventDefault();
});
const cellOf = (event) => Number(event.target.closest?.("[data-key]")?.dataset.key ?? NaN);
$("grid").addEventListener("pointerdown", (event) => {
  pointer = event.pointerType;
  const index = cellOf(event);
  if (pointer === "touch" || event.button !== 0 || Number.isNaN(index)) return; // a touch may scroll
  painting = !edited.marks.has(index);
  moveTo(index);
  setMark(index, painting);
  event.preventDefault();
});
$("grid").addEventListener("pointerover", (event) => {
  const index = cellOf(event);
  if (Number.isNaN(index)) return;
  if (painting === null) describePatch(index);
  else {
    moveTo(index);
    setMark(index, painting);
  }
});
$("grid").addEventListener("pointerleave", () => describePatch(current));
window.addEventListener("pointerup", () => (painting = null));
window.addEventListener("pointercancel", () => (painting = null));
$("grid").addEventListener("click", (event) => {
  const index = cellOf(event);
  // A mouse has marked on pointerdown already; detail is 0 for clicks of assistive technology.
  if (Number.isNaN(index) || (pointer !== "touch" && event.detail > 0)) return;
  moveTo(index);
  setMark(index, !edited.marks.has(index));
});
$("reset").addEventListener("click", () => cells.forEach((_, index) => setMark(index, edited.patches[index] > 1)));
$("clear").addEventListener("click", () => cells.forEach((_, index) => setMark(index, false)));
$("apply").addEventListener("click", () => {
  editor.close();
  saveMarks();
});
for (const radio of editor.querySelectorAll("[name=view]")) radio.addEventListener("change", showView);
editor.querySelector("[name=marks]").addEventListener("change", (event) => editor.classList.toggle("bare", !event.target.checked));
editor.querySelector("[name=larger]").addEventListener("change", (event) => {
  editor.classList.toggle("larger", event.target.checked);
  const sheet = editor.querySelector(".sheet");
  const cell = cells[current];
  sheet.scrollTo(cell.offsetLeft - sheet.clientWidth / 2, cell.offsetTop - sheet.clientHeight / 2);
});

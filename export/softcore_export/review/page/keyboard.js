// Keyboard: goes through the images and decides on them, on the page and in the editor.
import { chooseTogether, openAlike } from "./alike.js";
import { findEntry, findMembers } from "./cards.js";
import { choose } from "./choices.js";
import { edited, leaveEditor, openEditor } from "./editor.js";
import { $ } from "./elements.js";
import { extendList } from "./list.js";
import { refresh } from "./refresh.js";
import { clearSelection, listSelected, select } from "./selection.js";
import { turnView } from "./view.js";

const ACTIONS = { g: "keep", b: "exclude", u: "" }; // good, bad, undecided
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };
const ROWS = { ArrowDown: 1, ArrowUp: -1 };
const TURNS = { PageDown: 1, PageUp: -1 };

/** Return the card that has the focus, or is open in the editor; or the end of the queue. */
function findCurrent() {
  if ($("editor").open) return edited?.entry.element ?? null;
  return document.activeElement.closest(".card, #rest");
}

/** Return the card where a person begins: the first that is undecided. */
const findFirst = () => $("cards").querySelector(".card[data-choice='']") ?? $("cards").firstElementChild ?? $("rest");

/** Return the card before or after one; past the last, the first of those that are still to be listed, or the end. */
async function findNeighbour(element, step) {
  if (element === null) return findFirst();
  if (element === $("rest")) return step < 0 ? $("cards").lastElementChild : null;
  const next = step > 0 ? element.nextElementSibling : element.previousElementSibling;
  if (next || step < 0) return next;
  await extendList();
  return element.nextElementSibling ?? ($("rest").hidden ? null : $("rest"));
}

/** Return the card below or above one, or the last that there is on the way. */
async function findBelow(element, step) {
  if (element === null || element === $("rest")) return findNeighbour(element, step);
  let next = element;
  for (;;) {
    const after = await findNeighbour(next, step);
    if (after === null || after === $("rest")) return next === element || next.offsetTop === element.offsetTop ? after : next;
    next = after;
    if (step > 0 ? next.offsetTop > element.offsetTop && next.offsetLeft >= element.offsetLeft : next.offsetTop < element.offsetTop && next.offsetLeft <= element.offsetLeft)
      return next;
  }
}

/** Go to a card: in the editor it is opened there, on the page it gets the focus. */
async function goTo(element) {
  if (!element) return;
  if (element === $("rest")) {
    if ($("editor").open) $("editor").close();
    $("rest-export").focus();
  } else if ($("editor").open) await openEditor(findEntry(element));
  else {
    element.querySelector(".pair").focus();
    element.scrollIntoView({ block: "nearest" });
  }
}

async function turn(step) {
  const element = findCurrent();
  leaveEditor(); // keeps what was marked
  await goTo(await findNeighbour(element, step));
}

/** Move on the page; with Shift the cards at both ends are selected. */
async function move(element, next, shift) {
  const isCard = (found) => found?.classList.contains("card");
  if (shift && isCard(element) && isCard(next)) for (const end of [element, next]) select(end, true);
  await goTo(next);
}

/** Decide on the selected cards, or else on the current one, and go on to the next. */
async function decide(element, action) {
  const selected = $("editor").open ? [] : listSelected();
  const entry = element && findEntry(element);
  if (!selected.length && !entry) return;
  if (!selected.length) chooseTogether(entry, action);
  else choose(selected.flatMap(findMembers), action);
  clearSelection();
  await goTo(await findNeighbour(selected.at(-1)?.element ?? element, 1));
}

document.addEventListener("keydown", async (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const editing = $("editor").open;
  if (!editing && document.querySelector("dialog[open]")) return;
  if (event.target.matches("input:not([type=checkbox], [type=radio]), select")) return; // a person types, or changes the list
  if (event.target.matches("[type=radio]") && (event.key in STEPS || event.key in ROWS)) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const element = findCurrent();
  const card = element?.classList.contains("card");
  const onImage = event.target.matches(".pair");
  let act = null;
  if (editing && key in TURNS) act = () => turn(TURNS[key]);
  else if (key in ACTIONS) act = () => decide(element, ACTIONS[key]);
  else if (!editing) {
    if (key in STEPS) act = async () => move(element, await findNeighbour(element, STEPS[key]), event.shiftKey);
    else if (key in ROWS) act = async () => move(element, await findBelow(element, ROWS[key]), event.shiftKey);
    else if (key === " " && onImage) act = () => select(element);
    else if (key === "Escape") act = clearSelection;
    else if (key === "l" && card) act = () => openAlike(findEntry(element));
    else if (key === "e") act = () => $("export").click();
    else if (key === "n" && !$("renew").hidden) act = () => $("renew").click();
    else if (key === "v") act = turnView;
  }
  if (act === null) return;
  event.preventDefault();
  await act();
});
// Some browsers press a button when Space is released.
document.addEventListener("keyup", (event) => event.key === " " && event.target.matches?.(".pair") && event.preventDefault());

$("editor-previous").addEventListener("click", () => turn(-1));
$("editor-next").addEventListener("click", () => turn(1));
$("editor").addEventListener("close", () => refresh()); // an export may have ended meanwhile

// After a click on a filter the arrows go through the images, not through the filters; Tab still leads to these.
document.querySelector(".filters").addEventListener("click", (event) => {
  const { activeElement } = document;
  if (event.detail > 0 && activeElement.matches("input[type=radio]")) activeElement.blur();
});

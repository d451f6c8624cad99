// Keyboard: goes through the images and decides on them, on the page and in the editor.
import { cards } from "./cards.js";
import { choose } from "./choices.js";
import { edited, leaveEditor, openEditor } from "./editor.js";
import { $ } from "./elements.js";
import { refresh } from "./refresh.js";

const ACTIONS = { g: "keep", b: "exclude", u: "" }; // good, bad, undecided
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
const TURNS = { PageDown: 1, PageUp: -1 };

/** Return the card that has the focus, or is open in the editor. */
function findCurrent() {
  if ($("editor").open) return edited?.entry.element ?? null;
  return document.activeElement.closest(".card");
}

const findEntry = (element) => [...cards.values()].find((entry) => entry.element === element);

/** Return the card before or after one; past the last, the first of those that are still to be listed. */
async function findNeighbour(element, step) {
  if (element === null) return $("cards").firstElementChild;
  const next = step > 0 ? element.nextElementSibling : element.previousElementSibling;
  if (next || step < 0 || $("more").hidden) return next;
  $("more").click();
  for (let tries = 0; tries < 100 && !element.nextElementSibling; tries++) await new Promise((done) => setTimeout(done, 30));
  return element.nextElementSibling;
}

/** Go on by a step: in the editor to another image, on the page with the focus. */
async function go(element, step) {
  const next = await findNeighbour(element, step);
  if (!next) return;
  if ($("editor").open) await openEditor(findEntry(next));
  else {
    next.querySelector(".pair").focus();
    next.scrollIntoView({ block: "nearest" });
  }
}

async function turn(step) {
  const element = findCurrent();
  leaveEditor(); // keeps what was marked
  await go(element, step);
}

document.addEventListener("keydown", async (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const editing = $("editor").open;
  if (!editing && document.querySelector("dialog[open]")) return;
  if (event.target.matches("input:not([type=checkbox]), textarea")) return; // a person types, or changes the list
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const element = findCurrent();
  if (editing && key in TURNS) {
    event.preventDefault();
    await turn(TURNS[key]);
  } else if (!editing && key in STEPS) {
    event.preventDefault();
    await go(element, STEPS[key]);
  } else if (key in ACTIONS && element) {
    event.preventDefault();
    const entry = findEntry(element);
    if (!entry) return;
    choose(entry.card, ACTIONS[key], []);
    await go(element, 1);
  }
});

$("editor-previous").addEventListener("click", () => turn(-1));
$("editor-next").addEventListener("click", () => turn(1));
$("editor").addEventListener("close", () => refresh()); // an export may have ended meanwhile

// After a click on a filter the arrows go through the images, not through the filters; Tab still leads to these.
document.querySelector(".filters").addEventListener("click", (event) => {
  const { activeElement } = document;
  if (event.detail > 0 && activeElement.matches("input[type=radio]")) activeElement.blur();
});

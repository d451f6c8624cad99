// List: which cards are on the page, and in which order: the filters, the button for more, and the end of the queue.
import { openAlike, chooseTogether } from "./alike.js";
import { Unreachable } from "./api.js";
import { appendCard, cards, fetchPage } from "./cards.js";
import { openEditor } from "./editor.js";
import { $, count, formatNumber, translate } from "./elements.js";
import { refresh } from "./refresh.js";
import { tellSelected } from "./selection.js";
import { session } from "./session.js";
import { showError } from "./summary.js";

const BATCH = 48; // cards
const TYPING = 200; // milliseconds without a key before a name is searched
const ORDERS = {
  worth: "{listed} of {all}, the one most worth a look first.",
  suspicion: "{listed} of {all}, most suspect first.",
  name: "{listed} of {all}, by name.",
};
const NONE = {
  worth: "No image that is worth a look has “{name}” in its name.",
  suspects: "No suspect has “{name}” in its name.",
  all: "No image has “{name}” in its name.",
  chosen: "No image with a choice has “{name}” in its name.",
};
const filters = document.querySelector(".filters");
const handlers = { open: openEditor, choose: chooseTogether, openAlike };
let generation = 0; // of the list: an answer to an older request is dropped
let listed = 0; // cards of the list; those alike that were opened come in addition

/** List the first cards, in place of those on the page. */
export const startList = () => listCards(BATCH, true);

/** List the next cards: those there were before, and those that the answers have made worth a look. */
export async function extendList() {
  if ($("more").hidden && $("rest").hidden) return;
  await session.saving; // the last answer counts
  await listCards(listed + BATCH, false);
}

const findFilter = () => filters.querySelector("[name=show]:checked").value;

async function listCards(limit, fresh) {
  const mine = ++generation;
  let page;
  try {
    page = await fetchPage(limit);
  } catch (error) {
    if (error instanceof Unreachable) await refresh();
    else showError(error);
    return;
  }
  if (mine !== generation) return;
  if (fresh) {
    cards.clear();
    $("cards").replaceChildren();
    $("renew").hidden = true;
    tellSelected();
  }
  const queue = findFilter() === "worth";
  const last = $("cards").lastElementChild;
  for (const card of page.cards) appendCard(card, handlers, queue ? card.alike : []); // existing cards stay unchanged
  listed = page.cards.length;
  const left = page.total - listed;
  $("more").hidden = left <= 0;
  $("more").textContent = translate("Show {n} more, of {left}", { n: Math.min(BATCH, left), left: formatNumber(left) });
  $("rest").hidden = !queue || left > 0;
  const order = ORDERS[filters.querySelector("[name=order]").value];
  const terms = { listed: formatNumber(listed), all: count(page.total, "{n} image", "{n} images") };
  $("found").textContent = page.total ? translate(order, terms) : describeNone();
  return last ? last.nextElementSibling : $("cards").firstElementChild;
}

function describeNone() {
  const name = filters.querySelector("[name=name]").value.trim();
  const filter = findFilter();
  if (name) return translate(NONE[filter], { name });
  if (filter === "worth") return translate("No image is worth a look.");
  return filter === "suspects"
    ? translate("No image is above the threshold. Look at all images to see the most unusual ones.")
    : translate("You have made no choice yet.");
}

/** Choose a filter as a person would. */
function showOnly(filter) {
  filters.querySelector(`[name=show][value=${filter}]`).checked = true;
  return startList();
}

async function renew() {
  await startList();
  ($("cards").querySelector(".pair") ?? $("rest-export")).focus();
}

// An export queues the images anew. Where a person is in the midst of the old queue, it stays until it is wanted.
document.addEventListener("exported", async () => {
  if (findFilter() !== "worth") return;
  const undecided = [...cards.values()].some(({ card }) => !card.choice);
  if (undecided || $("editor").open) {
    $("renew").hidden = false;
    $("renew").textContent = translate("The export has queued the images anew: show {n} (N)", { n: formatNumber(session.state.cards.worth) });
  } else if ($("rest").contains(document.activeElement)) await renew();
  else await startList();
});
$("renew").addEventListener("click", renew);
$("rest-export").addEventListener("click", () => $("export").click());
$("rest-all").addEventListener("click", async () => {
  await showOnly("all");
  $("cards").querySelector(".pair")?.focus();
});

$("more").addEventListener("click", async () => {
  const first = await listCards(listed + BATCH, false);
  first?.querySelector(".pair").focus(); // the first new card
});

let typing;
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("change", (event) => {
  if (!["show", "order"].includes(event.target.name)) return;
  clearTimeout(typing); // else the text typed just before would list again
  startList();
});
filters.addEventListener("input", (event) => {
  if (event.target.name !== "name") return;
  clearTimeout(typing);
  typing = setTimeout(startList, TYPING);
});

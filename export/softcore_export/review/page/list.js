// List: which cards are on the page: the filters, and the button for more.
import { Unreachable } from "./api.js";
import { appendCard, cards, fetchPage } from "./cards.js";
import { choose } from "./choices.js";
import { openEditor } from "./editor.js";
import { $, count } from "./elements.js";
import { refresh } from "./refresh.js";
import { showError } from "./summary.js";

const BATCH = 48; // cards
const TYPING = 200; // milliseconds without a key before a name is searched
const filters = document.querySelector(".filters");
let generation = 0; // of the list: an answer to an older request is dropped

/** List the first cards, in place of those on the page. */
export const startList = () => listCards(BATCH, true);

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
  }
  const fewer = $("cards").childElementCount;
  for (const card of page.cards) appendCard(card, { open: openEditor, choose }); // existing cards stay unchanged
  const first = $("cards").children[fewer];
  const left = page.total - page.cards.length;
  $("more").hidden = left <= 0;
  $("more").textContent = `Show ${Math.min(BATCH, left)} more, of ${left.toLocaleString("en")}`;
  $("found").textContent = page.total
    ? `${page.cards.length.toLocaleString("en")} of ${count(page.total, "image")}, most suspect first.`
    : describeNone();
  return first;
}

function describeNone() {
  const name = filters.querySelector("[name=name]").value.trim();
  const filter = filters.querySelector("[name=show]:checked").value;
  if (name) return `No ${filter === "all" ? "image" : filter === "suspects" ? "suspect" : "image with a choice"} has “${name}” in its name.`;
  return filter === "suspects"
    ? "No image is above the threshold. Look at all images to see the most unusual ones."
    : "You have made no choice yet.";
}

$("more").addEventListener("click", async () => {
  const first = await listCards(cards.size + BATCH, false);
  first?.querySelector(".pair").focus(); // the first new card
});

let typing;
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("change", (event) => {
  if (event.target.name !== "show") return;
  clearTimeout(typing); // else the text typed just before would list again
  startList();
});
filters.addEventListener("input", (event) => {
  if (event.target.name !== "name") return;
  clearTimeout(typing);
  typing = setTimeout(startList, TYPING);
});

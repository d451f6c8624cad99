// Cards: what the page shows of each image, and how it follows the server.
import { request } from "./api.js";
import { $, count, setText, times } from "./elements.js";
import { heatPath, session } from "./session.js";
import { showError } from "./summary.js";

const CHOSEN = { keep: "keep all of it", exclude: "exclude the image" };

/** The cards on the page, by SHA-256: {card, element}. */
export const cards = new Map();

/**
 * Append an image's card, unless it is there already.
 * Calls `open(entry)` when a person enlarges it, and `choose(card, action, marks)` when one chooses.
 */
export function appendCard(card, { open, choose }) {
  if (cards.has(card.sha256)) return;
  const element = $("card").content.firstElementChild.cloneNode(true);
  const entry = { card, element };
  cards.set(card.sha256, entry);
  const name = card.names[0];
  element.classList.toggle("above", card.suspicion > 1);
  element.querySelector("h3").textContent = name;
  element.querySelector(".share").textContent = times(card.suspicion);
  element.querySelector(".place").textContent = card.suspicion > 1 ? "suspect" : "below the threshold";
  const same = element.querySelector(".same");
  same.hidden = card.names.length === 1;
  same.textContent = `Also in the folder, with the same content: ${card.names.slice(1, 4).join(", ")}${card.names.length > 4 ? ` and ${card.names.length - 4} more` : ""}.`;
  const pair = element.querySelector(".pair");
  pair.setAttribute("aria-label", `Enlarge ${name} and mark patches`);
  pair.title = "Enlarge, and mark patches";
  pair.addEventListener("click", () => pair.classList.contains("gone") || open(entry));
  for (const image of pair.querySelectorAll("img")) image.addEventListener("error", () => showGone(pair));
  pair.querySelector("img").src = `images/${card.sha256}/crop.jpg`;
  element.querySelector(".choices").setAttribute("aria-label", `What to do with ${name}`);
  element.querySelector(".choices").addEventListener("click", (event) => {
    const action = event.target.closest("button")?.dataset.action;
    if (action === undefined) return;
    if (action === "exclude patches" && !entry.card.marks.length) open(entry);
    else choose(entry.card, action, entry.card.marks);
  });
  fillCard(entry, card);
  $("cards").append(element);
}

function showGone(pair) {
  pair.classList.add("gone");
  pair.querySelector("span > span").textContent = "This image can no longer be read.";
  pair.querySelectorAll("span > span")[1].textContent = "";
}

/** Show in a card what changes: the heat map, what the last export did, and the choice. */
export function fillCard(entry, card) {
  const { element } = entry;
  entry.card = card;
  const heat = heatPath(card.sha256);
  const image = element.querySelectorAll(".pair img")[1];
  if (image.getAttribute("src") !== heat) image.src = heat;
  element.querySelector(".did").textContent = `Last export: ${card.did}.`;
  const action = card.choice?.action ?? "";
  for (const button of element.querySelectorAll(".choices button")) button.setAttribute("aria-pressed", button.dataset.action === action);
  element.querySelector("[data-action='exclude patches']").textContent = card.marks.length
    ? `Exclude ${count(card.marks.length, "marked patch", "marked patches")}`
    : "Mark patches to exclude…";
  const message = element.querySelector(".told");
  setText(message, describeChoice(card));
  message.className = `told${card.pending ? " pending" : card.choice ? "" : " none"}`;
}

function describeChoice(card) {
  if (!card.choice)
    return card.pending
      ? "The export decides. Saved, but the bundle still follows your earlier choice."
      : "The export decides.";
  const chosen = CHOSEN[card.choice.action] ?? `exclude ${count(card.marks.length, "patch", "patches")}, keep the others`;
  return `Your choice: ${chosen}. ${card.pending ? "Saved, not in the bundle yet." : "Saved, and in the bundle."}`;
}

function listPath(limit) {
  const form = new FormData(document.querySelector(".filters"));
  return `images?${new URLSearchParams({ show: form.get("show"), name: form.get("name"), limit })}`;
}

/**
 * Fetch the first cards of the list, as the filters are set.
 * An answer to a request from before a choice was saved may lack that choice, so it is requested again.
 */
export async function fetchPage(limit) {
  let page, before;
  do {
    before = session.saves;
    page = await request("GET", listPath(limit));
  } while (before !== session.saves);
  return page;
}

/** Update the cards in their places, after an export. */
export async function refreshCards() {
  const shown = [...cards.keys()];
  if (!shown.length) return;
  try {
    const page = await fetchPage(shown.length);
    for (const card of page.cards) if (cards.has(card.sha256)) fillCard(cards.get(card.sha256), card);
    // A card whose choice was removed stays on the page, although its filter no longer lists it.
    const found = new Set(page.cards.map((card) => card.sha256));
    for (const own of shown.filter((sha256) => !found.has(sha256))) fillCard(cards.get(own), await request("GET", `images/${own}`));
  } catch (error) {
    showError(error);
  }
}

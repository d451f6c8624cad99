// Cards: what the page shows of each image, and how it follows the server.
import { request } from "./api.js";
import { $, count, setText, times, translate } from "./elements.js";
import { heatPath, session } from "./session.js";
import { showError } from "./summary.js";

const CHOSEN = { keep: "keep all of it", exclude: "exclude the image" };
const ANSWERS = { keep: "Good", exclude: "Bad", "exclude patches": "Bad patches" };
const SMALL_IMAGES = 8; // of those alike

/** The cards on the page, by SHA-256: {card, element, alike, handlers}. */
export const cards = new Map();

/** Return the entry whose card an element is. */
export const findEntry = (element) => [...cards.values()].find((entry) => entry.element === element);

/** Return the images that a choice on a card holds for: its own, and those alike that it stands for. */
export const findMembers = ({ card, alike }) => [card.sha256, ...alike.map(({ sha256 }) => sha256)];

/**
 * Append an image's card, or put it after another element, unless it is there already.
 * Calls `open(entry)` when a person enlarges it, `choose(entry, action)` when one chooses, and
 * `openAlike(entry)` when those alike are to be shown; `alike` are the images for which it stands.
 */
export function appendCard(card, handlers, alike, after = null) {
  if (cards.has(card.sha256)) return;
  const { open, choose, openAlike } = handlers;
  const element = $("card").content.firstElementChild.cloneNode(true);
  const entry = { card, element, alike, handlers };
  cards.set(card.sha256, entry);
  const name = card.names[0];
  element.classList.toggle("above", card.suspicion > 1);
  element.querySelector("h3").textContent = name;
  element.querySelector("h3").title = name;
  element.querySelector(".share").textContent = times(card.suspicion);
  element.querySelector(".place").textContent = translate(card.suspicion > 1 ? "suspect" : "below the threshold");
  element.querySelector(".pick input").setAttribute("aria-label", translate("Select {name}", { name }));
  element.querySelector(".pick input").addEventListener("change", (event) => element.classList.toggle("selected", event.target.checked));
  const same = element.querySelector(".same");
  same.hidden = card.names.length === 1;
  const more = card.names.length > 4 ? ` ${translate("and {whole} more", { whole: card.names.length - 4 })}` : "";
  same.textContent = translate("Also in the folder, with the same content: {names}.", { names: card.names.slice(1, 4).join(", ") + more });
  const pair = element.querySelector(".pair");
  pair.setAttribute("aria-label", translate("Enlarge {name} and mark patches", { name }));
  pair.title = translate("Enlarge, and mark patches");
  pair.addEventListener("click", () => pair.classList.contains("gone") || open(entry));
  for (const image of pair.querySelectorAll("img")) image.addEventListener("error", () => showGone(pair));
  pair.querySelector("img").src = `images/${card.sha256}/crop.jpg`;
  element.querySelector(".choices").setAttribute("aria-label", translate("What to do with {name}", { name }));
  element.querySelector(".choices").addEventListener("click", (event) => {
    const action = event.target.closest("button")?.dataset.action;
    if (action === undefined) return;
    if (action === "exclude patches" && !entry.card.marks.length) open(entry);
    else choose(entry, action);
  });
  element.querySelector(".alike button").addEventListener("click", () => openAlike(entry));
  showAlike(entry);
  fillCard(entry, card);
  if (after) after.after(element);
  else $("cards").append(element);
}

function showGone(pair) {
  pair.classList.add("gone");
  pair.querySelector("span > span").textContent = translate("This image can no longer be read.");
  pair.querySelectorAll("span > span")[1].textContent = "";
}

/** Show the images for which a card stands, small. */
export function showAlike({ element, alike }) {
  const strip = element.querySelector(".alike");
  strip.hidden = !alike.length;
  strip.querySelector("b").textContent = translate("And {n} like it.", { n: alike.length });
  strip.querySelector("div").replaceChildren(
    ...alike.slice(0, SMALL_IMAGES).map(({ sha256, name }) => {
      const image = new Image(48, 48);
      Object.assign(image, { loading: "lazy", alt: name, title: name, src: `images/${sha256}/crop.jpg` });
      return image;
    }),
  );
}

/** Show in a card what changes: the heat map, what the last export did, and the choice. */
export function fillCard(entry, card) {
  const { element } = entry;
  entry.card = card;
  const heat = heatPath(card.sha256);
  const image = element.querySelectorAll(".pair img")[1];
  if (image.getAttribute("src") !== heat) image.src = heat;
  element.querySelector(".did").textContent = translate("Last export: {did}.", { did: card.did });
  const action = card.choice?.action ?? "";
  element.dataset.choice = action;
  element.querySelector(".answer").textContent = action in ANSWERS ? translate(ANSWERS[action]) : "";
  for (const button of element.querySelectorAll(".choices button")) button.setAttribute("aria-pressed", button.dataset.action === action);
  element.querySelector("[data-action='exclude patches']").textContent = card.marks.length
    ? count(card.marks.length, "Exclude {n} marked patch", "Exclude {n} marked patches")
    : translate("Mark patches to exclude…");
  const message = element.querySelector(".told");
  setText(message, describeChoice(entry));
  message.className = `told${card.pending ? " pending" : card.choice ? "" : " none"}`;
}

function describeChoice({ card, alike }) {
  if (!card.choice)
    return card.pending
      ? translate("The export decides. Saved, but the bundle still follows your earlier choice.")
      : translate("The export decides.");
  const marked = count(card.marks.length, "exclude {n} patch, keep the others", "exclude {n} patches, keep the others");
  const others = alike.length ? translate("; the same for {n} like it", { n: alike.length }) : "";
  const chosen = card.choice.action in CHOSEN ? translate(CHOSEN[card.choice.action]) : marked;
  const saved = translate(card.pending ? "Saved, not in the bundle yet." : "Saved, and in the bundle.");
  return `${translate("Your choice: {choice}.", { choice: chosen + others })} ${saved}`;
}

function listPath(limit) {
  const form = new FormData(document.querySelector(".filters"));
  return `images?${new URLSearchParams({ show: form.get("show"), order: form.get("order"), name: form.get("name"), limit })}`;
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
    // A card that its filter no longer lists stays on the page, where the person is working.
    const found = new Set(page.cards.map((card) => card.sha256));
    for (const own of shown.filter((sha256) => !found.has(sha256))) fillCard(cards.get(own), await request("GET", `images/${own}`));
  } catch (error) {
    showError(error);
  }
}

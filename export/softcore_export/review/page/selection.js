// Selection: the cards that the next key decides on together.
import { findEntry } from "./cards.js";
import { $, count } from "./elements.js";

const findSelected = () => [...$("cards").querySelectorAll(".selected")];

/** Select a card, or no longer; without `on` the other way round. */
export function select(element, on = !element.classList.contains("selected")) {
  element.classList.toggle("selected", on);
  element.querySelector(".pick input").checked = on;
  tellSelected();
}

export function clearSelection() {
  for (const element of findSelected()) select(element, false);
}

/** Return the entries of the selected cards, in the order of the page. */
export const listSelected = () => findSelected().map(findEntry);

/** Say how many cards are selected. */
export function tellSelected() {
  const n = findSelected().length;
  $("selected").hidden = !n;
  $("selected").textContent = count(n, "{n} image selected: G good, B bad or U undecided, Esc for none.", "{n} images selected: G good, B bad or U undecided for all of them, Esc for none.");
}

$("cards").addEventListener("change", (event) => event.target.matches(".pick input") && tellSelected());
$("cards").addEventListener(
  "click",
  (event) => {
    const element = event.target.closest(".card");
    if (!element || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    event.stopPropagation(); // it would enlarge the image
    select(element);
  },
  { capture: true },
);

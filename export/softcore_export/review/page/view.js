// View: cards with all they say, or many images at once, or many heat maps.
import { $ } from "./elements.js";

const views = [...document.querySelectorAll(".filters [name=view]")];

function show() {
  const view = views.find((radio) => radio.checked).value;
  $("cards").classList.toggle("small", view !== "large");
  $("cards").classList.toggle("heat", view === "heat");
  document.activeElement.closest(".card")?.scrollIntoView({ block: "nearest" });
}

/** Show the next of the views. */
export function turnView() {
  const now = views.findIndex((radio) => radio.checked);
  views[(now + 1) % views.length].checked = true;
  show();
}

for (const radio of views) radio.addEventListener("change", show);

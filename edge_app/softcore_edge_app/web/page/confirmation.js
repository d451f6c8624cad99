// Confirmation: ask before a change, and show the error if it fails.
import { $, element, setText, showMessage } from "./elements.js";

/** Ask a person to confirm; resolves to whether they did. What is `dangerous` is asked in red. */
export function confirmChange(title, text, yes, { dangerous = false, turned = false, figures = [] } = {}) {
  const dialog = $("confirmation");
  setText($("confirmation-title"), title);
  setText(dialog.querySelector("p"), text);
  setText(dialog.querySelector(".primary"), yes);
  dialog.classList.toggle("dangerous", dangerous);
  dialog.classList.toggle("turned", turned); // so that two touches at one place don't answer two questions
  dialog.querySelector("dl").replaceChildren(...figures.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}

/** Do something with the line, and show its error, if any, in `place`. */
export async function showErrors(place, act) {
  try {
    await act();
  } catch (error) {
    showMessage(place, error.message, true);
  }
}

// Confirmation: ask before a change, and show the error if it fails.
import { $, setText, showMessage } from "./elements.js";

/** Ask a person to confirm; resolves to whether they did. */
export function confirmChange(title, text, yes) {
  const dialog = $("confirmation");
  setText($("confirmation-title"), title);
  setText(dialog.querySelector("p"), text);
  setText(dialog.querySelector(".primary"), yes);
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

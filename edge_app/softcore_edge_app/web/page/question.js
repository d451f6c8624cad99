// Question: asking a person whether it is meant, and saying how it went.
import { $, report, write } from "./elements.js";

/** Ask a person whether it is meant. */
export function sure(title, text, yes) {
  const dialog = $("sure");
  write($("sure-title"), title);
  write(dialog.querySelector("p"), text);
  write(dialog.querySelector(".primary"), yes);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}

/** Do something with the line, and say under it how it went. */
export async function attempt(place, act) {
  try {
    await act();
  } catch (error) {
    report(place, error.message, true);
  }
}

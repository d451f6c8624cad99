// Refresh: follows the server's state; after an export the cards, too.
import { request, Unreachable } from "./api.js";
import { refreshCards } from "./cards.js";
import { translate } from "./elements.js";
import { session } from "./session.js";
import { endReview, showError, showSummary } from "./summary.js";

/** Request the state, and show it; the review has ended if nothing answers. */
export async function refresh() {
  if (session.ended) return;
  try {
    await showState(await request("GET", "state"));
  } catch (error) {
    if (error instanceof Unreachable) endReview(translate("The review has ended"), translate("It was ended in the terminal, or its machine can't be reached. Reload the page to try again."));
    else showError(error);
  }
}

/** Show a state of the server; if an export has ended since the last one, update the cards. */
export async function showState(next) {
  const exported = session.state !== null && next.exports !== session.state.exports;
  session.state = next;
  session.looks ??= next.looks;
  showSummary(next);
  // The images were looked at within another region: grid, estimate and cards are others.
  if (next.looks !== session.looks && !document.querySelector("dialog[open]")) return location.reload();
  if (!exported) return;
  await refreshCards();
  document.dispatchEvent(new Event("exported"));
}

let clock;

/** Refresh after a number of milliseconds, and then again and again; more often while an export is running. */
export function poll(wait) {
  clearTimeout(clock);
  clock = setTimeout(async () => {
    if (!document.hidden || session.state?.running !== null) await refresh();
    if (!session.ended) poll(session.state?.running != null ? 500 : 5000);
  }, wait);
}

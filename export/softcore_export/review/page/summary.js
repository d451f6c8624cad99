// Summary: the numbers at the top of the page, the bar at its bottom, and the message at its end.
import { $, count, formatNumber, setText, translate } from "./elements.js";
import { session } from "./session.js";

const FILTERS = ["worth", "suspects", "all", "chosen"];

/** Show a state of the server. */
export function showSummary(state) {
  for (const filter of FILTERS) $(`count-${filter}`).textContent = formatNumber(state.cards[filter]);
  $("suspects").textContent = formatNumber(state.cards.suspects);
  $("chosen").textContent = formatNumber(state.cards.chosen);
  $("threshold").textContent = state.threshold;
  $("excluded").textContent = state.excluded;
  $("inspected").textContent = state.region;
  const over = !state.undecided && state.cards.worth ? ` ${translate("No more images are worth a look.")}` : "";
  setText($("looked"), state.estimate && state.estimate + over);
  $("looked").hidden = !state.estimate;

  const running = state.running !== null;
  $("progress").hidden = !running;
  for (const button of [$("export"), $("finish"), $("rest-export")]) button.setAttribute("aria-disabled", running);
  $("export").textContent = translate(running ? "Exporting…" : "Export again");
  $("rest-export").textContent = translate(running ? "Exporting…" : "Export now"); // not the same words: they are told apart by name
  setText($("rest-title"), state.undecided ? count(state.undecided, "{n} image that is worth a look is undecided", "{n} images that are worth a look are undecided") : translate("No more images are worth a look"));
  setText($("rest-told"), state.rest);
  // Only texts that have changed are set, so that a screen reader does not repeat them.
  setText($("outcome"), describeOutcome(state));
  $("outcome").classList.toggle("bad", !running && state.failed);
  setText(
    $("pending"),
    state.pending
      ? `${countPending(state)}${state.region_pending ? ` ${translate("The region has changed: the export will look at all images again.")}` : ""}`
      : translate("The bundle follows all your choices."),
  );
  $("pending").hidden = running;
}

function describeOutcome(state) {
  const terms = { seconds: formatNumber(Math.floor(state.running ?? 0)), usual: formatNumber(Math.ceil(state.usual ?? 0)) };
  if (state.running !== null && state.looking)
    return translate("Exporting again: {seconds} s. All images are looked at again, within the region.", terms);
  if (state.running !== null)
    return state.usual === null
      ? translate("Exporting again: {seconds} s. The features are taken over, not computed anew.", terms)
      : translate("Exporting again: {seconds} s, of some {usual} s. The features are taken over, not computed anew.", terms);
  return state.failed
    ? translate("The export failed: {fault}. The bundle is as it was, your choices are saved.", { fault: state.outcome })
    : state.outcome;
}

/** Return a sentence on the choices that the bundle does not follow yet. */
export const countPending = ({ pending }) =>
  count(pending, "{n} change of your choices is saved, but not in the bundle yet.", "{n} changes of your choices are saved, but not in the bundle yet.");

/** Show an error in the place of the last export's outcome. */
export function showError(error) {
  setText($("outcome"), `${error.message}.`);
  $("outcome").classList.add("bad");
}

/** Cover the page with its last message; nothing can be done on it any more. */
export function endReview(title, text) {
  session.ended = true;
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  $("end-title").textContent = title;
  $("end-text").textContent = text;
  $("end").showModal();
  document.title = title;
}

$("end").addEventListener("cancel", (event) => event.preventDefault());

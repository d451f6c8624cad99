// Summary: the numbers at the top of the page, the bar at its bottom, and the message at its end.
import { $, count, setText } from "./elements.js";
import { session } from "./session.js";

const FILTERS = ["worth", "suspects", "all", "chosen"];

/** Show a state of the server. */
export function showSummary(state) {
  for (const filter of FILTERS) $(`count-${filter}`).textContent = state.cards[filter].toLocaleString("en");
  $("suspects").textContent = state.cards.suspects.toLocaleString("en");
  $("chosen").textContent = state.cards.chosen.toLocaleString("en");
  $("threshold").textContent = state.threshold;
  $("excluded").textContent = state.excluded;
  $("inspected").textContent = state.region;
  const over = !state.undecided && state.cards.worth ? " No more images are worth a look." : "";
  setText($("looked"), state.estimate && state.estimate + over);
  $("looked").hidden = !state.estimate;

  const running = state.running !== null;
  $("progress").hidden = !running;
  for (const button of [$("export"), $("finish"), $("rest-export")]) button.setAttribute("aria-disabled", running);
  $("export").textContent = running ? "Exporting…" : "Export again";
  $("rest-export").textContent = running ? "Exporting…" : "Export now"; // not the same words: they are told apart by name
  setText($("rest-title"), state.undecided ? `${count(state.undecided, "image")} that ${state.undecided === 1 ? "is" : "are"} worth a look ${state.undecided === 1 ? "is" : "are"} undecided` : "No more images are worth a look");
  setText($("rest-told"), state.rest);
  // Only texts that have changed are set, so that a screen reader does not repeat them.
  setText($("outcome"), describeOutcome(state));
  $("outcome").classList.toggle("bad", !running && state.failed);
  setText(
    $("pending"),
    state.pending
      ? `${countPending(state)} saved, but not in the bundle yet.${state.region_pending ? " The region has changed: the export will look at all images again." : ""}`
      : "The bundle follows all your choices.",
  );
  $("pending").hidden = running;
}

function describeOutcome(state) {
  const usual = state.usual === null ? "" : `, of some ${Math.ceil(state.usual)} s`;
  if (state.running !== null)
    return state.looking
      ? `Exporting again: ${Math.floor(state.running)} s. All images are looked at again, within the region.`
      : `Exporting again: ${Math.floor(state.running)} s${usual}. The features are taken over, not computed anew.`;
  return state.failed
    ? `The export failed: ${state.outcome}. The bundle is as it was, your choices are saved.`
    : state.outcome;
}

/** Return the beginning of a sentence on the choices that the bundle does not follow yet. */
export const countPending = ({ pending }) =>
  `${count(pending, "change")} of your choices ${pending === 1 ? "is" : "are"}`;

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

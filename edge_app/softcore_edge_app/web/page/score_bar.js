// Score bar: a part's score as a bar, with a mark at the threshold, so that nobody takes it for a probability.
import { element, setAttribute } from "./elements.js";
import { translate } from "./catalogue.js";
import { formatShare } from "./format.js";

const WHOLE = 2; // x threshold: the mark is in the middle, and higher scores end at the edge

/** Make a bar that shows nothing yet. */
export function makeScoreBar() {
  const bar = element("span", { class: "score-bar", role: "img", hidden: "" });
  bar.append(element("i", { class: "track" }, element("i", { class: "fill" })), element("i", { class: "upper" }), element("i", { class: "mark" }));
  return bar;
}

/** Show a part's score; nothing without one. */
export function setScoreBar(bar, part) {
  const share = part?.share ?? null;
  bar.hidden = share === null;
  if (share === null) return bar;
  const [track, upper, mark] = bar.children;
  const place = (value) => `${(100 * Math.min(WHOLE, Math.max(0, value))) / WHOLE}%`;
  track.firstElementChild.style.width = place(share);
  mark.style.left = place(1);
  upper.style.left = place(part.fail_above / part.threshold);
  upper.hidden = !(part.fail_above > part.threshold);
  setAttribute(bar, "data-bound", part.bound ?? "exact");
  setAttribute(bar, "data-decision", part.decision);
  setAttribute(bar, "aria-label", formatShare(part));
  setAttribute(mark, "data-label", translate("trend.threshold"));
  return bar;
}

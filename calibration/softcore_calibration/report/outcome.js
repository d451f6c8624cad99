// Outcome: what a threshold does to the images, and how it differs from the calibrated one, in words.
// The first of the page's scripts, which are embedded one after the other. `data` is made by report.py.
// A threshold is [value, upper]: above `value` a part doesn't pass, above `upper` it fails.
"use strict";

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const token = document.querySelector("meta[name=softcore-token]")?.content;
const KINDS = ["good", "bad"];
const MOST = 12; // images listed for a change
let threshold = data.chosen;

// --- Words ------------------------------------------------------------------------------------------

/** Return a text in the page's language, with `values` in place of its `{names}`. */
const translate = (text, values = {}) => (data.texts[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
const format = (value, options) => new Intl.NumberFormat(data.language, { useGrouping: false, ...options }).format(value);
const number = (value) => format(value, { maximumSignificantDigits: 5 });
const formatChosen = (share) => `${format(100 * share, { maximumSignificantDigits: 6 })}\u00a0%`; // a share that a person chose
const whole = (value) => format(Math.round(value), { useGrouping: true });
function percent(share) {
  const value = 100 * share;
  const digits = value === 0 || value === 100 ? 0 : value >= 1 ? 1 : 2;
  return `${format(value, { minimumFractionDigits: digits, maximumFractionDigits: digits })}\u00a0%`;
}
const span = ([value, upper]) => (value === upper ? number(value) : translate("{low} to {high}", { low: number(value), high: number(upper) }));
const sentence = (words) => words[0].toUpperCase() + words.slice(1);
const trained = !data.good.names.length && data.good.scores.length > 0;
const named = (kind) => (kind === "good" && trained ? "training" : kind);
const COUNTS = {
  good: ["{n} good image", "{n} good images"],
  training: ["{n} training image", "{n} training images"],
  bad: ["{n} bad image", "{n} bad images"],
};
const countImages = (kind, n) => translate(COUNTS[named(kind)][n === 1 ? 0 : 1], { n: whole(n) });
const OUTCOMES = {
  good: "{count} of {all} good images fail ({share})",
  training: "{count} of {all} training images fail ({share})",
  bad: "{count} of {all} bad images pass ({share})",
};
const same = (one, other) => other !== null && one[0] === other[0] && one[1] === other[1];

function element(name, text = "", properties = {}) {
  const made = Object.assign(document.createElement(name), properties);
  if (text) made.textContent = text;
  return made;
}

// --- Counting ---------------------------------------------------------------------------------------

// Number of the sorted values that are at most `bound`, which is also the index of the first above.
function rank(values, bound) {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
const passing = (kind, [value]) => rank(data[kind].scores, value);
const failing = (kind, [, upper]) => data[kind].scores.length - rank(data[kind].scores, upper);
const wrong = (kind, at) => (kind === "good" ? failing(kind, at) : passing(kind, at));
const reviewed = (kind, at) => data[kind].scores.length - passing(kind, at) - failing(kind, at);
const share = (kind, at) => wrong(kind, at) / data[kind].scores.length;

function describeOutcome(kind, at, bounds = true) {
  const n = data[kind].scores.length;
  const count = wrong(kind, at);
  const [low, high] = [percent(data[kind].low[count]), percent(data[kind].high[count])];
  const terms = { value: percent(count / n), confidence: formatChosen(data.confidence), low, high };
  const told = bounds ? translate("{value}; with {confidence} confidence {low} to {high} of all such parts", terms) : terms.value;
  return translate(OUTCOMES[named(kind)], { count: whole(count), all: whole(n), share: told });
}

function cost(at) {
  const [escape, overkill, defects] = data.costs;
  return (1 - defects) * overkill * share("good", at) + defects * escape * share("bad", at);
}

// --- What the threshold does ----------------------------------------------------------------------------

function showOutcome() {
  const there = KINDS.filter((kind) => data[kind].scores.length);
  const told = there.map((kind) => describeOutcome(kind, threshold));
  const words = told.join("; ") || translate("nothing can be told");
  const unknown = data.bad.scores.length ? "" : ` ${translate("How many bad parts pass is not known.")}`;
  $("words").textContent = translate("At the threshold {threshold}: {words}.", { threshold: number(threshold[0]), words }) + unknown;
  const rate = data.defects;
  const parts = { good: [10_000 * (1 - rate), "about {n} good ones fail"], bad: [10_000 * rate, "about {n} bad ones pass"] };
  const expected = there.map((kind) => translate(parts[kind][1], { n: whole(share(kind, threshold) * parts[kind][0]) }));
  const terms = { parts: whole(10_000), share: formatChosen(rate), expected: expected.join(", ") };
  $("expected").textContent = translate("Of {parts} parts with {share} bad ones: {expected}.", terms);
  const zone = threshold[1] > threshold[0];
  const people = there.map((kind) => countImages(kind, reviewed(kind, threshold))).join(", ");
  const [low, high] = threshold.map(number);
  $("zone").textContent = zone
    ? translate("Between {low} and {high} these go to a person: {people}.", { low, high, people })
    : translate("This is a single threshold, without the grey zone.");
  $("zone").hidden = !zone && data.chosen[1] === data.chosen[0];
  if ($("price")) {
    const price = (at) => translate("At {threshold} a part costs {cost}.", { threshold: number(at[0]), cost: number(cost(at)) });
    const compared = same(threshold, data.chosen) ? [threshold] : [threshold, data.chosen];
    $("price").textContent = compared.map(price).join(" ");
  }
  $("back").disabled = same(threshold, data.chosen);
  if (token) {
    $("use").disabled = data.written && same(threshold, data.present);
    $("use").textContent = translate($("use").disabled ? "This threshold is in the bundle" : "Use this threshold");
  }
  showChanges();
}

function showChanges() {
  const changes = [];
  for (const kind of KINDS) {
    const { scores } = data[kind];
    const [before, after] = [data.chosen, threshold].map((at) => [rank(scores, at[0]), rank(scores, at[1])]);
    const fail = kind === "good" ? "{images} would now fail" : "{images} would now be caught";
    const list = (from, to) => Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
    changes.push([kind, fail, list(after[1], before[1]).reverse(), before]);
    changes.push([kind, kind === "good" ? "{images} would now pass" : "{images} would now pass unseen", list(before[0], after[0]), before]);
  }
  const some = changes.filter(([, , places]) => places.length);
  const told = some.map(([kind, does, places]) => translate(does, { images: countImages(kind, places.length) }));
  $("unchanged").textContent = some.length
    ? translate("Against the threshold {threshold}: {changes}.", { threshold: span(data.chosen), changes: told.join("; ") })
    : same(threshold, data.chosen)
      ? translate("None: the slider is at the threshold.")
      : translate("None: the decisions are those of the threshold {threshold}.", { threshold: span(data.chosen) });
  $("changes").replaceChildren(...some.filter(([kind]) => data[kind].names.length).flatMap(drawChange));
}

function drawChange([kind, does, places, [passed, failed]]) {
  const heading = element("h4", translate(does, { images: countImages(kind, places.length) }));
  const list = element("ul");
  for (const place of places.slice(0, MOST)) {
    const item = element("li");
    const thumbnail = data[kind].thumbnails[place];
    if (thumbnail) item.append(element("img", "", { src: thumbnail, alt: "" }));
    const went = place >= passed && place < failed ? ` ${translate("(went to a person)")}` : "";
    item.append(element("span", `${data[kind].names[place]}, ${number(data[kind].scores[place])}${went}`));
    list.append(item);
  }
  if (places.length > MOST) list.append(element("li", translate("and {whole} more", { whole: whole(places.length - MOST) })));
  return [heading, list];
}

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

const number = (value) => String(Number(value.toPrecision(5)));
const formatChosen = (share) => `${Number((100 * share).toPrecision(6))}\u00a0%`; // a share that a person chose
const whole = (value) => Math.round(value).toLocaleString("en");
function percent(share) {
  const value = 100 * share;
  return `${value.toFixed(value === 0 || value === 100 ? 0 : value >= 1 ? 1 : 2)}\u00a0%`;
}
const span = ([value, upper]) => (value === upper ? number(value) : `${number(value)} to ${number(upper)}`);
const sentence = (words) => words[0].toUpperCase() + words.slice(1);
const trained = !data.good.names.length && data.good.scores.length > 0;
const noun = (kind, n = 2) => `${kind === "good" && trained ? "training" : kind} image${n === 1 ? "" : "s"}`;
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
  const does = kind === "good" ? (count === 1 ? "fails" : "fail") : count === 1 ? "passes" : "pass";
  const all = `${percent(data[kind].low[count])} to ${percent(data[kind].high[count])} of all such parts`;
  const sure = bounds ? `; with ${formatChosen(data.confidence)} confidence ${all}` : "";
  return `${count} of ${n} ${noun(kind, n)} ${does} (${percent(count / n)}${sure})`;
}

function cost(at) {
  const [escape, overkill, defects] = data.costs;
  return (1 - defects) * overkill * share("good", at) + defects * escape * share("bad", at);
}

// --- What the threshold does ----------------------------------------------------------------------------

function showOutcome() {
  const there = KINDS.filter((kind) => data[kind].scores.length);
  const told = there.map((kind) => describeOutcome(kind, threshold));
  $("words").textContent = `At the threshold ${number(threshold[0])}, ${told.join(", and ") || "nothing can be told"}.`;
  if (!data.bad.scores.length) $("words").textContent += " How many bad parts pass is not known.";
  const rate = data.defects;
  const parts = { good: [10_000 * (1 - rate), "good ones fail"], bad: [10_000 * rate, "bad ones pass"] };
  const expected = there.map((kind) => `about ${whole(share(kind, threshold) * parts[kind][0])} ${parts[kind][1]}`);
  $("expected").textContent = `Of 10,000 parts with ${formatChosen(rate)} bad ones: ${expected.join(", ")}.`;
  const zone = threshold[1] > threshold[0];
  const people = there.map((kind) => `${reviewed(kind, threshold)} ${noun(kind, reviewed(kind, threshold))}`).join(" and ");
  $("zone").textContent = zone
    ? `Between ${number(threshold[0])} and ${number(threshold[1])}, ${people} go to a person.`
    : "This is a single threshold, without the grey zone.";
  $("zone").hidden = !zone && data.chosen[1] === data.chosen[0];
  if ($("price")) {
    const other = same(threshold, data.chosen) ? "" : `, at ${number(data.chosen[0])} ${number(cost(data.chosen))}`;
    $("price").textContent = `At ${number(threshold[0])} a part costs ${number(cost(threshold))}${other}.`;
  }
  $("back").disabled = same(threshold, data.chosen);
  if (token) {
    $("use").disabled = data.written && same(threshold, data.present);
    $("use").textContent = $("use").disabled ? "This threshold is in the bundle" : "Use this threshold";
  }
  showChanges();
}

function showChanges() {
  const changes = [];
  for (const kind of KINDS) {
    const { scores } = data[kind];
    const [before, after] = [data.chosen, threshold].map((at) => [rank(scores, at[0]), rank(scores, at[1])]);
    const fail = kind === "good" ? "would now fail" : "would now be caught";
    const list = (from, to) => Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
    changes.push([kind, fail, list(after[1], before[1]).reverse(), before]);
    changes.push([kind, kind === "good" ? "would now pass" : "would now pass unseen", list(before[0], after[0]), before]);
  }
  const some = changes.filter(([, , places]) => places.length);
  const told = some.map(([kind, does, places]) => `${places.length} ${noun(kind, places.length)} ${does}`);
  $("unchanged").textContent = some.length
    ? `Against the threshold ${span(data.chosen)}: ${told.join("; ")}.`
    : same(threshold, data.chosen)
      ? "None: the slider is at the threshold."
      : `None: these images fare as with the threshold ${span(data.chosen)}.`;
  $("changes").replaceChildren(...some.filter(([kind]) => data[kind].names.length).flatMap(drawChange));
}

function drawChange([kind, does, places, [passed, failed]]) {
  const heading = element("h4", `${places.length} ${noun(kind, places.length)} ${does}`);
  const list = element("ul");
  for (const place of places.slice(0, MOST)) {
    const item = element("li");
    const thumbnail = data[kind].thumbnails[place];
    if (thumbnail) item.append(element("img", "", { src: thumbnail, alt: "" }));
    const went = place >= passed && place < failed ? " (went to a person)" : "";
    item.append(element("span", `${data[kind].names[place]}, ${number(data[kind].scores[place])}${went}`));
    list.append(item);
  }
  if (places.length > MOST) list.append(element("li", `and ${places.length - MOST} more`));
  return [heading, list];
}

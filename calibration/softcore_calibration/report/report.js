// Moves the threshold: shows what would change, draws the curves, and on the served page sets it.
// `data` is made by report.py. A threshold is [value, upper]: above `value` a part doesn't pass, above `upper` it fails.
"use strict";

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const root = document.documentElement;
const token = document.querySelector("meta[name=softcore-token]")?.content;
const KINDS = ["good", "bad"];
const MOST = 12; // images listed for a change
const FEW = 10; // with fewer images the histogram draws each as a stroke
const PAPER = [660, 320]; // CSS pixels of a wide and of a narrow chart on paper
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

let drawn = 0;
function moveThreshold(to, typed = false) {
  // The calibrated threshold keeps its grey zone; any other is a single threshold.
  threshold = to === data.chosen[0] ? data.chosen : to === data.present?.[0] ? data.present : [to, to];
  const after = Math.min(rank(data.thresholds, to), data.thresholds.length - 1);
  const nearest = after > 0 && to - data.thresholds[after - 1] <= data.thresholds[after] - to ? after - 1 : after;
  $("slider").value = nearest;
  $("slider").setAttribute("aria-valuetext", number(to));
  if (!typed) $("number").value = Number(to.toPrecision(6));
  showOutcome();
  cancelAnimationFrame(drawn);
  drawn = requestAnimationFrame(() => charts.forEach((chart) => chart.redraw(false, false)));
}

// --- Charts -----------------------------------------------------------------------------------------

let charts = [];
const printed = matchMedia("print");
const onPaper = () => root.classList.contains("printing") || printed.matches;

function buildCharts() {
  charts.forEach((chart) => chart.destroy());
  charts = ["histogram", "rates", "roc", "cost"].filter((id) => $(id)).map((id) => drawChart(id, RECIPES[id]()));
}

function drawChart(id, recipe) {
  const large = root.classList.contains("printing") ? 2 : 1; // see report.css
  const wide = $(id).parentElement.classList.contains("wide");
  const colours = palette();
  const font = `${12 * large}px system-ui, sans-serif`;
  const axis = (more) => ({
    stroke: colours.soft, font, gap: 4 * large, labelFont: font, labelSize: 18 * large,
    grid: { stroke: colours.line, width: large }, ticks: { show: false }, ...more,
  });
  const options = {
    ...size(id),
    padding: [8 * large, 20 * large, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    select: { show: false },
    scales: { x: { time: false, range: [0, data.top] }, y: { range: [0, 1] }, ...recipe.scales },
    axes: [
      axis({ space: 50 * large, size: 26 * large, label: "score", ...recipe.across }),
      axis({ space: 30 * large, size: 56 * large, values: (_, shares) => shares.map(short), ...recipe.up }),
    ],
    series: [{}, ...recipe.series.map((one) => ({ points: { show: false }, width: 2 * large, ...one }))],
    bands: recipe.bands,
    hooks: { draw: [(chart) => (recipe.mark ?? markThresholds)(chart, colours, large * uPlot.pxRatio)] },
  };
  return new uPlot(options, recipe.columns, $(id));

  function size(name) {
    const width = large === 2 ? 2 * PAPER[wide ? 0 : 1] : Math.max(200, $(name).clientWidth);
    return { width, height: large * (wide ? 230 : 260) };
  }
}

const short = (share) => `${Number((100 * share).toPrecision(3))} %`;

function palette() {
  const style = getComputedStyle(root);
  const names = ["good", "bad", "ink", "soft", "line", "edge", "link"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

// Paint over a chart, clipped to its plotting area.
function within(chart, paint) {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  paint(ctx, bbox);
  ctx.restore();
}

function markThresholds(chart, colours, pixel) {
  within(chart, (ctx, { top, height, left, width }) => {
    const place = (value) => Math.min(chart.valToPos(value, "x", true), left + width - pixel);
    const line = (value, colour, dash) => {
      ctx.strokeStyle = colour;
      ctx.setLineDash(dash);
      ctx.lineWidth = 2 * pixel;
      ctx.beginPath();
      ctx.moveTo(place(value), top);
      ctx.lineTo(place(value), top + height);
      ctx.stroke();
    };
    const [from, to] = data.chosen;
    ctx.globalAlpha = 0.2;
    ctx.fillStyle = colours.edge;
    ctx.fillRect(place(from), top, place(to) - place(from), height);
    ctx.globalAlpha = 1;
    if (data.present && !same(data.present, data.chosen)) line(data.present[0], colours.soft, [2 * pixel, 3 * pixel]);
    for (const value of new Set(data.chosen)) line(value, colours.ink, [6 * pixel, 4 * pixel]);
    if (!onPaper() && !same(threshold, data.chosen)) line(threshold[0], colours.link, []);
  });
}

const RECIPES = {
  histogram() {
    const colours = palette();
    const few = KINDS.filter((kind) => data[kind].scores.length < FEW);
    const heights = (kind) =>
      data[kind].histogram.map((n) => (few.includes(kind) || n === 0 ? null : n / data[kind].scores.length));
    const columns = KINDS.map(heights);
    const tallest = 1.08 * Math.max(0.01, ...columns.flat());
    const strokes = few.some((kind) => data[kind].scores.length);
    const strange = strokes ? `; of fewer than ${FEW} each is a stroke` : "";
    $("scale").textContent = `Height: share of the images of its kind${strange}.`;
    const bars = (kind, align) => ({
      paths: uPlot.paths.bars({ size: [0.45, 100], align }), fill: colours[kind], stroke: colours[kind], width: 0,
    });
    return {
      columns: [data.bins, ...columns],
      scales: { y: { range: [0, tallest] } },
      across: { label: data.beyond ? "score (the last column: all beyond)" : "score" },
      up: columns.flat().some((height) => height) ? {} : { values: (_, shares) => shares.map(() => "") },
      series: [bars("good", -1), bars("bad", 1)],
      mark(chart, shades, pixel) {
        within(chart, (ctx, { top, height }) => {
          ctx.lineWidth = 2 * pixel;
          for (const kind of few) {
            ctx.strokeStyle = shades[kind];
            for (const score of data[kind].scores) {
              const place = chart.valToPos(Math.min(score, 0.995 * data.top), "x", true);
              ctx.beginPath();
              ctx.moveTo(place, top + height);
              ctx.lineTo(place, top + 0.6 * height);
              ctx.stroke();
            }
          }
        });
        markThresholds(chart, shades, pixel);
      },
    };
  },
  rates() {
    const colours = palette();
    const columns = [data.edges];
    const series = [];
    const bands = [];
    for (const [kind, counts] of [["good", data.overkill], ["bad", data.escape]]) {
      if (!counts) continue;
      const { low, high, scores } = data[kind];
      const paths = uPlot.paths.stepped({ align: 1 });
      bands.push({ series: [series.length + 2, series.length + 3], fill: `${colours[kind]}33` });
      columns.push(counts.map((n) => n / scores.length), counts.map((n) => high[n]), counts.map((n) => low[n]));
      const edge = { stroke: `${colours[kind]}55`, width: 1, paths };
      series.push({ stroke: colours[kind], paths }, edge, edge);
    }
    const grid = [0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1];
    return {
      columns, series, bands,
      scales: { y: { distr: 100, fwd: Math.sqrt, bwd: (value) => value * value, range: [0, 1] } }, // so that 1 % is visible
      across: { label: "threshold" },
      up: { splits: () => grid },
    };
  },
  roc() {
    const colours = palette();
    return {
      columns: data.roc,
      scales: { x: { time: false, range: [-0.01, 1] }, y: { range: [0, 1.03] } },
      across: { label: "good parts that fail", values: (_, shares) => shares.map(short) },
      up: { splits: () => [0, 0.2, 0.4, 0.6, 0.8, 1] },
      series: [{ stroke: colours.good }],
      mark(chart, shades, pixel) {
        const dot = (at, colour) => {
          const single = [at[0], at[0]];
          const across = chart.valToPos(share("good", single), "x", true);
          const up = chart.valToPos(1 - share("bad", single), "y", true);
          chart.ctx.beginPath();
          chart.ctx.arc(across, up, 5 * pixel, 0, 2 * Math.PI);
          chart.ctx.fillStyle = colour;
          chart.ctx.fill();
        };
        dot(data.chosen, shades.ink);
        if (!onPaper() && !same(threshold, data.chosen)) dot(threshold, shades.link);
      },
    };
  },
  cost() {
    const colours = palette();
    return {
      columns: [data.edges, data.cost],
      scales: { y: { range: [0, 1.05 * Math.max(1e-9, ...data.cost)] } },
      across: { label: "threshold" },
      up: { values: (_, values) => values.map((value) => String(Number(value.toPrecision(3)))) },
      series: [{ stroke: colours.ink, paths: uPlot.paths.stepped({ align: 1 }) }],
    };
  },
};

// --- Setting it -------------------------------------------------------------------------------------

async function post(path, body) {
  try {
    const headers = { "X-Softcore-Token": token, "Content-Type": "application/json" };
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body ?? {}) });
    if (answer.ok) return true;
    showMessage((await answer.json()).detail, true);
  } catch {
    showMessage("SoftCore does not answer any more. Was it ended?", true);
  }
  return false;
}

function showMessage(words, bad = false) {
  $("said").textContent = words;
  $("said").classList.toggle("wrong", bad);
}

function confirmUse() {
  const there = KINDS.filter((kind) => data[kind].scores.length);
  const told = (at) => there.map((kind) => describeOutcome(kind, at, false)).join("; ");
  const rows = [["After", threshold]];
  if (data.present) rows.unshift(["Now", data.present]);
  $("terms").replaceChildren(
    ...rows.flatMap(([when, at]) => [
      element("dt", `${when}: threshold ${span(at)}`),
      element("dd", sentence(`${told(at)}.`)),
    ]),
  );
  $("becomes").textContent = data.present
    ? `The threshold in the bundle changes from ${span(data.present)} to ${span(threshold)}.`
    : `The threshold in the bundle becomes ${span(threshold)}. The one before was for other scores (another area, or a ` +
      "mask), so what it does to these images can't be told.";
  const chosen = same(threshold, data.chosen);
  $("promised").hidden = !chosen;
  $("by-hand").hidden = chosen;
  $("confirm").returnValue = "";
  $("confirm").showModal();
}

async function use() {
  $("use").disabled = true;
  showMessage("Writing …");
  if (await post("limit", { value: threshold[0] })) location.reload(); // the whole page depends on the threshold
  else $("use").disabled = false;
}

async function finish() {
  if (!(await post("finish"))) return;
  $("last").textContent = `${$("state").querySelector("strong").textContent}. You can close this page.`;
  $("end").showModal();
}

// --- Beginning --------------------------------------------------------------------------------------

$("slider").max = data.thresholds.length - 1;
$("slider").addEventListener("input", () => moveThreshold(data.thresholds[Number($("slider").value)]));
$("number").addEventListener("input", () => {
  const typed = $("number").valueAsNumber;
  if (typed > 0 && Number.isFinite(typed)) moveThreshold(typed, true);
});
$("number").addEventListener("change", () => ($("number").value = Number(threshold[0].toPrecision(6))));
$("back").addEventListener("click", () => moveThreshold(data.chosen[0]));
if (token) {
  $("use").addEventListener("click", confirmUse);
  $("confirm").addEventListener("close", () => $("confirm").returnValue === "use" && use());
  $("finish").addEventListener("click", finish);
  $("end").addEventListener("cancel", (event) => event.preventDefault());
}
buildCharts();
moveThreshold(data.chosen[0]);
addEventListener("beforeprint", () => (root.classList.add("printing"), buildCharts()));
addEventListener("afterprint", () => (root.classList.remove("printing"), buildCharts()));
printed.addEventListener("change", buildCharts);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", buildCharts);
let width = innerWidth;
addEventListener("resize", () => {
  if (width !== innerWidth && !root.classList.contains("printing")) buildCharts();
  width = innerWidth;
});

// Report: moves the threshold, and on the served page sets it.
// Embedded after outcome.js and charts.js, whose names it uses.

let drawn = 0;
function moveThreshold(to, typed = false) {
  // The calibrated threshold keeps its grey zone; any other is a single threshold.
  threshold = to === data.chosen[0] ? data.chosen : to === data.present?.[0] ? data.present : [to, to];
  $("slider").value = to; // at most data.top, where the line is drawn too
  $("slider").setAttribute("aria-valuetext", number(to));
  if (!typed) $("number").value = Number(to.toPrecision(6));
  showOutcome();
  cancelAnimationFrame(drawn);
  drawn = requestAnimationFrame(() => charts.forEach((chart) => chart.redraw(false, false)));
}

// --- The slider, and the line in the charts -----------------------------------------------------------

const THUMB = 20; // CSS pixels, as in report.css

// Return the place of the nearest threshold that makes a difference; at the right end the last.
function findNearest(to) {
  if (to >= data.top) return data.thresholds.length - 1;
  const after = Math.min(rank(data.thresholds, to), data.thresholds.length - 1);
  return after > 0 && to - data.thresholds[after - 1] <= data.thresholds[after] - to ? after - 1 : after;
}

// Lay the slider along the histogram's axis, so that its thumb is above the line.
function placeSlider() {
  const plot = $("histogram").querySelector(".u-over").getBoundingClientRect();
  const { left } = $("slider").parentElement.getBoundingClientRect();
  $("slider").style.marginLeft = `${plot.left - left - THUMB / 2}px`;
  $("slider").style.width = `${plot.width + THUMB}px`;
}

function stepSlider(event) {
  const last = data.thresholds.length - 1;
  const at = Math.min(Math.max(0, rank(data.thresholds, threshold[0]) - 1), last);
  const between = data.thresholds[at] !== threshold[0];
  const steps = { ArrowLeft: between ? 0 : -1, ArrowDown: between ? 0 : -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -last, End: last };
  if (!(event.key in steps)) return;
  event.preventDefault();
  moveThreshold(data.thresholds[Math.min(Math.max(0, at + steps[event.key]), last)]);
}

function dragLine(id) {
  const place = $(id);
  const move = (event) => {
    const chart = charts.find((one) => one.root.parentElement === place);
    const across = event.clientX - chart.over.getBoundingClientRect().left;
    moveThreshold(data.thresholds[findNearest(chart.posToVal(across, "x"))]);
  };
  place.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.target.closest(".u-over")) return;
    event.preventDefault();
    place.setPointerCapture(event.pointerId);
    move(event);
  });
  place.addEventListener("pointermove", (event) => place.hasPointerCapture(event.pointerId) && move(event));
}

// --- Setting it -------------------------------------------------------------------------------------

async function post(path, body) {
  try {
    const headers = { "X-Softcore-Token": token, "Content-Type": "application/json" };
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body ?? {}) });
    if (answer.ok) return true;
    showMessage((await answer.json()).detail, true);
  } catch {
    showMessage(translate("SoftCore does not answer any more. Was it ended?"), true);
  }
  return false;
}

function showMessage(words, bad = false) {
  $("said").textContent = words;
  $("said").classList.toggle("wrong", bad);
}

let isAskedAgain = false;

function confirmUse() {
  const there = KINDS.filter((kind) => data[kind].scores.length);
  const told = (at) => there.map((kind) => describeOutcome(kind, at, false)).join("; ");
  const rows = [["After: threshold {threshold}", threshold]];
  if (data.present) rows.unshift(["Now: threshold {threshold}", data.present]);
  $("terms").replaceChildren(
    ...rows.flatMap(([when, at]) => [
      element("dt", translate(when, { threshold: span(at) })),
      element("dd", sentence(`${told(at)}.`)),
    ]),
  );
  $("becomes").textContent = data.present
    ? translate("The threshold in the bundle changes from {old} to {new}.", { old: span(data.present), new: span(threshold) })
    : translate("The threshold in the bundle becomes {new}. The one before was for other scores (another area, or a mask).", { new: span(threshold) });
  const chosen = same(threshold, data.chosen);
  $("promised").hidden = !chosen;
  $("by-hand").hidden = chosen;
  const factor = measureJump();
  $("far").hidden = !isDrastic();
  $("far").textContent = translate("It is far from the one before: a factor of {factor}.", { factor: format(factor, { maximumSignificantDigits: 3 }) });
  $("confirm").classList.toggle("drastic", isDrastic());
  isAskedAgain = false;
  ask(translate("Use this threshold?"));
}

/** Return the factor by which the threshold rises or falls: see confirmation.py. */
function measureJump() {
  if (!data.present) return 1;
  return Math.max(...data.present.map((old, end) => Math.max(old / threshold[end], threshold[end] / old)));
}

const isDrastic = () => measureJump() >= data.drastic;

function ask(question) {
  $("confirm-title").textContent = question;
  $("confirm").returnValue = "";
  $("confirm").showModal();
}

// What is drastic is asked twice.
function answer() {
  if ($("confirm").returnValue !== "use") return;
  if (isAskedAgain || !isDrastic()) return use();
  isAskedAgain = true;
  ask(translate("Really use this threshold?"));
}

async function use() {
  $("use").disabled = true;
  showMessage(translate("Writing …"));
  if (await post("limit", { value: threshold[0] })) location.reload(); // the whole page depends on the threshold
  else $("use").disabled = false;
}

async function finish() {
  if (!(await post("finish"))) return;
  const now = $("state").querySelector("strong").textContent;
  $("last").textContent = translate("{now}. You can close this page.", { now });
  $("end").showModal();
}

// --- Beginning --------------------------------------------------------------------------------------

$("slider").max = data.top;
$("slider").addEventListener("input", () => moveThreshold(data.thresholds[findNearest(Number($("slider").value))]));
$("slider").addEventListener("keydown", stepSlider);
for (const id of ["histogram", "rates"]) if ($(id)) dragLine(id);
$("number").addEventListener("input", () => {
  const typed = $("number").valueAsNumber;
  if (typed > 0 && Number.isFinite(typed)) moveThreshold(typed, true);
});
$("number").addEventListener("change", () => ($("number").value = Number(threshold[0].toPrecision(6))));
$("back").addEventListener("click", () => moveThreshold(data.chosen[0]));
if (token) {
  $("use").addEventListener("click", confirmUse);
  $("confirm").addEventListener("close", answer);
  $("finish").addEventListener("click", finish);
  $("end").addEventListener("cancel", (event) => event.preventDefault());
}
function build() {
  buildCharts();
  if (!onPaper()) requestAnimationFrame(placeSlider); // a chart is laid out after it is made
}
build();
moveThreshold(data.chosen[0]);
addEventListener("beforeprint", () => (root.classList.add("printing"), build()));
addEventListener("afterprint", () => (root.classList.remove("printing"), build()));
printed.addEventListener("change", build);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", build);
let width = innerWidth;
addEventListener("resize", () => {
  if (width !== innerWidth && !root.classList.contains("printing")) build();
  width = innerWidth;
});

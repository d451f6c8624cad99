// Threshold chart: the scores of the last parts, and each end of the threshold as a line that can be moved.
import { $, element, setAttribute } from "./elements.js";
import { translate } from "./catalogue.js";
import { formatPrecise } from "./format.js";

const BINS = 48;
const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -5, PageUp: 5 }; // percent
const SVG = "http://www.w3.org/2000/svg";
const chart = $("threshold-chart");
const bars = chart.querySelector("svg");
const lines = {};
let scores = [];
let top = 1; // the score at the right edge
let shown = null; // the threshold of the lines
let dragged = null; // the key of the line that is being moved

/** Make the lines; `onMove` is called with a key of the threshold and its new value, of which neither passes the other. */
export function makeLines(onMove) {
  const move = (key, score, digits) => {
    const [least, most] = key === "fail_above" ? [shown.value, Infinity] : [top / 1000, lines.fail_above.hidden ? Infinity : shown.fail_above];
    onMove(key, Math.min(Math.max(Number(score.toPrecision(digits)), least), most));
  };
  for (const key of ["value", "fail_above"]) {
    const line = element("div", { class: "line", role: "slider", tabindex: "0", "data-of": key });
    chart.append(line);
    lines[key] = line;
    line.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      line.focus();
      line.setPointerCapture(event.pointerId);
      dragged = key;
    });
    line.addEventListener("pointermove", (event) => {
      if (dragged !== key) return;
      const { left, width } = bars.getBoundingClientRect();
      move(key, Math.min((top * (event.clientX - left)) / width, top), 4);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      line.addEventListener(end, () => {
        dragged = null;
        show();
      });
    }
    line.addEventListener("keydown", (event) => {
      if (!(event.key in STEPS)) return;
      event.preventDefault();
      move(key, shown[key] * (1 + STEPS[event.key] / 100), 6);
    });
  }
}

/** Show the scores of parts. */
export function showScores(all) {
  scores = all;
  show();
}

/** Show a threshold; one without a grey zone has one line. */
export function moveLines(threshold, hasZone) {
  shown = threshold;
  lines.fail_above.hidden = !hasZone;
  show();
}

function show() {
  chart.hidden = scores.length === 0 || !shown;
  if (chart.hidden) return;
  if (dragged === null) {
    const sorted = [...scores].sort((one, other) => one - other);
    // Some parts that are far above all others don't press the rest together.
    top = 1.15 * Math.max(Math.min(sorted.at(-1), 4 * sorted[Math.floor(0.9 * sorted.length)]), shown.value, shown.fail_above);
  }
  showBars();
  for (const [key, line] of Object.entries(lines)) {
    line.style.left = `${(100 * shown[key]) / top}%`;
    setAttribute(line, "aria-label", translate(`threshold.${key}`));
    setAttribute(line, "aria-valuemin", "0");
    setAttribute(line, "aria-valuemax", String(top));
    setAttribute(line, "aria-valuenow", String(shown[key]));
    setAttribute(line, "aria-valuetext", formatPrecise(shown[key], 6));
  }
}

function showBars() {
  const counts = new Array(BINS).fill(0);
  for (const score of scores) counts[Math.min(BINS - 1, Math.floor((BINS * score) / top))] += 1;
  const most = Math.max(...counts);
  bars.replaceChildren(
    ...counts.flatMap((count, bin) => {
      if (!count) return [];
      const height = 100 * Math.sqrt(count / most); // so that one part is seen beside hundreds
      const middle = ((bin + 0.5) * top) / BINS;
      const bar = document.createElementNS(SVG, "rect");
      const decision = middle <= shown.value ? "PASS" : middle > shown.fail_above ? "FAIL" : "REVIEW";
      for (const [name, value] of Object.entries({ x: bin + 0.05, y: 100 - height, width: 0.9, height, "data-decision": decision })) bar.setAttribute(name, value);
      return [bar];
    }),
  );
}

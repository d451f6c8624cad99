// Trend: a chart of the scores of the last parts, in units of the threshold.
import { $, setAttribute } from "./elements.js";
import { translate } from "./catalogue.js";
import { formatFixed } from "./format.js";

const MOST = 120; // parts
const TOP = 3; // x threshold; higher scores are drawn at the edge
const canvas = $("trend").querySelector("canvas");
const ctx = canvas.getContext("2d");
let colours = null;
let drawn = [];

/** Read the theme's colours again. */
export function recolour() {
  const style = getComputedStyle(document.documentElement);
  const names = ["ink", "soft", "line", "card", "pass", "fail", "review", "zone"];
  colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  show(drawn);
}

export function show(parts) {
  drawn = parts.slice(-MOST);
  if (colours === null) recolour();
  const { clientWidth: width, clientHeight: height } = canvas;
  const pixel = devicePixelRatio;
  if (canvas.width !== Math.round(width * pixel) || canvas.height !== Math.round(height * pixel)) {
    canvas.width = Math.round(width * pixel);
    canvas.height = Math.round(height * pixel);
  }
  if (!width || !height) return;
  ctx.setTransform(pixel, 0, 0, pixel, 0, 0);
  paint(width, height);
  describe();
}

function paint(width, height) {
  const shares = drawn.map((part) => part.share);
  const top = Math.min(TOP, Math.max(1.5, 1.1 * Math.max(0, ...shares)));
  const left = 34;
  const right = width - 8;
  const bottom = height - 12;
  const y = (share) => bottom - (Math.min(share, top) / top) * (bottom - 8);
  const x = (place) => right - (drawn.length - 1 - place) * ((right - left) / (MOST - 1));
  ctx.clearRect(0, 0, width, height);
  ctx.font = "14px system-ui, sans-serif";
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  ctx.lineWidth = 1;
  for (let share = 0; share <= top; share += 0.5) {
    ctx.strokeStyle = colours.line;
    stroke([[left, y(share)], [right, y(share)]]);
    ctx.fillStyle = colours.soft;
    if (Number.isInteger(share)) ctx.fillText(formatFixed(share, 0), left - 8, y(share));
  }
  const last = drawn.at(-1);
  if (last && last.fail_above > last.threshold) {
    ctx.fillStyle = colours.zone;
    const upper = y(last.fail_above / last.threshold);
    ctx.fillRect(left, upper, right - left, y(1) - upper);
  }
  ctx.strokeStyle = colours.soft;
  ctx.lineWidth = 1.5;
  stroke(drawn.flatMap((part, place) => (part.share === null ? [] : [[x(place), y(part.share)]])));
  ctx.strokeStyle = colours.ink;
  ctx.lineWidth = 2.5;
  ctx.setLineDash([9, 5]);
  stroke([[left, y(1)], [right, y(1)]]);
  ctx.setLineDash([]);
  drawn.forEach((part, place) => drawMark(part, x(place), part.share === null ? bottom + 4 : y(part.share)));
}

function stroke(points) {
  ctx.beginPath();
  points.forEach(([x, y], i) => (i ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
  ctx.stroke();
}

/** Draw the shape of a decision: a dot, an octagon, a diamond, a triangle. */
function drawMark({ decision }, x, y) {
  const sides = { PASS: 16, FAIL: 8, REVIEW: 4, INVALID: 3 }[decision];
  const radius = decision === "PASS" ? 2 : 6;
  const turn = decision === "FAIL" ? Math.PI / 8 : Math.PI / 2;
  ctx.beginPath();
  for (let side = 0; side < sides; side += 1) {
    const angle = turn + (2 * Math.PI * side) / sides;
    ctx.lineTo(x + radius * Math.cos(angle), y - radius * Math.sin(angle));
  }
  ctx.closePath();
  ctx.fillStyle = { PASS: colours.pass, FAIL: colours.fail, REVIEW: colours.review, INVALID: "#ffd400" }[decision];
  ctx.fill();
  if (decision === "PASS") return;
  ctx.lineWidth = 1.5;
  ctx.strokeStyle = decision === "INVALID" ? "#111" : colours.card;
  ctx.stroke();
}

function describe() {
  const shares = drawn.map((part) => part.share).filter((share) => share !== null);
  const values = {
    n: drawn.length,
    last: shares.length ? formatFixed(shares.at(-1), 2) : "–",
    highest: shares.length ? formatFixed(Math.max(...shares), 2) : "–",
    above: shares.filter((share) => share > 1).length,
  };
  setAttribute(canvas, "aria-label", translate("trend.label", values));
}

new ResizeObserver(() => show(drawn)).observe(canvas);

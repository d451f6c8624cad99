// Plot: what the charts drawn by uPlot have in common: axes, colours, patterns, size, legend and table.
import { element, setAttribute } from "../elements.js";
import { translate } from "../catalogue.js";

export const STACKED = ["PASS", "REVIEW", "FAIL", "INVALID"]; // from the bottom on
const HEIGHT = 11; // rem
const TILE = 10; // pixels of a pattern

/** Return the theme's colours by name. */
export function readColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["ink", "soft", "line", "card", "pass", "fail", "review", "zone", "link"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/** Return the fill of each decision: PASS is plain, and the others have stripes or dots, whatever their colour. */
export function makeFills(colours) {
  const tile = (ground, paint) => {
    const size = Math.round(TILE * devicePixelRatio);
    const canvas = element("canvas", { width: size, height: size });
    const ctx = canvas.getContext("2d");
    ctx.fillStyle = ground;
    ctx.fillRect(0, 0, size, size);
    paint(ctx, size);
    return ctx.createPattern(canvas, "repeat");
  };
  const stripe = (colour, width) => (ctx, size) => {
    ctx.strokeStyle = colour;
    ctx.lineWidth = width * size;
    for (const shift of [-size, 0, size]) {
      ctx.beginPath();
      ctx.moveTo(shift - size / 4, size * 1.25);
      ctx.lineTo(shift + size * 1.25, -size / 4);
      ctx.stroke();
    }
  };
  const dot = (ctx, size) => {
    ctx.fillStyle = colours.card;
    ctx.beginPath();
    ctx.arc(size / 2, size / 2, size / 5, 0, 2 * Math.PI);
    ctx.fill();
  };
  return {
    PASS: colours.pass,
    REVIEW: tile(colours.review, dot),
    FAIL: tile(colours.fail, stripe(colours.card, 0.15)),
    INVALID: tile("#ffd400", stripe("#111", 0.35)),
  };
}

/** Return series and columns of bars that stand on each other; uPlot paints them from the highest to the lowest. */
export function stackBars(names, columns, fills) {
  const sums = [];
  const total = columns[0].map(() => 0);
  for (const column of columns) {
    column.forEach((n, place) => (total[place] += n));
    sums.push([...total]);
  }
  const paths = uPlot.paths.bars({ size: [0.8, 60], align: 0 });
  const series = names.map((name) => ({ fill: fills[name], width: 0, paths, points: { show: false } }));
  return { series: series.reverse(), columns: sums.reverse() };
}

/** A chart in a host element, drawn anew with other data, colours, language or width. */
export class Plot {
  constructor(host, describe) {
    this.host = host;
    this.describe = describe; // returns uPlot's options and data, and the label; null without data
    this.chart = null;
    new ResizeObserver(() => this.fit()).observe(host);
  }

  draw() {
    this.chart?.destroy();
    this.chart = null;
    const size = this.measure();
    if (!size.width) return;
    const colours = readColours();
    const described = this.describe(colours);
    if (!described) return;
    const { label, data, series, scales, axes, paint } = described;
    setAttribute(this.host, "role", "img");
    setAttribute(this.host, "aria-label", label);
    const options = {
      ...size, series: [{}, ...series], scales, axes: axes.map((axis) => this.style(axis, colours)),
      padding: [12, axes.length > 2 ? 0 : 14, 0, 0], legend: { show: false }, cursor: { show: false }, select: { show: false },
      hooks: { draw: paint ? [(chart) => paint(chart, colours)] : [] },
    };
    this.chart = new uPlot(options, data, this.host);
  }

  style(axis, colours) {
    const text = `${this.rem() * 0.85}px system-ui, sans-serif`;
    const size = axis.side ? 3.6 * this.rem() : 1.6 * this.rem();
    return { stroke: colours.ink, font: text, size, gap: 4, grid: { show: axis.side !== 1, stroke: colours.line, width: 1 }, ticks: { show: false }, ...axis };
  }

  rem() {
    return parseFloat(getComputedStyle(document.documentElement).fontSize);
  }

  measure() {
    return { width: this.host.clientWidth, height: Math.round(HEIGHT * this.rem()) };
  }

  fit() {
    const size = this.measure();
    if (!this.chart) this.draw();
    else if (size.width && (size.width !== this.chart.width || size.height !== this.chart.height)) this.draw();
  }
}

/** Paint within the plotting area of a chart. */
export function paintWithin({ ctx, bbox }, paint) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  paint(ctx, bbox);
  ctx.restore();
}

/** Make a legend of `[sample, text]`; the style sheet draws the samples. */
export function makeLegend(entries) {
  return element("ul", { class: "legend" }, ...entries.map(([sample, text]) => element("li", {}, element("i", { "data-sample": sample }), text)));
}

/** Fill a table with its heads and rows; the first cell of a row is its head. */
export function fillTable(table, heads, rows) {
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  table.replaceChildren(
    element("thead", {}, head),
    element("tbody", {}, ...rows.map(([first, ...cells]) => element("tr", {}, element("th", { scope: "row" }, first), ...cells.map((text) => element("td", {}, text))))),
  );
}

/** Make a card for a chart: its title, a legend, the chart, and its numbers as a table that can be opened. */
export function makeCard(key) {
  const host = element("div", { class: "plot" });
  const legend = element("div");
  const table = element("table");
  const title = element("h3", { id: `chart-${key}` }, translate(`chart.${key}`));
  const scroll = element("div", { class: "numbers", tabindex: "0", role: "region", "aria-labelledby": `chart-${key}` }, table);
  const numbers = element("details", {}, element("summary", {}, translate("chart.numbers")), scroll);
  const card = element("article", { class: "card", "data-chart": key, "aria-labelledby": `chart-${key}` }, title, legend, host, numbers);
  return { card, host, legend, table, title };
}

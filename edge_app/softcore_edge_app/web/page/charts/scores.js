// Scores: how the last parts' scores are spread beside the threshold, and how those of the whole time are.
import { fillTable, makeCard, makeFills, makeLegend, paintWithin, Plot, stackBars } from "./plot.js";
import { translate } from "../catalogue.js";
import { formatCount, formatFixed } from "../format.js";

const SCORED = ["PASS", "REVIEW", "FAIL"];
const sumColumns = (scores) => scores.PASS.map((_, place) => SCORED.reduce((total, one) => total + scores[one][place], 0));

/** Return the number of parts by decision in each bin; the last one has all beyond. */
export function countScores(parts, width, bins) {
  const scores = Object.fromEntries(SCORED.map((one) => [one, Array(bins).fill(0)]));
  for (const { share, decision } of parts) {
    if (share === null || !(decision in scores)) continue;
    // A score that is the threshold passes: the upper end belongs to a bin.
    const place = Math.ceil(share * Math.round(1 / width)) - 1;
    scores[decision][Math.min(Math.max(place, 0), bins - 1)] += 1;
  }
  return scores;
}

/** Make the chart; `show(parts, figures)` draws the last parts beside the figures of a time, which may be null. */
export function makeScoreChart() {
  const { card, host, legend, table } = makeCard("scores");
  let parts = [];
  let figures = null;
  const plot = new Plot(host, (colours) => {
    const { width, live, usual } = count();
    const total = sumColumns(live);
    const n = total.reduce((sum, one) => sum + one, 0);
    if (!n) return null;
    const { series, columns } = stackBars(SCORED, SCORED.map((one) => live[one]), makeFills(colours));
    const line = { stroke: colours.ink, width: 2, paths: uPlot.paths.stepped({ align: 0 }), points: { show: false } };
    const tallest = Math.max(1, ...total, ...(usual ?? []));
    const last = parts.at(-1);
    const end = width * total.length;
    return {
      label: translate("chart.scores.label", { n: formatCount(n), above: formatCount(parts.filter(({ share }) => share > 1).length) }),
      data: [total.map((_, place) => (place + 0.5) * width), ...columns, usual ?? total.map(() => null)],
      series: [...series, line],
      scales: { x: { time: false, range: [0, end] }, y: { range: [0, tallest * 1.15] } },
      axes: [
        { space: 44, incrs: [0.25, 0.5, 1], values: (_, shares) => shares.map((share) => (share >= 2 ? `> ${formatFixed(share, 0)}` : formatFixed(share, share % 0.5 ? 2 : 1))) },
        { side: 3, space: 30, incrs: [1, 2, 5, 10, 20, 50, 100, 200], values: (_, ns) => ns.map(formatCount) },
      ],
      paint: (chart, { ink, zone }) => markThreshold(chart, ink, zone, last.fail_above / last.threshold),
    };
  });

  function count() {
    const width = figures?.bin_width ?? 0.05;
    const live = countScores(parts, width, figures?.scores.PASS.length ?? 41);
    if (!figures) return { width, live, usual: null };
    const whole = sumColumns(figures.scores);
    const add = (column) => column.reduce((sum, one) => sum + one, 0);
    const scale = add(sumColumns(live)) / (add(whole) || 1);
    return { width, live, usual: whole.map((one) => one * scale) };
  }

  return {
    card,
    show(some, known) {
      parts = some;
      figures = known;
      const { width, live } = count();
      legend.replaceChildren(
        makeLegend([...SCORED.map((one) => [one, translate(`decision.${one}`)]), ["threshold", translate("trend.threshold")], ...(figures ? [["solid", translate("chart.whole-time")]] : [])]),
      );
      const rows = sumColumns(live).flatMap((n, place) => {
        const whole = figures ? sumColumns(figures.scores)[place] : 0;
        const bin = place === live.PASS.length - 1 ? `> ${formatFixed(place * width, 2)}` : `${formatFixed(place * width, 2)} – ${formatFixed((place + 1) * width, 2)}`;
        return n || whole ? [[bin, ...SCORED.map((one) => formatCount(live[one][place])), figures ? formatCount(whole) : "–"]] : [];
      });
      fillTable(table, [translate("chart.score"), ...SCORED.map((one) => translate(`decision.${one}`)), translate("chart.whole-time")], rows);
      plot.draw();
    },
  };
}

function markThreshold(chart, ink, zone, upper) {
  paintWithin(chart, (ctx, { top, height }) => {
    const x = (share) => chart.valToPos(share, "x", true);
    if (upper > 1) {
      ctx.fillStyle = zone;
      ctx.fillRect(x(1), top, x(upper) - x(1), height);
    }
    ctx.strokeStyle = ink;
    ctx.lineWidth = 3 * devicePixelRatio;
    ctx.setLineDash([9 * devicePixelRatio, 5 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x(1), top);
    ctx.lineTo(x(1), top + height);
    ctx.stroke();
  });
}

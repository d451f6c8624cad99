// Hours: the parts of each hour by decision, stacked, with the share of FAIL as a line; and times by hour.
import { fillTable, makeCard, makeFills, makeLegend, Plot, STACKED, stackBars } from "./plot.js";
import { translate } from "../catalogue.js";
import { formatCount, formatDay, formatFixed, formatHour, formatMinute, formatPercent } from "../format.js";

const HOUR = 3600; // seconds
const sum = (counts) => STACKED.reduce((total, one) => total + counts[one], 0);
const start = (hour) => hour.begin / 1e9;

/** Return the axis of time: hours, and the day at midnight. */
const timeAxis = () => ({
  space: 64,
  values: (_, times) => times.map((time) => (new Date(time * 1000).getHours() ? formatHour(time * 1e9) : formatDay(time * 1e9))),
});
const timeScale = (hours) => ({ time: true, range: [start(hours[0]), start(hours.at(-1)) + HOUR] });

/** Return the hours with those between them, in which there was no part. */
function fillHours(hours) {
  const known = new Map(hours.map((hour) => [start(hour), hour]));
  const filled = [];
  for (let time = start(hours[0]); time <= start(hours.at(-1)); time += HOUR) filled.push(known.get(time) ?? { begin: time * 1e9, counts: null, between: null, taken: null });
  return filled;
}

/** Make the chart of decisions by hour; `show(hours)` draws it. */
export function makeDecisionChart() {
  const { card, host, legend, table } = makeCard("hours");
  let hours = [];
  const plot = new Plot(host, (colours) => {
    if (!hours.length) return null;
    const filled = fillHours(hours);
    const columns = STACKED.map((one) => filled.map(({ counts }) => counts?.[one] ?? 0));
    const { series, columns: sums } = stackBars(STACKED, columns, makeFills(colours));
    const rates = filled.map(({ counts }) => (counts ? counts.FAIL / sum(counts) : null));
    const most = Math.max(0.01, ...rates);
    return {
      label: describe(hours),
      data: [filled.map((hour) => start(hour) + HOUR / 2), ...sums, rates],
      series: [...series, { scale: "rate", stroke: colours.ink, width: 2.5, points: { show: true, size: 8, fill: colours.card, stroke: colours.ink, width: 2 } }],
      scales: { x: timeScale(hours), y: { range: (_, __, top) => [0, Math.max(1, top * 1.05)] }, rate: { range: [0, most * 1.1] } },
      axes: [
        timeAxis(),
        { side: 3, space: 34, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5], values: (_, ns) => ns.map(formatCount) },
        { side: 1, scale: "rate", space: 34, values: (_, shares) => shares.map((share) => formatPercent(share, most < 0.05 ? 1 : 0)) },
      ],
    };
  });
  return {
    card,
    show(some) {
      hours = some;
      legend.replaceChildren(makeLegend([...STACKED.map((one) => [one, translate(`decision.${one}`)]), ["rate", translate("chart.fail-rate")]]));
      fillTable(
        table,
        [translate("sheet.hour"), ...STACKED.map((one) => translate(`decision.${one}`)), translate("chart.fail-rate")],
        hours.map(({ begin, counts }) => [formatMinute(begin), ...STACKED.map((one) => formatCount(counts[one])), formatPercent(counts.FAIL / sum(counts))]),
      );
      plot.draw();
    },
  };
}

function describe(hours) {
  const parts = hours.reduce((total, { counts }) => total + sum(counts), 0);
  const fails = hours.reduce((total, { counts }) => total + counts.FAIL, 0);
  return translate("chart.hours.label", { hours: formatCount(hours.length), parts: formatCount(parts), fails: formatCount(fails), rate: formatPercent(fails / parts) });
}

/** Make the chart of a time by hour, its median and 95th percentile: `between` triggers, or `taken` until the decision. */
export function makeTimeChart(of) {
  const { card, host, legend, table } = makeCard(of);
  let hours = [];
  const highest = () => Math.max(...hours.map((hour) => hour[of]?.p95 ?? 0));
  const isShort = () => highest() < 1; // then in milliseconds
  const scaled = (seconds) => (isShort() ? seconds * 1000 : seconds);
  const format = (seconds) => translate(isShort() ? "chart.milliseconds" : "chart.seconds", { n: formatFixed(scaled(seconds), scaled(highest()) < 10 ? 2 : scaled(highest()) < 100 ? 1 : 0) });
  const plot = new Plot(host, (colours) => {
    const known = hours.filter((hour) => hour[of]);
    if (!known.length) return null;
    const filled = fillHours(hours);
    const line = (dash, size) => ({ stroke: colours.ink, width: 2.5, dash, points: { show: true, size, fill: colours.card, stroke: colours.ink, width: 2 } });
    const last = known.at(-1)[of];
    return {
      label: translate(`chart.${of}.label`, { hours: formatCount(known.length), median: format(last.median), p95: format(last.p95) }),
      data: [filled.map((hour) => start(hour) + HOUR / 2), filled.map((hour) => hour[of]?.median ?? null), filled.map((hour) => hour[of]?.p95 ?? null)],
      series: [line([], 8), line([8, 5], 6)],
      scales: { x: timeScale(hours), y: { range: [0, highest() * 1.1 || 1] } },
      axes: [timeAxis(), { side: 3, space: 34, size: 70, values: (_, seconds) => seconds.map(format) }],
    };
  });
  return {
    card,
    show(some) {
      hours = some;
      legend.replaceChildren(makeLegend([["solid", translate("chart.median")], ["dashed", translate("chart.p95")]]));
      const rows = hours.filter((hour) => hour[of]).map((hour) => [formatMinute(hour.begin), format(hour[of].median), format(hour[of].p95)]);
      fillTable(table, [translate("sheet.hour"), translate("chart.median"), translate("chart.p95")], rows);
      plot.draw();
    },
  };
}

// Charts: the figures of a time, drawn where the report is made; the scores follow the parts as they come.
import { $, element, showMessage } from "../elements.js";
import { getJson } from "../api.js";
import { findPeriod } from "./history.js";
import { makeDecisionChart, makeTimeChart } from "../charts/hours.js";
import { makeFieldChart, makePareto, sumRegions } from "../charts/places.js";
import { makeScoreChart } from "../charts/scores.js";
import { currentParts, eventStream, line } from "../event_stream.js";
import { translate } from "../catalogue.js";
import { formatMoment } from "../format.js";

const PERIODS = ["shift", "today", "yesterday", "week"];
const REFRESH = 60_000; // milliseconds between two requests for figures
const REDRAW = 500; // milliseconds between two drawings of the scores
const view = $("reports");
let period = "shift";
let charts = null;
let figures = null;
let requested = 0; // an answer to an older request is dropped
let pending = null;

function build() {
  const choices = PERIODS.map((one) => {
    const input = element("input", { type: "radio", name: "chart-period", value: one });
    input.checked = one === period;
    input.addEventListener("change", () => {
      period = one;
      load();
    });
    return element("label", {}, input, element("span", {}, translate(`period.${one}`)));
  });
  $("chart-period").replaceChildren(element("legend", { class: "hidden" }, translate("report.period")), ...choices);
  charts = {
    hours: makeDecisionChart(), scores: makeScoreChart(), fields: makeFieldChart(), regions: makePareto("regions", "sheet.region"),
    reasons: makePareto("reasons", "sheet.kind"), between: makeTimeChart("between"), taken: makeTimeChart("taken"),
  };
  $("chart-cards").replaceChildren(...Object.values(charts).map(({ card }) => card));
}

async function load() {
  if (view.hidden || !line.status || document.hidden) return;
  const mine = (requested += 1);
  if (!line.status.ledger) {
    figures = null;
    showMessage($("chart-state"), translate("chart.no-ledger"));
    show();
    return;
  }
  try {
    const answer = await getJson("api/charts", { ...findPeriod(period), camera: line.camera });
    if (mine !== requested) return;
    figures = answer;
    const none = figures.hours.length ? "" : translate("sheet.no-parts");
    showMessage($("chart-state"), figures.whole ? none : translate("chart.cut", { since: formatMoment(figures.since) }));
  } catch (error) {
    if (mine === requested) showMessage($("chart-state"), error.message, true);
    return;
  }
  show();
}

function show() {
  const hours = figures?.hours ?? [];
  for (const name of ["hours", "between", "taken"]) charts[name].card.hidden = !hours.some((hour) => name === "hours" || hour[name]);
  for (const name of ["hours", "between", "taken"]) if (!charts[name].card.hidden) charts[name].show(hours);
  const fields = figures?.fields ?? [[0]];
  charts.fields.show(fields, currentParts());
  charts.regions.show(figures ? sumRegions(fields).map(([region, n]) => [translate(`region.${region}`), n]) : []);
  charts.reasons.show((figures?.reasons ?? []).map(({ kind, parts }) => [translate(`kind.${kind}`), parts]));
  showScores();
}

function showScores() {
  clearTimeout(pending);
  pending = null;
  const parts = currentParts();
  charts.scores.card.hidden = !parts.some(({ share }) => share !== null);
  if (!charts.scores.card.hidden) charts.scores.show(parts, figures);
}

eventStream.addEventListener("decision", () => {
  if (!view.hidden && charts && pending === null) pending = setTimeout(showScores, REDRAW);
});
eventStream.addEventListener("camera", () => {
  figures = null;
  if (charts && !view.hidden) load();
});
document.addEventListener("theme", () => charts && !view.hidden && show());
setInterval(load, REFRESH);

/** Draw the charts of the view that is shown. */
export function enter() {
  if (!line.status) return;
  build();
  load();
}

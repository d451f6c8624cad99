// Reports view: the shift's figures, its report as a file, and the changes of the line.
import { $, element, showMessage } from "../elements.js";
import { buildUrl, download, getJson } from "../api.js";
import { describeNotedState } from "../alarms.js";
import { countShift, DECISIONS } from "./live.js";
import { enter as enterCharts } from "./charts.js";
import { findPeriod } from "./history.js";
import { eventStream, line } from "../event_stream.js";
import { language, translate } from "../catalogue.js";
import { formatCount, formatMoment, formatOrigin, formatPercent, formatPrecise, nameCamera } from "../format.js";

const view = $("reports");
const PERIODS = ["shift", "past", "today", "yesterday", "custom"];
const PAGE = 20;
let period = "shift";
let next = null;

function buildPeriods() {
  $("period").replaceChildren(
    element("legend", {}, translate("report.period")),
    ...PERIODS.map((one) => {
      const input = element("input", { type: "radio", name: "period", value: one });
      input.checked = one === period;
      input.addEventListener("change", () => {
        period = one;
        $("report-dates").hidden = one !== "custom";
        $("report-shift").hidden = one !== "past";
        if (one === "past" && !day.value) chooseDay();
      });
      return element("label", {}, input, element("span", {}, translate(`period.${one}`)));
    }),
  );
}

const day = $("report-shift").querySelector("input");
const start = $("report-shift").querySelector("select");

let asked = 0;

/** Let a shift of a day be chosen; at first of the day on which the last one began. */
async function chooseDay() {
  const number = ++asked;
  try {
    if (!day.value) {
      const before = new Date(line.status.shift.since / 1e6 - 1);
      day.value = [before.getFullYear(), before.getMonth() + 1, before.getDate()].map((n) => String(n).padStart(2, "0")).join("-");
    }
    const { shifts } = await getJson("api/shifts", { day: day.value });
    if (number !== asked) return; // another day was chosen meanwhile
    const chosen = shifts.find((one) => one.start === start.value) ?? shifts.at(-1);
    start.replaceChildren(...shifts.map((one) => element("option", { value: one.start }, one.start)));
    start.value = chosen?.start ?? "";
  } catch (error) {
    showMessage($("report-state"), error.message, true);
  }
}
day.addEventListener("change", () => day.value && chooseDay());
/** Return the chosen time, as parameters of a request. */
function findTime() {
  if (period === "past") return { day: day.value, start: start.value };
  const [since, until] = [...$("report-dates").querySelectorAll("input")].map((input) => input.value);
  return findPeriod(period, since, until);
}

const shown = $("report").querySelector("iframe");
$("report-open").addEventListener("click", () => {
  const { theme } = document.documentElement.dataset;
  shown.src = buildUrl("api/report", { ...findTime(), form: "html", language, shown: true, theme });
  $("report").showModal();
});
$("report").addEventListener("close", () => shown.removeAttribute("src"));
$("report-print").addEventListener("click", () => shown.contentWindow.print());

for (const button of view.querySelectorAll("[data-form]")) {
  button.addEventListener("click", async () => {
    showMessage($("report-state"), translate("report.making"));
    try {
      const { content, name } = await download("api/report", { ...findTime(), form: button.dataset.form, language });
      const address = URL.createObjectURL(content);
      element("a", { href: address, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000); // a browser reads it after the click
      showMessage($("report-state"), translate("report.done", { name }));
    } catch (error) {
      showMessage($("report-state"), error.message, true);
    }
  });
}

function showShift() {
  if (view.hidden || !line.status) return;
  const { counts, total } = countShift();
  const cell = (text) => element("td", {}, text);
  const row = (title, n) => element("tr", {}, element("th", { scope: "row" }, title), cell(formatCount(n)), cell(total ? formatPercent(n / total) : "–"));
  const head = ["report.count", "report.share"].map((key) => element("th", { scope: "col" }, translate(key)));
  $("shift").tHead.replaceChildren(element("tr", {}, element("td"), ...head));
  $("shift").tBodies[0].replaceChildren(...DECISIONS.map((one) => row(translate(`decision.${one}`), counts[one])), row(translate("report.total"), total));
}

async function showNotes(before = null) {
  if (!line.status?.ledger) {
    $("notes").replaceChildren(element("li", {}, translate("notes.no-ledger")));
    $("notes-older").disabled = $("notes-newest").disabled = true;
    return;
  }
  try {
    const answer = await getJson("api/notes", { limit: PAGE, before });
    next = answer.next;
    $("notes").replaceChildren(...(answer.notes.length ? answer.notes.map(makeNote) : [element("li", {}, translate("notes.none"))]));
    $("notes-older").disabled = next === null;
    $("notes-newest").disabled = before === null;
  } catch (error) {
    $("notes").replaceChildren(element("li", { class: "bad" }, error.message));
  }
}

function makeNote({ at, kind, camera, subject, before, after, by }) {
  const [what, change] = tellNote({ kind, before, after });
  const where = [formatMoment(at), nameCamera(camera), kind === "limit" ? null : subject, by ? translate("note.by", { by: formatOrigin(by) }) : null].filter(Boolean).join(" · ");
  return element("li", {}, element("b", {}, what), element("span", {}, change), element("span", { class: "soft" }, where));
}

const NOTES = ["mark", "limit", "recipe", "running", "trigger", "bundle"];

/** Return what happened, as a sentence, and the change where the sentence doesn't tell it. */
function tellNote({ kind, before, after }) {
  const missing = (value) => value === null || value === undefined || value === "";
  const number = (value) => (kind === "limit" && Number.isFinite(Number(value)) ? formatPrecise(Number(value), 6) : String(value));
  const [old, now] = [before, after].map((value) => (missing(value) ? "–" : kind === "alarm" ? describeNotedState(value) : number(value)));
  if (kind === "running") return [translate(`told.running.${after === true || after === "true"}`), ""];
  if (kind === "mark") return [translate(missing(after) ? "told.mark.none" : `told.mark.${after}`), ""];
  if (!NOTES.includes(kind)) return [translate(`note.${kind}`), translate("note.change", { before: old, after: now })];
  return [translate(`told.${kind}`, { before: old, after: now }), ""];
}

$("notes-older").addEventListener("click", () => showNotes(next));
$("notes-newest").addEventListener("click", () => showNotes());
eventStream.addEventListener("note", () => !view.hidden && $("notes-newest").disabled && showNotes());
for (const kind of ["status", "camera"]) eventStream.addEventListener(kind, showShift);

export function enter() {
  buildPeriods();
  showShift();
  showNotes();
  enterCharts();
}

// Reports: the shift's figures, its report to take away, and what was changed.
import { $, element, report } from "./elements.js";
import { download, read } from "./line.js";
import { countShift, DECISIONS } from "./live.js";
import { span } from "./look_back.js";
import { line, eventStream } from "./event_stream.js";
import { count, language, moment, percent, precise, say } from "./words.js";

const view = $("reports");
const PERIODS = ["shift", "today", "yesterday", "custom"];
const PAGE = 20;
let period = "shift";
let next = null;

function build() {
  $("period").replaceChildren(
    element("legend", {}, say("report.period")),
    ...PERIODS.map((one) => {
      const input = element("input", { type: "radio", name: "period", value: one });
      input.checked = one === period;
      input.addEventListener("change", () => {
        period = one;
        $("report-dates").hidden = one !== "custom";
      });
      return element("label", {}, input, element("span", {}, say(`period.${one}`)));
    }),
  );
}

for (const button of view.querySelectorAll("[data-form]")) {
  button.addEventListener("click", async () => {
    const [since, until] = [...$("report-dates").querySelectorAll("input")].map((input) => input.value);
    report($("report-state"), say("report.making"));
    try {
      const { content, name } = await download("api/report", { ...span(period, since, until), form: button.dataset.form, language });
      const address = URL.createObjectURL(content);
      element("a", { href: address, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000); // a browser takes it after the click
      report($("report-state"), say("report.done", { name }));
    } catch (error) {
      report($("report-state"), error.message, true);
    }
  });
}

function showShift() {
  if (view.hidden || !line.status) return;
  const { counts, total } = countShift();
  const cell = (text) => element("td", {}, text);
  const row = (title, n) => element("tr", {}, element("th", { scope: "row" }, title), cell(count(n)), cell(total ? percent(n / total) : "–"));
  const head = ["report.count", "report.share"].map((key) => element("th", { scope: "col" }, say(key)));
  $("shift").tHead.replaceChildren(element("tr", {}, element("td"), ...head));
  $("shift").tBodies[0].replaceChildren(...DECISIONS.map((one) => row(say(`decision.${one}`), counts[one])), row(say("report.total"), total));
}

async function showNotes(before = null) {
  if (!line.status?.ledger) {
    $("notes").replaceChildren(element("li", {}, say("notes.no-ledger")));
    $("notes-older").disabled = $("notes-newest").disabled = true;
    return;
  }
  try {
    const answer = await read("api/notes", { limit: PAGE, before });
    next = answer.next;
    $("notes").replaceChildren(...(answer.notes.length ? answer.notes.map(tell) : [element("li", {}, say("notes.none"))]));
    $("notes-older").disabled = next === null;
    $("notes-newest").disabled = before === null;
  } catch (error) {
    $("notes").replaceChildren(element("li", { class: "bad" }, error.message));
  }
}

function tell({ at, kind, camera, subject, before, after, by }) {
  const text = (value) => {
    if (value === null || value === undefined || value === "") return "–";
    if (kind === "mark") return say(`marked.${value}`);
    if (kind === "running") return say(value === true || value === "true" ? "run.start" : "run.stop");
    const number = kind === "limit" ? Number(value) : NaN;
    return Number.isFinite(number) ? precise(number, 6) : String(value);
  };
  const change = kind === "trigger" ? "" : say("note.change", { before: text(before), after: text(after) });
  const where = [moment(at), camera, kind === "limit" ? null : subject, by ? say("note.by", { by }) : null].filter(Boolean).join(" · ");
  return element("li", {}, element("b", {}, say(`note.${kind}`)), element("span", {}, change), element("span", { class: "soft" }, where));
}

$("notes-older").addEventListener("click", () => showNotes(next));
$("notes-newest").addEventListener("click", () => showNotes());
eventStream.addEventListener("note", () => !view.hidden && $("notes-newest").disabled && showNotes());
for (const kind of ["status", "camera"]) eventStream.addEventListener(kind, showShift);

export function enter() {
  build();
  showShift();
  showNotes();
}

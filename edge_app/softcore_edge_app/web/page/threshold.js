// Threshold: what another one would have meant for the last parts, and setting it.
import { $, element, report, set, write } from "./elements.js";
import { change, read } from "./line.js";
import { tiles } from "./look_back.js";
import { line, eventStream } from "./event_stream.js";
import { attempt, sure } from "./question.js";
import { count, precise, say } from "./words.js";

const PARTS = 500;
const STEPS = [-5, -1, 1, 5]; // percent
const WAIT = 250; // milliseconds that fingers are still
const KINDS = ["PASS", "REVIEW", "FAIL"];

let now = null; // the threshold in use: { camera, value, fail_above }
let wanted = null;
let previewed = null; // for which of the wanted ones the table is
let asked = 0;
let later = null;

const band = (one) => one.fail_above > one.value;
const same = (one, other) => one?.value === other?.value && one?.fail_above === other?.fail_above;
const valid = ({ value, fail_above: above }) => value > 0 && Number.isFinite(above) && above >= value;

const fields = Object.fromEntries(
  [...document.querySelectorAll(".stepper")].map((place) => {
    const name = place.dataset.of;
    const field = element("input", { type: "number", step: "any", min: "0", inputmode: "decimal" });
    const buttons = STEPS.map((step) => {
      const button = element("button", { type: "button" }, `${step > 0 ? "+" : "−"}${Math.abs(step)} %`);
      button.addEventListener("click", () => move(name, Number((wanted[name] * (1 + step / 100)).toPrecision(6))));
      return [step, button];
    });
    field.addEventListener("input", () => move(name, field.valueAsNumber, true));
    const [less, more] = [buttons.filter(([step]) => step < 0), buttons.filter(([step]) => step > 0)];
    const word = element("span");
    place.append(element("label", {}, word, field), ...[...less, ...more].map(([, button]) => button));
    return [name, { place, field, buttons, word }];
  }),
);

function name() {
  for (const [key, { buttons, word }] of Object.entries(fields)) {
    write(word, say(`threshold.${key}`));
    for (const [step, button] of buttons) {
      const way = say(step < 0 ? "threshold.less" : "threshold.more", { percent: Math.abs(step) });
      set(button, "aria-label", `${say(`threshold.${key}`)}: ${way}`);
    }
  }
}

/** Show the threshold of a camera; begin anew where it was changed. */
export function showThreshold(camera) {
  const found = { camera: camera.name, value: camera.threshold, fail_above: camera.fail_above };
  if (now?.camera === found.camera && same(now, found)) return;
  if (now?.camera !== found.camera) report($("threshold-state"), "");
  now = found;
  reset();
}

function reset() {
  const terms = { value: precise(now.value, 6), fail_above: precise(now.fail_above, 6) };
  write($("threshold-now"), say(band(now) ? "threshold.now.band" : "threshold.now", terms));
  fields.fail_above.place.hidden = !band(now);
  wanted = { value: now.value, fail_above: now.fail_above };
  for (const [key, { field }] of Object.entries(fields)) field.value = Number(wanted[key].toPrecision(6));
  $("threshold-apply").disabled = true;
  ask();
}

function move(key, value, typed = false) {
  const both = !band(now); // without a grey zone there is one number
  wanted = { ...wanted, [key]: value, ...(both ? { fail_above: value } : {}) };
  if (!typed) fields[key].field.value = value;
  $("threshold-apply").disabled = true;
  previewed = null;
  report($("threshold-state"), valid(wanted) ? "" : say("threshold.wrong"), true);
  clearTimeout(later);
  if (valid(wanted)) later = setTimeout(ask, WAIT);
}

async function ask() {
  if ($("set-up").hidden || !now) return;
  if (!line.status.ledger) {
    report($("threshold-known"), say("threshold.no-ledger"));
    return;
  }
  const mine = (asked += 1);
  const threshold = wanted;
  const query = { camera: now.camera, value: threshold.value, fail_above: band(now) ? threshold.fail_above : null, parts: PARTS };
  await attempt($("threshold-state"), async () => {
    const preview = await read("api/limit/preview", query);
    if (mine === asked && threshold === wanted) show(preview, threshold);
  });
}

function show(preview, threshold) {
  previewed = { ...preview, threshold };
  const { parts, known, now: before, then, changed } = preview;
  report($("threshold-known"), parts ? say("threshold.of", { parts: count(parts), known: count(known) }) : say("threshold.none"));
  const kinds = KINDS.filter((kind) => kind !== "REVIEW" || band(now) || before.REVIEW || then.REVIEW);
  const cells = (tag, texts) => texts.map((text) => element(tag, tag === "th" ? { scope: "col" } : {}, text));
  const row = (title, counts) =>
    element("tr", {}, element("th", { scope: "row" }, title), ...cells("td", kinds.map((kind) => count(counts[kind] ?? 0))));
  const head = element("tr", {}, element("td"), ...cells("th", kinds.map((kind) => say(`decision.${kind}`))));
  $("threshold-table").tHead.replaceChildren(head);
  $("threshold-table").tBodies[0].replaceChildren(row(say("threshold.before"), before), row(say("threshold.then"), then));
  $("threshold-table").hidden = !parts;
  $("threshold-changed").replaceChildren(...(changed.length ? tiles(changed) : [element("li", { class: "soft" }, say("threshold.unchanged"))]));
  $("threshold-apply").disabled = same(threshold, now);
}

$("threshold-apply").addEventListener("click", async () => {
  const { threshold, parts, now: before, then } = previewed;
  const failed = { before: count(before.FAIL), then: count(then.FAIL) };
  const terms = { value: precise(threshold.value, 6), old: precise(now.value, 6), parts: count(parts), ...failed };
  if (!(await sure(say("threshold.sure", terms), say("threshold.sure.text", terms), say("threshold.apply")))) return;
  await attempt($("threshold-state"), async () => {
    const body = { camera: now.camera, value: threshold.value, ...(band(now) ? { fail_above: threshold.fail_above } : {}) };
    const old = precise(now.value, 6);
    if (await change("api/limit", body)) report($("threshold-state"), say("threshold.done", { new: terms.value, old }));
  });
});
$("threshold-reset").addEventListener("click", () => {
  report($("threshold-state"), "");
  reset();
});

/** Look what the wanted threshold means for the parts of now. */
export const refresh = () => now && ask();
eventStream.addEventListener("camera", () => (now = null));
document.addEventListener("language", () => {
  name();
  if (now) reset();
});

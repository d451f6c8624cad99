// Limit: what another one would have meant for the last parts, and setting it.
import { $, element, report, set, write } from "./elements.js";
import { change, read } from "./line.js";
import { tiles } from "./look_back.js";
import { line, news } from "./news.js";
import { attempt, sure } from "./question.js";
import { count, precise, say } from "./words.js";

const PARTS = 500;
const STEPS = [-5, -1, 1, 5]; // percent
const WAIT = 250; // milliseconds that fingers are still
const KINDS = ["PASS", "REVIEW", "FAIL"];

let now = null; // the limit in use: { camera, value, fail_above }
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
    write(word, say(`limit.${key}`));
    for (const [step, button] of buttons) {
      const way = say(step < 0 ? "limit.less" : "limit.more", { percent: Math.abs(step) });
      set(button, "aria-label", `${say(`limit.${key}`)}: ${way}`);
    }
  }
}

/** Show the limit of a camera; begin anew where it was changed. */
export function showLimit(camera) {
  const found = { camera: camera.name, value: camera.threshold, fail_above: camera.fail_above };
  if (now?.camera === found.camera && same(now, found)) return;
  if (now?.camera !== found.camera) report($("limit-state"), "");
  now = found;
  reset();
}

function reset() {
  const terms = { value: precise(now.value, 6), fail_above: precise(now.fail_above, 6) };
  write($("limit-now"), say(band(now) ? "limit.now.band" : "limit.now", terms));
  fields.fail_above.place.hidden = !band(now);
  wanted = { value: now.value, fail_above: now.fail_above };
  for (const [key, { field }] of Object.entries(fields)) field.value = Number(wanted[key].toPrecision(6));
  $("limit-apply").disabled = true;
  ask();
}

function move(key, value, typed = false) {
  const both = !band(now); // without a grey zone there is one number
  wanted = { ...wanted, [key]: value, ...(both ? { fail_above: value } : {}) };
  if (!typed) fields[key].field.value = value;
  $("limit-apply").disabled = true;
  previewed = null;
  report($("limit-state"), valid(wanted) ? "" : say("limit.wrong"), true);
  clearTimeout(later);
  if (valid(wanted)) later = setTimeout(ask, WAIT);
}

async function ask() {
  if ($("set-up").hidden || !now) return;
  if (!line.status.ledger) {
    report($("limit-known"), say("limit.no-ledger"));
    return;
  }
  const mine = (asked += 1);
  const limit = wanted;
  const query = { camera: now.camera, value: limit.value, fail_above: band(now) ? limit.fail_above : null, parts: PARTS };
  await attempt($("limit-state"), async () => {
    const preview = await read("api/limit/preview", query);
    if (mine === asked && limit === wanted) show(preview, limit);
  });
}

function show(preview, limit) {
  previewed = { ...preview, limit };
  const { parts, known, now: before, then, changed } = preview;
  report($("limit-known"), parts ? say("limit.of", { parts: count(parts), known: count(known) }) : say("limit.none"));
  const kinds = KINDS.filter((kind) => kind !== "REVIEW" || band(now) || before.REVIEW || then.REVIEW);
  const cells = (tag, texts) => texts.map((text) => element(tag, tag === "th" ? { scope: "col" } : {}, text));
  const row = (title, counts) =>
    element("tr", {}, element("th", { scope: "row" }, title), ...cells("td", kinds.map((kind) => count(counts[kind] ?? 0))));
  const head = element("tr", {}, element("td"), ...cells("th", kinds.map((kind) => say(`decision.${kind}`))));
  $("limit-table").tHead.replaceChildren(head);
  $("limit-table").tBodies[0].replaceChildren(row(say("limit.before"), before), row(say("limit.then"), then));
  $("limit-table").hidden = !parts;
  $("limit-changed").replaceChildren(...(changed.length ? tiles(changed) : [element("li", { class: "soft" }, say("limit.unchanged"))]));
  $("limit-apply").disabled = same(limit, now);
}

$("limit-apply").addEventListener("click", async () => {
  const { limit, parts, now: before, then } = previewed;
  const failed = { before: count(before.FAIL), then: count(then.FAIL) };
  const terms = { value: precise(limit.value, 6), old: precise(now.value, 6), parts: count(parts), ...failed };
  if (!(await sure(say("limit.sure", terms), say("limit.sure.text", terms), say("limit.apply")))) return;
  await attempt($("limit-state"), async () => {
    const body = { camera: now.camera, value: limit.value, ...(band(now) ? { fail_above: limit.fail_above } : {}) };
    const old = precise(now.value, 6);
    if (await change("api/limit", body)) report($("limit-state"), say("limit.done", { new: terms.value, old }));
  });
});
$("limit-reset").addEventListener("click", () => {
  report($("limit-state"), "");
  reset();
});

/** Look what the wanted limit means for the parts of now. */
export const refresh = () => now && ask();
news.addEventListener("camera", () => (now = null));
document.addEventListener("language", () => {
  name();
  if (now) reset();
});

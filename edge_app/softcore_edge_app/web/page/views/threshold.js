// Threshold: what another one would have meant for the last parts, and how it is set.
import { $, element, setAttribute, setText, showMessage } from "../elements.js";
import { getJson, postChange } from "../api.js";
import { makeTiles } from "./history.js";
import { canChange, mayDo } from "../people.js";
import { eventStream, line } from "../event_stream.js";
import { makeLines, moveLines, showScores } from "../threshold_chart.js";
import { confirmChange, showErrors } from "../confirmation.js";
import { translate } from "../catalogue.js";
import { formatCount, formatPercent, formatPrecise } from "../format.js";

const PARTS = 500;
const STEPS = [-5, -1, 1, 5]; // percent
const WAIT = 250; // milliseconds without a key or touch before the preview is requested
const KINDS = ["PASS", "REVIEW", "FAIL"];

let now = null; // the threshold in use: { camera, recipe, value, fail_above }
let wanted = null; // the threshold in the fields
let previewed = null; // the answer that the table shows, and its threshold
let requested = 0;
let timer = null;

const hasGreyZone = (one) => one.fail_above > one.value;
const areEqual = (one, other) => one?.value === other?.value && one?.fail_above === other?.fail_above;
const isValid = ({ value, fail_above: above }) => value > 0 && Number.isFinite(above) && above >= value;

const fields = Object.fromEntries(
  [...document.querySelectorAll(".stepper")].map((place) => {
    const name = place.dataset.of;
    const field = element("input", { type: "number", step: "any", min: "0", inputmode: "decimal" });
    const buttons = STEPS.map((step) => {
      const button = element("button", { type: "button" }, `${step > 0 ? "+" : "−"}${Math.abs(step)} %`);
      button.addEventListener("click", () => change(name, Number((wanted[name] * (1 + step / 100)).toPrecision(6))));
      return [step, button];
    });
    field.addEventListener("input", () => change(name, field.valueAsNumber, true));
    const [less, more] = [buttons.filter(([step]) => step < 0), buttons.filter(([step]) => step > 0)];
    const word = element("span");
    place.append(element("label", {}, word, field), ...[...less, ...more].map(([, button]) => button));
    return [name, { place, field, buttons, word }];
  }),
);

makeLines((key, value) => change(key, value));

function labelFields() {
  for (const [key, { buttons, word }] of Object.entries(fields)) {
    setText(word, translate(`threshold.${key}`));
    for (const [step, button] of buttons) {
      const way = translate(step < 0 ? "threshold.less" : "threshold.more", { percent: Math.abs(step) });
      setAttribute(button, "aria-label", `${translate(`threshold.${key}`)}: ${way}`);
    }
  }
}

function clearPreview() {
  previewed = null;
  requested += 1; // an answer that is on its way is of the other recipe
  for (const id of ["threshold-state", "threshold-known"]) showMessage($(id), "");
  $("threshold-table").hidden = true;
  $("threshold-changed").replaceChildren();
}

/** Show the threshold of a camera; reset the fields if it has changed. */
export function showThreshold(camera) {
  const found = { camera: camera.name, recipe: camera.recipe, value: camera.threshold, fail_above: camera.fail_above };
  const same = now?.camera === found.camera && now.recipe === found.recipe;
  if (same && areEqual(now, found)) return;
  if (!same) clearPreview(); // what was said of another recipe's threshold
  now = found;
  reset();
}

function reset() {
  const terms = { value: formatPrecise(now.value, 6), fail_above: formatPrecise(now.fail_above, 6) };
  setText($("threshold-now"), translate(hasGreyZone(now) ? "threshold.now.band" : "threshold.now", terms));
  fields.fail_above.place.hidden = !hasGreyZone(now);
  wanted = { value: now.value, fail_above: now.fail_above };
  for (const [key, { field }] of Object.entries(fields)) field.value = Number(wanted[key].toPrecision(6));
  $("threshold-apply").disabled = true;
  moveLines(wanted, hasGreyZone(now));
  requestPreview();
}

function change(key, value, typed = false) {
  const both = !hasGreyZone(now); // without a grey zone there is one number
  wanted = { ...wanted, [key]: value, ...(both ? { fail_above: value } : {}) };
  if (!typed) fields[key].field.value = value;
  $("threshold-apply").disabled = true;
  previewed = null;
  showMessage($("threshold-state"), isValid(wanted) ? "" : translate("threshold.wrong"), true);
  clearTimeout(timer);
  if (!isValid(wanted)) return;
  moveLines(wanted, hasGreyZone(now));
  timer = setTimeout(requestPreview, WAIT);
}

async function requestPreview() {
  if ($("set-up").hidden || !now) return;
  if (!line.status.ledger) {
    showMessage($("threshold-known"), translate("threshold.no-ledger"));
    return;
  }
  const mine = (requested += 1);
  const threshold = wanted;
  const query = { camera: now.camera, value: threshold.value, fail_above: hasGreyZone(now) ? threshold.fail_above : null, parts: PARTS };
  await showErrors($("threshold-state"), async () => {
    const preview = await getJson("api/limit/preview", query);
    if (mine === requested && threshold === wanted) showPreview(preview, threshold);
  });
}

function showPreview(preview, threshold) {
  previewed = { ...preview, threshold };
  showScores(preview.scores);
  const { parts, known, now: before, then, changed } = preview;
  showMessage($("threshold-known"), parts ? translate("threshold.of", { parts: formatCount(parts), known: formatCount(known) }) : translate("threshold.none"));
  const kinds = KINDS.filter((kind) => kind !== "REVIEW" || hasGreyZone(now) || before.REVIEW || then.REVIEW);
  const cells = (tag, texts) => texts.map((text) => element(tag, tag === "th" ? { scope: "col" } : {}, text));
  const row = (title, counts) =>
    element("tr", {}, element("th", { scope: "row" }, title), ...cells("td", kinds.map((kind) => formatCount(counts[kind] ?? 0))));
  const head = element("tr", {}, element("td"), ...cells("th", kinds.map((kind) => translate(`decision.${kind}`))));
  $("threshold-table").tHead.replaceChildren(head);
  $("threshold-table").tBodies[0].replaceChildren(row(translate("threshold.before"), before), row(translate("threshold.then"), then));
  $("threshold-table").hidden = !parts;
  $("threshold-changed").replaceChildren(...(changed.length ? makeTiles(changed) : [element("li", { class: "soft" }, translate("threshold.unchanged"))]));
  if (!canChange(line.status)) showMessage($("threshold-state"), translate("lock.impossible"));
  allowApply();
}

function allowApply() {
  const possible = canChange(line.status) && mayDo("setter");
  $("threshold-apply").disabled = !previewed || areEqual(previewed.threshold, now) || !possible;
}

$("threshold-apply").addEventListener("click", async () => {
  const { threshold, parts, now: before, then, drastic } = previewed;
  const failed = { before: formatCount(before.FAIL), then: formatCount(then.FAIL) };
  const terms = { value: formatPrecise(threshold.value, 6), old: formatPrecise(now.value, 6), parts: formatCount(parts), ...failed };
  const title = translate("threshold.confirm", terms);
  const meant = drastic ? confirmTwice(title, terms, previewed) : confirmChange(title, translate("threshold.confirm.text", terms), translate("threshold.apply"));
  if (!(await meant)) return;
  const body = { camera: now.camera, value: threshold.value };
  if (hasGreyZone(now)) body.fail_above = threshold.fail_above;
  if (drastic) body.accept = { parts, now: before, then };
  await showErrors($("threshold-state"), async () => {
    try {
      if (await postChange("api/limit", body)) showMessage($("threshold-state"), translate("threshold.done", { new: terms.value, old: terms.old }));
    } catch (error) {
      if (!error.answer?.rates) throw error;
      requestPreview(); // it would change more than the person was told
      throw new Error(translate("threshold.else"));
    }
  });
});

/** Ask in red, twice, with the rates compared. */
async function confirmTwice(title, terms, { parts, now: before, then }) {
  const kinds = ["FAIL", "REVIEW"].filter((kind) => before[kind] || then[kind]);
  const rate = (counts) =>
    kinds.map((kind) => `${formatPercent(counts[kind] / parts)} ${translate(`decision.${kind}`)} (${formatCount(counts[kind])})`).join("\n");
  const figures = [[translate("threshold.before"), rate(before)], [translate("threshold.then"), rate(then)]];
  const yes = translate("threshold.apply");
  const text = translate("threshold.drastic", terms);
  return (
    (await confirmChange(title, text, yes, { dangerous: true, figures })) &&
    confirmChange(translate("threshold.sure", terms), translate("threshold.sure.text", terms), translate("threshold.sure.yes"), { dangerous: true, turned: true, figures })
  );
}

$("threshold-reset").addEventListener("click", () => {
  showMessage($("threshold-state"), "");
  reset();
});

/** Request the preview for the newest parts. */
export const refresh = () => now && requestPreview();
eventStream.addEventListener("camera", () => (now = null));
document.addEventListener("lock", allowApply);
document.addEventListener("language", () => {
  labelFields();
  if (now) reset();
});

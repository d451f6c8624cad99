// History view: the ledger's parts by name, time, decision, product, score and mark, a page at a time.
import { $, element, makeCut, setSymbol, showMessage, symbol } from "../elements.js";
import { getJson } from "../api.js";
import { eventStream, line } from "../event_stream.js";
import { openPart } from "../part.js";
import { imageUrl } from "../image.js";
import { translate } from "../catalogue.js";
import { describeKind, formatCount, formatMoment, formatShare, namePart } from "../format.js";

const LEAST = 12; // parts on a page; more where they have room
const MOST = 200;
const TRIES = 5; // requests for a page: without the ledger's index one answer searches a limited number of rows
const DAY = 86_400_000;
const PERIODS = ["any", "hour", "shift", "today", "yesterday", "week", "custom"];
const SHARES = { any: [], "just-passed": [0.8, 1], "just-failed": [1, 1.2], above: [1, null], far: [2, null] };
const MARKS = ["any", "good", "bad"];

/** Return the begin and end of a named period, as ISO 8601; null for an open end. */
export function findPeriod(period, since, until) {
  const now = Date.now();
  const midnight = new Date().setHours(0, 0, 0, 0);
  const local = (text) => (text ? new Date(text).getTime() : null);
  const [from, to] = {
    any: [null, null],
    hour: [now - DAY / 24, null],
    shift: [line.status ? line.status.shift.since / 1e6 : null, null],
    today: [midnight, null],
    yesterday: [new Date(midnight - DAY / 2).setHours(0, 0, 0, 0), midnight], // a day may have 23 hours
    week: [now - 7 * DAY, null],
    custom: [local(since), local(until)],
  }[period];
  const iso = (time) => (time === null ? null : new Date(time).toISOString());
  return { since: iso(from), until: iso(to) };
}

const form = $("filters");
let rows = [];
let next = null;
let requested = 0; // an answer to an older request is dropped
let searched = false;

/** Return how many parts have room. */
function countRoom() {
  const { gridTemplateColumns, gridAutoRows, rowGap, overflowY } = getComputedStyle($("rows"));
  const columns = gridTemplateColumns.split(" ").length;
  const lines = overflowY === "visible" ? 0 : Math.floor($("rows").clientHeight / (parseFloat(gridAutoRows) + parseFloat(rowGap)));
  return Math.min(MOST, columns * Math.max(lines, Math.ceil(LEAST / columns)));
}

function makeSelect(name, options, chosen) {
  const select = element("select", { name });
  for (const [value, text] of options) select.append(element("option", { value }, text));
  select.value = options.some(([value]) => value === chosen) ? chosen : options[0][0];
  return element("label", {}, element("span", {}, translate(`history.${name}`)), select);
}

function buildFilters() {
  const was = Object.fromEntries(new FormData(form));
  const all = [["", translate("history.any")]];
  const { cameras } = line.status;
  const products = [...new Set(cameras.map((one) => one.category))];
  const id = element("input", { type: "search", name: "part", maxlength: 200, enterkeyhint: "search", autocapitalize: "none", spellcheck: "false" });
  id.value = was.part ?? "";
  form.replaceChildren(
    element("label", {}, element("span", {}, translate("history.part")), id),
    makeSelect("period", PERIODS.map((one) => [one, translate(`period.${one}`)]), was.period),
    makeSelect("decision", [...all, ...["FAIL", "REVIEW", "INVALID", "PASS"].map((one) => [one, translate(`decision.${one}`)])], was.decision),
    makeSelect("share", Object.keys(SHARES).map((one) => [one, translate(one === "any" ? "history.any" : `score.${one}`)]), was.share),
    makeSelect("mark", [...all, ...MARKS.map((one) => [one, translate(`marked.${one}`)])], was.mark),
  );
  if (cameras.length > 1) form.append(makeSelect("camera", [...all, ...cameras.map(({ name }) => [name, name])], was.camera));
  if (products.length > 1) form.append(makeSelect("category", [...all, ...products.map((one) => [one, one])], was.category));
  for (const name of ["since", "until"]) {
    const field = element("input", { type: "datetime-local", name });
    field.value = was[name] ?? "";
    form.append(element("label", { class: "date" }, element("span", {}, translate(`history.${name}`)), field));
  }
  showDates();
}

function showDates() {
  for (const label of form.querySelectorAll(".date")) label.hidden = form.elements.period.value !== "custom";
}

/** Search, and show the page at a place: `before` or `after` a row, or `at` a time; without one the newest. */
async function search(place = {}) {
  const mine = (requested += 1);
  const wanted = Object.fromEntries(new FormData(form));
  const [least, most] = SHARES[wanted.share];
  const query = {
    ...findPeriod(wanted.period, wanted.since, wanted.until),
    part: wanted.part.trim(), decision: wanted.decision, camera: wanted.camera, category: wanted.category,
    marked: wanted.mark, min_share: least, max_share: most,
  };
  showMessage($("found"), translate("history.searching"));
  const were = ["older", "newer"].map((name) => [$(name), $(name).disabled]);
  for (const [button] of were) button.disabled = true; // so that each press turns a page
  const room = countRoom();
  let found = [];
  let answer;
  let from = place;
  try {
    for (let tries = 0; tries < TRIES && found.length < room; tries += 1) {
      const part = await getJson("api/decisions", { ...query, limit: room - found.length, ...from });
      if (mine !== requested) return;
      answer = { ...part, newer: answer ? answer.newer : part.newer };
      found = [...found, ...part.rows];
      if (part.next === null || place.after !== undefined) break;
      from = { before: part.next };
    }
  } catch (error) {
    if (mine !== requested) return;
    showMessage($("found"), error.message, true);
    for (const [button, was] of were) button.disabled = was;
    return;
  }
  if (place.after !== undefined && found.length < room) return search(); // the newest page is full
  rows = found;
  next = answer.next;
  searched = true;
  $("newer").disabled = answer.newer === null ? Object.keys(place).length === 0 : answer.newer === 0;
  showRows();
  showFound(answer);
}

function showRows() {
  $("rows").replaceChildren(...makeTiles(rows));
  $("older").disabled = next === null;
}

function showFound({ total, newer }) {
  const none = translate(next === null ? "history.none" : "history.further");
  const n = { first: newer + 1, last: newer + rows.length, total, n: rows.length };
  const counts = Object.fromEntries(Object.entries(n).map(([name, count]) => [name, formatCount(count)]));
  showMessage($("found"), rows.length ? translate(total === null ? "history.uncounted" : "history.counted", counts) : none);
}

function makeTile(row, place, list) {
  const shape = symbol("", "shape");
  setSymbol(shape, `shape-${row.decision}`);
  const url = imageUrl(row, "thumbnail");
  const image = url ? element("img", { src: url, alt: "", loading: "lazy" }) : element("span", { class: "blank" }, translate("live.no-image"));
  const words = [formatShare(row) || describeKind(row), formatMoment(row.triggered_at), makeCut(namePart(row))];
  if (row.shadow) words.unshift(translate("shadow.says", { decision: translate(`decision.${row.shadow.decision}`) }));
  const button = element(
    "button",
    { type: "button", "data-decision": row.decision, "aria-haspopup": "dialog" },
    image,
    element("span", { class: "tile-text" }, element("b", {}, shape, translate(`decision.${row.decision}`)), ...words.filter(Boolean).map((word) => (word.nodeType ? word : element("span", {}, word)))),
  );
  if (row.mark) button.append(element("span", { class: "marked" }, translate(`marked.${row.mark}`)));
  button.addEventListener("click", () => openPart(list, place));
  return element("li", {}, button);
}

/** Make tiles of rows, each of which opens its part. */
export const makeTiles = (list) => list.map(makeTile);

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("keydown", (event) => {
  if (event.target.name !== "part") return;
  if (event.key === "Escape") event.target.blur(); // keys choose views again
  if (event.key !== "Enter") return;
  event.preventDefault();
  event.target.select(); // what a scanner reads next takes the place of this
  search();
});
$("part").addEventListener("close", () => {
  if (!$("look-back").hidden && form.elements.part?.value) form.elements.part.select(); // and is read after a look at the part
});
form.addEventListener("change", (event) => {
  if (event.target.name === "part") return; // Enter searches
  showDates();
  search();
});
form.addEventListener("input", (event) => {
  if (event.target.name === "part" && !event.target.value) search(); // cleared
});
$("older").addEventListener("click", () => search({ before: next }));
$("newer").addEventListener("click", () => (rows.length ? search({ after: rows[0].number }) : search()));
$("jump").addEventListener("change", ({ target }) => search(target.value ? { at: new Date(target.value).toISOString() } : {}));
eventStream.addEventListener("note", ({ detail }) => {
  if (detail.kind !== "mark" || !searched) return;
  rows = rows.map((row) => (row.trigger === detail.subject ? { ...row, mark: detail.after } : row));
  showRows();
});

export function enter() {
  if (!line.status) return;
  buildFilters();
  if (line.status.ledger) {
    search();
    if (!matchMedia("(max-width: 700px)").matches) form.elements.part.focus(); // a scanner types at once
  } else {
    $("found").textContent = translate("history.no-ledger");
    $("newer").disabled = $("older").disabled = true;
  }
}

// Look back: the ledger's parts by time, decision, product, score and mark, a page at a time.
import { $, draw, element, report, symbol } from "./elements.js";
import { read } from "./line.js";
import { line, eventStream } from "./event_stream.js";
import { openPart } from "./part.js";
import { locate } from "./image.js";
import { call, kind, moment, say, share } from "./words.js";

const PAGE = 12;
const TRIES = 5; // one answer looks through so many rows of the ledger; it may find nothing in them
const DAY = 86_400_000;
const PERIODS = ["any", "hour", "shift", "today", "yesterday", "week", "custom"];
const SHARES = { any: [], "just-passed": [0.8, 1], "just-failed": [1, 1.2], above: [1, null], far: [2, null] };
const MARKS = ["any", "good", "bad"];

/** The time from and to that is called so, as ISO 8601; null where it is open. */
export function span(period, since, until) {
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
let cursors = [null]; // where the pages so far began
let rows = [];
let next = null;
let asked = 0; // an answer to an older question is dropped
let fresh = false;

function choice(name, options, chosen) {
  const select = element("select", { name });
  for (const [value, text] of options) select.append(element("option", { value }, text));
  select.value = options.some(([value]) => value === chosen) ? chosen : options[0][0];
  return element("label", {}, element("span", {}, say(`look.${name}`)), select);
}

function build() {
  const was = Object.fromEntries(new FormData(form));
  const all = [["", say("look.any")]];
  const { cameras } = line.status;
  const products = [...new Set(cameras.map((one) => one.category))];
  form.replaceChildren(
    choice("period", PERIODS.map((one) => [one, say(`period.${one}`)]), was.period),
    choice("decision", [...all, ...["FAIL", "REVIEW", "INVALID", "PASS"].map((one) => [one, say(`decision.${one}`)])], was.decision),
    choice("share", Object.keys(SHARES).map((one) => [one, say(one === "any" ? "look.any" : `score.${one}`)]), was.share),
    choice("mark", [...all, ...MARKS.map((one) => [one, say(`marked.${one}`)])], was.mark),
  );
  if (cameras.length > 1) form.append(choice("camera", [...all, ...cameras.map(({ name }) => [name, name])], was.camera));
  if (products.length > 1) form.append(choice("category", [...all, ...products.map((one) => [one, one])], was.category));
  for (const name of ["since", "until"]) {
    const field = element("input", { type: "datetime-local", name });
    field.value = was[name] ?? "";
    form.append(element("label", { class: "date" }, element("span", {}, say(`look.${name}`)), field));
  }
  showDates();
}

function showDates() {
  for (const label of form.querySelectorAll(".date")) label.hidden = form.elements.period.value !== "custom";
}

async function search(cursor) {
  const mine = (asked += 1);
  const wanted = Object.fromEntries(new FormData(form));
  const [least, most] = SHARES[wanted.share];
  const query = {
    ...span(wanted.period, wanted.since, wanted.until),
    decision: wanted.decision, camera: wanted.camera, category: wanted.category,
    marked: wanted.mark, min_share: least, max_share: most,
  };
  report($("found"), say("look.searching"));
  let found = [];
  let before = cursor;
  try {
    for (let tries = 0; tries < TRIES && found.length < PAGE; tries += 1) {
      const answer = await read("api/decisions", { ...query, limit: PAGE - found.length, before });
      if (mine !== asked) return;
      found = [...found, ...answer.rows];
      before = answer.next;
      if (before === null) break;
    }
  } catch (error) {
    if (mine === asked) report($("found"), error.message, true);
    return;
  }
  rows = found;
  next = before;
  fresh = true;
  show();
}

function show() {
  $("rows").replaceChildren(...tiles(rows));
  const first = (cursors.length - 1) * PAGE + 1;
  const none = say(next === null ? "look.none" : "look.further");
  report($("found"), rows.length ? say("look.parts", { first, last: first + rows.length - 1 }) : none);
  $("newer").disabled = cursors.length < 2;
  $("older").disabled = next === null;
}

function tile(row, place, list) {
  const shape = symbol("", "shape");
  draw(shape, `shape-${row.decision}`);
  const url = locate(row, "thumbnail");
  const image = url ? element("img", { src: url, alt: "", loading: "lazy" }) : element("span", { class: "blank" }, say("live.no-image"));
  const words = [share(row) || kind(row), moment(row.triggered_at), call(row)];
  const button = element(
    "button",
    { type: "button", "data-decision": row.decision, "aria-haspopup": "dialog" },
    image,
    element("span", { class: "told" }, element("b", {}, shape, say(`decision.${row.decision}`)), ...words.map((word) => element("span", {}, word))),
  );
  if (row.mark) button.append(element("span", { class: "marked" }, say(`marked.${row.mark}`)));
  button.addEventListener("click", () => openPart(list, place));
  return element("li", {}, button);
}

/** Make tiles of rows, each of which opens its part. */
export const tiles = (list) => list.map(tile);

function begin() {
  cursors = [null];
  search(null);
}

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", () => {
  showDates();
  begin();
});
$("older").addEventListener("click", () => {
  cursors.push(next);
  search(next);
});
$("newer").addEventListener("click", () => {
  cursors.pop();
  search(cursors.at(-1));
});
eventStream.addEventListener("note", ({ detail }) => {
  if (detail.kind !== "mark" || !fresh) return;
  rows = rows.map((row) => (row.trigger === detail.subject ? { ...row, mark: detail.after } : row));
  show();
});

export function enter() {
  if (!line.status) return;
  build();
  if (line.status.ledger) begin();
  else {
    $("found").textContent = say("look.no-ledger");
    $("newer").disabled = $("older").disabled = true;
  }
}

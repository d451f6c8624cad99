// The review page: what it shows comes from the server, which saves each choice at once.
"use strict";

const $ = (id) => document.getElementById(id);
const token = document.querySelector("meta[name=softcore-token]").content;
const rows = Number(document.body.dataset.rows);
const columns = Number(document.body.dataset.columns);
const BATCH = 48; // cards
const SAID = { keep: "keep all of it", exclude: "exclude the image" };
let state = null;
let ended = false;
let saving = Promise.resolve(); // choices are saved one after the other, in the order of the clicks
let saves = 0;
let generation = 0; // of the list: an answer to an older question is dropped

class Unreachable extends Error {}

async function call(method, path, body) {
  const headers = { "X-Softcore-Token": token };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Unreachable("SoftCore doesn't answer");
  }
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.detail ?? `the server answered ${answer.status}`);
  return told;
}

const count = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
const times = (share) => `${share >= 1.995 ? share.toFixed(1) : share.toFixed(2)} x threshold`;
const key = (row, column) => row * columns + column;

// --- The numbers, and the bar below -----------------------------------------------------------------

async function refresh() {
  if (ended) return;
  try {
    await show(await call("GET", "state"));
  } catch (error) {
    if (error instanceof Unreachable) end("The review has ended", "It was ended in the terminal, or its machine can't be reached. Reload the page to try again.");
    else fail(error);
  }
}

async function show(news) {
  const exported = state !== null && news.exports !== state.exports;
  state = news;
  for (const filter of ["suspects", "all", "chosen"]) $(`count-${filter}`).textContent = state.cards[filter].toLocaleString("en");
  $("suspects").textContent = state.cards.suspects.toLocaleString("en");
  $("chosen").textContent = state.cards.chosen.toLocaleString("en");
  $("threshold").textContent = state.threshold;
  $("excluded").textContent = state.excluded;

  const running = state.running !== null;
  $("progress").hidden = !running;
  for (const button of [$("export"), $("finish")]) button.setAttribute("aria-disabled", running);
  $("export").textContent = running ? "Exporting…" : "Export again";
  const usual = state.usual === null ? "" : `, of some ${Math.ceil(state.usual)} s`;
  const outcome = running
    ? `Exporting again: ${Math.floor(state.running)} s${usual}. The features are taken over, not computed anew.`
    : state.failed
      ? `The export failed: ${state.outcome}. The bundle is as it was, your choices are saved.`
      : state.outcome;
  // Only what has changed is written, or a screen reader would say it again and again.
  write($("outcome"), outcome);
  $("outcome").classList.toggle("bad", !running && state.failed);
  write(
    $("pending"),
    state.pending
      ? `${count(state.pending, "change")} of your choices ${state.pending === 1 ? "is" : "are"} saved, but not in the bundle yet.`
      : "The bundle follows all your choices.",
  );
  $("pending").hidden = running;
  if (exported) await reload();
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function fail(error) {
  write($("outcome"), `${error.message}.`);
  $("outcome").classList.add("bad");
}

async function exportAgain() {
  await saving;
  if (state === null || state.running !== null) return;
  try {
    await show(await call("POST", "export"));
    poll(300);
  } catch (error) {
    fail(error);
    await refresh();
  }
}

async function finish(sure = false) {
  await saving;
  if (ended || state === null || state.running !== null) return;
  if (state.pending && !sure) {
    $("unfinished-text").textContent =
      `${count(state.pending, "change")} of your choices ${state.pending === 1 ? "is" : "are"} not in the bundle yet. They are saved, and the next export follows them.`;
    $("unfinished").returnValue = "stay"; // what Escape means
    $("unfinished").showModal();
    return;
  }
  try {
    await call("POST", "finish");
    end("Review finished", state.pending ? "Your last choices are not in the bundle yet." : "The bundle follows all your choices.");
  } catch (error) {
    fail(error);
  }
}

function end(title, text) {
  ended = true;
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  $("end-title").textContent = title;
  $("end-text").textContent = text;
  $("end").showModal();
  document.title = title;
}

let clock;
function poll(wait) {
  clearTimeout(clock);
  clock = setTimeout(async () => {
    if (!document.hidden || state?.running !== null) await refresh();
    if (!ended) poll(state?.running != null ? 500 : 5000);
  }, wait);
}

// --- The cards --------------------------------------------------------------------------------------

const cards = new Map(); // sha256 -> {card, element}

function question(limit) {
  const form = new FormData(document.querySelector(".filters"));
  return `images?${new URLSearchParams({ show: form.get("show"), name: form.get("name"), limit })}`;
}

// What was asked for before a choice was saved may not know of it yet.
async function find(limit) {
  let page, before;
  do {
    before = saves;
    page = await call("GET", question(limit));
  } while (before !== saves);
  return page;
}

async function list(limit, fresh) {
  const mine = ++generation;
  let page;
  try {
    page = await find(limit);
  } catch (error) {
    if (error instanceof Unreachable) await refresh();
    else fail(error);
    return;
  }
  if (mine !== generation) return;
  if (fresh) {
    cards.clear();
    $("cards").replaceChildren();
  }
  const fewer = $("cards").childElementCount;
  page.cards.forEach(append); // those that are here stay as they are
  const first = $("cards").children[fewer];
  const left = page.total - page.cards.length;
  $("more").hidden = left <= 0;
  $("more").textContent = `Show ${Math.min(BATCH, left)} more, of ${left.toLocaleString("en")}`;
  const name = document.querySelector("[name=name]").value.trim();
  const filter = document.querySelector("[name=show]:checked").value;
  const none = name
    ? `No ${filter === "all" ? "image" : filter === "suspects" ? "suspect" : "image with a choice"} has “${name}” in its name.`
    : filter === "suspects"
      ? "No image is above the threshold. Look at all images to see the most unusual ones."
      : "You have made no choice yet.";
  $("found").textContent = page.total
    ? `${page.cards.length.toLocaleString("en")} of ${count(page.total, "image")}, most suspect first.`
    : none;
  return first;
}

// After an export: the same cards, in their places, with what is new of them.
async function reload() {
  const shown = [...cards.keys()];
  if (!shown.length) return;
  try {
    const page = await find(shown.length);
    for (const card of page.cards) if (cards.has(card.sha256)) fill(cards.get(card.sha256), card);
    // A card whose choice was taken back is here still, though its filter would no longer show it.
    const found = new Set(page.cards.map((card) => card.sha256));
    for (const own of shown.filter((sha256) => !found.has(sha256))) fill(cards.get(own), await call("GET", `images/${own}`));
  } catch (error) {
    fail(error);
  }
}

function append(card) {
  if (cards.has(card.sha256)) return;
  const element = $("card").content.firstElementChild.cloneNode(true);
  const held = { card, element };
  cards.set(card.sha256, held);
  const name = card.names[0];
  element.classList.toggle("above", card.suspicion > 1);
  element.querySelector("h3").textContent = name;
  element.querySelector(".share").textContent = times(card.suspicion);
  element.querySelector(".place").textContent = card.suspicion > 1 ? "suspect" : "below the threshold";
  const same = element.querySelector(".same");
  same.hidden = card.names.length === 1;
  same.textContent = `Also in the folder, with the same content: ${card.names.slice(1, 4).join(", ")}${card.names.length > 4 ? ` and ${card.names.length - 4} more` : ""}.`;
  const pair = element.querySelector(".pair");
  pair.setAttribute("aria-label", `Enlarge ${name} and mark patches`);
  pair.title = "Enlarge, and mark patches";
  pair.addEventListener("click", () => pair.classList.contains("gone") || edit(held));
  for (const image of pair.querySelectorAll("img")) {
    image.addEventListener("error", () => {
      pair.classList.add("gone");
      pair.querySelector("span > span").textContent = "This image can no longer be read.";
      pair.querySelectorAll("span > span")[1].textContent = "";
    });
  }
  pair.querySelector("img").src = `images/${card.sha256}/crop.jpg`;
  element.querySelector(".choices").setAttribute("aria-label", `What to do with ${name}`);
  element.querySelector(".choices").addEventListener("click", (event) => {
    const action = event.target.closest("button")?.dataset.action;
    if (action === undefined) return;
    if (action === "exclude patches" && !held.card.marks.length) edit(held);
    else choose(held.card, action, held.card.marks);
  });
  fill(held, card);
  $("cards").append(element);
}

function fill(held, card) {
  const { element } = held;
  held.card = card;
  const heat = `images/${card.sha256}/heat.jpg?export=${state?.exports ?? 0}`;
  const image = element.querySelectorAll(".pair img")[1];
  if (image.getAttribute("src") !== heat) image.src = heat;
  element.querySelector(".did").textContent = `Last export: ${card.did}.`;
  const action = card.choice?.action ?? "";
  for (const button of element.querySelectorAll(".choices button")) button.setAttribute("aria-pressed", button.dataset.action === action);
  element.querySelector("[data-action='exclude patches']").textContent = card.marks.length
    ? `Exclude ${count(card.marks.length, "marked patch", "marked patches")}`
    : "Mark patches to exclude…";
  const said = SAID[action] ?? `exclude ${count(card.marks.length, "patch", "patches")}, keep the others`;
  const text = card.choice
    ? `Your choice: ${said}. ${card.pending ? "Saved, not in the bundle yet." : "Saved, and in the bundle."}`
    : card.pending
      ? "The export decides. Saved, but the bundle still follows your earlier choice."
      : "The export decides.";
  const told = element.querySelector(".told");
  write(told, text);
  told.className = `told${card.pending ? " pending" : card.choice ? "" : " none"}`;
}

function choose({ sha256 }, action, marks) {
  saving = saving.then(() => save(sha256, action, marks));
}

async function save(sha256, action, marks) {
  const path = `choices/${sha256}`;
  const choice = action === "exclude patches" ? { action, grid: [rows, columns], patches: marks } : { action };
  try {
    const card = action ? await call("PUT", path, choice) : await call("DELETE", path);
    saves++;
    if (cards.has(sha256)) fill(cards.get(sha256), card); // of now: the list may have been made anew meanwhile
    await refresh();
  } catch (error) {
    const told = cards.get(sha256)?.element.querySelector(".told");
    if (told) {
      told.textContent = `Not saved: ${error.message}.`;
      told.className = "told bad";
    } else fail(error);
    if (error instanceof Unreachable) await refresh();
  }
}

// --- Marking patches --------------------------------------------------------------------------------

const editor = $("editor");
const cells = []; // by key(row, column)
let edited = null; // {held, patches: suspicion of each, marks: a set of keys}
let current = 0; // the cell that Tab reaches
let painting = null; // true marks and false unmarks, while the button is down
let pointer = ""; // mouse, pen or touch

for (let row = 0; row < rows; row++) {
  const line = document.createElement("div");
  line.setAttribute("role", "row");
  for (let column = 0; column < columns; column++) {
    const cell = document.createElement("i");
    cell.setAttribute("role", "gridcell");
    cell.dataset.key = key(row, column);
    cells.push(cell);
    line.append(cell);
  }
  $("grid").append(line);
}

async function edit(held) {
  let patches;
  try {
    patches = (await call("GET", `images/${held.card.sha256}/patches`)).flat();
  } catch (error) {
    fail(error);
    return;
  }
  edited = { held, patches, marks: new Set(held.card.marks.map(([row, column]) => key(row, column))) };
  $("editor-title").textContent = held.card.names[0];
  $("grid").setAttribute("aria-label", `Patches of ${held.card.names[0]}`);
  look();
  cells.forEach((_, index) => mark(index, edited.marks.has(index)));
  cells[current].tabIndex = -1;
  current = patches.indexOf(Math.max(...patches)); // the most unusual
  editor.showModal();
  go(current);
}

function look() {
  const view = editor.querySelector("[name=view]:checked").value;
  const version = view === "heat" ? `?export=${state?.exports ?? 0}` : "";
  editor.querySelector(".canvas img").src = `images/${edited.held.card.sha256}/${view}.jpg${version}`;
}

function mark(index, marked) {
  if (marked) edited.marks.add(index);
  else edited.marks.delete(index);
  const place = `Row ${Math.floor(index / columns) + 1}, column ${(index % columns) + 1}: ${times(edited.patches[index])}`;
  cells[index].setAttribute("aria-selected", marked);
  cells[index].setAttribute("aria-label", `${place}${marked ? ", marked" : ""}`);
  if (index === current) point(index);
  const n = edited.marks.size;
  $("marked").textContent = n ? `${count(n, "patch", "patches")} marked.` : "Nothing is marked.";
  $("apply").textContent = n ? `Exclude ${count(n, "patch", "patches")}` : "Exclude patches";
  $("apply").disabled = !n;
}

function point(index) {
  $("place").textContent = `${cells[index].getAttribute("aria-label")}.`;
}

function go(index) {
  cells[current].tabIndex = -1;
  current = index;
  cells[current].tabIndex = 0;
  cells[current].focus();
  point(current);
}

$("grid").addEventListener("keydown", (event) => {
  const row = Math.floor(current / columns);
  const column = current % columns;
  const steps = {
    ArrowLeft: [row, Math.max(0, column - 1)],
    ArrowRight: [row, Math.min(columns - 1, column + 1)],
    ArrowUp: [Math.max(0, row - 1), column],
    ArrowDown: [Math.min(rows - 1, row + 1), column],
    Home: [event.ctrlKey ? 0 : row, 0],
    End: [event.ctrlKey ? rows - 1 : row, columns - 1],
  };
  if (event.key === " " || event.key === "Enter") mark(current, !edited.marks.has(current));
  else if (event.key in steps) {
    const marked = edited.marks.has(current);
    go(key(...steps[event.key]));
    if (event.shiftKey) mark(current, marked);
  } else return;
  event.preventDefault();
});
const cellOf = (event) => Number(event.target.closest?.("[data-key]")?.dataset.key ?? NaN);
$("grid").addEventListener("pointerdown", (event) => {
  pointer = event.pointerType;
  const index = cellOf(event);
  if (pointer === "touch" || event.button !== 0 || Number.isNaN(index)) return; // a finger may want to scroll
  painting = !edited.marks.has(index);
  go(index);
  mark(index, painting);
  event.preventDefault();
});
$("grid").addEventListener("pointerover", (event) => {
  const index = cellOf(event);
  if (Number.isNaN(index)) return;
  if (painting === null) point(index);
  else {
    go(index);
    mark(index, painting);
  }
});
$("grid").addEventListener("pointerleave", () => point(current));
window.addEventListener("pointerup", () => (painting = null));
window.addEventListener("pointercancel", () => (painting = null));
$("grid").addEventListener("click", (event) => {
  const index = cellOf(event);
  // A mouse has marked already, on its way down; detail is 0 where assistive technology clicks.
  if (Number.isNaN(index) || (pointer !== "touch" && event.detail > 0)) return;
  go(index);
  mark(index, !edited.marks.has(index));
});
$("reset").addEventListener("click", () => cells.forEach((_, index) => mark(index, edited.patches[index] > 1)));
$("clear").addEventListener("click", () => cells.forEach((_, index) => mark(index, false)));
$("apply").addEventListener("click", () => {
  const marks = [...edited.marks].sort((a, b) => a - b).map((index) => [Math.floor(index / columns), index % columns]);
  editor.close();
  choose(edited.held.card, "exclude patches", marks);
});
for (const radio of editor.querySelectorAll("[name=view]")) radio.addEventListener("change", look);
editor.querySelector("[name=marks]").addEventListener("change", (event) => editor.classList.toggle("bare", !event.target.checked));
editor.querySelector("[name=larger]").addEventListener("change", (event) => {
  editor.classList.toggle("larger", event.target.checked);
  const sheet = editor.querySelector(".sheet");
  const cell = cells[current];
  sheet.scrollTo(cell.offsetLeft - sheet.clientWidth / 2, cell.offsetTop - sheet.clientHeight / 2);
});

// --- Beginning --------------------------------------------------------------------------------------

$("export").addEventListener("click", exportAgain);
$("finish").addEventListener("click", () => finish());
$("unfinished").addEventListener("close", () => {
  if ($("unfinished").returnValue === "export") exportAgain();
  if ($("unfinished").returnValue === "finish") finish(true);
});
$("end").addEventListener("cancel", (event) => event.preventDefault());
$("more").addEventListener("click", async () => {
  const first = await list(cards.size + BATCH, false);
  first?.querySelector(".pair").focus(); // where one would read on
});
const filters = document.querySelector(".filters");
filters.addEventListener("submit", (event) => event.preventDefault());
let typing;
filters.addEventListener("change", (event) => {
  if (event.target.name !== "show") return;
  clearTimeout(typing); // or what was typed just before would list once more
  list(BATCH, true);
});
filters.addEventListener("input", (event) => {
  if (event.target.name !== "name") return;
  clearTimeout(typing);
  typing = setTimeout(() => list(BATCH, true), 200);
});
(async () => {
  await refresh();
  await list(BATCH, true);
  poll(5000);
})();

// The review page. Everything it shows comes from the server, which saves each choice at once.
"use strict";

const $ = (id) => document.getElementById(id);
const token = document.querySelector("meta[name=softcore-token]").content;
const rows = Number(document.body.dataset.rows);
const columns = Number(document.body.dataset.columns);
const BATCH = 48; // cards
const SAID = { keep: "keep all of it", exclude: "exclude the image" };
let state = null;
let ended = false;
let saving = Promise.resolve(); // saves the choices one after the other, in the order of the clicks
let saves = 0;
let generation = 0; // of the list: an answer to an older request is dropped

class Unreachable extends Error {}

async function request(method, path, body) {
  const headers = { "X-Softcore-Token": token };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Unreachable("SoftCore doesn't answer");
  }
  const received = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(received.detail ?? `the server answered ${answer.status}`);
  return received;
}

const count = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
const times = (share) => `${share >= 1.995 ? share.toFixed(1) : share.toFixed(2)} x threshold`;
const key = (row, column) => row * columns + column;

// --- The numbers, and the bar below -----------------------------------------------------------------

async function refresh() {
  if (ended) return;
  try {
    await showState(await request("GET", "state"));
  } catch (error) {
    if (error instanceof Unreachable) endReview("The review has ended", "It was ended in the terminal, or its machine can't be reached. Reload the page to try again.");
    else showError(error);
  }
}

async function showState(next) {
  const exported = state !== null && next.exports !== state.exports;
  state = next;
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
  // Only texts that have changed are set, so that a screen reader does not repeat them.
  setText($("outcome"), outcome);
  $("outcome").classList.toggle("bad", !running && state.failed);
  setText(
    $("pending"),
    state.pending
      ? `${count(state.pending, "change")} of your choices ${state.pending === 1 ? "is" : "are"} saved, but not in the bundle yet.`
      : "The bundle follows all your choices.",
  );
  $("pending").hidden = running;
  if (exported) await refreshCards();
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function showError(error) {
  setText($("outcome"), `${error.message}.`);
  $("outcome").classList.add("bad");
}

async function exportAgain() {
  await saving;
  if (state === null || state.running !== null) return;
  try {
    await showState(await request("POST", "export"));
    poll(300);
  } catch (error) {
    showError(error);
    await refresh();
  }
}

async function finish(sure = false) {
  await saving;
  if (ended || state === null || state.running !== null) return;
  if (state.pending && !sure) {
    $("unfinished-text").textContent =
      `${count(state.pending, "change")} of your choices ${state.pending === 1 ? "is" : "are"} not in the bundle yet. They are saved, and the next export follows them.`;
    $("unfinished").returnValue = "stay"; // the value if Escape is pressed
    $("unfinished").showModal();
    return;
  }
  try {
    await request("POST", "finish");
    endReview("Review finished", state.pending ? "Your last choices are not in the bundle yet." : "The bundle follows all your choices.");
  } catch (error) {
    showError(error);
  }
}

function endReview(title, text) {
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

function listPath(limit) {
  const form = new FormData(document.querySelector(".filters"));
  return `images?${new URLSearchParams({ show: form.get("show"), name: form.get("name"), limit })}`;
}

// An answer to a request from before a choice was saved may lack that choice, so it is requested again.
async function fetchPage(limit) {
  let page, before;
  do {
    before = saves;
    page = await request("GET", listPath(limit));
  } while (before !== saves);
  return page;
}

async function listCards(limit, fresh) {
  const mine = ++generation;
  let page;
  try {
    page = await fetchPage(limit);
  } catch (error) {
    if (error instanceof Unreachable) await refresh();
    else showError(error);
    return;
  }
  if (mine !== generation) return;
  if (fresh) {
    cards.clear();
    $("cards").replaceChildren();
  }
  const fewer = $("cards").childElementCount;
  page.cards.forEach(appendCard); // cards that exist already stay unchanged
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

// After an export: update the cards in their places.
async function refreshCards() {
  const shown = [...cards.keys()];
  if (!shown.length) return;
  try {
    const page = await fetchPage(shown.length);
    for (const card of page.cards) if (cards.has(card.sha256)) fillCard(cards.get(card.sha256), card);
    // A card whose choice was removed stays on the page, although its filter no longer lists it.
    const found = new Set(page.cards.map((card) => card.sha256));
    for (const own of shown.filter((sha256) => !found.has(sha256))) fillCard(cards.get(own), await request("GET", `images/${own}`));
  } catch (error) {
    showError(error);
  }
}

function appendCard(card) {
  if (cards.has(card.sha256)) return;
  const element = $("card").content.firstElementChild.cloneNode(true);
  const entry = { card, element };
  cards.set(card.sha256, entry);
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
  pair.addEventListener("click", () => pair.classList.contains("gone") || openEditor(entry));
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
    if (action === "exclude patches" && !entry.card.marks.length) openEditor(entry);
    else choose(entry.card, action, entry.card.marks);
  });
  fillCard(entry, card);
  $("cards").append(element);
}

function fillCard(entry, card) {
  const { element } = entry;
  entry.card = card;
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
  const message = element.querySelector(".told");
  setText(message, text);
  message.className = `told${card.pending ? " pending" : card.choice ? "" : " none"}`;
}

function choose({ sha256 }, action, marks) {
  saving = saving.then(() => save(sha256, action, marks));
}

async function save(sha256, action, marks) {
  const path = `choices/${sha256}`;
  const choice = action === "exclude patches" ? { action, grid: [rows, columns], patches: marks } : { action };
  try {
    const card = action ? await request("PUT", path, choice) : await request("DELETE", path);
    saves++;
    if (cards.has(sha256)) fillCard(cards.get(sha256), card); // the current entry: the list may have been replaced meanwhile
    await refresh();
  } catch (error) {
    const message = cards.get(sha256)?.element.querySelector(".told");
    if (message) {
      message.textContent = `Not saved: ${error.message}.`;
      message.className = "told bad";
    } else showError(error);
    if (error instanceof Unreachable) await refresh();
  }
}

// --- Marking patches --------------------------------------------------------------------------------

const editor = $("editor");
const cells = []; // by key(row, column)
let edited = null; // {entry, patches: their suspicion, marks: a set of keys}
let current = 0; // the cell in the tab order
let painting = null; // while a button is pressed: true marks, false unmarks
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

async function openEditor(entry) {
  let patches;
  try {
    patches = (await request("GET", `images/${entry.card.sha256}/patches`)).flat();
  } catch (error) {
    showError(error);
    return;
  }
  edited = { entry, patches, marks: new Set(entry.card.marks.map(([row, column]) => key(row, column))) };
  $("editor-title").textContent = entry.card.names[0];
  $("grid").setAttribute("aria-label", `Patches of ${entry.card.names[0]}`);
  showView();
  cells.forEach((_, index) => setMark(index, edited.marks.has(index)));
  cells[current].tabIndex = -1;
  current = patches.indexOf(Math.max(...patches)); // the most unusual
  editor.showModal();
  moveTo(current);
}

function showView() {
  const view = editor.querySelector("[name=view]:checked").value;
  const version = view === "heat" ? `?export=${state?.exports ?? 0}` : "";
  editor.querySelector(".canvas img").src = `images/${edited.entry.card.sha256}/${view}.jpg${version}`;
}

function setMark(index, marked) {
  if (marked) edited.marks.add(index);
  else edited.marks.delete(index);
  const place = `Row ${Math.floor(index / columns) + 1}, column ${(index % columns) + 1}: ${times(edited.patches[index])}`;
  cells[index].setAttribute("aria-selected", marked);
  cells[index].setAttribute("aria-label", `${place}${marked ? ", marked" : ""}`);
  if (index === current) describePatch(index);
  const n = edited.marks.size;
  $("marked").textContent = n ? `${count(n, "patch", "patches")} marked.` : "Nothing is marked.";
  $("apply").textContent = n ? `Exclude ${count(n, "patch", "patches")}` : "Exclude patches";
  $("apply").disabled = !n;
}

function describePatch(index) {
  $("place").textContent = `${cells[index].getAttribute("aria-label")}.`;
}

function moveTo(index) {
  cells[current].tabIndex = -1;
  current = index;
  cells[current].tabIndex = 0;
  cells[current].focus();
  describePatch(current);
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
  if (event.key === " " || event.key === "Enter") setMark(current, !edited.marks.has(current));
  else if (event.key in steps) {
    const marked = edited.marks.has(current);
    moveTo(key(...steps[event.key]));
    if (event.shiftKey) setMark(current, marked);
  } else return;
  event.preventDefault();
});
const cellOf = (event) => Number(event.target.closest?.("[data-key]")?.dataset.key ?? NaN);
$("grid").addEventListener("pointerdown", (event) => {
  pointer = event.pointerType;
  const index = cellOf(event);
  if (pointer === "touch" || event.button !== 0 || Number.isNaN(index)) return; // a touch may scroll
  painting = !edited.marks.has(index);
  moveTo(index);
  setMark(index, painting);
  event.preventDefault();
});
$("grid").addEventListener("pointerover", (event) => {
  const index = cellOf(event);
  if (Number.isNaN(index)) return;
  if (painting === null) describePatch(index);
  else {
    moveTo(index);
    setMark(index, painting);
  }
});
$("grid").addEventListener("pointerleave", () => describePatch(current));
window.addEventListener("pointerup", () => (painting = null));
window.addEventListener("pointercancel", () => (painting = null));
$("grid").addEventListener("click", (event) => {
  const index = cellOf(event);
  // A mouse has marked on pointerdown already; detail is 0 for clicks of assistive technology.
  if (Number.isNaN(index) || (pointer !== "touch" && event.detail > 0)) return;
  moveTo(index);
  setMark(index, !edited.marks.has(index));
});
$("reset").addEventListener("click", () => cells.forEach((_, index) => setMark(index, edited.patches[index] > 1)));
$("clear").addEventListener("click", () => cells.forEach((_, index) => setMark(index, false)));
$("apply").addEventListener("click", () => {
  const marks = [...edited.marks].sort((a, b) => a - b).map((index) => [Math.floor(index / columns), index % columns]);
  editor.close();
  choose(edited.entry.card, "exclude patches", marks);
});
for (const radio of editor.querySelectorAll("[name=view]")) radio.addEventListener("change", showView);
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
  const first = await listCards(cards.size + BATCH, false);
  first?.querySelector(".pair").focus(); // the first new card
});
const filters = document.querySelector(".filters");
filters.addEventListener("submit", (event) => event.preventDefault());
let typing;
filters.addEventListener("change", (event) => {
  if (event.target.name !== "show") return;
  clearTimeout(typing); // else the text typed just before would list again
  listCards(BATCH, true);
});
filters.addEventListener("input", (event) => {
  if (event.target.name !== "name") return;
  clearTimeout(typing);
  typing = setTimeout(() => listCards(BATCH, true), 200);
});
(async () => {
  await refresh();
  await listCards(BATCH, true);
  poll(5000);
})();

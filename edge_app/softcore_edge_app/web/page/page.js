// The operator's page: its views, keys and colours. What the line says comes from event_stream.js.
import { $, element, set, write } from "./elements.js";
import "./focus.js";
import "./status_bar.js";
import { refresh } from "./threshold.js";
import * as live from "./live.js";
import * as lookBack from "./look_back.js";
import { camera, choose, line, eventStream, open, silence, stale } from "./event_stream.js";
import * as reports from "./reports.js";
import * as setUp from "./set_up.js";
import { preferred, say, speak } from "./words.js";

const VIEWS = { live, "look-back": lookBack, "set-up": setUp, reports };
const THEME = "softcore.theme";

// --- Views -------------------------------------------------------------------------------------------

const current = () => (location.hash.slice(1) in VIEWS ? location.hash.slice(1) : "live");

function show() {
  const shown = current();
  for (const name of Object.keys(VIEWS)) $(name).hidden = name !== shown;
  for (const button of document.querySelectorAll("[data-view]")) {
    if (button.dataset.view === shown) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
  title();
  VIEWS[shown].enter();
  if (shown === "set-up") refresh();
}

function title() {
  write($("title"), say(`nav.${current()}`));
  document.title = ["SoftCore", line.camera, say(`nav.${current()}`)].filter(Boolean).join(" · ");
}

for (const button of document.querySelectorAll("[data-view]")) {
  button.addEventListener("click", () => (location.hash = button.dataset.view));
}
addEventListener("hashchange", show);

// --- Cameras, and how old the eventStream is ----------------------------------------------------------------

function showCameras() {
  const { cameras } = line.status;
  $("cameras").hidden = cameras.length < 2;
  const buttons = [...$("cameras").children];
  if (buttons.map((button) => button.textContent).join("\n") !== cameras.map(({ name }) => name).join("\n")) {
    $("cameras").replaceChildren(
      ...cameras.map(({ name }) => {
        const button = element("button", { type: "button" }, name);
        button.addEventListener("click", () => choose(name));
        return button;
      }),
    );
  }
  for (const [place, button] of [...$("cameras").children].entries()) {
    set(button, "aria-pressed", String(cameras[place].name === line.camera));
    button.classList.toggle("faulty", cameras[place].fault !== null);
  }
}

function showAge() {
  const old = stale();
  document.body.classList.toggle("old", old);
  $("stale").hidden = !old;
  const seconds = silence();
  if (old) write($("stale"), seconds === null ? say("stale.never") : say("stale", { seconds: Math.floor(seconds) }));
}

for (const kind of ["status", "camera"]) eventStream.addEventListener(kind, () => line.status && showCameras());
eventStream.addEventListener("camera", title);
eventStream.addEventListener("age", showAge);
let first = true;
eventStream.addEventListener("status", () => {
  if (first) show(); // there is something to look back at, or set up
  first = false;
});

// --- Dialogs, keys -----------------------------------------------------------------------------------

for (const dialog of document.querySelectorAll("dialog")) {
  for (const button of dialog.querySelectorAll(".close")) button.addEventListener("click", () => dialog.close());
}
$("menu").addEventListener("click", () => $("options").showModal());
$("help-open").addEventListener("click", () => $("help").showModal());

const nextCamera = () => {
  const names = line.status?.cameras.map(({ name }) => name) ?? [];
  if (names.length > 1) choose(names[(names.indexOf(camera().name) + 1) % names.length]);
};
// Nothing here changes anything on the line: a scanner types whatever is on a label.
const KEYS = {
  m: () => live.turn("shown"),
  f: () => live.turn("which"),
  c: nextCamera,
  s: () => $("state").showModal(),
  o: () => $("options").showModal(),
  "?": () => $("help").showModal(),
};
for (const [place, name] of Object.keys(VIEWS).entries()) KEYS[place + 1] = () => (location.hash = name);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.matches("input:not([type=radio]), select") || document.querySelector("dialog[open]")) return;
  KEYS[event.key]?.();
});

function listKeys() {
  const rows = [
    ["1 2 3 4", "views"], ["M", "map"], ["F", "faults"], ["C", "camera"], ["S", "state"], ["O", "menu"],
    ["?", "help"], ["← ↑ → ↓", "arrows"], ["Esc", "escape"],
  ];
  $("shortcuts").replaceChildren(
    ...rows.flatMap(([keys, word]) => [
      element("dt", {}, ...keys.split(" ").map((key) => element("kbd", {}, key))),
      element("dd", {}, say(`help.${word}`)),
    ]),
  );
}

// --- Language and colours ----------------------------------------------------------------------------

function colour(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem(THEME, theme);
  document.dispatchEvent(new Event("theme"));
}

for (const input of $("options").querySelectorAll("input")) {
  input.addEventListener("change", () => (input.name === "theme" ? colour(input.value) : speak(input.value, true)));
}
document.addEventListener("language", () => {
  document.querySelector(`input[name=language][value=${document.documentElement.lang}]`).checked = true;
  listKeys();
  showAge();
  show();
});

const theme = localStorage.getItem(THEME) === "dark" ? "dark" : "light"; // halls are bright
document.querySelector(`input[name=theme][value=${theme}]`).checked = true;
colour(theme);
await speak(preferred());
await open();

// The operator's page: its views, keys and colours. Everything about the line comes from event_stream.js.
import { $, element, setAttribute, setText } from "./elements.js";
import "./alarms.js";
import "./focus.js";
import "./shadow.js";
import "./status_bar.js";
import { refresh } from "./views/threshold.js";
import * as liveView from "./views/live.js";
import * as historyView from "./views/history.js";
import { chooseCamera, currentCamera, eventStream, isStale, line, openStream, secondsSilent } from "./event_stream.js";
import * as reportsView from "./views/reports.js";
import * as operatorView from "./views/operator.js";
import { loadLanguage, preferredLanguage, translate } from "./catalogue.js";

const VIEWS = { live: liveView, "look-back": historyView, "set-up": operatorView, reports: reportsView }; // by their hash
const STORAGE_KEY = "softcore.theme";

// --- Views -------------------------------------------------------------------------------------------

const current = () => (location.hash.slice(1) in VIEWS ? location.hash.slice(1) : "live");

function showView() {
  const shown = current();
  for (const name of Object.keys(VIEWS)) $(name).hidden = name !== shown;
  for (const button of document.querySelectorAll("[data-view]")) {
    if (button.dataset.view === shown) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
  showTitle();
  VIEWS[shown].enter();
  if (shown === "set-up") refresh();
}

function showTitle() {
  setText($("title"), translate(`nav.${current()}`));
  document.title = ["SoftCore", line.camera, translate(`nav.${current()}`)].filter(Boolean).join(" · ");
}

for (const button of document.querySelectorAll("[data-view]")) {
  button.addEventListener("click", () => (location.hash = button.dataset.view));
}
addEventListener("hashchange", showView);

// --- Cameras, and the age of what is shown ---------------------------------------------------------------

function showCameras() {
  const { cameras } = line.status;
  $("cameras").hidden = cameras.length < 2;
  const buttons = [...$("cameras").children];
  if (buttons.map((button) => button.textContent).join("\n") !== cameras.map(({ name }) => name).join("\n")) {
    $("cameras").replaceChildren(
      ...cameras.map(({ name }) => {
        const button = element("button", { type: "button" }, name);
        button.addEventListener("click", () => chooseCamera(name));
        return button;
      }),
    );
  }
  for (const [place, button] of [...$("cameras").children].entries()) {
    setAttribute(button, "aria-pressed", String(cameras[place].name === line.camera));
    button.classList.toggle("faulty", cameras[place].fault !== null);
  }
}

function showAge() {
  const old = isStale();
  document.body.classList.toggle("old", old);
  $("stale").hidden = !old;
  const seconds = secondsSilent();
  if (old) setText($("stale"), seconds === null ? translate("stale.never") : translate("stale", { seconds: Math.floor(seconds) }));
}

for (const kind of ["status", "camera"]) eventStream.addEventListener(kind, () => line.status && showCameras());
eventStream.addEventListener("camera", showTitle);
eventStream.addEventListener("age", showAge);
let first = true;
eventStream.addEventListener("status", () => {
  if (first) showView(); // its views need a status
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
  if (names.length > 1) chooseCamera(names[(names.indexOf(currentCamera().name) + 1) % names.length]);
};
// No key changes anything on the line: a scanner types whatever is on a label.
const KEYS = {
  m: () => liveView.toggle("shown"),
  f: () => liveView.toggle("which"),
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
      element("dd", {}, translate(`help.${word}`)),
    ]),
  );
}

// --- Language and colours ----------------------------------------------------------------------------

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem(STORAGE_KEY, theme);
  document.dispatchEvent(new Event("theme"));
}

for (const input of $("options").querySelectorAll("input")) {
  input.addEventListener("change", () => (input.name === "theme" ? setTheme(input.value) : loadLanguage(input.value, true)));
}
document.addEventListener("language", () => {
  document.querySelector(`input[name=language][value=${document.documentElement.lang}]`).checked = true;
  listKeys();
  showAge();
  showView();
});

const theme = localStorage.getItem(STORAGE_KEY) === "dark" ? "dark" : "light"; // halls are bright
document.querySelector(`input[name=theme][value=${theme}]`).checked = true;
setTheme(theme);
await loadLanguage(preferredLanguage());
await openStream();

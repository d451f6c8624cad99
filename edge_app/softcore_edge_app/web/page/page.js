// The operator's page: its views, keys and colours. Everything about the line comes from event_stream.js.
import { $, element, setAttribute, setText } from "./elements.js";
import "./alarms.js";
import "./focus.js";
import "./shadow.js";
import "./status_bar.js";
import "./worklist.js";
import { refresh } from "./views/threshold.js";
import * as liveView from "./views/live.js";
import * as historyView from "./views/history.js";
import { chooseCamera, currentCamera, eventStream, isStale, line, openStream, secondsSilent } from "./event_stream.js";
import * as reportsView from "./views/reports.js";
import * as operatorView from "./views/operator.js";
import { loadLanguage, preferredLanguage, translate } from "./catalogue.js";
import { formatClock, nameCamera } from "./format.js";

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
  if (line.status) showCameras();
  VIEWS[shown].enter();
  if (shown === "set-up") refresh();
}

function showTitle() {
  setText($("title"), translate(`nav.${current()}`));
  document.title = ["SoftCore", nameCamera(line.camera), translate(`nav.${current()}`)].filter(Boolean).join(" · ");
}

for (const button of document.querySelectorAll("[data-view]")) {
  button.addEventListener("click", () => (location.hash = button.dataset.view));
}
addEventListener("hashchange", showView);

// --- Cameras, and the age of what is shown ---------------------------------------------------------------

const all = element("button", { type: "button", id: "all" });
all.addEventListener("click", () => chooseCamera(null));

function showCameras() {
  const { cameras } = line.status;
  $("cameras").hidden = cameras.length < 2;
  const buttons = [...$("cameras").children].slice(1);
  if (buttons.map((button) => button.textContent).join("\n") !== cameras.map(({ name }) => name).join("\n")) {
    $("cameras").replaceChildren(
      all,
      ...cameras.map(({ name }) => {
        const button = element("button", { type: "button" }, name);
        button.addEventListener("click", () => chooseCamera(name));
        return button;
      }),
    );
  }
  const together = line.all && current() === "live"; // only there are all of them shown
  all.hidden = current() !== "live";
  setText(all, translate("camera.all"));
  setAttribute(all, "aria-pressed", String(together));
  for (const [place, button] of [...$("cameras").children].slice(1).entries()) {
    setAttribute(button, "aria-pressed", String(!together && cameras[place].name === line.camera));
    button.classList.toggle("faulty", cameras[place].fault !== null);
  }
  showHead();
}

/** Show which line this is, what it inspects, and the time. */
function showHead() {
  const [name, recipe, clock] = $("head").children;
  const shown = line.all && current() === "live" ? (line.status?.cameras ?? []) : [currentCamera()].filter(Boolean);
  setText(name, line.status?.title ?? "");
  setText(recipe, [...new Set(shown.map((one) => one.recipe))].join(", "));
  setText(clock, formatClock(Date.now() * 1e6));
}

function showAge() {
  const old = isStale();
  document.body.classList.toggle("old", old);
  $("stale").hidden = !old;
  const seconds = secondsSilent();
  if (old) setText($("stale"), seconds === null ? translate("stale.never") : translate("stale", { seconds: Math.max(1, Math.floor(seconds)) }));
}

for (const kind of ["status", "camera"]) eventStream.addEventListener(kind, () => line.status && showCameras());
eventStream.addEventListener("camera", showTitle);
eventStream.addEventListener("age", () => {
  showAge();
  showHead();
});
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
  if (names.length > 1) chooseCamera(line.all ? names[0] : names[(names.indexOf(currentCamera().name) + 1) % names.length]);
};
// No key changes anything on the line: a scanner types whatever is on a label.
const KEYS = {
  m: () => liveView.toggle("shown"),
  f: () => liveView.toggle("which"),
  c: nextCamera,
  a: () => line.status?.cameras.length > 1 && chooseCamera(null),
  "+": liveView.pressZoom,
  "-": liveView.pressZoom,
  0: liveView.pressZoom,
  s: () => $("state").showModal(),
  o: () => $("options").showModal(),
  "?": () => $("help").showModal(),
};
for (const [place, name] of Object.keys(VIEWS).entries()) KEYS[place + 1] = () => (location.hash = name);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.matches("input:not([type=radio]), select") || document.querySelector("dialog[open]")) return;
  KEYS[event.key]?.(event);
});

function listKeys() {
  const rows = [
    ["1 2 3 4", "views"], ["M", "map"], ["F", "faults"], ["C", "camera"], ["A", "all"], ["+ − 0", "zoom"], ["S", "state"], ["O", "menu"],
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

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const chosenTheme = () => localStorage.getItem(STORAGE_KEY) ?? "system";

function showTheme() {
  const chosen = chosenTheme();
  document.documentElement.dataset.theme = chosen === "system" ? (systemDark.matches ? "dark" : "light") : chosen;
  document.dispatchEvent(new Event("theme"));
}

function setTheme(theme) {
  if (theme === "system") localStorage.removeItem(STORAGE_KEY);
  else localStorage.setItem(STORAGE_KEY, theme);
  showTheme();
}
systemDark.addEventListener("change", showTheme);

for (const input of $("options").querySelectorAll("input")) {
  input.addEventListener("change", () => (input.name === "theme" ? setTheme(input.value) : loadLanguage(input.value, true)));
}
document.addEventListener("language", () => {
  document.querySelector(`input[name=language][value=${document.documentElement.lang}]`).checked = true;
  listKeys();
  showAge();
  showView();
});

document.querySelector(`input[name=theme][value=${chosenTheme()}]`).checked = true;
showTheme();
await loadLanguage(preferredLanguage());
await openStream();

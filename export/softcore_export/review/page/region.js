// Region: the editor of the inspected region: polygons, drawn over the training images.
import { request } from "./api.js";
import { $, count, formatNumber, setText, translate } from "./elements.js";
import { crossesItself, drawPolygons, measure } from "./polygons.js";
import { refresh } from "./refresh.js";
import { session } from "./session.js";
import { showError } from "./summary.js";

const STEP = 0.01; // of the frame, by which an arrow moves the cross or a corner
const FINE = 0.001; // with Shift
const FEWEST = 3; // corners
const dialog = $("region");
const surface = $("surface");
const actions = [...dialog.querySelectorAll("[name=action]")];

let images = []; // [SHA-256, name]
let shown = 0; // 0: the median; else an image, counted from 1
let polygons = []; // {action, corners: [[x, y], ...]}
let drawn = []; // corners of the polygon that is being drawn
let selected = -1; // number of a polygon
let saved = ""; // the polygons as they are saved, as JSON
let history = []; // polygons before each change, as JSON
let cross = [0.5, 0.5]; // the place of the keyboard
let dragged = null; // {corners, index, button, moved}
let sure = false; // Escape was pressed once with unsaved changes

const clamp = (share) => Math.min(1, Math.max(0, Math.round(share * 1e5) / 1e5));
const changed = () => drawn.length > 0 || JSON.stringify(polygons) !== saved;
const tell = (text, bad = false) => {
  setText($("region-told"), text);
  $("region-told").classList.toggle("bad", bad);
};

/** Open the editor with the region that is saved. */
async function openRegion() {
  let editor;
  try {
    await session.saving;
    editor = await request("GET", "region");
  } catch (error) {
    showError(error);
    return;
  }
  ({ images } = editor);
  polygons = editor.region.polygons;
  saved = JSON.stringify(polygons);
  [drawn, history, selected, cross, sure] = [[], [], -1, [0.5, 0.5], false];
  $("region-note").hidden = !editor.note;
  $("region-note").textContent = editor.note;
  surface.style.setProperty("--aspect", editor.frame.width / editor.frame.height);
  $("cross").hidden = true;
  dialog.showModal();
  showImage(0);
  render();
  surface.focus();
}

function showImage(number) {
  const many = images.length + 1;
  shown = (number + many) % many;
  surface.querySelector("img").src = shown ? `images/${images[shown - 1][0]}/frame.jpg` : "median.jpg";
  setText($("shown"), shown ? translate("Image {n} of {all}: {name}", { n: formatNumber(shown), all: formatNumber(images.length), name: images[shown - 1][1] }) : translate("Median of the images"));
}

function render() {
  drawPolygons(surface.querySelector("svg"), polygons, selected, drawn);
  const focused = document.activeElement?.dataset.corner;
  $("corners").replaceChildren(
    ...polygons.flatMap(({ corners }, number) => corners.map((_, index) => makeCorner(corners, index, number))),
    ...drawn.map((_, index) => makeCorner(drawn, index, -1)),
  );
  if (focused) $("corners").querySelector(`[data-corner="${focused}"]`)?.focus();
  if (document.activeElement === document.body) surface.focus();
  $("polygons").replaceChildren(...polygons.map(makeEntry));
  const action = polygons[selected]?.action;
  for (const radio of actions) if (action) radio.checked = radio.value === action;
  $("close-polygon").disabled = drawn.length < FEWEST;
  $("undo").disabled = !drawn.length && !history.length;
  $("remove").disabled = selected < 0;
  describe();
}

function describe() {
  if (drawn.length) return tell(count(drawn.length, "{n} corner of a new polygon.", "{n} corners of a new polygon."));
  const crossing = polygons.findIndex(({ corners }) => crossesItself(corners));
  if (crossing >= 0) return tell(translate("Polygon {n} crosses itself: what it encloses twice is outside of it.", { n: crossing + 1 }));
  tell(polygons.length ? count(polygons.length, "{n} polygon. What is dark is left out.", "{n} polygons. What is dark is left out.") : translate("Nothing is drawn: the whole frame is inspected."));
}

function makeCorner(corners, index, number) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.corner = `${number} ${index}`;
  button.tabIndex = number === selected ? 0 : -1;
  if (number < 0 && index === 0 && corners.length >= FEWEST) button.className = "first";
  const terms = { corner: index + 1, polygon: number + 1 };
  const label = number >= 0 ? "Corner {corner} of polygon {polygon}" : "Corner {corner} of the new polygon";
  button.setAttribute("aria-label", translate(button.className ? "Corner {corner} of the new polygon: close the polygon" : label, terms));
  place(button, corners[index]);
  return button;
}

const place = (element, [x, y]) => Object.assign(element.style, { left: `${100 * x}%`, top: `${100 * y}%` });

function makeEntry({ action, corners }, number) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.polygon = number;
  button.setAttribute("aria-pressed", number === selected);
  const share = crossesItself(corners) ? translate("crosses itself") : translate("{share} % of the frame", { share: formatNumber(100 * measure(corners), 1) });
  const does = translate(action === "inspect" ? "Inspect" : "Leave out");
  button.textContent = `${number + 1}. ${does}: ${count(corners.length, "{n} corner", "{n} corners")}, ${share}`;
  item.append(button);
  return item;
}

function select(number) {
  selected = number;
  render();
}

/** Keep the polygons as they are, for Undo, before one is changed. */
function remember() {
  history.push(JSON.stringify(polygons));
  sure = false;
}

function addCorner(corner) {
  const last = drawn.at(-1);
  if (last && last[0] === corner[0] && last[1] === corner[1]) return;
  if (!drawn.length) selected = -1;
  drawn.push(corner);
  sure = false;
  render();
}

function closePolygon() {
  if (drawn.length < FEWEST) return tell(translate("A polygon needs at least {n} corners.", { n: FEWEST }), true);
  remember();
  polygons.push({ action: actions.find((radio) => radio.checked).value, corners: drawn });
  drawn = [];
  select(polygons.length - 1);
}

function undo() {
  if (drawn.length) drawn.pop();
  else if (history.length) {
    polygons = JSON.parse(history.pop());
    selected = -1;
  }
  render();
}

function removePolygon() {
  if (selected < 0) return;
  remember();
  polygons.splice(selected, 1);
  select(-1);
}

function dropOrLeave() {
  if (drawn.length) {
    drawn = [];
    render();
  } else if (!changed() || sure) dialog.close();
  else {
    sure = true;
    tell(translate("Not saved. Press Esc again to drop your changes."), true);
  }
}

async function saveRegion() {
  if (drawn.length) return tell(translate("Close the new polygon first (Enter), or drop it (Esc)."), true);
  try {
    await request("PUT", "region", { polygons });
    dialog.close();
    await refresh();
  } catch (error) {
    tell(translate("Not saved: {fault}.", { fault: error.message }), true);
  }
}

function moveBy(event, [x, y]) {
  const step = event.shiftKey ? FINE : STEP;
  const [across, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  return [clamp(x + across * step), clamp(y + down * step)];
}

/** Return the corners of which a corner's button shows one, and which. */
function findCorner(button) {
  const [number, index] = button.dataset.corner.split(" ").map(Number);
  return { corners: number < 0 ? drawn : polygons[number].corners, number, index };
}

function moveByKey(event) {
  const corner = event.target.closest("[data-corner]");
  if (!corner) {
    cross = moveBy(event, cross);
    $("cross").hidden = false;
    place($("cross"), cross);
    tell(translate("Cross at {x} % from the left, {y} % from the top.", { x: formatNumber(100 * cross[0], 1), y: formatNumber(100 * cross[1], 1) }));
    return;
  }
  const { corners, number, index } = findCorner(corner);
  if (number >= 0) remember();
  corners[index] = moveBy(event, corners[index]);
  render();
}

surface.addEventListener("keydown", (event) => {
  if (event.key.startsWith("Arrow")) moveByKey(event);
  else if (event.key === " " && event.target === surface) addCorner([...cross]);
  else return;
  event.preventDefault();
});
dialog.addEventListener("keydown", (event) => {
  const inButton = event.target.closest("button:not([data-corner])");
  if (event.key === "Escape") dropOrLeave();
  else if (event.key === "Enter" && !inButton) closePolygon();
  else if (event.key === "Backspace" || (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey))) undo();
  else if (event.key === "Delete") removePolygon();
  else if (event.key === "PageUp") showImage(shown - 1);
  else if (event.key === "PageDown") showImage(shown + 1);
  else return;
  event.preventDefault();
});
dialog.addEventListener("cancel", (event) => event.preventDefault()); // a phone's way back: as Escape
dialog.addEventListener("cancel", dropOrLeave);

surface.addEventListener("pointerdown", (event) => {
  dragged = null;
  $("cross").hidden = true;
  const button = event.target.closest("[data-corner]");
  if (!button || event.button !== 0) return;
  dragged = { ...findCorner(button), button, moved: false, from: [event.clientX, event.clientY] };
  button.setPointerCapture(event.pointerId);
});
surface.addEventListener("pointermove", (event) => {
  if (!dragged?.button.hasPointerCapture(event.pointerId)) return;
  const far = Math.hypot(event.clientX - dragged.from[0], event.clientY - dragged.from[1]) > 3;
  if (!dragged.moved && !far) return;
  if (!dragged.moved && dragged.number >= 0) remember();
  dragged.moved = true;
  dragged.corners[dragged.index] = locate(event);
  place(dragged.button, dragged.corners[dragged.index]);
  drawPolygons(surface.querySelector("svg"), polygons, selected, drawn);
});
surface.addEventListener("pointerup", () => {
  if (!dragged) return;
  const { number, index, moved } = dragged;
  if (number >= 0 && !drawn.length) select(number);
  else if (!moved && number < 0 && index === 0 && drawn.length >= FEWEST) closePolygon();
  else render();
});
surface.addEventListener("click", (event) => {
  if (dragged || event.detail === 0) return; // a corner was pressed, or it is a key's click
  if (event.detail > 1 && drawn.length >= FEWEST) closePolygon();
  else addCorner(locate(event));
});

function locate(event) {
  const box = surface.getBoundingClientRect();
  return [clamp((event.clientX - box.left) / box.width), clamp((event.clientY - box.top) / box.height)];
}

for (const radio of actions)
  radio.addEventListener("change", () => {
    if (selected < 0 || drawn.length) return;
    remember();
    polygons[selected].action = radio.value;
    render();
  });
$("polygons").addEventListener("click", (event) => {
  const number = event.target.closest("[data-polygon]")?.dataset.polygon;
  if (number === undefined) return;
  select(Number(number) === selected ? -1 : Number(number));
  $("polygons").querySelector(`[data-polygon="${number}"]`).focus();
});
$("draw").addEventListener("click", openRegion);
$("previous").addEventListener("click", () => showImage(shown - 1));
$("next").addEventListener("click", () => showImage(shown + 1));
$("close-polygon").addEventListener("click", closePolygon);
$("undo").addEventListener("click", undo);
$("remove").addEventListener("click", removePolygon);
$("save-region").addEventListener("click", saveRegion);
for (const id of ["region-close", "region-cancel"]) $(id).addEventListener("click", () => dialog.close());
dialog.querySelector("[name=larger]").addEventListener("change", (event) => dialog.classList.toggle("larger", event.target.checked));

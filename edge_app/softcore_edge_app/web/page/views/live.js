// Live view: the decision, large enough to be read from five metres, the last part's image, the shift's counts.
import { $, element, makeCut, setAttribute, setCut, setSymbol, setText, symbol } from "../elements.js";
import { currentCamera, currentParts, eventStream, findPart, line } from "../event_stream.js";
import { chooseShown } from "../held_fault.js";
import { makeScoreBar, setScoreBar } from "../score_bar.js";
import { Zoom } from "../zoom.js";
import * as overview from "./overview.js";
import { openPart } from "../part.js";
import { imageUrl, ImageView } from "../image.js";
import * as historyBar from "../history_bar.js";
import * as trend from "../trend.js";
import { translate } from "../catalogue.js";
import { describeKind, describeReason, formatAge, formatClock, formatCount, formatHour, formatPercent, namePart } from "../format.js";

export const DECISIONS = ["PASS", "REVIEW", "FAIL", "INVALID"];
const OLD = 10; // seconds after which the age of the last part is shown
const STORAGE_KEY = "softcore.live";

const view = $("live");
const chosen = { shown: "overlay", which: "every", ...JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "{}") };
const stage = new ImageView($("stage"), describeShown, { peak: {} });
const zoom = new Zoom($("enlarge"), stage.paper, (scale) => ($("live-whole").hidden = scale === 1));
let displayed = null; // the part whose image is shown
let timer = null;
let scheduled = false;

for (const input of view.querySelectorAll("input[type=radio]")) {
  input.checked = chosen[input.name] === input.value;
  input.addEventListener("change", () => {
    chosen[input.name] = input.value;
    localStorage.setItem(STORAGE_KEY, JSON.stringify(chosen));
    showImage();
  });
}

/** Switch to the other choice of a pair of radio buttons. */
export function toggle(name) {
  view.querySelector(`input[name=${name}]:not(:checked)`).click();
}

// --- The band ----------------------------------------------------------------------------------------

const scoreBar = makeScoreBar();
$("aside").prepend(scoreBar);

function showBand() {
  const { part, since, left } = chooseShown(line.camera);
  clearTimeout(timer);
  if (left) timer = setTimeout(show, left + 5);
  const decision = part?.decision ?? "none";
  setAttribute($("band"), "data-decision", decision);
  setSymbol($("band").firstElementChild, part ? `shape-${decision}` : "");
  setText($("word"), translate(`band.${decision}`));
  setScoreBar(scoreBar, part);
  const seconds = part ? Date.now() / 1000 - part.decided_at / 1e9 : 0;
  const age = seconds > OLD ? translate("live.ago", { age: formatAge(seconds) }) : "";
  const [number, word] = since > 0 ? [`+${since}`, translate("decision.PASS")] : ["", age]; // since this fault
  setText($("aside").querySelector("b"), number);
  setText($("aside").querySelector("small"), word);
  const chip = document.querySelector("#part .live-chip");
  setAttribute(chip, "data-decision", decision);
  setSymbol(chip.querySelector("svg"), part ? `shape-${decision}` : "");
  setText(chip.querySelector("b"), translate(`decision.${decision}`));
}

/** Make the word as high as the band allows, so that the longest of them has room. */
function fitWord() {
  const probe = document.createElement("canvas").getContext("2d");
  probe.font = getComputedStyle($("word")).font.replace(/[\d.]+px/, "100px");
  const sizes = DECISIONS.map((one) => probe.measureText(translate(`band.${one}`)));
  const most = (of) => (Math.max(...sizes.map(of)) / 100).toFixed(3);
  $("band").style.setProperty("--widest", most((size) => size.width));
  $("band").style.setProperty("--tallest", most((size) => size.actualBoundingBoxAscent)); // an Ü is higher
}

// --- The image -------------------------------------------------------------------------------------

function showImage() {
  const list = currentParts();
  // The image is that of the band, so that nobody sees a FAIL above a good part.
  const part = chosen.which === "faults" ? list.findLast((one) => one.decision !== "PASS") : chooseShown(line.camera).part;
  if (!part) {
    stage.show(null, "", translate(chosen.which === "faults" && list.length ? "live.no-fault" : "live.no-image"));
    return;
  }
  const alt = `${translate(`decision.${part.decision}`)} ${namePart(part)}`;
  stage.show(imageUrl(part, chosen.shown), alt, describeReason(part) ?? translate("live.no-image"), part);
}

const caption = $("enlarge").querySelector(".caption");
const sign = symbol("", "shape");
const words = element("span", { class: "what" });
const name = makeCut();
caption.append(sign, words, name);

function describeShown(part, shape = $("stage").dataset.shape ?? "even") {
  displayed = part;
  setAttribute($("stage"), "data-shape", shape);
  showLag();
  $("enlarge").disabled = part === null;
  caption.hidden = part === null;
  if (part === null) return;
  setAttribute(caption, "data-decision", part.decision);
  setSymbol(sign, `shape-${part.decision}`);
  const why = part.picture && describeKind(part); // without an image its place has the reason
  const parts = [translate(`decision.${part.decision}`), why, formatClock(part.triggered_at)];
  setText(words, parts.filter(Boolean).join(" · "));
  setCut(name, namePart(part));
}

/** Mark an image that is older than the decision above it. */
function showLag() {
  $("enlarge").classList.toggle("late", stage.isLate);
  setAttribute($("enlarge"), "data-late", translate("live.late"));
}

$("live-whole").addEventListener("click", () => zoom.reset());
$("enlarge").addEventListener("keydown", (event) => zoom.press(event, ...stage.peak.locate()));
/** Zoom as a key says. */
export const pressZoom = (event) => !view.hidden && !line.all && zoom.press(event, ...stage.peak.locate());

$("enlarge").addEventListener("click", () => {
  const newest = [...currentParts()].reverse();
  const place = findPart(newest, displayed);
  if (place >= 0) openPart(newest, place);
});
historyBar.onChoice(openPart);

// --- The counts --------------------------------------------------------------------------------------

const tiles = DECISIONS.map((decision) => {
  const tile = element("div", { "data-decision": decision });
  tile.append(element("dt", {}, symbol(`shape-${decision}`, "shape"), element("span")), element("dd", { class: "n" }), element("dd", { class: "share" }));
  $("counts").append(tile);
  return tile;
});

/** Return the counts of the chosen camera, and their sum. */
export function countShift() {
  const counts = line.tally.count(line.status?.cameras.length > 1 ? line.camera : null);
  return { counts, total: DECISIONS.reduce((sum, decision) => sum + counts[decision], 0) };
}

function showCounts() {
  const { counts, total } = countShift();
  tiles.forEach((tile, place) => {
    const decision = DECISIONS[place];
    setText(tile.querySelector("dt span"), translate(`decision.${decision}`));
    setText(tile.querySelector(".n"), formatCount(counts[decision]));
    setText(tile.querySelector(".share"), total ? formatPercent(counts[decision] / total) : "–");
  });
  const shift = line.status?.shift;
  if (!shift) return;
  const rate = line.status.cameras.length > 1 ? (shift.cameras[line.camera]?.per_minute ?? 0) : shift.per_minute;
  setText($("rate"), translate("live.rate", { rate: formatCount(rate), total: formatCount(total), since: formatHour(shift.since) }));
}

// --- All of it, at most once for each frame of the screen -----------------------------------------------------------------

function show() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    showBand();
    if (view.hidden) return;
    $("overview").hidden = !line.all;
    view.toggleAttribute("data-all", line.all);
    if (line.all) {
      overview.show();
      return;
    }
    showImage();
    showCounts();
    historyBar.show(currentParts());
    trend.show(currentParts());
  });
}

export const enter = show;
for (const change of ["decision", "status", "camera"]) eventStream.addEventListener(change, show);
eventStream.addEventListener("age", () => {
  const last = currentParts().at(-1);
  if (last && currentCamera()) showBand();
  showLag();
});
let zoomed = null; // the camera whose image it is
eventStream.addEventListener("camera", () => {
  if (zoomed !== line.camera) zoom.reset();
  zoomed = line.camera;
});
document.addEventListener("language", () => {
  fitWord();
  describeShown(displayed);
  show();
});
document.addEventListener("theme", trend.recolour);

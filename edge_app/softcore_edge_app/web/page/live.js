// Live: the decision that is read from five metres, the last part's image, the counts of the shift.
import { $, draw, element, set, symbol, write } from "./elements.js";
import { camera, line, eventStream, parts } from "./event_stream.js";
import { openPart } from "./part.js";
import { locate, Stage } from "./image.js";
import * as partHistory from "./history.js";
import * as trend from "./trend.js";
import { age, because, call, clock, count, fixed, hour, kind, percent, say, share } from "./words.js";

export const DECISIONS = ["PASS", "REVIEW", "FAIL", "INVALID"];
const HOLD = 1500; // milliseconds: a fault among ten parts a second is to be seen, too
const OLD = 10; // seconds after which it is said how old the last part is
const KEPT = "softcore.live";

const view = $("live");
const chosen = { shown: "overlay", which: "every", ...JSON.parse(localStorage.getItem(KEPT) ?? "{}") };
const stage = new Stage($("stage"), describeShown);
let displayed = null; // the part whose image is seen
let held = { part: null, until: 0 };
let later = null;
let due = false;

for (const input of view.querySelectorAll("input[type=radio]")) {
  input.checked = chosen[input.name] === input.value;
  input.addEventListener("change", () => {
    chosen[input.name] = input.value;
    localStorage.setItem(KEPT, JSON.stringify(chosen));
    showImage();
  });
}

/** Step to the other choice of a switch. */
export function turn(name) {
  view.querySelector(`input[name=${name}]:not(:checked)`).click();
}

// --- The band ----------------------------------------------------------------------------------------

function decide() {
  const list = parts();
  const last = list.at(-1) ?? null;
  const left = held.until - performance.now();
  const place = left > 0 ? list.indexOf(held.part) : -1;
  if (place < 0) return { part: last, since: 0 };
  clearTimeout(later);
  later = setTimeout(show, left + 5);
  return { part: held.part, since: list.length - 1 - place };
}

eventStream.addEventListener("decision", ({ detail }) => {
  if (detail.camera === line.camera && detail.decision !== "PASS") held = { part: detail, until: performance.now() + HOLD };
});

function showBand() {
  const { part, since } = decide();
  const decision = part?.decision ?? "none";
  set($("band"), "data-decision", decision);
  draw($("band").firstElementChild, part ? `shape-${decision}` : "");
  write($("word"), say(`decision.${decision}`));
  let aside = part && part.share !== null ? [fixed(part.share, 2), say("live.threshold")] : ["", ""];
  const seconds = part ? Date.now() / 1000 - part.decided_at / 1e9 : 0;
  if (seconds > OLD) aside[1] = say("live.ago", { age: age(seconds) });
  if (since > 0) aside = [`+${since}`, say("decision.PASS")]; // since this fault
  $("aside").childNodes.forEach((node, place) => write(node, aside[place]));
  const chip = document.querySelector("#part .live-chip");
  set(chip, "data-decision", decision);
  draw(chip.querySelector("svg"), part ? `shape-${decision}` : "");
  write(chip.querySelector("b"), say(`decision.${decision}`));
}

// The word fills the band: as high as it may be, as long as the longest of them has room.
function fit() {
  const probe = document.createElement("canvas").getContext("2d");
  probe.font = getComputedStyle($("word")).font.replace(/[\d.]+px/, "100px");
  const sizes = DECISIONS.map((one) => probe.measureText(say(`decision.${one}`)));
  const most = (of) => (Math.max(...sizes.map(of)) / 100).toFixed(3);
  $("band").style.setProperty("--widest", most((size) => size.width));
  $("band").style.setProperty("--tallest", most((size) => size.actualBoundingBoxAscent)); // an Ü is taller
}

// --- The image -------------------------------------------------------------------------------------

function showImage() {
  const list = parts();
  const part = chosen.which === "faults" ? list.findLast((one) => one.decision !== "PASS") : list.at(-1);
  if (!part) {
    stage.show(null, "", say(chosen.which === "faults" && list.length ? "live.no-fault" : "live.no-image"));
    return;
  }
  const alt = `${say(`decision.${part.decision}`)} ${call(part)}`;
  stage.show(locate(part, chosen.shown), alt, because(part) ?? say("live.no-image"), part);
}

const caption = $("enlarge").querySelector(".caption");
const sign = symbol("", "shape");
const told = element("span");
caption.append(sign, told);

function describeShown(part) {
  displayed = part;
  $("enlarge").disabled = part === null;
  caption.hidden = part === null;
  if (part === null) return;
  set(caption, "data-decision", part.decision);
  draw(sign, `shape-${part.decision}`);
  const why = share(part) || (part.picture && kind(part)); // without an image it is told in its place
  const words = [say(`decision.${part.decision}`), why, clock(part.triggered_at), call(part)];
  write(told, words.filter(Boolean).join(" · "));
}

$("enlarge").addEventListener("click", () => {
  const newest = [...parts()].reverse();
  const place = newest.indexOf(displayed);
  if (place >= 0) openPart(newest, place);
});
partHistory.onChoice(openPart);

// --- The counts --------------------------------------------------------------------------------------

const tiles = DECISIONS.map((decision) => {
  const tile = element("div", { "data-decision": decision });
  tile.append(element("dt", {}, symbol(`shape-${decision}`, "shape"), element("span")), element("dd", { class: "n" }), element("dd", { class: "share" }));
  $("counts").append(tile);
  return tile;
});

/** Give the counts of the chosen camera: of all where there is only one. */
export function countShift() {
  const counts = line.tally.count(line.status?.cameras.length > 1 ? line.camera : null);
  return { counts, total: DECISIONS.reduce((sum, decision) => sum + counts[decision], 0) };
}

function showCounts() {
  const { counts, total } = countShift();
  tiles.forEach((tile, place) => {
    const decision = DECISIONS[place];
    write(tile.querySelector("dt span"), say(`decision.${decision}`));
    write(tile.querySelector(".n"), count(counts[decision]));
    write(tile.querySelector(".share"), total ? percent(counts[decision] / total) : "–");
  });
  const shift = line.status?.shift;
  if (!shift) return;
  const rate = line.status.cameras.length > 1 ? (shift.cameras[line.camera]?.per_minute ?? 0) : shift.per_minute;
  write($("rate"), say("live.rate", { rate: count(rate), total: count(total), since: hour(shift.since) }));
}

// --- All of it, once a frame at most -----------------------------------------------------------------

function show() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    showBand();
    if (view.hidden) return;
    showImage();
    showCounts();
    partHistory.show(parts());
    trend.show(parts());
  });
}

export const enter = show;
for (const change of ["decision", "status", "camera"]) eventStream.addEventListener(change, show);
eventStream.addEventListener("age", () => {
  const last = parts().at(-1);
  if (last && camera()) showBand();
});
document.addEventListener("language", () => {
  fit();
  describeShown(displayed);
  show();
});
document.addEventListener("theme", trend.recolour);

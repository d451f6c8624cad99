// Worklist: the REVIEW parts that nobody has settled, one after the other, the oldest first.
import { $, element, setAttribute, setText, showMessage } from "./elements.js";
import { getJson, postChange } from "./api.js";
import { mayDo } from "./people.js";
import { eventStream, line } from "./event_stream.js";
import { imageUrl, ImageView } from "./image.js";
import { makeScoreBar, setScoreBar } from "./score_bar.js";
import { Zoom } from "./zoom.js";
import { translate } from "./catalogue.js";
import { formatCount, formatMoment, formatPrecise, formatShare, nameCamera, namePart } from "./format.js";

const WAIT = 500; // milliseconds after which a part that was just shown may be settled, and what is new is asked for
const dialog = $("worklist");
const figure = dialog.querySelector("figure");
const stage = new ImageView(figure, allowSoon, { peak: {} });
const zoom = new Zoom(figure, stage.paper, (scale) => ($("worklist-whole").hidden = scale === 1));
const scoreBar = makeScoreBar();
$("worklist-share").after(scoreBar);
const [good, bad] = dialog.querySelectorAll("[data-settle]");
let rows = [];
let count = 0;
let later = new Set(); // triggers of parts that were put off, until the dialog is closed
let settled = null; // what was settled last, and can be taken back
let kind = "overlay";
let timer = null;
let requested = 0;
let ready = null; // the trigger of the part that may be settled: it has been seen for a moment
let busy = false;

const currentPart = () => rows.find((one) => !later.has(one.trigger)) ?? null;

async function load() {
  if (!line.status?.ledger) return;
  const mine = (requested += 1);
  try {
    const found = await getJson("api/worklist", { limit: 50 + later.size });
    if (mine !== requested) return;
    rows = found.rows;
    count = found.open;
    show();
  } catch (error) {
    if (dialog.open) showMessage($("worklist-state"), error.message, true);
  }
}

function loadSoon() {
  clearTimeout(timer);
  timer = setTimeout(load, WAIT);
}

function show() {
  $("worklist-open").hidden = count === 0;
  setText($("worklist-open"), translate(count === 1 ? "worklist.one" : "worklist.many", { n: formatCount(count) }));
  if (!dialog.open) return;
  const part = currentPart();
  setText($("worklist-title"), translate("worklist.title", { n: formatCount(count) }));
  dialog.querySelector(".body").hidden = part === null;
  $("worklist-none").hidden = part !== null;
  setText($("worklist-none"), translate(count ? "worklist.later-only" : "worklist.none"));
  $("worklist-undo").hidden = settled === null;
  if (part === null) return;
  setText($("worklist-part"), namePart(part));
  setText($("worklist-share"), formatShare(part));
  const numbers = { time: formatMoment(part.triggered_at), camera: nameCamera(part.camera), category: part.category, score: formatPrecise(part.score ?? 0), threshold: formatPrecise(part.threshold) };
  $("worklist-numbers").replaceChildren(
    ...Object.entries(numbers).flatMap(([name, text]) => [element("dt", {}, translate(`part.${name}`)), element("dd", {}, text)]),
  );
  for (const input of dialog.querySelectorAll("input[type=radio]")) {
    input.checked = input.value === kind;
    input.disabled = !part.picture || (input.value !== "frame" && part.x === null);
  }
  stage.show(imageUrl(part, part.x === null ? "frame" : kind), namePart(part), translate("live.no-image"), part);
  setAttribute(figure, "aria-label", translate("image.zoom"));
  setScoreBar(scoreBar, part);
  allow();
}

/** A second touch at the same place must not settle the next part, which nobody has seen yet. */
function allowSoon(part) {
  if (part?.trigger !== ready) zoom.reset();
  setTimeout(() => {
    ready = part?.trigger ?? null;
    allow();
  }, WAIT);
}

function allow() {
  for (const button of [good, bad]) button.disabled = busy || ready !== currentPart()?.trigger || !mayDo("operator");
}

async function change(act) {
  busy = true;
  allow();
  try {
    await act();
  } catch (error) {
    showMessage($("worklist-state"), error.message, true);
  }
  busy = false;
  await load();
  allow();
}

for (const button of [good, bad]) {
  button.addEventListener("click", () => {
    const part = currentPart();
    const mark = button.dataset.settle;
    change(async () => {
      if ((await postChange("api/worklist", { trigger: part.trigger, mark })) === null) return;
      settled = part.trigger;
      showMessage($("worklist-state"), translate("worklist.settled", { part: namePart(part), mark: translate(`settle.${mark}`) }));
    });
  });
}
$("worklist-undo").addEventListener("click", () =>
  change(async () => {
    if ((await postChange("api/marks", { trigger: settled, mark: null })) === null) return;
    later.delete(settled);
    settled = null;
    showMessage($("worklist-state"), translate("mark.taken"));
  }),
);
$("worklist-later").addEventListener("click", () => {
  later.add(currentPart().trigger);
  show();
  if (!currentPart()) load();
});
for (const input of dialog.querySelectorAll("input[type=radio]")) {
  input.addEventListener("change", () => {
    kind = input.value;
    show();
  });
}
figure.addEventListener("keydown", (event) => zoom.press(event, ...stage.peak.locate()));
$("worklist-whole").addEventListener("click", () => zoom.reset());
$("worklist-open").addEventListener("click", () => {
  later = new Set();
  settled = null;
  showMessage($("worklist-state"), "");
  dialog.showModal();
  show();
  load();
});

eventStream.addEventListener("decision", ({ detail }) => detail.decision === "REVIEW" && loadSoon());
eventStream.addEventListener("note", ({ detail }) => detail.kind === "mark" && !busy && loadSoon());
let run = null;
eventStream.addEventListener("status", () => {
  if (run === line.status.shift.run) return;
  run = line.status.shift.run;
  load();
});
document.addEventListener("lock", allow);
document.addEventListener("language", show);

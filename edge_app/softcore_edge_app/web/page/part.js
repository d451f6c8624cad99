// Part: one decision in a dialog, with its numbers, and the mark of a person who corrects it.
import { $, element, makeCut, setAttribute, setCut, setSymbol, setText, showMessage } from "./elements.js";
import { getJson, postChange } from "./api.js";
import { mayDo } from "./people.js";
import { Zoom } from "./zoom.js";
import { eventStream, line } from "./event_stream.js";
import { imageUrl, ImageView } from "./image.js";
import { makeScoreBar, setScoreBar } from "./score_bar.js";
import { translate } from "./catalogue.js";
import { describeReason, formatFixed, formatMoment, formatPrecise, formatShare, nameCamera, namePart } from "./format.js";

const dialog = $("part");
const figure = dialog.querySelector("figure");
const stage = new ImageView(figure, (part, shape) => setAttribute(dialog, "data-shape", shape), { peak: {} });
const zoom = new Zoom(figure, stage.paper, (scale) => ($("part-whole").hidden = scale === 1));
const scoreBar = makeScoreBar();
$("part-reason").after(scoreBar);
$("part-title").append(element("span"), makeCut(), element("span"));
const [newer, older] = dialog.querySelectorAll(".steps button");
let list = []; // the newest first
let place = 0;
let kind = "overlay";

/** Open a part of a list, the newest first; buttons and arrow keys step through it. */
export function openPart(parts, index) {
  list = parts;
  place = index;
  zoom.reset();
  if (!dialog.open) dialog.showModal();
  show();
}

async function show() {
  paint();
  if (!line.status?.ledger) return;
  const part = list[place];
  try {
    // The ledger knows its mark, and whether it still has an image.
    const row = await getJson(`api/decisions/${encodeURIComponent(part.trigger)}`);
    if (list[place] !== part) return;
    list = list.with(place, { ...part, ...row });
    paint();
  } catch {
    // What is known of it stays.
  }
}

const ROWS = {
  time: (part) => formatMoment(part.triggered_at),
  camera: (part) => nameCamera(part.camera),
  category: (part) => part.category,
  share: formatShare,
  score: (part) => (part.score === null ? "" : formatPrecise(part.score)),
  threshold: (part) => formatPrecise(part.threshold),
  milliseconds: (part) => (part.milliseconds === null ? "" : `${formatFixed(part.milliseconds, 1)} ms`),
  name: (part) => part.name,
  part: (part) => (part.part === part.trigger ? "" : part.part),
  trigger: (part) => part.trigger,
  number: (part) => String(part.number ?? ""),
};

function paint() {
  const part = list[place];
  const decision = translate(`decision.${part.decision}`);
  setAttribute(dialog, "data-decision", part.decision);
  setSymbol(dialog.querySelector("header .shape"), `shape-${part.decision}`);
  const words = translate("part.title", { part: "\n", decision }).split("\n");
  for (const [place, node] of [...$("part-title").children].entries()) {
    if (place === 1) setCut(node, namePart(part)); // a long name keeps its end
    else setText(node, words[place / 2]);
  }
  setText($("part-reason"), describeReason(part) ?? "");
  $("part-reason").hidden = !part.reason;
  for (const input of dialog.querySelectorAll("input[type=radio]")) {
    input.checked = input.value === kind;
    input.disabled = !part.picture || (input.value !== "frame" && part.x === null);
  }
  stage.show(imageUrl(part, part.x === null ? "frame" : kind), `${decision} ${namePart(part)}`, translate("live.no-image"), part);
  setAttribute(figure, "aria-label", translate("image.zoom"));
  setScoreBar(scoreBar, part);
  $("part-numbers").replaceChildren(
    ...Object.entries(ROWS).flatMap(([name, describe]) => {
      const text = describe(part);
      return text ? [element("dt", {}, translate(`part.${name}`)), element("dd", {}, text)] : [];
    }),
  );
  for (const button of dialog.querySelectorAll("[data-mark]")) {
    setAttribute(button, "aria-pressed", String(part.mark === button.dataset.mark));
    button.disabled = !line.status?.ledger || !mayDo("operator");
  }
  showMessage($("mark-state"), line.status?.ledger ? "" : translate("mark.no-ledger"));
  setText(newer, `▲ ${translate("part.newer")}`);
  setText(older, `▼ ${translate("part.older")}`);
  newer.disabled = place === 0;
  older.disabled = place === list.length - 1;
}

function step(by) {
  if (place + by < 0 || place + by >= list.length) return;
  place += by;
  show();
}
$("part-whole").addEventListener("click", () => zoom.reset());
newer.addEventListener("click", () => step(-1));
older.addEventListener("click", () => step(1));
dialog.addEventListener("keydown", (event) => {
  if (event.target.type === "radio" && event.key.startsWith("Arrow")) return; // they move between the radio buttons
  if (zoom.press(event, ...stage.peak.locate())) return;
  if (event.key === "ArrowUp" || event.key === "ArrowLeft") step(event.key === "ArrowUp" ? -1 : 1);
  else if (event.key === "ArrowDown" || event.key === "ArrowRight") step(event.key === "ArrowDown" ? 1 : -1);
  else return;
  event.preventDefault();
});
for (const input of dialog.querySelectorAll("input[type=radio]")) {
  input.addEventListener("change", () => {
    kind = input.value;
    paint();
  });
}

// --- The mark ----------------------------------------------------------------------------------------

function setMark(trigger, mark) {
  list = list.map((part) => (part.trigger === trigger ? { ...part, mark } : part));
  if (dialog.open && list[place]?.trigger === trigger) paint();
}

for (const button of dialog.querySelectorAll("[data-mark]")) {
  button.addEventListener("click", async () => {
    const { trigger, mark: before } = list[place];
    const mark = before === button.dataset.mark ? null : button.dataset.mark; // the same mark again removes it
    try {
      if ((await postChange("api/marks", { trigger, mark })) === null) return;
      setMark(trigger, mark);
      if (list[place].trigger === trigger) showMessage($("mark-state"), translate(mark ? "mark.kept" : "mark.taken"));
    } catch (error) {
      showMessage($("mark-state"), error.message, true);
    }
  });
}
document.addEventListener("lock", () => dialog.open && paint());
eventStream.addEventListener("note", ({ detail }) => {
  if (detail.kind !== "mark" || list[place]?.mark === detail.after) return;
  setMark(detail.subject, detail.after);
});

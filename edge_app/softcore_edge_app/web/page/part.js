// Part: one decision in a dialog, with its numbers, and the mark of a person who corrects it.
import { $, element, setAttribute, setSymbol, setText, showMessage } from "./elements.js";
import { getJson, postChange } from "./api.js";
import { eventStream, line } from "./event_stream.js";
import { imageUrl, ImageView } from "./image.js";
import { translate } from "./catalogue.js";
import { describeReason, formatFixed, formatMoment, formatPrecise, formatShare, namePart } from "./format.js";

const dialog = $("part");
const stage = new ImageView(dialog.querySelector("figure"));
const [newer, older] = dialog.querySelectorAll(".steps button");
let list = []; // the newest first
let place = 0;
let kind = "overlay";

/** Open a part of a list, the newest first; buttons and arrow keys step through it. */
export function openPart(parts, index) {
  list = parts;
  place = index;
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
  camera: (part) => part.camera,
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
  setText($("part-title"), translate("part.title", { part: namePart(part), decision }));
  setText($("part-reason"), describeReason(part) ?? "");
  $("part-reason").hidden = !part.reason;
  for (const input of dialog.querySelectorAll("input[type=radio]")) {
    input.checked = input.value === kind;
    input.disabled = !part.picture || (input.value !== "frame" && part.x === null);
  }
  stage.show(imageUrl(part, part.x === null ? "frame" : kind), `${decision} ${namePart(part)}`, translate("live.no-image"), part.trigger);
  $("part-numbers").replaceChildren(
    ...Object.entries(ROWS).flatMap(([name, describe]) => {
      const text = describe(part);
      return text ? [element("dt", {}, translate(`part.${name}`)), element("dd", {}, text)] : [];
    }),
  );
  for (const button of dialog.querySelectorAll("[data-mark]")) {
    setAttribute(button, "aria-pressed", String(part.mark === button.dataset.mark));
    button.disabled = !line.status?.ledger;
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
newer.addEventListener("click", () => step(-1));
older.addEventListener("click", () => step(1));
dialog.addEventListener("keydown", (event) => {
  if (event.target.type === "radio") return; // the arrow keys move between the radio buttons
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
eventStream.addEventListener("note", ({ detail }) => {
  if (detail.kind !== "mark" || list[place]?.mark === detail.after) return;
  setMark(detail.subject, detail.after);
});

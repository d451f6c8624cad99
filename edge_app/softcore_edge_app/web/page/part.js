// Part: one decision, large, with its numbers and the mark that says it was wrong.
import { $, draw, element, report, set, write } from "./elements.js";
import { change, read } from "./line.js";
import { line, eventStream } from "./event_stream.js";
import { locate, Stage } from "./image.js";
import { because, call, fixed, moment, precise, say, share } from "./words.js";

const dialog = $("part");
const stage = new Stage(dialog.querySelector("figure"));
const [newer, older] = dialog.querySelectorAll(".steps button");
let list = []; // the newest first
let place = 0;
let kind = "overlay";

/** Open a part of a list, the newest first, through which one can step. */
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
    // Whether it was marked, and still has an image, the ledger knows.
    const row = await read(`api/decisions/${encodeURIComponent(part.trigger)}`);
    if (list[place] !== part) return;
    list = list.with(place, { ...part, ...row });
    paint();
  } catch {
    // What is known of it is shown.
  }
}

const ROWS = {
  time: (part) => moment(part.triggered_at),
  camera: (part) => part.camera,
  category: (part) => part.category,
  share: share,
  score: (part) => (part.score === null ? "" : precise(part.score)),
  threshold: (part) => precise(part.threshold),
  milliseconds: (part) => (part.milliseconds === null ? "" : `${fixed(part.milliseconds, 1)} ms`),
  name: (part) => part.name,
  part: (part) => (part.part === part.trigger ? "" : part.part),
  trigger: (part) => part.trigger,
  number: (part) => String(part.number ?? ""),
};

function paint() {
  const part = list[place];
  const decision = say(`decision.${part.decision}`);
  set(dialog, "data-decision", part.decision);
  draw(dialog.querySelector("header .shape"), `shape-${part.decision}`);
  write($("part-title"), say("part.title", { part: call(part), decision }));
  write($("part-reason"), because(part) ?? "");
  $("part-reason").hidden = !part.reason;
  for (const input of dialog.querySelectorAll("input[type=radio]")) {
    input.checked = input.value === kind;
    input.disabled = !part.picture || (input.value !== "frame" && part.x === null);
  }
  stage.show(locate(part, part.x === null ? "frame" : kind), `${decision} ${call(part)}`, say("live.no-image"), part.trigger);
  $("part-numbers").replaceChildren(
    ...Object.entries(ROWS).flatMap(([name, tell]) => {
      const told = tell(part);
      return told ? [element("dt", {}, say(`part.${name}`)), element("dd", {}, told)] : [];
    }),
  );
  for (const button of dialog.querySelectorAll("[data-mark]")) {
    set(button, "aria-pressed", String(part.mark === button.dataset.mark));
    button.disabled = !line.status?.ledger;
  }
  report($("mark-state"), line.status?.ledger ? "" : say("mark.no-ledger"));
  write(newer, `▲ ${say("part.newer")}`);
  write(older, `▼ ${say("part.older")}`);
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
  if (event.target.type === "radio") return; // arrows are its own
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

function remember(trigger, mark) {
  list = list.map((part) => (part.trigger === trigger ? { ...part, mark } : part));
  if (dialog.open && list[place]?.trigger === trigger) paint();
}

for (const button of dialog.querySelectorAll("[data-mark]")) {
  button.addEventListener("click", async () => {
    const { trigger, mark: before } = list[place];
    const mark = before === button.dataset.mark ? null : button.dataset.mark; // the same again takes it back
    try {
      if ((await change("api/marks", { trigger, mark })) === null) return;
      remember(trigger, mark);
      if (list[place].trigger === trigger) report($("mark-state"), say(mark ? "mark.kept" : "mark.taken"));
    } catch (error) {
      report($("mark-state"), error.message, true);
    }
  });
}
eventStream.addEventListener("note", ({ detail }) => {
  if (detail.kind !== "mark" || list[place]?.mark === detail.after) return;
  remember(detail.subject, detail.after);
});

// Status bar: how camera, PLC, broker, disk, drift and ledger are, each with a reason in plain words.
import { $, element, draw, set, symbol, write } from "./elements.js";
import { line, eventStream, stale } from "./event_stream.js";
import { fixed, percent, say } from "./words.js";

const NAMES = ["camera", "modbus", "mqtt", "disk", "drift", "ledger"];
const RANK = { bad: 0, warn: 1, none: 2, well: 3 };

// Each finds [state, reason] in a status.
const FINDERS = {
  camera(status) {
    const faulty = status.cameras.find((one) => one.fault);
    if (faulty) return ["bad", say("indicator.fault", { name: faulty.name, fault: faulty.fault })];
    if (status.stuck) return ["bad", say("state.stuck", { what: status.stuck })];
    const stopped = status.cameras.find((one) => !one.running);
    if (stopped) return ["warn", say("indicator.camera.stopped", { camera: stopped.name })];
    const behind = status.cameras.filter((one) => one.live && one.latency && one.trigger !== "auto");
    if (!behind.length) return ["well", say("indicator.camera.well")];
    return ["well", behind.map(({ name, latency }) => say("indicator.camera.latency", { camera: name, seconds: fixed(latency, 2) })).join("; ")];
  },
  modbus: (status) => findOutput(status, "modbus"),
  mqtt: (status) => findOutput(status, "mqtt"),
  disk({ disk }) {
    if (!disk) return ["none", say("indicator.disk.none")];
    return disk.fault ? ["bad", disk.fault] : ["well", say("indicator.disk.well", { free: fixed(disk.free_gigabytes, 1) })];
  },
  drift({ drift }) {
    const raised = drift.filter((one) => one.raised).map(tellDrift);
    if (raised.length) return ["warn", [...new Set(raised)].join("; ")];
    return drift.every(isShare) ? ["none", say("indicator.drift.none")] : ["well", say("indicator.drift.well")];
  },
  ledger(status) {
    if (!status.ledger) return ["none", say("indicator.ledger.none")];
    return status.ledger_fault ? ["bad", status.ledger_fault] : ["well", say("indicator.ledger.well")];
  },
};

function findOutput(status, name) {
  const output = status.outputs.find((one) => one.name === name);
  if (!output) return ["none", say("indicator.output.none")];
  if (output.fault) {
    const waits = output.backlog ? `; ${say("indicator.output.waits", output)}` : "";
    return ["bad", output.fault + waits];
  }
  // A few are always on their way.
  if (output.backlog > 100) return ["warn", say("indicator.output.waits", output)];
  return ["well", say("indicator.output.well", output)];
}

function isShare({ quantity }) {
  return quantity.endsWith("_share");
}

function tellDrift({ camera: name, quantity, change }) {
  if (isShare({ quantity })) return say(`indicator.drift.${quantity}`, { camera: name, share: percent(change, 0) });
  const way = change > 0 ? "up" : "down";
  return say(`indicator.drift.${way}`, { camera: name, quantity: say(`indicator.drift.${quantity}`), change: percent(Math.abs(change), 0) });
}

const indicators = NAMES.map((name) => {
  const made = { name, small: element("span", { class: "indicator" }), row: element("li", { class: "indicator" }) };
  for (const place of [made.small, made.row]) place.append(symbol("indicator-none", "indicator-shape"), element("span"));
  made.row.append(element("b"), element("span", { class: "reason" }));
  $("status-bar").append(made.small);
  $("state-indicators").append(made.row);
  return made;
});

export function showIndicators() {
  const { status } = line;
  if (!status) return;
  const found = indicators.map((indicator) => {
    const [state, reason] = stale() ? ["none", say("indicator.stale")] : FINDERS[indicator.name](status);
    const word = say(`indicator.${indicator.name}`);
    for (const place of [indicator.small, indicator.row]) {
      set(place, "data-state", state);
      draw(place.firstElementChild, `indicator-${state}`);
      write(place.children[1], word);
    }
    write(indicator.row.children[2], say(`indicator.state.${state}`));
    write(indicator.row.children[3], reason);
    return { word, state, reason };
  });
  set($("status-bar"), "aria-label", say("status-bar.label", { indicators: found.map(({ word, state }) => `${word} ${say(`indicator.state.${state}`)}`).join(", ") }));

  const wrong = found.filter(({ state }) => RANK[state] < RANK.none).sort((a, b) => RANK[a.state] - RANK[b.state]);
  $("reasons").hidden = !wrong.length;
  set($("reasons"), "data-state", wrong[0]?.state ?? "well");
  draw($("reasons").firstElementChild, `indicator-${wrong[0]?.state ?? "well"}`);
  write($("reasons").lastElementChild, wrong.map(({ word, reason }) => `${word}: ${reason}`).join(" · "));

  const more = status.alarms.length ? status.alarms : [say("state.nothing")];
  if ($("state-more").textContent !== more.join("")) $("state-more").replaceChildren(...more.map((alarm) => element("li", {}, alarm)));
}

for (const id of ["status-bar", "reasons"]) $(id).addEventListener("click", () => $("state").showModal());
eventStream.addEventListener("status", showIndicators);
eventStream.addEventListener("age", showIndicators);
document.addEventListener("language", showIndicators);

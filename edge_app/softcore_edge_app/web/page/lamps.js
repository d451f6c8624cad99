// Lamps: how camera, PLC, broker, disk, drift and ledger are, each with a reason in plain words.
import { $, element, draw, set, symbol, write } from "./elements.js";
import { line, news, stale } from "./news.js";
import { fixed, percent, say } from "./words.js";

const NAMES = ["camera", "modbus", "mqtt", "disk", "drift", "ledger"];
const RANK = { bad: 0, warn: 1, none: 2, well: 3 };

// Each finds [state, reason] in a status.
const FINDERS = {
  camera(status) {
    const faulty = status.cameras.find((one) => one.fault);
    if (faulty) return ["bad", say("lamp.fault", { name: faulty.name, fault: faulty.fault })];
    if (status.stuck) return ["bad", say("state.stuck", { what: status.stuck })];
    const stopped = status.cameras.find((one) => !one.running);
    if (stopped) return ["warn", say("lamp.camera.stopped", { camera: stopped.name })];
    const behind = status.cameras.filter((one) => one.live && one.latency && one.trigger !== "auto");
    if (!behind.length) return ["well", say("lamp.camera.well")];
    return ["well", behind.map(({ name, latency }) => say("lamp.camera.latency", { camera: name, seconds: fixed(latency, 2) })).join("; ")];
  },
  modbus: (status) => findOutput(status, "modbus"),
  mqtt: (status) => findOutput(status, "mqtt"),
  disk({ disk }) {
    if (!disk) return ["none", say("lamp.disk.none")];
    return disk.fault ? ["bad", disk.fault] : ["well", say("lamp.disk.well", { free: fixed(disk.free_gigabytes, 1) })];
  },
  drift({ drift }) {
    const raised = drift.filter((one) => one.raised).map(tellDrift);
    if (raised.length) return ["warn", [...new Set(raised)].join("; ")];
    return drift.every(isShare) ? ["none", say("lamp.drift.none")] : ["well", say("lamp.drift.well")];
  },
  ledger(status) {
    if (!status.ledger) return ["none", say("lamp.ledger.none")];
    return status.ledger_fault ? ["bad", status.ledger_fault] : ["well", say("lamp.ledger.well")];
  },
};

function findOutput(status, name) {
  const output = status.outputs.find((one) => one.name === name);
  if (!output) return ["none", say("lamp.output.none")];
  if (output.fault) {
    const waits = output.backlog ? `; ${say("lamp.output.waits", output)}` : "";
    return ["bad", output.fault + waits];
  }
  // A few are always on their way.
  if (output.backlog > 100) return ["warn", say("lamp.output.waits", output)];
  return ["well", say("lamp.output.well", output)];
}

function isShare({ quantity }) {
  return quantity.endsWith("_share");
}

function tellDrift({ camera: name, quantity, change }) {
  if (isShare({ quantity })) return say(`lamp.drift.${quantity}`, { camera: name, share: percent(change, 0) });
  const way = change > 0 ? "up" : "down";
  return say(`lamp.drift.${way}`, { camera: name, quantity: say(`lamp.drift.${quantity}`), change: percent(Math.abs(change), 0) });
}

const lamps = NAMES.map((name) => {
  const made = { name, small: element("span", { class: "lamp" }), row: element("li", { class: "lamp" }) };
  for (const place of [made.small, made.row]) place.append(symbol("lamp-none", "lamp-shape"), element("span"));
  made.row.append(element("b"), element("span", { class: "reason" }));
  $("lamps").append(made.small);
  $("state-lamps").append(made.row);
  return made;
});

export function showLamps() {
  const { status } = line;
  if (!status) return;
  const found = lamps.map((lamp) => {
    const [state, reason] = stale() ? ["none", say("lamp.stale")] : FINDERS[lamp.name](status);
    const word = say(`lamp.${lamp.name}`);
    for (const place of [lamp.small, lamp.row]) {
      set(place, "data-state", state);
      draw(place.firstElementChild, `lamp-${state}`);
      write(place.children[1], word);
    }
    write(lamp.row.children[2], say(`lamp.state.${state}`));
    write(lamp.row.children[3], reason);
    return { word, state, reason };
  });
  set($("lamps"), "aria-label", say("lamps.label", { lamps: found.map(({ word, state }) => `${word} ${say(`lamp.state.${state}`)}`).join(", ") }));

  const wrong = found.filter(({ state }) => RANK[state] < RANK.none).sort((a, b) => RANK[a.state] - RANK[b.state]);
  $("reasons").hidden = !wrong.length;
  set($("reasons"), "data-state", wrong[0]?.state ?? "well");
  draw($("reasons").firstElementChild, `lamp-${wrong[0]?.state ?? "well"}`);
  write($("reasons").lastElementChild, wrong.map(({ word, reason }) => `${word}: ${reason}`).join(" · "));

  const more = status.alarms.length ? status.alarms : [say("state.nothing")];
  if ($("state-more").textContent !== more.join("")) $("state-more").replaceChildren(...more.map((alarm) => element("li", {}, alarm)));
}

for (const id of ["lamps", "reasons"]) $(id).addEventListener("click", () => $("state").showModal());
news.addEventListener("status", showLamps);
news.addEventListener("age", showLamps);
document.addEventListener("language", showLamps);

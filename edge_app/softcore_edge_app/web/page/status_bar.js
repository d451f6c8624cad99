// Status bar: the state of camera, PLC, broker, disk, drift, ledger, database and alarms, each with a reason in plain words.
import { $, element, setAttribute, setSymbol, setText, symbol } from "./elements.js";
import { findAlarmState, isAnyRaised } from "./alarms.js";
import { eventStream, isStale, line } from "./event_stream.js";
import { hasText, translate } from "./catalogue.js";
import { formatCount, formatFault, formatFixed, formatPercent, nameCamera } from "./format.js";

const NAMES = ["camera", "modbus", "mqtt", "disk", "drift", "ledger", "postgres", "alarm"];
const OPTIONAL = ["postgres"]; // shown only where a line has it
const RANK = { bad: 0, warn: 1, none: 2, well: 3 };

// Each returns [state, reason] of a status.
const FINDERS = {
  camera(status) {
    const faulty = status.cameras.find((one) => one.fault);
    if (faulty) return ["bad", translate("indicator.fault", { name: tellCamera(faulty.name), fault: formatFault(status, faulty.fault) })];
    if (status.stuck) return ["bad", translate("state.stuck", { what: formatFault(status, status.stuck) })];
    const stopped = status.cameras.find((one) => !one.running);
    if (stopped) return ["warn", translate("indicator.camera.stopped", { camera: tellCamera(stopped.name) })];
    const behind = status.cameras.filter((one) => one.live && one.latency && one.trigger !== "auto");
    if (!behind.length) return ["well", translate("indicator.camera.well")];
    return ["well", behind.map(({ name, latency }) => translate("indicator.camera.latency", { camera: tellCamera(name), seconds: formatFixed(latency, 2) })).join("; ")];
  },
  modbus: (status) => findOutput(status, "modbus"),
  mqtt: (status) => findOutput(status, "mqtt"),
  postgres: (status) => findOutput(status, "postgres"),
  disk(status) {
    const { disk } = status;
    if (!disk) return ["none", translate("indicator.disk.none")];
    return disk.fault ? ["bad", formatFault(status, disk.fault)] : ["well", translate("indicator.disk.well", { free: formatFixed(disk.free_gigabytes, 1) })];
  },
  drift({ drift }) {
    const raised = drift.filter((one) => one.raised).map(describeDrift);
    if (raised.length) return ["warn", [...new Set(raised)].join("; ")];
    return drift.every(isShare) ? ["none", translate("indicator.drift.none")] : ["well", translate("indicator.drift.well")];
  },
  ledger(status) {
    if (!status.ledger) return ["none", translate("indicator.ledger.none")];
    return status.ledger_fault ? ["bad", formatFault(status, status.ledger_fault)] : ["well", translate("indicator.ledger.well")];
  },
  alarm: findAlarmState,
};

function findOutput(status, name) {
  const output = status.outputs.find((one) => one.name === name);
  if (!output) return ["none", translate("indicator.output.none")];
  const counts = { delivered: formatCount(output.delivered), backlog: formatCount(output.backlog) };
  if (output.fault) {
    const waits = output.backlog ? `; ${translate("indicator.output.waits", counts)}` : "";
    return ["bad", formatFault(status, output.fault) + waits];
  }
  // A few are always being delivered.
  if (output.backlog > 100) return ["warn", translate("indicator.output.waits", counts)];
  return ["well", translate("indicator.output.well", counts)];
}

/** Return what a camera is called; the only one of a line needs no name. */
function tellCamera(name) {
  return nameCamera(name) ?? translate("indicator.camera");
}

function isShare({ quantity }) {
  return quantity.endsWith("_share");
}

function describeDrift({ camera, quantity, change }) {
  const name = tellCamera(camera);
  if (isShare({ quantity })) return translate(`indicator.drift.${quantity}`, { camera: name, share: formatPercent(change, 0) });
  const way = change > 0 ? "up" : "down";
  return translate(`indicator.drift.${way}`, { camera: name, quantity: translate(`indicator.drift.${quantity}`), change: formatPercent(Math.abs(change), 0) });
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
  const shown = indicators.filter(({ name, small, row }) => {
    small.hidden = row.hidden = OPTIONAL.includes(name) && !status.outputs.some((one) => one.name === name);
    return !row.hidden;
  });
  const found = shown.map((indicator) => {
    const [state, reason] = isStale() ? ["none", translate("indicator.stale")] : FINDERS[indicator.name](status);
    const word = translate(`indicator.${indicator.name}`);
    for (const place of [indicator.small, indicator.row]) {
      setAttribute(place, "data-state", state);
      setSymbol(place.firstElementChild, `indicator-${state}`);
      setText(place.children[1], word);
    }
    // The bar is narrow.
    if (hasText(`indicator.${indicator.name}.short`)) setText(indicator.small.children[1], translate(`indicator.${indicator.name}.short`));
    setText(indicator.row.children[2], translate(`indicator.state.${state}`));
    setText(indicator.row.children[3], reason);
    return { name: indicator.name, word, state, reason };
  });
  setAttribute($("status-bar"), "aria-label", translate("status-bar.label", { indicators: found.map(({ word, state }) => `${word} ${translate(`indicator.state.${state}`)}`).join(", ") }));

  const bannered = ({ name }) => name === "alarm" && isAnyRaised();
  const wrong = found.filter((one) => RANK[one.state] < RANK.none && !bannered(one)).sort((a, b) => RANK[a.state] - RANK[b.state]);
  $("reasons").hidden = !wrong.length;
  setAttribute($("reasons"), "data-state", wrong[0]?.state ?? "well");
  setSymbol($("reasons").firstElementChild, `indicator-${wrong[0]?.state ?? "well"}`);
  setText($("reasons").lastElementChild, wrong.map(({ word, reason }) => `${word}: ${reason}`).join(" · "));

  const more = status.alarms.length ? status.alarms.map((alarm) => formatFault(status, alarm)) : [translate("state.nothing")];
  if ($("state-more").textContent !== more.join("")) $("state-more").replaceChildren(...more.map((alarm) => element("li", {}, alarm)));
}

for (const id of ["status-bar", "reasons"]) $(id).addEventListener("click", () => $("state").showModal());
eventStream.addEventListener("status", showIndicators);
eventStream.addEventListener("age", showIndicators);
document.addEventListener("language", showIndicators);

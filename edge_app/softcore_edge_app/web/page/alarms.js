// Alarms: what the line's rules have raised, since when, and the button that acknowledges it.
import { $, element, setAttribute, setSymbol, setText, showMessage, symbol } from "./elements.js";
import { postChange } from "./api.js";
import { showErrors } from "./confirmation.js";
import { canChange, mayDo } from "./people.js";
import { eventStream, line, requestStatus } from "./event_stream.js";
import { translate } from "./catalogue.js";
import { formatClock, formatMoment, formatPercent } from "./format.js";

const COUNT = /^(\w+): ([A-Z+]+) (\d+)\/(\d+)( of the shift)?$/;
const CHANGE = /^(\w+): ([a-z]+) ([+-][\d.]+)%$/;

const openAlarms = () => line.status?.open_alarms ?? [];
const mayAcknowledge = () => canChange(line.status) && mayDo("operator");
const isRaised = ({ state }) => state === "raised";

/** Return whether an alarm waits to be acknowledged: the banner shows it then. */
export const isAnyRaised = () => openAlarms().some(isRaised);

/** Return what raised an alarm. */
function describeReading({ watched, matches, parts, change, of_shift }) {
  if (change === null) {
    const decisions = watched.split("+").map((one) => translate(`decision.${one}`));
    return translate(of_shift ? "alarm.count.shift" : "alarm.count", { matches, parts, decisions: decisions.join(" / ") });
  }
  const values = { quantity: translate(`indicator.drift.${watched}`), change: formatPercent(Math.abs(change)) };
  return translate(change > 0 ? "alarm.up" : "alarm.down", values);
}

/** Return what an alarm says, with its camera where there are several. */
export function describeAlarm(alarm) {
  const reading = describeReading(alarm);
  return line.status.cameras.length > 1 ? translate("indicator.fault", { name: alarm.camera, fault: reading }) : reading;
}

/** Return the state of an alarm as a note keeps it, in the language in use. */
export function describeNotedState(text) {
  const count = COUNT.exec(text);
  const change = CHANGE.exec(text);
  if (!count && !change) return translate(`alarm.state.${text}`);
  const [, state, watched, ...numbers] = count ?? change;
  const reading = count ? { matches: numbers[0], parts: numbers[1], change: null, of_shift: Boolean(numbers[2]) } : { change: Number(numbers[0]) / 100 };
  return `${translate(`alarm.state.${state}`)}: ${describeReading({ watched, ...reading })}`;
}

/** Return since when an alarm is raised, whether that is over, and who has acknowledged it. */
function describeTimes({ since, holds, acknowledged_by: by }) {
  const today = new Date(since / 1e6).toDateString() === new Date().toDateString();
  const words = [translate("alarm.since", { time: today ? formatClock(since) : formatMoment(since) })];
  if (!holds) words.push(translate("alarm.over"));
  if (by) words.push(translate("alarm.by", { by }));
  return words.join(" · ");
}

/** Return [state, reason] of the status bar's indicator. */
export function findAlarmState() {
  const alarms = openAlarms();
  if (!alarms.length) return ["well", translate("indicator.alarm.well")];
  const state = alarms.some(({ level }) => level === "alarm") ? "bad" : "warn";
  return [state, alarms.map((one) => `${describeAlarm(one)} (${describeTimes(one)})`).join("; ")];
}

function acknowledge({ camera, rule }, place) {
  return showErrors(place, async () => {
    showMessage(place, "");
    if (await postChange("api/alarms/acknowledge", { camera, rule })) await requestStatus();
  });
}

function showBanner() {
  const raised = openAlarms().filter(isRaised);
  $("alarm").hidden = !raised.length;
  if (!raised.length) {
    showMessage($("alarm-state"), "");
    return;
  }
  const [first] = raised;
  setAttribute($("alarm"), "data-level", first.level);
  setSymbol($("alarm").firstElementChild, first.level === "alarm" ? "indicator-bad" : "indicator-warn");
  const [what, when] = $("alarm").querySelector("[role=alert]").children;
  setText(what, translate(`alarm.level.${first.level}`, { what: describeAlarm(first) }));
  setText(when, describeTimes(first));
  $("alarm-more").hidden = raised.length < 2;
  setText($("alarm-more"), translate("alarm.more", { n: raised.length - 1 }));
  $("alarm-acknowledge").disabled = !mayAcknowledge();
}

function showList() {
  const alarms = openAlarms();
  const key = JSON.stringify([alarms, mayAcknowledge(), document.documentElement.lang]);
  if ($("state-alarms").dataset.key === key) return; // a button that is being pressed stays
  $("state-alarms").dataset.key = key;
  $("state-alarms").replaceChildren(...alarms.map(makeRow));
}

function makeRow(alarm) {
  const grave = alarm.level === "alarm";
  const problem = element("span", { role: "status" });
  const row = element("li", { "data-state": grave ? "bad" : "warn" }, symbol(grave ? "indicator-bad" : "indicator-warn", "indicator-shape"));
  row.append(element("span", {}, element("b", {}, describeAlarm(alarm)), element("span", { class: "soft" }, describeTimes(alarm)), problem));
  if (isRaised(alarm)) {
    const button = element("button", { type: "button" }, translate("alarm.acknowledge"));
    button.disabled = !mayAcknowledge();
    button.addEventListener("click", () => acknowledge(alarm, problem));
    row.append(button);
  }
  return row;
}

function show() {
  if (!line.status) return;
  showBanner();
  showList();
}

$("alarm-acknowledge").addEventListener("click", () => acknowledge(openAlarms().find(isRaised), $("alarm-state")));
$("alarm-more").addEventListener("click", () => $("state").showModal());
eventStream.addEventListener("status", show);
for (const kind of ["language", "lock"]) document.addEventListener(kind, show);

// Event stream: the line's events and status, the last parts of each camera, and whether any of it is recent.
import { allowChanges, getJson } from "./api.js";
import { Tally } from "./tally.js";

export const KEPT = 200; // parts of each camera
const POLL = 3000; // milliseconds between two requests for the status, which also proves that the line is there
const TIMEOUT = 5000; // milliseconds
const STALE = 6; // seconds
const STORAGE_KEY = "softcore.camera";

/** What is known of the line; `all` is whether all its cameras are shown at once. `eventStream` dispatches what changes: decision, status, note, camera, age. */
export const line = { status: null, camera: null, all: false, tally: new Tally(), parts: new Map() };
export const eventStream = new EventTarget();

const dispatch = (kind, detail = null) => eventStream.dispatchEvent(new CustomEvent(kind, { detail }));

let source = null;
let retry = null;
let lastContact = null; // when something last came from the line
let refused = false; // whether it isn't there, as far as the last request tells
let requesting = false;
let received = 0; // number of the last decision that came as an event, or needn't come as one
let expected = 0; // number of the decision that must have come by the next status
let justOpened = true; // a stream that has just begun doesn't repeat what was decided before

/** Return the seconds since the line was last heard of; null if it never was. */
export const secondsSilent = () => (lastContact === null ? null : (performance.now() - lastContact) / 1000);
export const isStale = () => lastContact === null || refused || secondsSilent() > STALE;
export const currentCamera = () => line.status?.cameras.find((one) => one.name === line.camera) ?? null;
/** Return the last parts of the chosen camera, the oldest first. */
export const currentParts = () => line.parts.get(line.camera) ?? [];

/** Return the place of a part in a list, -1 without it; loading from the ledger makes new objects of the same parts. */
export const findPart = (list, part) => list.findIndex((one) => one.trigger === part?.trigger);

function noteContact() {
  const was = isStale();
  lastContact = performance.now();
  refused = false;
  if (was) dispatch("age");
}

function addPart(part) {
  const list = line.parts.get(part.camera) ?? [];
  line.parts.set(part.camera, list);
  if (list.some((one) => one.trigger === part.trigger)) return;
  list.push(part);
  if (list.length > KEPT) list.shift();
  received = Math.max(received, part.seq);
  if (!line.tally.add(part)) requestStatus();
  dispatch("decision", part);
}

function applyStatus(status) {
  noteContact();
  const { seq, run } = status.shift;
  const restarted = line.status !== null && line.status.shift.run !== run;
  if (restarted) {
    line.parts.clear();
    received = expected = 0;
  }
  if (justOpened || restarted) received = Math.max(received, seq);
  const dead = expected > received; // a stream may die without an error: a pulled cable, a proxy
  expected = seq;
  justOpened = false;
  line.status = status;
  allowChanges(status.token, status.people);
  line.tally.settle(status.shift);
  chooseFirst(status.cameras.map(({ name }) => name));
  dispatch("status");
  if (dead) openStream();
  else if (restarted) loadParts();
}

/** Request the status now. */
export async function requestStatus() {
  if (requesting) return;
  requesting = true;
  try {
    applyStatus(await getJson("api/status", {}, TIMEOUT));
  } catch (error) {
    if (!error.timedOut) {
      refused = true;
      dispatch("age");
    }
  } finally {
    requesting = false;
  }
}

/** Show another camera, or all of them at once where `name` is null. */
export function chooseCamera(name) {
  line.all = name === null;
  line.camera = name ?? line.camera;
  localStorage.setItem(STORAGE_KEY, JSON.stringify(name));
  dispatch("camera");
}

/** Show what was chosen on this screen, or else all cameras, if the line has several. */
function chooseFirst(names) {
  const alone = names.length < 2;
  if (names.includes(line.camera) && !(alone && line.all)) return;
  const chosen = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "null");
  line.all = !alone && !names.includes(chosen);
  line.camera = names.includes(chosen) ? chosen : (names[0] ?? null);
  dispatch("camera");
}

/** Load the last parts from the ledger, before those that came as events. */
async function loadParts() {
  if (!line.status?.ledger) return;
  try {
    for (const { name } of line.status.cameras) {
      const { rows } = await getJson("api/decisions", { camera: name, limit: KEPT });
      const older = rows.reverse();
      const known = new Set(older.map((row) => row.trigger));
      const newest = older.at(-1)?.number ?? 0;
      const newer = (line.parts.get(name) ?? []).filter((part) => !known.has(part.trigger) && (part.number ?? Infinity) > newest);
      line.parts.set(name, [...older, ...newer].slice(-KEPT));
    }
    dispatch("camera");
  } catch {
    // What comes from now on is shown without them.
  }
}

function connect() {
  clearTimeout(retry);
  source?.close();
  source = new EventSource("api/events");
  source.addEventListener("open", () => {
    noteContact();
    justOpened = true;
    requestStatus(); // counts what was decided while the stream was closed
  });
  const on = (kind, act) =>
    source.addEventListener(kind, (event) => {
      noteContact();
      act(JSON.parse(event.data));
    });
  on("decision", addPart);
  on("dropped", requestStatus);
  on("status", applyStatus);
  on("note", (note) => dispatch("note", note));
  source.addEventListener("error", () => {
    requestStatus(); // a line that has ended refuses it at once
    // The browser reconnects by itself, with the last event's id, unless the answer was an error.
    if (source.readyState === EventSource.CLOSED) retry = setTimeout(connect, POLL);
  });
}

/** Open the stream, or open it anew. */
export async function openStream() {
  connect();
  await requestStatus();
  await loadParts();
}

setInterval(() => {
  if (document.hidden) return;
  requestStatus();
}, POLL);
setInterval(() => dispatch("age"), 500);
// A browser has six connections to one line for all its pages: a hidden page keeps none.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    clearTimeout(retry);
    source?.close();
  } else openStream();
});

// Event stream: the line's events and status, the last parts of each camera, and whether any of it is still new.
import { permit, read } from "./line.js";
import { Tally } from "./tally.js";

export const KEPT = 200; // parts of each camera
const POLL = 3000; // milliseconds; the indicators and rates, and the proof that the line is there
const PATIENCE = 5000;
const STALE = 6; // seconds

/** What is known of the line. `eventStream` tells by events what of it is new: decision, status, note, camera, age. */
export const line = { status: null, camera: null, tally: new Tally(), parts: new Map() };
export const eventStream = new EventTarget();

const tell = (kind, detail = null) => eventStream.dispatchEvent(new CustomEvent(kind, { detail }));

let source = null;
let again = null;
let heard = null; // when something last came from the line
let asking = false;
let seen = 0; // the number of the last decision that came, or needn't come, as an event
let due = 0; // the number that must have come by the next status
let fresh = true; // what a stream that just began needn't bring

/** How many seconds ago the line was last heard; null where it never was. */
export const silence = () => (heard === null ? null : (performance.now() - heard) / 1000);
export const stale = () => heard === null || silence() > STALE;
export const camera = () => line.status?.cameras.find((one) => one.name === line.camera) ?? null;
/** The last parts of the chosen camera, the oldest first. */
export const parts = () => line.parts.get(line.camera) ?? [];

function hear() {
  const was = stale();
  heard = performance.now();
  if (was) tell("age");
}

function take(part) {
  const list = line.parts.get(part.camera) ?? [];
  line.parts.set(part.camera, list);
  if (list.some((one) => one.trigger === part.trigger)) return;
  list.push(part);
  if (list.length > KEPT) list.shift();
  seen = Math.max(seen, part.seq);
  if (!line.tally.add(part)) ask();
  tell("decision", part);
}

function settle(status) {
  hear();
  const { seq, run } = status.shift;
  const restarted = line.status !== null && line.status.shift.run !== run;
  if (restarted) {
    line.parts.clear();
    seen = due = 0;
  }
  if (fresh || restarted) seen = Math.max(seen, seq);
  const dead = due > seen; // without an error: a cable that was pulled, a proxy that forgot it
  due = seq;
  fresh = false;
  line.status = status;
  permit(status.token);
  line.tally.settle(status.shift);
  if (!status.cameras.some((one) => one.name === line.camera)) choose(status.cameras[0]?.name ?? null);
  tell("status");
  if (dead) open();
  else if (restarted) fill();
}

/** Ask for the status now. */
export async function ask() {
  if (asking) return;
  asking = true;
  try {
    settle(await read("api/status", {}, PATIENCE));
  } catch {
    // The age tells.
  } finally {
    asking = false;
  }
}

/** Look at another camera. */
export function choose(name) {
  line.camera = name;
  tell("camera");
}

async function fill() {
  if (!line.status?.ledger) return;
  try {
    for (const { name } of line.status.cameras) {
      const { rows } = await read("api/decisions", { camera: name, limit: KEPT });
      const older = rows.reverse();
      const there = new Set(older.map((row) => row.trigger));
      const newest = older.at(-1)?.number ?? 0;
      const newer = (line.parts.get(name) ?? []).filter((part) => !there.has(part.trigger) && (part.number ?? Infinity) > newest);
      line.parts.set(name, [...older, ...newer].slice(-KEPT));
    }
    tell("camera");
  } catch {
    // What comes from now on is shown all the same.
  }
}

function listen() {
  clearTimeout(again);
  source?.close();
  source = new EventSource("api/events");
  source.addEventListener("open", () => {
    hear();
    fresh = true;
    ask(); // what was decided while nobody listened
  });
  const on = (kind, act) =>
    source.addEventListener(kind, (event) => {
      hear();
      act(JSON.parse(event.data));
    });
  on("decision", take);
  on("dropped", ask);
  on("status", settle);
  on("note", (note) => tell("note", note));
  source.addEventListener("error", () => {
    // It comes back by itself, with the last event's id, unless it was answered with an error.
    if (source.readyState === EventSource.CLOSED) again = setTimeout(listen, POLL);
  });
}

/** Begin to listen, or begin anew. */
export async function open() {
  listen();
  await ask();
  await fill();
}

setInterval(() => {
  if (document.hidden) return;
  ask();
}, POLL);
setInterval(() => tell("age"), 1000);
// A browser has six connections to one line for all its pages: a page that nobody sees holds none.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    clearTimeout(again);
    source?.close();
  } else open();
});

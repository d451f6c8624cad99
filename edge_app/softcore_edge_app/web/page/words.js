// Words: the catalogue of the language in use, and how numbers and times are written in it.

const LOCALES = { en: "en-GB", de: "de-DE" }; // by language: how numbers and days are written
const KEPT = "softcore.language";
let catalogue = {};
export let language = "en";

/** The language that was chosen on this screen, or else the browser's where there is a catalogue. */
export function preferred() {
  const wanted = [localStorage.getItem(KEPT), navigator.language.slice(0, 2)];
  return wanted.find((one) => one in LOCALES) ?? "en";
}

/** Load a language, translate the page, and tell it by an event `language`. */
export async function speak(wanted, remember = false) {
  const answer = await fetch(`static/catalogue.${wanted}.json`);
  catalogue = await answer.json();
  language = wanted;
  if (remember) localStorage.setItem(KEPT, wanted);
  document.documentElement.lang = wanted;
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = say(node.dataset.word);
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", say(node.dataset.label));
  document.dispatchEvent(new Event("language"));
}

/** The text by a key, with what stands for its `{names}`. */
export function say(key, values = {}) {
  return (catalogue[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

const formats = new Map();
function format(kind, options) {
  const key = `${language} ${JSON.stringify(options)}`;
  if (!formats.has(key)) formats.set(key, new kind(LOCALES[language], options)); // making one is slow
  return formats.get(key);
}

export const count = (n) => format(Intl.NumberFormat, { maximumFractionDigits: 0 }).format(n);
export const fixed = (value, digits) =>
  format(Intl.NumberFormat, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
export const precise = (value, digits = 5) => format(Intl.NumberFormat, { maximumSignificantDigits: digits }).format(value);
export const percent = (share, digits = 1) =>
  format(Intl.NumberFormat, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits }).format(share);

const date = (nanoseconds) => new Date(nanoseconds / 1e6);
const DAY = { day: "numeric", month: "short" };
const MINUTES = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }; // a shift has no a.m.
const SECONDS = { ...MINUTES, second: "2-digit" };
export const hour = (nanoseconds) => format(Intl.DateTimeFormat, MINUTES).format(date(nanoseconds));
export const clock = (nanoseconds) => format(Intl.DateTimeFormat, SECONDS).format(date(nanoseconds));
export const moment = (nanoseconds) => format(Intl.DateTimeFormat, { ...DAY, ...SECONDS }).format(date(nanoseconds));

/** A part's score in units of the threshold, with what the number is a bound of. */
export function share(part) {
  if (part.share === null) return "";
  const key = part.bound === "upper" || part.bound === "lower" ? `share.${part.bound}` : "share";
  return say(key, { share: fixed(part.share, 2) });
}

/** Why a part is INVALID: the line's own words are English. */
export function because(part) {
  if (!part.kind) return part.reason;
  return say("kind.told", { kind: say(`kind.${part.kind}`), reason: part.reason });
}

/** The same in a word or two. */
export const kind = (part) => (part.kind && part.kind !== "other" ? say(`kind.${part.kind}`) : part.reason);

/** What a part is called: as the PLC or the broker says, or else by its row in the ledger. */
export function call(part) {
  if (part.part !== part.trigger || part.number === null) return part.part;
  return say("part.row", { number: part.number });
}

/** How long something is ago, roughly. */
export function age(seconds) {
  if (seconds < 100) return say("age.seconds", { n: Math.round(seconds) });
  if (seconds < 5400) return say("age.minutes", { n: Math.round(seconds / 60) });
  return say("age.hours", { n: Math.round(seconds / 3600) });
}

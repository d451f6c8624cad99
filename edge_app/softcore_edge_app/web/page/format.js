// Format: numbers, times and parts as texts, in the language in use.
import { language, LOCALES, translate } from "./catalogue.js";
import { line } from "./event_stream.js";

const formats = new Map();

function format(kind, options) {
  const key = `${language} ${JSON.stringify(options)}`;
  if (!formats.has(key)) formats.set(key, new kind(LOCALES[language], options)); // making one is slow
  return formats.get(key);
}

export const formatCount = (n) => format(Intl.NumberFormat, { maximumFractionDigits: 0 }).format(n);
export const formatFixed = (value, digits) =>
  format(Intl.NumberFormat, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
export const formatPrecise = (value, digits = 5) => format(Intl.NumberFormat, { maximumSignificantDigits: digits }).format(value);
export const formatPercent = (share, digits = 1) =>
  format(Intl.NumberFormat, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits }).format(share);

const toDate = (nanoseconds) => new Date(nanoseconds / 1e6);
const DAY = { day: "numeric", month: "short" };
const MINUTES = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }; // a shift has no a.m.
const SECONDS = { ...MINUTES, second: "2-digit" };
export const formatHour = (nanoseconds) => format(Intl.DateTimeFormat, MINUTES).format(toDate(nanoseconds));
export const formatClock = (nanoseconds) => format(Intl.DateTimeFormat, SECONDS).format(toDate(nanoseconds));
export const formatMoment = (nanoseconds) => format(Intl.DateTimeFormat, { ...DAY, ...SECONDS }).format(toDate(nanoseconds));

/** Return a part's score in units of the threshold; where it is a bound, of which kind. */
export function formatShare(part) {
  if (part.share === null) return "";
  const key = part.bound === "upper" || part.bound === "lower" ? `share.${part.bound}` : "share";
  return translate(key, { share: formatFixed(part.share, 2) });
}

/** Return why a part is INVALID; the line's own reason is in English. */
export function describeReason(part) {
  if (!part.kind) return part.reason;
  return translate("kind.told", { kind: translate(`kind.${part.kind}`), reason: part.reason });
}

/** Return the same in a word or two. */
export const describeKind = (part) => (part.kind && part.kind !== "other" ? translate(`kind.${part.kind}`) : part.reason);

/** Return a part's name: the one of the PLC or the broker, or else the number of its row in the ledger. */
export function namePart(part) {
  if (part.part !== part.trigger || part.number === null) return part.part;
  return translate("part.row", { number: part.number });
}

/** Return a camera's name; null for the only one if nobody named it: then its path or number stands for a name. */
export function nameCamera(name) {
  const alone = (line.status?.cameras.length ?? 1) === 1;
  return alone && /[/\\]|^\d+$/.test(name ?? "/") ? null : name;
}

/** Return a length of time, roughly. */
export function formatAge(seconds) {
  if (seconds < 100) return translate("age.seconds", { n: Math.round(seconds) });
  if (seconds < 5400) return translate("age.minutes", { n: Math.round(seconds / 60) });
  return translate("age.hours", { n: Math.round(seconds / 3600) });
}

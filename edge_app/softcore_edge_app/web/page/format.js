// Format: numbers, times and parts as texts, in the language in use.
import { hasText, language, LOCALES, translate } from "./catalogue.js";
import { line } from "./event_stream.js";

const formats = new Map();
const WORDS = ["quantity", "decision", "pace", "device", "role", "own_role", "mark", "state"]; // values that are words of the line

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
export const formatDay = (nanoseconds) => format(Intl.DateTimeFormat, DAY).format(toDate(nanoseconds));
export const formatMinute = (nanoseconds) => format(Intl.DateTimeFormat, { ...DAY, ...MINUTES }).format(toDate(nanoseconds));
export const formatClock = (nanoseconds) => format(Intl.DateTimeFormat, SECONDS).format(toDate(nanoseconds));
export const formatMoment = (nanoseconds) => format(Intl.DateTimeFormat, { ...DAY, ...SECONDS }).format(toDate(nanoseconds));

/** Return a part's score in units of the threshold; where it is a bound, of which kind. */
export function formatShare(part) {
  if (part.share === null) return "";
  const key = part.bound === "upper" || part.bound === "lower" ? `share.${part.bound}` : "share";
  return translate(key, { share: formatFixed(part.share, 2) });
}

/** Return a value of a phrase: a number as the language writes it, a word of the line in the language. */
function formatValue(name, value) {
  if (hasText(`value.${value}`) && WORDS.includes(name)) return translate(`value.${value}`);
  const [, number, digits, percent] = /^(\d+(?:\.(\d+))?)(%?)$/.exec(value) ?? [];
  if (number === undefined) return value;
  return percent ? formatPercent(number / 100, 0) : formatFixed(Number(number), digits?.length ?? 0);
}

/** Return what phrases of the line say: keys and values, which phrases.py reads from its words. */
export function formatPhrases(phrases) {
  const tell = ({ key, values }) =>
    translate(`phrase.${key}`, Object.fromEntries(Object.entries(values).map(([name, value]) => [name, name === "text" ? value : formatValue(name, value)])));
  return phrases.map(tell).join("; ");
}

/** Return a text of the line's status in the language in use, or as it is where it isn't known. */
export const formatFault = (status, text) => (status.phrases?.[text] ? formatPhrases(status.phrases[text]) : text);

/** Return who changed something: an origin, or a person's name. */
export const formatOrigin = (by) => (hasText(`origin.${by}`) ? translate(`origin.${by}`) : by);

/** Return why a part is INVALID; what the line says in no known way follows its kind. */
export function describeReason(part) {
  if (!part.kind) return part.reason;
  if (part.phrases?.length && part.phrases[0].key !== "other") return formatPhrases(part.phrases);
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

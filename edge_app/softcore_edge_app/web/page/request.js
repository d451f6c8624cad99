// Request: asks the line for something, and tells what is wrong in plain words.
import { language, translate } from "./catalogue.js";

const TIMEOUT = 15_000; // milliseconds
const LONG_TIMEOUT = 120_000; // a report, or a recipe that is loaded

/**
 * A request that failed, and why, in plain words; `status` is 0 without an answer, `timedOut` where one may still
 * come, `answer` is what the line says.
 */
export class RequestError extends Error {
  constructor(message, status, { timedOut = false, answer = {} } = {}) {
    super(message);
    this.status = status;
    this.timedOut = timedOut;
    this.answer = answer;
  }
}

async function request(path, options, timeout) {
  let answer;
  try {
    const headers = { ...options.headers, "Accept-Language": language }; // in which a refusal says why
    answer = await fetch(path, { ...options, headers, signal: AbortSignal.timeout(timeout) });
  } catch (error) {
    throw new RequestError(translate("problem.unreachable"), 0, { timedOut: error.name === "TimeoutError" });
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  const detail = typeof told.detail === "string" ? told.detail : translate("problem.status", { status: answer.status });
  throw new RequestError(detail, answer.status, { answer: told });
}

/** Return a path with a query of those values that are not empty. */
export function buildUrl(path, values = {}) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const query = new URLSearchParams(given).toString();
  return query ? `${path}?${query}` : path;
}

/** Read something; needs no token. */
export async function getJson(path, values = {}, timeout = TIMEOUT) {
  return (await request(buildUrl(path, values), {}, timeout)).json();
}

/** Fetch a file: its content, and its name. */
export async function download(path, values) {
  const answer = await request(buildUrl(path, values), {}, LONG_TIMEOUT);
  const named = /filename="?([^";]+)/.exec(answer.headers.get("content-disposition") ?? "");
  return { content: await answer.blob(), name: named?.[1] ?? `softcore.${values.form}` };
}

/** Send something, and return the answer; with the token if there is one. */
export async function postJson(path, body, token = null) {
  const headers = { "Content-Type": "application/json", ...(token === null ? {} : { "X-SoftCore-Token": token }) };
  return (await request(path, { method: "POST", headers, body: JSON.stringify(body) }, LONG_TIMEOUT)).json();
}

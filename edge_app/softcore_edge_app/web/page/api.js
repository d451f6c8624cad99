// API: requests to the line, and the token without which it changes nothing.
import { $, element, showMessage } from "./elements.js";
import { translate } from "./catalogue.js";

const STORAGE_KEY = "softcore.token";
const TIMEOUT = 15_000; // milliseconds
const LONG_TIMEOUT = 120_000; // a report, or a recipe that is loaded

/** A request that failed, and why, in plain words; `status` is 0 without an answer, `timedOut` where one may still come. */
export class RequestError extends Error {
  constructor(message, status, timedOut = false) {
    super(message);
    this.status = status;
    this.timedOut = timedOut;
  }
}

async function request(path, options, timeout) {
  let answer;
  try {
    answer = await fetch(path, { ...options, signal: AbortSignal.timeout(timeout) });
  } catch (error) {
    throw new RequestError(translate("problem.unreachable"), 0, error.name === "TimeoutError");
  }
  if (answer.ok) return answer;
  const { detail } = await answer.json().catch(() => ({}));
  throw new RequestError(typeof detail === "string" ? detail : translate("problem.status", { status: answer.status }), answer.status);
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

function post(path, body, token) {
  const headers = { "Content-Type": "application/json", "X-SoftCore-Token": token };
  return request(path, { method: "POST", headers, body: JSON.stringify(body) }, LONG_TIMEOUT);
}

// --- The token ---------------------------------------------------------------------------------------

export const isUnlocked = () => sessionStorage.getItem(STORAGE_KEY) !== null;

function storeToken(token) {
  if (token === null) sessionStorage.removeItem(STORAGE_KEY);
  else sessionStorage.setItem(STORAGE_KEY, token);
  document.dispatchEvent(new Event("lock"));
}

export const lock = () => storeToken(null);

let allowed = true;

/** Set whether the line has a token; without one it changes nothing for anybody. */
export function allowChanges(hasToken) {
  allowed = hasToken;
}

/** Change something. Asks for the token if there is none, or a wrong one; null if the person gave up. */
export async function postChange(path, body) {
  if (!allowed) throw new RequestError(translate("lock.impossible"), 403);
  for (let refusal = ""; ; ) {
    if (!isUnlocked() && !(await unlock(refusal))) return null;
    try {
      return await (await post(path, body, sessionStorage.getItem(STORAGE_KEY))).json();
    } catch (error) {
      if (error.status !== 403) throw error;
      refusal = error.message; // the line was started again, with another token
      storeToken(null);
    }
  }
}

const dialog = $("token");
const field = dialog.querySelector("input");
let upper = false;

/** Ask for the token until it is right or the dialog is closed; resolves to whether it was given. */
export function unlock(refusal = "") {
  field.value = "";
  showToken(false);
  showMessage($("token-state"), refusal, true);
  dialog.showModal();
  field.focus();
  return new Promise((done) => dialog.addEventListener("close", () => done(isUnlocked()), { once: true }));
}

dialog.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await post("api/token", {}, field.value.trim());
  } catch (error) {
    showMessage($("token-state"), error.status === 403 ? translate("token.wrong") : error.message, true);
    field.select();
    return;
  }
  storeToken(field.value.trim());
  dialog.close();
});

function showToken(visible) {
  field.type = visible ? "text" : "password";
  $("token-show").setAttribute("aria-pressed", visible);
}
$("token-show").addEventListener("click", () => showToken(field.type === "password"));

// A panel at the line has no keyboard.
for (const row of ["1234567890", "qwertyuiop", "asdfghjkl-", "⇧zxcvbnm_⌫"]) {
  for (const key of row) $("keys").append(element("button", { type: "button", "data-key": key }, key));
}
function labelKeys() {
  for (const button of $("keys").children) {
    const key = button.dataset.key;
    if (key === "⇧") button.setAttribute("aria-pressed", upper);
    else if (key !== "⌫") button.textContent = upper ? key.toUpperCase() : key;
  }
  $("keys").querySelector('[data-key="⇧"]').setAttribute("aria-label", translate("token.shift"));
  $("keys").querySelector('[data-key="⌫"]').setAttribute("aria-label", translate("token.space"));
}
$("keys").addEventListener("click", (event) => {
  const key = event.target.dataset.key;
  if (!key) return;
  if (key === "⇧") upper = !upper;
  else if (key === "⌫") field.value = field.value.slice(0, -1);
  else field.value += upper ? key.toUpperCase() : key;
  labelKeys();
});
document.addEventListener("language", labelKeys);

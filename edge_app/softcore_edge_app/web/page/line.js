// Line: asking it something, and the token without which it changes nothing.
import { $, element, report } from "./elements.js";
import { say } from "./words.js";

const KEPT = "softcore.token";
const PATIENCE = 15_000; // milliseconds

/** What the line didn't do, and why, in a person's words; `status` is 0 where there was no answer. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function ask(path, options, patience) {
  let answer;
  try {
    answer = await fetch(path, { ...options, signal: AbortSignal.timeout(patience) });
  } catch {
    throw new Refused(say("problem.unreachable"), 0);
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Refused(typeof told.detail === "string" ? told.detail : say("problem.status", { status: answer.status }), answer.status);
}

/** A path with those of the values that are there. */
export function address(path, values = {}) {
  const there = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const query = new URLSearchParams(there).toString();
  return query ? `${path}?${query}` : path;
}

/** Read something: no token needed. */
export async function read(path, values = {}, patience = PATIENCE) {
  return (await ask(address(path, values), {}, patience)).json();
}

/** Fetch a file: its content, and what it is to be called. */
export async function download(path, values) {
  const answer = await ask(address(path, values), {}, 120_000);
  const named = /filename="?([^";]+)/.exec(answer.headers.get("content-disposition") ?? "");
  return { content: await answer.blob(), name: named?.[1] ?? `softcore.${values.form}` };
}

function post(path, body, token) {
  const headers = { "Content-Type": "application/json", "X-SoftCore-Token": token };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body) }, 120_000); // a recipe takes its time
}

// --- The token ---------------------------------------------------------------------------------------

export const unlocked = () => sessionStorage.getItem(KEPT) !== null;

function keep(token) {
  if (token === null) sessionStorage.removeItem(KEPT);
  else sessionStorage.setItem(KEPT, token);
  document.dispatchEvent(new Event("lock"));
}

export const lock = () => keep(null);

let possible = true;

/** Take whether the line has a token: without one it changes nothing for anybody. */
export function permit(token) {
  possible = token;
}

/** Change something. Asks for the token where there is none, or a wrong one; null where the person gave up. */
export async function change(path, body) {
  if (!possible) throw new Refused(say("lock.impossible"), 403);
  for (let refusal = ""; ; ) {
    if (!unlocked() && !(await unlock(refusal))) return null;
    try {
      return await (await post(path, body, sessionStorage.getItem(KEPT))).json();
    } catch (error) {
      if (error.status !== 403) throw error;
      refusal = error.message; // it was started with another token meanwhile
      keep(null);
    }
  }
}

const dialog = $("token");
const field = dialog.querySelector("input");
let upper = false;

/** Ask for the token until it is right; whether it was given. */
export function unlock(refusal = "") {
  field.value = "";
  show(false);
  report($("token-state"), refusal, true);
  dialog.showModal();
  field.focus();
  return new Promise((done) => dialog.addEventListener("close", () => done(unlocked()), { once: true }));
}

dialog.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await post("api/token", {}, field.value.trim());
  } catch (error) {
    report($("token-state"), error.status === 403 ? say("token.wrong") : error.message, true);
    field.select();
    return;
  }
  keep(field.value.trim());
  dialog.close();
});

function show(visible) {
  field.type = visible ? "text" : "password";
  $("token-show").setAttribute("aria-pressed", visible);
}
$("token-show").addEventListener("click", () => show(field.type === "password"));

// A panel at the line has no keyboard.
for (const row of ["1234567890", "qwertyuiop", "asdfghjkl-", "⇧zxcvbnm_⌫"]) {
  for (const key of row) $("keys").append(element("button", { type: "button", "data-key": key }, key));
}
function name() {
  for (const button of $("keys").children) {
    const key = button.dataset.key;
    if (key === "⇧") button.setAttribute("aria-pressed", upper);
    else if (key !== "⌫") button.textContent = upper ? key.toUpperCase() : key;
  }
  $("keys").querySelector('[data-key="⇧"]').setAttribute("aria-label", say("token.shift"));
  $("keys").querySelector('[data-key="⌫"]').setAttribute("aria-label", say("token.space"));
}
$("keys").addEventListener("click", (event) => {
  const key = event.target.dataset.key;
  if (!key) return;
  if (key === "⇧") upper = !upper;
  else if (key === "⌫") field.value = field.value.slice(0, -1);
  else field.value += upper ? key.toUpperCase() : key;
  name();
});
document.addEventListener("language", name);

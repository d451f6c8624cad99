// People: who is logged in on this screen, by name and PIN or by a badge, and what a role may do.
import { $, setText, showMessage } from "./elements.js";
import { getJson, postJson } from "./request.js";
import { makeKeys } from "./keys.js";
import { translate } from "./catalogue.js";

const ROLES = ["viewer", "operator", "setter"]; // each may do what those before it may
const LOOK = 20_000; // milliseconds between two looks whether the session goes on
const TOUCH = 60_000; // milliseconds between two messages that the person is there
const STORAGE_KEY = "softcore.name";

/** Who is logged in; `people` is whether the line has any. */
export const session = { people: false, name: null, role: null };
let looked = -Infinity;
let touched = -Infinity;
let ending = null;

/** Whether who is logged in may do what a role may; where nobody is, a change asks. */
export const mayDo = (role) => !session.name || ROLES.indexOf(session.role) >= ROLES.indexOf(role);

/** Whether a line can be changed at all: it has a token, or people. */
export const canChange = (status) => Boolean(status?.token || status?.people);

function applySession({ people, name, role, seconds }) {
  looked = performance.now();
  clearTimeout(ending);
  if (name !== null) ending = setTimeout(refreshSession, 1000 * seconds + 500);
  const before = JSON.stringify(session);
  Object.assign(session, { people, name, role });
  if (JSON.stringify(session) !== before) document.dispatchEvent(new Event("lock"));
}

/** Look who is logged in. */
export async function refreshSession() {
  looked = performance.now();
  try {
    applySession(await getJson("api/session"));
  } catch {
    // The next look tells.
  }
}

/** Note whether the line has people, as each status says. */
export function followPeople(exist) {
  if (exist !== session.people || (exist && performance.now() - looked > LOOK)) refreshSession();
}

/** Log out. */
export async function logOut() {
  applySession(await postJson("api/logout", {}));
}

for (const kind of ["pointerdown", "keydown"]) {
  document.addEventListener(kind, () => {
    if (session.name === null || performance.now() - touched < TOUCH) return;
    touched = performance.now();
    postJson("api/session", {}).then(applySession, refreshSession);
  });
}

// --- The dialog --------------------------------------------------------------------------------------

const dialog = $("login");
const { badge } = $("by-badge").elements;
const { person, secret } = $("by-name").elements;
let typing = person; // where the keys on the screen type

/** Ask who it is until that is told or the dialog is closed; resolves to whether somebody is logged in. */
export function logIn(refusal = "") {
  badge.value = secret.value = "";
  person.value = localStorage.getItem(STORAGE_KEY) ?? "";
  typing = person.value ? secret : person;
  showMessage($("login-state"), refusal, true);
  dialog.showModal();
  badge.focus(); // a scanner types at once
  return new Promise((done) => dialog.addEventListener("close", () => done(session.name !== null), { once: true }));
}

async function tryLogIn(body, field) {
  field.value = ""; // what a scanner types next is another badge
  try {
    applySession(await postJson("api/login", body));
  } catch (error) {
    showMessage($("login-state"), describe(error), true);
    field.focus();
    return;
  }
  touched = performance.now();
  dialog.close();
}

$("by-badge").addEventListener("submit", (event) => {
  event.preventDefault();
  if (badge.value.trim()) tryLogIn({ badge: badge.value.trim() }, badge);
});
$("by-name").addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = person.value.trim();
  if (!name || !secret.value) (name ? secret : person).focus();
  else {
    await tryLogIn({ name, secret: secret.value }, secret);
    if (session.name) localStorage.setItem(STORAGE_KEY, session.name);
  }
});

function describe(error) {
  if (error.status === 403) return translate("login.wrong");
  if (error.status === 429) return translate("login.wait", { seconds: /\d+/.exec(error.message)?.[0] ?? "" });
  return error.message;
}

for (const field of [person, secret]) field.addEventListener("focus", () => (typing = field));
makeKeys($("login-keys"), () => typing);

// --- What a role may do ------------------------------------------------------------------------------

function showNeeds() {
  for (const place of document.querySelectorAll("[data-needs]")) {
    place.hidden = mayDo(place.dataset.needs);
    setText(place, place.hidden ? "" : describeNeed(place.dataset.needs));
  }
  setText($("who"), session.name ?? "");
}

/** Return who may do what a role may, for somebody who may not. */
export const describeNeed = (role) =>
  translate(`need.${role}`, { name: session.name, role: session.role && translate(`role.${session.role}`) });

for (const kind of ["lock", "language"]) document.addEventListener(kind, showNeeds);

// API: changes of the line, by who is logged in, or with the token where the line has no people.
import { $, showMessage } from "./elements.js";
import { postJson, RequestError } from "./request.js";
import { followPeople, logIn, logOut, refreshSession, session } from "./people.js";
import { makeKeys } from "./keys.js";
import { translate } from "./catalogue.js";

export { buildUrl, download, getJson, RequestError } from "./request.js";

const STORAGE_KEY = "softcore.token";

export const isUnlocked = () => (session.people ? session.name !== null : sessionStorage.getItem(STORAGE_KEY) !== null);

function storeToken(token) {
  if (token === null) sessionStorage.removeItem(STORAGE_KEY);
  else sessionStorage.setItem(STORAGE_KEY, token);
  document.dispatchEvent(new Event("lock"));
}

/** Log out, or forget the token. */
export const lock = () => (session.people ? logOut() : storeToken(null));

/** Ask who it is, or for the token; resolves to whether that was told. */
export const unlock = (refusal = "") => (session.people ? logIn(refusal) : askToken(refusal));

let allowed = true;

/** Note whether the line has a token, or people; without both it changes nothing for anybody. */
export function allowChanges(hasToken, hasPeople) {
  allowed = hasToken || hasPeople;
  followPeople(hasPeople);
}

/** Change something. Asks who it is, or for the token, where that isn't known; null if the person gave up. */
export async function postChange(path, body) {
  if (!allowed) throw new RequestError(translate("lock.impossible"), 403);
  for (let refusal = ""; ; ) {
    if (!isUnlocked() && !(await unlock(refusal))) return null;
    try {
      return await postJson(path, body, session.people ? null : sessionStorage.getItem(STORAGE_KEY));
    } catch (error) {
      if (error.status !== 403) throw error;
      if (session.people) {
        await refreshSession();
        if (session.name !== null) throw error; // the role does not suffice
        refusal = translate("login.ended");
      } else {
        refusal = error.message; // the line was started again, with another token
        storeToken(null);
      }
    }
  }
}

// --- The token ---------------------------------------------------------------------------------------

const dialog = $("token");
const field = dialog.querySelector("input");

function askToken(refusal) {
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
    await postJson("api/token", {}, field.value.trim());
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
makeKeys($("keys"), () => field);

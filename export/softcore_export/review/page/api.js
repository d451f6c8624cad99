// API: requests to the server of the page, which answers in its language.
import { translate } from "./elements.js";

const token = document.querySelector("meta[name=softcore-token]").content;

/** A request that was not answered; one that was refused is a plain Error. */
export class Unreachable extends Error {}

/** Send a request, and return the JSON of its answer; an error's message says in plain words what went wrong. */
export async function request(method, path, body) {
  const headers = { "X-Softcore-Token": token, "Accept-Language": document.documentElement.lang };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Unreachable(translate("SoftCore doesn't answer"));
  }
  const received = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(received.detail ?? translate("the server answered {status}", { status: answer.status }));
  return received;
}

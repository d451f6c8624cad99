// API: requests to the server of the page.

const token = document.querySelector("meta[name=softcore-token]").content;

/** A request that was not answered; one that was refused is a plain Error. */
export class Unreachable extends Error {}

/** Send a request, and return the JSON of its answer; an error's message says in plain words what went wrong. */
export async function request(method, path, body) {
  const headers = { "X-Softcore-Token": token };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Unreachable("SoftCore doesn't answer");
  }
  const received = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(received.detail ?? `the server answered ${answer.status}`);
  return received;
}

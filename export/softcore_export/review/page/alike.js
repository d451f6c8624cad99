// Alike: a card stands for images that look like its own, until a person wants to decide on each.
import { request } from "./api.js";
import { appendCard, cards, findMembers, showAlike } from "./cards.js";
import { choose } from "./choices.js";
import { showError } from "./summary.js";

/** Show a card of its own for each image that a card stands for, after it. */
export async function openAlike(entry) {
  const { alike } = entry;
  entry.alike = [];
  showAlike(entry);
  let { element } = entry;
  try {
    for (const { sha256 } of alike) {
      appendCard(await request("GET", `images/${sha256}`), entry.handlers, [], element);
      element = cards.get(sha256).element;
    }
  } catch (error) {
    showError(error);
  }
}

/** Choose for an image and those that its card stands for; marked patches are those of one image alone. */
export function chooseTogether(entry, action, marks = entry.card.marks) {
  if (action !== "exclude patches") return choose(findMembers(entry), action);
  choose([entry.card.sha256], action, marks);
  if (entry.alike.length) openAlike(entry);
}

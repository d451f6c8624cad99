// Choices: saves what a person chose, at once.
import { request, Unreachable } from "./api.js";
import { cards, fillCard } from "./cards.js";
import { refresh } from "./refresh.js";
import { grid, session } from "./session.js";
import { showError } from "./summary.js";

/** Save a choice after those that are being saved; without an action the earlier choice is taken back. */
export function choose({ sha256 }, action, marks) {
  session.saving = session.saving.then(() => save(sha256, action, marks));
}

async function save(sha256, action, marks) {
  const path = `choices/${sha256}`;
  const choice = action === "exclude patches" ? { action, grid: [grid.rows, grid.columns], patches: marks } : { action };
  try {
    const card = action ? await request("PUT", path, choice) : await request("DELETE", path);
    session.saves++;
    if (cards.has(sha256)) fillCard(cards.get(sha256), card); // the current entry: the list may have been replaced meanwhile
    await refresh();
  } catch (error) {
    const message = cards.get(sha256)?.element.querySelector(".told");
    if (message) {
      message.textContent = `Not saved: ${error.message}.`;
      message.className = "told bad";
    } else showError(error);
    if (error instanceof Unreachable) await refresh();
  }
}

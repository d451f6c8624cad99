// Choices: saves what a person chose, at once, for one image or several.
import { request, Unreachable } from "./api.js";
import { cards, fillCard } from "./cards.js";
import { refresh } from "./refresh.js";
import { translate } from "./elements.js";
import { grid, session } from "./session.js";
import { showError } from "./summary.js";

/**
 * Save a choice for images after those that are being saved; without an action the earlier ones are taken back.
 * Marks, [[row, column], ...], are those of a choice to exclude patches.
 */
export function choose(images, action, marks = []) {
  session.saving = session.saving.then(() => save(images, action, marks));
}

async function save(images, action, marks) {
  const patches = action === "exclude patches" ? { grid: [grid.rows, grid.columns], patches: marks } : {};
  try {
    const saved = await request("PUT", "choices", { images, choice: action ? { action, ...patches } : null });
    session.saves++;
    for (const card of saved) if (cards.has(card.sha256)) fillCard(cards.get(card.sha256), card); // the current entry: the list may have been replaced meanwhile
    await refresh();
  } catch (error) {
    const entries = images.map((sha256) => cards.get(sha256)).filter(Boolean);
    for (const { element } of entries) {
      const message = element.querySelector(".told");
      message.textContent = translate("Not saved: {fault}.", { fault: error.message });
      message.className = "told bad";
    }
    if (!entries.length) showError(error);
    if (error instanceof Unreachable) await refresh();
  }
}

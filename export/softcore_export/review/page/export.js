// Export: the buttons that export again and finish.
import { request } from "./api.js";
import { $, translate } from "./elements.js";
import { poll, refresh, showState } from "./refresh.js";
import { session } from "./session.js";
import { countPending, endReview, showError } from "./summary.js";

async function exportAgain() {
  await session.saving;
  if (session.state === null || session.state.running !== null) return;
  try {
    await showState(await request("POST", "export"));
    poll(300);
  } catch (error) {
    showError(error);
    await refresh();
  }
}

async function finish(sure = false) {
  await session.saving;
  const { state } = session;
  if (session.ended || state === null || state.running !== null) return;
  if (state.pending && !sure) {
    $("unfinished-text").textContent =
      `${countPending(state)} ${translate("They are saved, and the next export follows them.")}`;
    $("unfinished").returnValue = "stay"; // the value if Escape is pressed
    $("unfinished").showModal();
    return;
  }
  try {
    await request("POST", "finish");
    endReview(translate("Review finished"), translate(session.state.pending ? "Your last choices are not in the bundle yet." : "The bundle follows all your choices."));
  } catch (error) {
    showError(error);
  }
}

$("export").addEventListener("click", exportAgain);
$("finish").addEventListener("click", () => finish());
$("unfinished").addEventListener("close", () => {
  if ($("unfinished").returnValue === "export") exportAgain();
  if ($("unfinished").returnValue === "finish") finish(true);
});

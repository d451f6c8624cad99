// Operator view: start and stop, a trigger, the recipe; by who may, and noted in the ledger.
import { $, element, setAttribute, setText, showMessage } from "../elements.js";
import { showThreshold } from "./threshold.js";
import { isUnlocked, lock, postChange, unlock } from "../api.js";
import { canChange, mayDo, session } from "../people.js";
import { currentCamera, eventStream, line } from "../event_stream.js";
import { confirmChange, showErrors } from "../confirmation.js";
import { nameCamera } from "../format.js";
import { translate } from "../catalogue.js";

// What is said of a camera by its name, and of the only one.
const RUNNING = ["run.running", "run.running.alone"];
const STOPPED = ["run.stopped", "run.stopped.alone"];
const CONFIRM = ["run.confirm", "run.confirm.alone"];
let changing = null; // the recipe that is being loaded

function showLock() {
  if (!line.status) return;
  const possible = canChange(line.status);
  const state = !possible ? "impossible" : isUnlocked() ? "unlocked" : "locked";
  setAttribute($("lock"), "data-state", state);
  setText($("lock").querySelector("span"), describeLock(state));
  const words = session.people ? ["login.out", "login.do"] : ["lock.lock", "lock.unlock"];
  for (const button of [$("lock").querySelector("button"), $("unlock")]) {
    button.hidden = !possible;
    setText(button, translate(words[isUnlocked() ? 0 : 1]));
  }
}

function describeLock(state) {
  if (!session.people) return translate(`lock.${state}`);
  if (session.name === null) return translate("login.nobody");
  return translate("login.who", { name: session.name, role: translate(`role.${session.role}`), may: translate(`may.${session.role}`) });
}
for (const button of [$("lock").querySelector("button"), $("unlock")]) {
  button.addEventListener("click", () => (isUnlocked() ? lock() : unlock()));
}

function show() {
  const one = currentCamera();
  if (!one) return;
  showLock();
  const possible = canChange(line.status);
  const state = describeRun(one.running ? RUNNING : STOPPED, one.name);
  showMessage($("run-state"), possible ? state : `${state} ${translate("lock.impossible")}`, !one.running);
  setText($("run"), translate(one.running ? "run.stop" : "run.start"));
  $("run").classList.toggle("primary", !one.running && possible);
  $("run").disabled = !possible || !mayDo("setter");
  const external = one.trigger === "external";
  $("trigger").disabled = !external || !one.running || !possible || !mayDo("operator");
  if ($("trigger").disabled || !$("trigger-state").textContent) {
    const why = !external ? "trigger.itself" : !one.running ? "trigger.stopped" : possible ? "trigger.external" : "lock.impossible";
    showMessage($("trigger-state"), translate(why));
  }
  if (!possible) showMessage($("recipe-state"), translate("lock.impossible"));
  showRecipes(one);
  showThreshold(one);
}

/** Return a text of a camera; the only one of a line needs no name. */
function describeRun([named, alone], name) {
  return translate(nameCamera(name) === null ? alone : named, { camera: name });
}

function showRecipes({ recipe, recipes }) {
  const buttons = $("recipes");
  const names = [...buttons.children].map((button) => button.textContent);
  if (names.join("\n") !== recipes.join("\n")) {
    buttons.replaceChildren(...recipes.map((name) => element("button", { type: "button" }, name)));
  }
  for (const button of buttons.children) {
    setAttribute(button, "aria-pressed", String(button.textContent === recipe));
    button.disabled = changing !== null || !canChange(line.status) || !mayDo("setter");
  }
}

$("run").addEventListener("click", async () => {
  const { name, running } = currentCamera();
  if (running && !(await confirmChange(describeRun(CONFIRM, name), translate("run.confirm.text"), translate("run.stop")))) return;
  showErrors($("run-state"), () => postChange("api/running", { camera: name, running: !running }));
});

$("trigger").addEventListener("click", () =>
  showErrors($("trigger-state"), async () => {
    const done = await postChange("api/trigger", { camera: line.camera });
    if (done) showMessage($("trigger-state"), translate("trigger.done", { part: done.trigger }));
  }),
);

$("recipes").addEventListener("click", async ({ target }) => {
  const { name, recipe: old } = currentCamera();
  const recipe = target.closest("button")?.textContent;
  if (!recipe || recipe === old || changing !== null) return;
  if (!(await confirmChange(translate("recipe.confirm", { recipe }), translate("recipe.confirm.text", { recipe, old }), translate("recipe.change")))) return;
  await showErrors($("recipe-state"), async () => {
    changing = recipe;
    showMessage($("recipe-state"), translate("recipe.changing", { recipe }));
    const done = await postChange("api/recipe", { camera: name, recipe });
    showMessage($("recipe-state"), done ? translate("recipe.done", { recipe }) : "");
  });
  changing = null;
  show();
});

export const enter = show;
for (const kind of ["status", "camera"]) {
  eventStream.addEventListener(kind, () => {
    if (kind === "camera") for (const id of ["trigger-state", "recipe-state"]) showMessage($(id), "");
    show();
  });
}
document.addEventListener("lock", show);
document.addEventListener("language", () => {
  for (const id of ["trigger-state", "recipe-state"]) showMessage($(id), "");
  show();
});

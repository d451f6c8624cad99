// Set up: start and stop, a trigger, the recipe; all with the token, and in the ledger.
import { $, element, report, set, write } from "./elements.js";
import { showThreshold } from "./threshold.js";
import { change, lock, unlock, unlocked } from "./line.js";
import { camera, line, eventStream } from "./event_stream.js";
import { attempt, sure } from "./question.js";
import { say } from "./words.js";

let changing = null; // the recipe that is being changed to

function showLock() {
  if (!line.status) return;
  const possible = line.status.token;
  const state = !possible ? "impossible" : unlocked() ? "unlocked" : "locked";
  set($("lock"), "data-state", state);
  write($("lock").querySelector("span"), say(`lock.${state}`));
  for (const button of [$("lock").querySelector("button"), $("unlock")]) {
    button.hidden = !possible;
    write(button, say(unlocked() ? "lock.lock" : "lock.unlock"));
  }
}
for (const button of [$("lock").querySelector("button"), $("unlock")]) {
  button.addEventListener("click", () => (unlocked() ? lock() : unlock()));
}

function show() {
  const one = camera();
  if (!one) return;
  showLock();
  report($("run-state"), say(one.running ? "run.running" : "run.stopped", { camera: one.name }), !one.running);
  write($("run"), say(one.running ? "run.stop" : "run.start"));
  $("run").classList.toggle("primary", !one.running);
  const external = one.trigger === "external";
  $("trigger").disabled = !external || !one.running;
  if ($("trigger").disabled || !$("trigger-state").textContent) {
    report($("trigger-state"), say(!external ? "trigger.itself" : one.running ? "trigger.external" : "trigger.stopped"));
  }
  showRecipes(one);
  showThreshold(one);
}

function showRecipes({ recipe, recipes }) {
  const buttons = $("recipes");
  const names = [...buttons.children].map((button) => button.textContent);
  if (names.join("\n") !== recipes.join("\n")) {
    buttons.replaceChildren(...recipes.map((name) => element("button", { type: "button" }, name)));
  }
  for (const button of buttons.children) {
    set(button, "aria-pressed", String(button.textContent === recipe));
    button.disabled = changing !== null;
  }
}

$("run").addEventListener("click", async () => {
  const { name, running } = camera();
  const words = { camera: name };
  if (running && !(await sure(say("run.sure", words), say("run.sure.text", words), say("run.stop")))) return;
  attempt($("run-state"), () => change("api/running", { camera: name, running: !running }));
});

$("trigger").addEventListener("click", () =>
  attempt($("trigger-state"), async () => {
    const done = await change("api/trigger", { camera: line.camera });
    if (done) report($("trigger-state"), say("trigger.done", { part: done.trigger }));
  }),
);

$("recipes").addEventListener("click", async ({ target }) => {
  const { name, recipe: old } = camera();
  const recipe = target.closest("button")?.textContent;
  if (!recipe || recipe === old || changing !== null) return;
  if (!(await sure(say("recipe.sure", { recipe }), say("recipe.sure.text", { recipe, old }), say("recipe.change")))) return;
  await attempt($("recipe-state"), async () => {
    changing = recipe;
    report($("recipe-state"), say("recipe.changing", { recipe }));
    const done = await change("api/recipe", { camera: name, recipe });
    report($("recipe-state"), done ? say("recipe.done", { recipe }) : "");
  });
  changing = null;
  show();
});

export const enter = show;
for (const kind of ["status", "camera"]) {
  eventStream.addEventListener(kind, () => {
    if (kind === "camera") for (const id of ["trigger-state", "recipe-state"]) report($(id), "");
    show();
  });
}
document.addEventListener("lock", showLock);
document.addEventListener("language", () => {
  for (const id of ["trigger-state", "recipe-state"]) report($(id), "");
  show();
});

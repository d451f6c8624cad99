// Focus: the camera's newest image and how sharp it is, while somebody turns the lens.
import { $, element, set, write } from "./elements.js";
import { read } from "./line.js";
import { line } from "./event_stream.js";
import { Stage } from "./image.js";
import { precise, say } from "./words.js";

const PACE = 200; // milliseconds
const WIDTH = 400; // of the gauge
const dialog = $("focus");
const gauge = $("gauge");
const stage = new Stage(dialog.querySelector("figure"));
let best = 0;
let turn = 0;

async function watch() {
  const camera = line.camera;
  while (dialog.open) {
    const begun = performance.now();
    try {
      show(await read("api/focus", { camera }), camera);
    } catch (error) {
      write($("sharpness"), error.message);
    }
    await new Promise((go) => setTimeout(go, Math.max(20, PACE - (performance.now() - begun))));
  }
}

function show({ sharpness, lowest, typical }, camera) {
  if (sharpness === null) {
    write($("sharpness"), say("focus.none"));
    stage.show(null, "", say("focus.none"));
    return;
  }
  best = Math.max(best, sharpness);
  write($("sharpness"), precise(sharpness, 3));
  // From below what is allowed to above the best there was, or is to be.
  const from = 0.8 * (lowest ?? 0);
  const to = 1.05 * Math.max(best, typical ?? 0, lowest ?? 0) || 1;
  const x = (value) => WIDTH * Math.min(1, Math.max(0, (value - from) / (to - from)));
  const bar = gauge.querySelector(".now");
  set(bar, "width", Math.max(4, x(sharpness)).toFixed(1)); // never nothing
  bar.classList.toggle("low", lowest !== null && sharpness < lowest);
  const marks = { best: [best, 6, 66], typical: [typical, 18, 78], lowest: [lowest, 18, 78] };
  for (const [name, [value, top, bottom]] of Object.entries(marks)) {
    set(gauge.querySelector(`.${name}`), "d", value === null ? "" : `M${x(value).toFixed(1)} ${top}V${bottom}`);
  }
  const told = { best, typical, lowest };
  const text = (value) => (value === null ? "–" : precise(value, 3));
  set(gauge, "aria-label", say("focus.label", { sharpness: text(sharpness), ...Object.fromEntries(Object.entries(told).map(([key, value]) => [key, text(value)])) }));
  const numbers = Object.entries(told).flatMap(([key, value]) => [element("dt", { class: key }, say(`focus.${key}`)), element("dd", {}, text(value))]);
  $("focus-numbers").replaceChildren(...numbers);
  turn += 1;
  stage.show(`api/focus/picture?${new URLSearchParams({ camera, turn })}`, say("focus.title"), say("focus.none"));
}

$("focus-open").addEventListener("click", () => {
  best = 0;
  dialog.showModal();
  watch();
});
$("focus-again").addEventListener("click", () => (best = 0));

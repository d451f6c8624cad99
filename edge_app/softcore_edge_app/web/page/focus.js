// Focus: the camera's newest image and its sharpness, while somebody turns the lens.
import { $, element, setAttribute, setText } from "./elements.js";
import { getJson } from "./api.js";
import { line } from "./event_stream.js";
import { ImageView } from "./image.js";
import { translate } from "./catalogue.js";
import { formatPrecise } from "./format.js";

const PERIOD = 200; // milliseconds between two images
const WIDTH = 400; // of the gauge
const dialog = $("focus");
const gauge = $("gauge");
const stage = new ImageView(dialog.querySelector("figure"));
let best = 0;
let request = 0; // makes each image's URL a new one

async function watch() {
  const camera = line.camera;
  while (dialog.open) {
    const begun = performance.now();
    try {
      show(await getJson("api/focus", { camera }), camera);
    } catch (error) {
      setText($("sharpness"), error.message);
    }
    await new Promise((go) => setTimeout(go, Math.max(20, PERIOD - (performance.now() - begun))));
  }
}

function show({ sharpness, lowest, typical }, camera) {
  if (sharpness === null) {
    setText($("sharpness"), translate("focus.none"));
    stage.show(null, "", translate("focus.none"));
    return;
  }
  best = Math.max(best, sharpness);
  setText($("sharpness"), formatPrecise(sharpness, 3));
  // The gauge reaches from below the lowest allowed to above the best so far, or the typical one.
  const from = 0.8 * (lowest ?? 0);
  const to = 1.05 * Math.max(best, typical ?? 0, lowest ?? 0) || 1;
  const x = (value) => WIDTH * Math.min(1, Math.max(0, (value - from) / (to - from)));
  const bar = gauge.querySelector(".now");
  setAttribute(bar, "width", Math.max(4, x(sharpness)).toFixed(1)); // always visible
  bar.classList.toggle("low", lowest !== null && sharpness < lowest);
  const marks = { best: [best, 6, 66], typical: [typical, 18, 78], lowest: [lowest, 18, 78] };
  for (const [name, [value, top, bottom]] of Object.entries(marks)) {
    setAttribute(gauge.querySelector(`.${name}`), "d", value === null ? "" : `M${x(value).toFixed(1)} ${top}V${bottom}`);
  }
  const values = { best, typical, lowest };
  const text = (value) => (value === null ? "–" : formatPrecise(value, 3));
  setAttribute(gauge, "aria-label", translate("focus.label", { sharpness: text(sharpness), ...Object.fromEntries(Object.entries(values).map(([key, value]) => [key, text(value)])) }));
  const numbers = Object.entries(values).flatMap(([key, value]) => [element("dt", { class: key }, translate(`focus.${key}`)), element("dd", {}, text(value))]);
  $("focus-numbers").replaceChildren(...numbers);
  request += 1;
  stage.show(`api/focus/picture?${new URLSearchParams({ camera, turn: request })}`, translate("focus.title"), translate("focus.none"));
}

$("focus-open").addEventListener("click", () => {
  best = 0;
  dialog.showModal();
  watch();
});
$("focus-again").addEventListener("click", () => (best = 0));

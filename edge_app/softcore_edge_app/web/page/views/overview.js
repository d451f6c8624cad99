// Overview: a tile for each camera of a line, with its last image, decision, number of FAIL and state.
import { $, element, setAttribute, setSymbol, setText, symbol } from "../elements.js";
import { chooseCamera, eventStream, line } from "../event_stream.js";
import { imageUrl, ImageView } from "../image.js";
import { chooseShown } from "../held_fault.js";
import { makeScoreBar, setScoreBar } from "../score_bar.js";
import { translate } from "../catalogue.js";
import { describeReason, formatCount, formatFault, formatPercent, namePart } from "../format.js";

const PAUSE = 250; // milliseconds between two images of all cameras together: the line needs its time
const COLUMNS = [1, 1, 2, 3, 2, 3, 3, 4, 4]; // by the number of cameras; of more, four
const list = $("overview");
let tiles = new Map(); // by camera
let timer = null;

function makeTile(name) {
  const images = element("span", { class: "images" }, element("img", { alt: "", hidden: "" }), element("img", { alt: "", hidden: "" }));
  const figure = element("span", { class: "figure" }, images, element("span", { class: "without" }));
  const words = Object.fromEntries(["word", "state", "counts"].map((one) => [one, element("span", { class: one })]));
  const [shape, sign, bar] = [symbol("", "shape"), symbol("indicator-none", "indicator-shape"), makeScoreBar()];
  const head = element("span", { class: "head" }, element("b", {}, name), element("span", { class: "state" }, sign, words.state));
  const band = element("span", { class: "band" }, shape, words.word, bar);
  const button = element("button", { type: "button" }, head, band, figure, words.counts);
  button.addEventListener("click", () => chooseCamera(name));
  const onShown = (part, form) => {
    setAttribute(button, "data-shape", form);
    showLag(tile);
  };
  const stage = new ImageView(figure, onShown, { peak: { inset: false }, pause: () => PAUSE * tiles.size });
  const tile = { name, button, shape, sign, bar, stage, figure, ...words };
  return tile;
}

function build() {
  const names = line.status.cameras.map(({ name }) => name);
  if (names.join("\n") === [...tiles.keys()].join("\n")) return;
  tiles = new Map(names.map((name) => [name, makeTile(name)]));
  list.style.setProperty("--columns", COLUMNS[names.length] ?? 4);
  list.replaceChildren(...[...tiles.values()].map(({ button }) => element("li", {}, button)));
}

function findState({ fault, running }) {
  if (fault) return ["bad", formatFault(line.status, fault)];
  return running ? ["well", translate("indicator.state.well")] : ["warn", translate("camera.stopped")];
}

function showTile(tile) {
  const camera = line.status.cameras.find(({ name }) => name === tile.name);
  const { part, left } = chooseShown(tile.name);
  const decision = part?.decision ?? "none";
  setAttribute(tile.button, "data-decision", decision);
  setSymbol(tile.shape, part ? `shape-${decision}` : "");
  setText(tile.word, translate(`decision.${decision}`));
  setScoreBar(tile.bar, part);
  const [state, why] = findState(camera);
  setAttribute(tile.button, "data-state", state);
  setSymbol(tile.sign, `indicator-${state}`);
  setText(tile.state, why);
  const counts = line.tally.count(tile.name);
  const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
  const share = total ? formatPercent(counts.FAIL / total) : "–";
  setText(tile.counts, translate("overview.counts", { fail: formatCount(counts.FAIL), total: formatCount(total), share, word: translate("decision.FAIL") }));
  if (part) tile.stage.show(imageUrl(part, "overlay"), `${translate(`decision.${decision}`)} ${namePart(part)}`, describeReason(part) ?? translate("live.no-image"), part);
  else tile.stage.show(null, "", translate("live.no-image"));
  showLag(tile);
  return left;
}

function showLag({ figure, stage }) {
  figure.classList.toggle("late", stage.isLate);
  setAttribute(figure, "data-late", translate("live.late"));
}

/** Show the newest of all cameras. */
export function show() {
  if (!line.status) return;
  build();
  const waits = [...tiles.values()].map(showTile).filter(Boolean);
  clearTimeout(timer);
  if (waits.length) timer = setTimeout(() => !list.hidden && show(), Math.min(...waits) + 5);
}

eventStream.addEventListener("age", () => !list.hidden && tiles.forEach(showLag));

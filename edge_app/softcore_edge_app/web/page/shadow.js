// Shadow: that a bundle on trial runs beside the one that decides, and the parts on which the two differ.
import { $, element, setText, showMessage } from "./elements.js";
import { getJson } from "./api.js";
import { makeTiles } from "./views/history.js";
import { currentCamera, eventStream, line } from "./event_stream.js";
import { translate } from "./catalogue.js";
import { formatCount, formatFault } from "./format.js";

const dialog = $("shadow");
let requested = 0;

/** Return what is said of the shadow of a camera. */
function describe({ path, fault, seen, differing, skipped }) {
  const name = path.split("/").filter(Boolean).at(-1) ?? path;
  if (fault) return translate("shadow.fault", { name, fault: formatFault(line.status, fault) });
  const counts = { seen: formatCount(seen), differing: formatCount(differing), skipped: formatCount(skipped) };
  return translate(skipped ? "shadow.skipped" : "shadow.counts", { name, ...counts });
}

function show() {
  const shadow = line.status ? currentCamera()?.shadow : null;
  $("shadow-open").hidden = !shadow;
  if (!shadow) return;
  setText($("shadow-open"), describe(shadow));
  setText($("shadow-state"), describe(shadow));
  $("shadow-open").classList.toggle("bad", Boolean(shadow.fault));
}

async function list() {
  const mine = (requested += 1);
  try {
    const { rows } = await getJson("api/shadow", { camera: line.camera });
    if (mine !== requested) return;
    showMessage($("shadow-found"), rows.length ? "" : translate("shadow.none"));
    $("shadow-parts").replaceChildren(...makeTiles(rows));
  } catch (error) {
    showMessage($("shadow-found"), error.message, true);
  }
}

$("shadow-open").addEventListener("click", () => {
  $("shadow-parts").replaceChildren(element("li", { class: "soft" }, translate("history.searching")));
  dialog.showModal();
  list();
});
for (const change of ["status", "camera"]) eventStream.addEventListener(change, show);
document.addEventListener("language", () => {
  show();
  if (dialog.open) list();
});

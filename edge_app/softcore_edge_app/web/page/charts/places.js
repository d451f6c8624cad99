// Places: where on the part FAIL and REVIEW lie, as a map of fields and as a list of regions; and why parts were INVALID.
import { fillTable, makeCard } from "./plot.js";
import { element } from "../elements.js";
import { imageUrl } from "../image.js";
import { translate } from "../catalogue.js";
import { formatCount, formatPercent } from "../format.js";

export const THIRDS = ["upper-left", "upper-middle", "upper-right", "left", "middle", "right", "lower-left", "lower-middle", "lower-right"];
const STEPS = 5; // of colour

/** Return the regions (thirds of the frame) and their numbers of parts, the largest first. */
export function sumRegions(fields) {
  const sums = Object.fromEntries(THIRDS.map((one) => [one, 0]));
  const third = (place) => Math.floor((3 * place) / fields.length);
  fields.forEach((row, y) => row.forEach((n, x) => (sums[THIRDS[3 * third(y) + third(x)]] += n)));
  return Object.entries(sums).filter(([, n]) => n).sort(([, one], [, other]) => other - one);
}

/** Make the map; `show(fields, parts)` draws it over the image of the last PASS of those parts. */
export function makeFieldChart() {
  const { card, host, table } = makeCard("fields");
  host.classList.add("fields");
  return {
    card,
    show(fields, parts) {
      const ground = parts.findLast((part) => part.decision === "PASS" && imageUrl(part, "frame"));
      const cells = fields.flat();
      const most = Math.max(...cells);
      card.hidden = !most;
      if (!most) return;
      host.setAttribute("role", "img");
      const [[region, n]] = sumRegions(fields);
      const total = cells.reduce((sum, one) => sum + one, 0);
      host.setAttribute("aria-label", translate("chart.fields.label", { total: formatCount(total), region: translate(`region.${region}`), n: formatCount(n) }));
      const url = ground ? imageUrl(ground, "frame") : null;
      if (host.querySelector("img")?.getAttribute("src") !== url) {
        host.replaceChildren(...(url ? [element("img", { src: url, alt: "" })] : []), element("span", { class: "grid" }));
        host.classList.toggle("blank-ground", !url);
      } else if (!host.querySelector(".grid")) host.replaceChildren(element("span", { class: "grid" }));
      host.querySelector(".grid").replaceChildren(
        ...cells.map((count) => (count ? element("span", { "data-heat": Math.ceil((STEPS * count) / most) }, formatCount(count)) : element("span"))),
      );
      const rows = fields.flatMap((row, y) => row.flatMap((count, x) => (count ? [[`${x + 1} / ${y + 1}`, formatCount(count)]] : [])));
      fillTable(table, [translate("chart.field"), translate("report.count")], rows);
    },
  };
}

/** Make a Pareto chart, which is a table with bars; `show(rows)` takes `[name, parts]`, the largest first. */
export function makePareto(key, named) {
  const { card, title } = makeCard(key);
  const table = element("table", { class: "pareto", "aria-labelledby": title.id });
  card.replaceChildren(title, table);
  return {
    card,
    show(rows) {
      card.hidden = !rows.length;
      const total = rows.reduce((sum, [, n]) => sum + n, 0);
      let soFar = 0;
      fillTable(table, [translate(named), translate("report.count"), translate("sheet.so-far")], rows.map(([name, n]) => [name, formatCount(n), formatPercent((soFar += n) / total)]));
      for (const [place, row] of [...table.tBodies[0].rows].entries()) {
        const bar = element("i", { "aria-hidden": "true" });
        bar.style.width = `${(100 * rows[place][1]) / rows[0][1]}%`;
        row.cells[0].append(bar);
      }
    },
  };
}

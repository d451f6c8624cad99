// Polygons: what the editor of the region knows of polygons, whose corners are [x, y] as shares of the frame.

/** Return the share of the frame that a polygon encloses, where it doesn't cross itself. */
export function measure(corners) {
  const twice = corners.reduce((sum, [x, y], i) => {
    const [nextX, nextY] = corners[(i + 1) % corners.length];
    return sum + x * nextY - nextX * y;
  }, 0);
  return Math.abs(twice) / 2;
}

const side = ([ax, ay], [bx, by], [cx, cy]) => Math.sign((bx - ax) * (cy - ay) - (by - ay) * (cx - ax));

/** Tell whether a polygon crosses itself. */
export function crossesItself(corners) {
  const n = corners.length;
  for (let i = 0; i < n; i++)
    for (let j = i + 2; j < n; j++) {
      if (i === 0 && j === n - 1) continue; // neighbours share a corner
      const [a, b, c, d] = [corners[i], corners[i + 1], corners[j], corners[(j + 1) % n]];
      if (side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0) return true;
    }
  return false;
}

const SVG = document.querySelector("svg").namespaceURI;
const trace = (corners, closed) => corners.map(([x, y], i) => `${i ? "L" : "M"}${x} ${y}`).join("") + (closed ? "Z" : "");

function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/**
 * Draw polygons into an svg, with what isn't inspected dark, and the corners of one that is being drawn.
 * The even-odd rule is that of the export.
 */
export function drawPolygons(svg, polygons, selected, drawn) {
  svg.setAttribute("viewBox", "0 0 1 1");
  const dark = make("mask", { id: "dark", maskUnits: "userSpaceOnUse", x: 0, y: 0, width: 1, height: 1 });
  const frame = "M0 0H1V1H0Z";
  const fill = (color, d) => make("path", { d, class: "plain", "fill-rule": "evenodd", fill: color });
  dark.append(fill(polygons.some(({ action }) => action === "inspect") ? "#fff" : "#000", frame));
  for (const [action, color] of [["inspect", "#000"], ["leave out", "#fff"]])
    for (const polygon of polygons) if (polygon.action === action) dark.append(fill(color, trace(polygon.corners, true)));
  const lines = [...polygons.entries()].flatMap(([number, { action, corners }]) => {
    const d = trace(corners, true);
    const style = `${action === "inspect" ? "inspect" : "leave"}${number === selected ? " selected" : ""}`;
    return [make("path", { d, class: "under" }), make("path", { d, class: style })];
  });
  if (drawn.length) lines.push(make("path", { d: trace(drawn, false), class: "under" }), make("path", { d: trace(drawn, false), class: "selected" }));
  svg.replaceChildren(dark, make("path", { d: frame, class: "outside", mask: "url(#dark)" }), ...lines);
}

// Elements: finding, making and writing parts of the page; nothing that came from the line is taken for HTML.

export const $ = (id) => document.getElementById(id);

/** Make an element: `element("p", { class: "soft" }, "text", child)`. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an image of one of the symbols in index.html. */
export function symbol(name, look) {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("class", look);
  made.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#${name}`);
  made.append(use);
  return made;
}

/** Write a text where it has changed, or a screen reader would say it again and again. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Set an attribute where it has changed. */
export function set(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** Show a symbol, or none. */
export function draw(svg, name) {
  svg.toggleAttribute("hidden", !name);
  if (name) set(svg.firstElementChild, "href", `#${name}`);
}

/** Say how something went; `bad` in the colour of problems. */
export function report(node, text, bad = false) {
  write(node, text);
  node.classList.toggle("bad", bad);
}

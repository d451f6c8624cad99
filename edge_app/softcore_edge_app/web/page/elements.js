// Elements: find, make and change elements of the page; no text of the line is ever parsed as HTML.

export const $ = (id) => document.getElementById(id);

/** Make an element: `element("p", { class: "soft" }, "text", child)`. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an SVG element that shows one of the symbols in index.html. */
export function symbol(name, className) {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("class", className);
  made.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#${name}`);
  made.append(use);
  return made;
}

/** Set a text, only if it has changed: a screen reader would read it out again. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const END = 10; // characters

/** Make an element for a text that is cut in the middle where it is too long: the ends of names tell them apart. */
export function makeCut(text = "") {
  const made = element("span", { class: "cut" }, element("span"), element("span"));
  setCut(made, text);
  return made;
}

/** Set the text of such an element. */
export function setCut(node, text) {
  setText(node.firstElementChild, text.slice(0, -END));
  setText(node.lastElementChild, text.slice(-END));
  setAttribute(node, "title", text);
}

/** Set an attribute, only if it has changed. */
export function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** Show a symbol, or none. */
export function setSymbol(svg, name) {
  svg.toggleAttribute("hidden", !name);
  if (name) setAttribute(svg.firstElementChild, "href", `#${name}`);
}

/** Show the outcome of an action; an error is in the colour of errors. */
export function showMessage(node, text, isError = false) {
  setText(node, text);
  node.classList.toggle("bad", isError);
}

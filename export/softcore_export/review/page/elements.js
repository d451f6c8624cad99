// Elements: find elements of the page, set their texts, and write numbers as texts.

export const $ = (id) => document.getElementById(id);

/** Set a text, only if it has changed: a screen reader would read it out again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Return a number with its noun: "1 image", "1,200 images". */
export const count = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

/** Return a suspicion as a multiple of the threshold. */
export const times = (share) => `${share >= 1.995 ? share.toFixed(1) : share.toFixed(2)} x threshold`;

// Elements: find elements of the page, set their texts, and write texts and numbers in its language.

export const $ = (id) => document.getElementById(id);

/** Set a text, only if it has changed: a screen reader would read it out again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const { lang } = document.documentElement;
const texts = JSON.parse($("texts").textContent); // of the page's language, by the English ones

/** Return a text in the page's language, with `values` in place of its `{names}`. */
export const translate = (text, values = {}) => (texts[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => String(values[name]));

/** Return the text for one or for another number, which is `{n}` in it. */
export const count = (n, one, many) => translate(n === 1 ? one : many, { n: formatNumber(n) });

/** Return a number as the page's language writes it. */
export const formatNumber = (value, digits = 0) =>
  new Intl.NumberFormat(lang, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);

/** Return a suspicion as a multiple of the threshold. */
export const times = (share) => translate("{share} x threshold", { share: formatNumber(share, share >= 1.995 ? 1 : 2) });

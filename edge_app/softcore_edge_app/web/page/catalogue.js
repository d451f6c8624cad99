// Catalogue: the page's texts in the language in use.

export const LOCALES = { en: "en-GB", de: "de-DE" }; // by language: how numbers and days are written
const STORAGE_KEY = "softcore.language";
let texts = {};
export let language = "en";

/** Return the language that was chosen on this screen, or else the browser's if there is a catalogue of it. */
export function preferredLanguage() {
  const candidates = [localStorage.getItem(STORAGE_KEY), navigator.language.slice(0, 2)];
  return candidates.find((one) => one in LOCALES) ?? "en";
}

/** Load a language, translate the page, and dispatch the event `language`. */
export async function loadLanguage(wanted, remember = false) {
  const answer = await fetch(`static/catalogue.${wanted}.json`);
  texts = await answer.json();
  language = wanted;
  if (remember) localStorage.setItem(STORAGE_KEY, wanted);
  document.documentElement.lang = wanted;
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = translate(node.dataset.word);
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", translate(node.dataset.label));
  document.dispatchEvent(new Event("language"));
}

/** Return whether there is a text of a key. */
export const hasText = (key) => key in texts;

/** Return the text of a key, with `values` in place of its `{names}`. */
export function translate(key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

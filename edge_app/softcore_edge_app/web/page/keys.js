// Keys: a keyboard on the screen, for a panel at the line that has none.
import { element, setAttribute } from "./elements.js";
import { translate } from "./catalogue.js";

/** Fill `place` with keys that type into what `field` returns. */
export function makeKeys(place, field) {
  let upper = false;
  for (const row of ["1234567890", "qwertyuiop", "asdfghjkl-", "⇧zxcvbnm_⌫"]) {
    for (const key of row) place.append(element("button", { type: "button", "data-key": key }, key));
  }
  const label = () => {
    for (const button of place.children) {
      const key = button.dataset.key;
      if (key === "⇧") setAttribute(button, "aria-pressed", String(upper));
      else if (key !== "⌫") button.textContent = upper ? key.toUpperCase() : key;
    }
    setAttribute(place.querySelector('[data-key="⇧"]'), "aria-label", translate("token.shift"));
    setAttribute(place.querySelector('[data-key="⌫"]'), "aria-label", translate("token.space"));
  };
  place.addEventListener("click", (event) => {
    const key = event.target.dataset.key;
    if (!key) return;
    if (key === "⇧") upper = !upper;
    else if (key === "⌫") field().value = field().value.slice(0, -1);
    else field().value += upper ? key.toUpperCase() : key;
    label();
  });
  document.addEventListener("language", label);
}

// What became of what somebody did. It stays until they go elsewhere, and a screen reader says it.

import { h } from "./dom.js";

const region = /** @type {HTMLElement} */ (document.getElementById("said"));

/** @param {"good" | "bad"} kind @param {string} head @param {...(Node | string)} text */
export function tell(kind, head, ...text) {
  region.replaceChildren(h("div", { class: `box ${kind}` }, h("strong", {}, head), " ", ...text));
  // The button that was pressed may be gone.
  region.focus();
}

export function hush() {
  region.replaceChildren();
}

/** The inspector: any model, opened up. */

import { h, put } from "./dom.js";

/** @param {HTMLElement} place */
export function inspector(place) {
  document.title = "Inspect – everysum";
  put(place, h("h1", {}, "Look inside a model"));
}

/** A number and the sum that it is; what went in opens in its turn. */

import { h } from "./dom.js";

/**
 * @typedef {object} Worked
 * @property {number} value
 * @property {string} figure
 * @property {string} operation
 * @property {string[]} terms
 * @property {Worked[]} parts
 */

/** @param {string} name @param {Worked} number @param {{open?: boolean}} [options] @returns {HTMLElement} */
export function sum(name, number, { open = false } = {}) {
  const inner = number.parts.filter((part) => part.terms.length);
  const line = h("span", { class: "sum" }, h("span", { class: "result" }, name, name && " = ", figureOf(number)), ...equals(number));
  if (!inner.length) return h("div", { class: "worked" }, line);
  return h(
    "details",
    { class: "worked", open },
    h("summary", {}, line),
    h("div", { class: "inner" }, inner.map((part) => sum("", part))),
  );
}

/** @param {Worked} number */
export function figureOf(number) {
  return h("span", { class: number.value < 0 ? "minus" : number.value > 0 ? "plus" : null, "data-figure": true }, number.figure);
}

/**
 * `= 32 × 0.10 + 107 × −0.29 …`, each term whole on its line.
 * @param {Worked} number
 * @returns {(string | HTMLElement)[]}
 */
export function equals(number) {
  if (!number.terms.length) return [];
  return [" = ", ...number.terms.flatMap((term, place) => [place ? " " : "", h("span", { class: "term" }, place ? plus(term) : term)])];
}

/** A term that is added; a single negative number is subtracted, as in the terminal. @param {string} term */
function plus(term) {
  return term.startsWith("−") && !term.includes(" ") ? `− ${term.slice(1)}` : `+ ${term}`;
}

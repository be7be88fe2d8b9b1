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

/** @param {string} name @param {Worked} number @param {{open?: boolean}} [options] */
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

/** `= 32 × 0.10 + 107 × −0.29 …`, each term whole on its line. @param {Worked} number */
export function equals(number) {
  if (!number.terms.length) return [];
  return [
    " = ",
    ...number.terms.flatMap((term, place) => [place > 0 && !/^[−-]/.test(term.trim()) ? " + " : place > 0 ? " " : "", h("span", { class: "term" }, signed(term, place))]),
  ];
}

/** A negative number that is added is subtracted. @param {string} term @param {number} place */
function signed(term, place) {
  return place > 0 && /^−[^ ]+$/.test(term) ? `− ${term.slice(1)}` : term;
}

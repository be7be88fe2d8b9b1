/** Taking a rule's formula apart for one number: the terms of a sum, the factors of a product, and how they are written. */

import { withVariable } from "./asked.js";
import { evaluate, raw, scalar } from "./evaluate.js";
import { SIZES } from "./places.js";

/** @typedef {import("./asked.js").Asked} Asked */
/** @typedef {import("./asked.js").Node} Node */
/** @typedef {import("./tape.js").Place} Place */
/** @typedef {{asked: Asked, node: Node, factor: number}} Part */

/** How functions are written between or before their arguments. @type {Record<string, string>} */
const SIGNS = { add: "+", subtract: "−", multiply: "×", divide: "÷", power: "^", negative: "−" };

/** Whether a condition depends on the operation's arguments only. @param {Node} node @param {Asked} asked @returns {boolean} */
function decided(node, asked) {
  if ("read" in node) return scalar(asked.operation.arguments[node.read]) !== null;
  if ("reduce" in node || "name" in node) return false;
  return node.call !== "ranked" && (node.of ?? []).every((/** @type {Node} */ part) => decided(part, asked));
}

/** The value of a formula that reads no number. @param {Node} node @param {Asked} asked @returns {number | null} */
function constantOf(node, asked) {
  if ("choose" in node && decided(node.choose, asked)) return constantOf(evaluate(node.choose, asked)[0] ? node.then : node.else, asked);
  if ("read" in node) return scalar(asked.operation.arguments[node.read]);
  if ("reduce" in node || "choose" in node || "name" in node) return null;
  if ("call" in node && !(node.call in SIZES) && node.of.some((/** @type {Node} */ part) => constantOf(part, asked) === null)) return null;
  const value = evaluate(node, asked)[0];
  return Number.isNaN(value) ? null : value;
}

/** A formula without the choices that arguments decide, without factors of 1 and terms of 0, and without its word. @param {Node} node @param {Asked} asked @returns {Node} */
export function settled(node, asked) {
  for (;;) {
    if ("name" in node) node = node.of;
    else if ("choose" in node && decided(node.choose, asked)) node = evaluate(node.choose, asked)[0] ? node.then : node.else;
    else if (node.call === "multiply" || node.call === "add") {
      const neutral = node.call === "multiply" ? 1 : 0;
      const [first, second] = node.of;
      if (constantOf(first, asked) === neutral) node = second;
      else if (constantOf(second, asked) === neutral) node = first;
      else return node;
    } else return node;
  }
}

/** @param {Node} given @param {Asked} asked @returns {boolean} */
export function isSum(given, asked) {
  const node = settled(given, asked);
  if (node.call === "add" || node.call === "subtract" || node.reduce === "sum") return true;
  if (node.call === "negative") return isSum(node.of[0], asked);
  if (node.call === "divide") return constantOf(node.of[1], asked) !== null && isSum(node.of[0], asked);
  if (node.call !== "multiply") return false;
  const [first, second] = node.of;
  return (constantOf(first, asked) !== null && isSum(second, asked)) || (constantOf(second, asked) !== null && isSum(first, asked));
}

/** The terms of a sum, those of the sums in it included. @param {Part} part @returns {Part[]} */
export function termsOfSum({ asked, node: given, factor }) {
  const node = settled(given, asked);
  if (!isSum(node, asked)) return [{ asked, node, factor }];
  if ("reduce" in node) {
    const count = evaluate(node.count, asked)[0];
    return Array.from({ length: count }, (_, place) => ({ asked: withVariable(asked, node.over, place), node: node.of, factor }));
  }
  const [first, second] = node.of;
  const inner = (/** @type {Node} */ part, /** @type {number} */ scale) => termsOfSum({ asked, node: part, factor: factor * scale });
  if (node.call === "negative") return inner(first, -1);
  if (node.call === "add") return [...inner(first, 1), ...inner(second, 1)];
  if (node.call === "subtract") return [...inner(first, 1), ...inner(second, -1)];
  const scale = constantOf(second, asked);
  if (node.call === "divide") return inner(first, 1 / (scale ?? NaN));
  return scale === null ? inner(second, constantOf(first, asked) ?? NaN) : inner(first, scale);
}

/** The parts of a formula that is no sum. @param {Part} part @returns {Part[]} */
export function factorsOf({ asked, node: given, factor }) {
  const node = settled(given, asked);
  const parts = node.call === "multiply" ? productOf(node, asked) : factor !== 1 ? [node] : partsOf(node, asked);
  const scaled = parts.map((each) => ({ asked, node: each, factor: 1 }));
  return factor === 1 ? scaled : [...scaled, { asked, node: { constant: factor }, factor: 1 }];
}

/** @param {Node} given @param {Asked} asked @returns {Node[]} */
function productOf(given, asked) {
  const node = settled(given, asked);
  return node.call === "multiply" ? node.of.flatMap((/** @type {Node} */ part) => productOf(part, asked)) : [node];
}

/** @param {Node} node @param {Asked} asked @returns {Node[]} */
function partsOf(node, asked) {
  if ("choose" in node) return [evaluate(node.choose, asked)[0] ? node.then : node.else, node.choose];
  return "call" in node && !(node.call in SIZES) ? node.of : [];
}

/** What one read touches: first the numbers that chose the element, last the element. @param {Node} node @param {Asked} asked @returns {Place[]} */
export function readsOf(node, asked) {
  /** @type {Place[]} */
  const reads = [];
  evaluate(node, { ...asked, reads });
  return reads;
}

/** A part as people write it, numbers by their names. @param {Part} part @param {(place: Place) => string} named @returns {string} */
export function written({ asked, node: given, factor }, named) {
  const node = "name" in given ? given : settled(given, asked);
  const inner = (/** @type {Node} */ part) => written({ asked, node: part, factor: 1 }, named);
  const text = (() => {
    if ("name" in node) return String(node.name).replaceAll("_", " ");
    if ("read" in node) return named(/** @type {Place} */ (readsOf(node, asked).at(-1)) ?? { storage: 0, offset: 0, time: 0 });
    if ("reduce" in node) return `${node.reduce === "sum" ? "Σ" : node.reduce} over ${node.over}`;
    if (!("call" in node)) return String(raw(node, asked));
    const sign = SIGNS[node.call];
    if (sign && node.of.length === 2) return `${inner(node.of[0])} ${sign} ${inner(node.of[1])}`;
    return sign ? `${sign}${inner(node.of[0])}` : `${node.call}(${node.of.map(inner).join(", ")})`;
  })();
  return factor === 1 ? text : `${factor} × ${text}`;
}

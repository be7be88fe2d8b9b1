/** On what a piece of a formula depends: on which places of the element that is asked for, and on which variables. */

import { IRRELEVANT, SIZES } from "./places.js";

/** @typedef {import("./asked.js").Asked} Asked */
/** @typedef {import("./asked.js").Node} Node */
/** @typedef {{places: Set<number>, variables: Set<string>}} Reach */

/** Sizes that are told by arguments alone. */
const FIXED = Object.keys(SIZES).filter((name) => !["place", "piece", "place_in_piece"].includes(name));

/**
 * A number for each element's share of a formula: elements with the same one have it in common. Null where it depends
 * on a variable, so that every term has its own.
 * @param {Node} node
 * @param {Asked} asked
 * @returns {((index: number[]) => number) | null}
 */
export function keyOf(node, asked) {
  const { places, variables } = reachOf(node, asked);
  if (variables.size) return null;
  const results = asked.operation.outputs.filter((view) => view?.size.length === asked.index.length);
  const axes = [...places].map((axis) => ({ axis, size: Math.max(...results.map((view) => view?.size[axis] ?? 0)) }));
  return (index) => axes.reduce((key, { axis, size }) => key * size + index[axis], 0);
}

/** @param {Node} node @param {Asked} asked @returns {Reach} */
function reachOf(node, asked) {
  if ("variable" in node) return { places: new Set(), variables: new Set([node.variable]) };
  if ("all" in node || "captured" in node) return { places: new Set(asked.index.keys()), variables: new Set() };
  const inner = partsOf(node).map((part) => reachOf(part, asked));
  const places = new Set([...own(node, asked), ...inner.flatMap((reach) => [...reach.places])]);
  const variables = new Set(inner.flatMap((reach) => [...reach.variables]));
  variables.delete(node.over);
  return { places, variables };
}

/** The places that a function looks at by itself. @param {Node} node @param {Asked} asked @returns {number[]} */
function own(node, asked) {
  const all = [...asked.index.keys()];
  if ("indices" in node) {
    const given = node.of.map((/** @type {Node} */ part) => part.constant ?? asked.operation.arguments[part.argument]);
    const without = IRRELEVANT[node.indices]?.(all.length, ...given) ?? [];
    return all.filter((axis) => !without.includes(axis));
  }
  return "call" in node && node.call in SIZES && !FIXED.includes(node.call) ? all : [];
}

/** @param {Node} node @returns {Node[]} */
function partsOf(node) {
  if ("read" in node) return "piece" in node ? [...node.at, node.piece] : node.at;
  if ("reduce" in node) return [node.count, node.of];
  if ("choose" in node) return [node.choose, node.then, node.else];
  if (Array.isArray(node.of)) return node.of;
  return node.of ? [node.of] : [];
}

/**
 * Rules evaluated in the page: how an element of an operation's result is computed, for a saved pass without a server.
 *
 * The rules are the data that Python's evaluator reads (`everysum.explain.templates` tells their form). Each formula is
 * put together once for an operation, as functions inside functions, and then asked for as many elements as one likes.
 * Every value goes with its magnitude, the same formula with every term taken without its sign, which says how large
 * rounding may be. What this page has no function for it says, and guesses nothing.
 */

import { real } from "../numbers.js";
import { Outside, Unknown } from "./asked.js";
import { FUNCTIONS, MAGNITUDES } from "./functions.js";
import { INDICES, SIZES } from "./places.js";
import { keyOf } from "./reach.js";
import { EMPTY, TAKE } from "./reductions.js";
import { sumOfProducts } from "./sums.js";

/** @typedef {import("./asked.js").Asked} Asked */
/** @typedef {import("./asked.js").Node} Node */
/** @typedef {import("./asked.js").Pair} Pair */
/** @typedef {import("./tape.js").Operation} Operation */
/** @typedef {import("./tape.js").View} View */
/** @typedef {(asked: Asked) => number} Formula its value; the magnitude is left in `asked` */

/** @param {Node} node @param {Asked} asked @returns {Pair} */
export function evaluate(node, asked) {
  const value = formulaOf(node, asked)(asked);
  return [value, asked.magnitude];
}

/** @type {WeakMap<Operation, WeakMap<Node, Formula>>} */
const known = new WeakMap();

/** A formula of an operation, put together when it is first asked for. @param {Node} node @param {Asked} asked @returns {Formula} */
export function formulaOf(node, asked) {
  const own = known.get(asked.operation) ?? new WeakMap();
  known.set(asked.operation, own);
  const found = own.get(node) ?? formula(node, asked);
  own.set(node, found);
  return found;
}

/** @param {Node} node @param {Asked} asked @returns {Formula} */
function formula(node, asked) {
  if ("read" in node) return read(node, asked);
  if ("name" in node) return formulaOf(node.of, asked);
  if ("reduce" in node) return shared(node, asked, reduced(node, asked));
  if ("choose" in node) {
    const [condition, first, second] = [node.choose, node.then, node.else].map((each) => formulaOf(each, asked));
    return (one) => (condition(one) !== 0 ? first(one) : second(one));
  }
  if ("call" in node) return call(node, asked);
  const given = rawOf(node, asked);
  return (one) => sized(one, scalar(given(one)) ?? NaN);
}

/** @param {Asked} asked @param {number} value */
function sized(asked, value) {
  asked.magnitude = Math.abs(value);
  return value;
}

/** What an argument or a place is, as it stands: a tensor's view, a list, a text, a number. @param {Node} node @param {Asked} asked @returns {any} */
export function raw(node, asked) {
  return rawOf(node, asked)(asked);
}

/** @param {Node} node @param {Asked} asked @returns {(asked: Asked) => any} */
export function rawOf(node, { operation, ...asked }) {
  if ("constant" in node) return () => node.constant;
  if ("argument" in node) {
    const value = node.argument in operation.arguments ? operation.arguments[node.argument] : node.argument === "nan" ? NaN : undefined;
    return () => value;
  }
  if ("variable" in node) return (one) => one.variables[node.variable] ?? operation.arguments[node.variable];
  return formulaOf(node, { operation, ...asked });
}

/** An argument that is a plain number; null for anything else. Infinities come as texts. @param {any} value @returns {number | null} */
export function scalar(value) {
  if (typeof value === "number" || typeof value === "boolean") return Number(value);
  return typeof value === "string" && ["inf", "-inf", "nan"].includes(value) ? real(value) : null;
}

/** @param {Node} node @param {Asked} asked @returns {Formula} */
function read(node, asked) {
  const { operation } = asked;
  const own = !(node.read in operation.arguments);
  const given = own ? operation.outputs[asked.results[node.read]] : operation.arguments[node.read];
  const plain = scalar(given);
  if (plain !== null) return (one) => sized(one, plain);
  const piece = "piece" in node ? formulaOf(node.piece, asked) : null;
  const places = coordinates(node.at, asked);
  const time = operation.time + Number(own);
  return (one) => {
    const view = piece ? given[piece(one)] : given;
    if (!view?.size) throw new Unknown(`${node.read} of ${operation.name}`);
    const offset = offsetIn(view, places(one), node.read, operation);
    one.reads?.push({ storage: view.storage, offset, time });
    return sized(one, one.tape.storages[view.storage].values(time)[offset]);
  };
}

/** Where an element lies. Reading broadcasts: aligned on the right, an axis of size 1 is read at 0. @param {View} view @param {number[]} places @param {string} name @param {Operation} operation */
function offsetIn({ offset, size, stride }, places, name, operation) {
  const shift = places.length - size.length;
  let found = offset;
  for (let axis = 0; axis < size.length; axis += 1) {
    if (size[axis] === 1) continue;
    const place = places[axis + shift];
    if (!(place >= 0 && place < size[axis])) throw new Outside(`${name} of ${operation.name} has no place ${place}: it has ${size[axis]}`);
    found += place * stride[axis];
  }
  return found;
}

/** The coordinates that the index of a read stands for. @param {Node[]} items @param {Asked} asked @returns {(asked: Asked) => number[]} */
function coordinates(items, asked) {
  const found = items.map((item) => coordinatesOf(item, asked));
  if (found.length === 1) return found[0];
  return (one) => found.flatMap((each) => each(one));
}

/** @param {Node} item @param {Asked} asked @returns {(asked: Asked) => number[]} */
function coordinatesOf(item, asked) {
  if ("all" in item) return (one) => one.index;
  if ("captured" in item) return (one) => one.captured[item.captured];
  if (!("indices" in item)) {
    const place = rawOf(item, asked);
    return (one) => [Number(place(one))];
  }
  const find = INDICES[item.indices];
  const given = item.of.map((/** @type {Node} */ argument) => rawOf(argument, asked));
  return (one) => {
    if (!find) throw new Unknown(item.indices);
    return find(one, ...given.map((/** @type {(asked: Asked) => any} */ each) => each(one)));
  };
}

/** @param {Node} node @param {Asked} asked @returns {Formula} */
function reduced(node, asked) {
  const [counted, body] = [formulaOf(node.count, asked), formulaOf(node.of, asked)];
  const [take, empty] = [TAKE[node.reduce], EMPTY[node.reduce]];
  const { over } = node;
  const quick = node.reduce === "sum" ? sumOfProducts(node.of, over, asked) : null;
  return (one) => {
    const count = counted(one);
    if (quick && !one.reads) return quick(one, count);
    const outer = one.variables[over];
    /** @type {Pair} */
    const total = [empty[0], empty[1]];
    for (let place = 0; place < count; place += 1) {
      one.variables[over] = place;
      take(total, body(one), one.magnitude);
    }
    one.variables[over] = outer;
    one.magnitude = total[1];
    return total[0];
  };
}

/** A reduction that does not depend on the variables around it is computed once for all terms and elements that have it in common. @param {Node} node @param {Asked} asked @param {Formula} computes @returns {Formula} */
function shared(node, asked, computes) {
  const key = keyOf(node, asked);
  if (!key) return computes;
  return (one) => {
    if (one.reads) return computes(one);
    let remembered = one.memory.get(node);
    if (!remembered) one.memory.set(node, (remembered = new Map()));
    const place = key(one.index);
    const found = remembered.get(place);
    if (found) {
      one.magnitude = found[1];
      return found[0];
    }
    const value = computes(one);
    remembered.set(place, [value, one.magnitude]);
    return value;
  };
}

/** @param {Node} node @param {Asked} asked @returns {Formula} */
function call(node, asked) {
  const { call: name, of: parts } = node;
  if (name in SIZES) {
    const given = parts.map((/** @type {Node} */ argument) => rawOf(argument, asked));
    return (one) => sized(one, SIZES[name](one, ...given.map((/** @type {(asked: Asked) => any} */ each) => each(one))));
  }
  if ((name === "equal" || name === "unequal") && parts.some((/** @type {Node} */ part) => typeof part.constant === "string")) {
    const [first, second] = parts.map((/** @type {Node} */ part) => rawOf(part, asked));
    return (one) => sized(one, Number((first(one) === second(one)) === (name === "equal")));
  }
  const given = parts.map((/** @type {Node} */ argument) => formulaOf(argument, asked));
  if (name === "converted") return given[0];
  const [compute, magnitude] = [FUNCTIONS[name], MAGNITUDES[name]];
  if (!compute) return () => {
    throw new Unknown(name);
  };
  if (given.length > 2) return (one) => sized(one, compute(...given.map((/** @type {Formula} */ each) => each(one))));
  const [first, second] = given;
  return (one) => {
    const x = first(one);
    const ofX = one.magnitude;
    const y = second ? second(one) : NaN;
    const ofY = one.magnitude;
    const value = compute(x, y);
    one.magnitude = magnitude ? magnitude(ofX, ofY, x, y) : Math.abs(value);
    return value;
  };
}

/**
 * Rules evaluated in the page: how an element of an operation's result is computed, for a saved pass without a server.
 *
 * The rules are the data that Python's evaluator reads (`everysum.explain.templates` tells their form); every value goes
 * with its magnitude, the same formula with every term taken without its sign, which says how large rounding may be.
 * What this page has no function for it says, and guesses nothing.
 */

import { real } from "./numbers.js";

/** @typedef {{storage: number, offset: number, size: number[], stride: number[]}} View */
/** @typedef {{time: number, packet: string, name: string, module: string, arguments: Record<string, any>, outputs: (View | null)[], rules: any[] | null, formulas: (string | null)[], kinds: (string | null)[], tolerance: {relative: number, type: string}}} Operation */
/** @typedef {{view: View, time: number, operation: number, output: number, name: string | null, named: View | null}} Write */
/** @typedef {{values: (time: number) => ArrayLike<number>, writes: Write[], origins: {name: string, kind: string, view: View}[]}} Storage */
/** @typedef {{operations: Operation[], storages: Storage[]}} Tape */
/** @typedef {[number, number]} Pair */
/** @typedef {{storage: number, offset: number, time: number}} Place */
/** @typedef {{tape: Tape, operation: Operation, index: number[], captured: Record<string, number[]>, variables: Record<string, number>, results: Record<string, number>, reads: Place[] | null}} Asked */
/** @typedef {any} Node */

/** A rule asks for something that this page does not know. */
export class Unknown extends Error {}

/** @type {Record<string, (...values: number[]) => number>} */
const FUNCTIONS = {
  add: (x, y) => x + y,
  subtract: (x, y) => x - y,
  multiply: (x, y) => x * y,
  divide: (x, y) => x / y,
  floor_divide: (x, y) => Math.floor(x / y),
  remainder: (x, y) => x - y * Math.floor(x / y),
  power: (x, y) => x ** y,
  negative: (x) => -x,
  abs: Math.abs,
  maximum: Math.max,
  minimum: Math.min,
  equal: (x, y) => Number(x === y),
  unequal: (x, y) => Number(x !== y),
  less: (x, y) => Number(x < y),
  at_most: (x, y) => Number(x <= y),
  greater: (x, y) => Number(x > y),
  at_least: (x, y) => Number(x >= y),
  not: (x) => Number(x === 0),
  bitwise_not: (x) => Number(x === 0),
  bitwise_and: (x, y) => x & y,
  bitwise_or: (x, y) => x | y,
  and: (...all) => Number(all.every((x) => x !== 0)),
  or: (...all) => Number(all.some((x) => x !== 0)),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  silu: (x) => x / (1 + Math.exp(-x)),
  relu: (x) => Math.max(x, 0),
  erf,
  rsqrt: (x) => 1 / Math.sqrt(x),
  reciprocal: (x) => 1 / x,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  sqrt: Math.sqrt,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
  isnan: (x) => Number(Number.isNaN(x)),
};

/** How large the numbers were that a result came from. @type {Record<string, (values: number[], sizes: number[]) => number>} */
const MAGNITUDES = {
  add: (_, [a, b]) => a + b,
  subtract: (_, [a, b]) => a + b,
  multiply: (_, [a, b]) => a * b,
  divide: ([, y], [a]) => a / Math.abs(y),
  remainder: (_, [a, b]) => a + b,
  power: ([, y], [a]) => (y > 0 ? a ** y : Infinity),
  negative: (_, [a]) => a,
  abs: (_, [a]) => a,
  relu: (_, [a]) => a,
  maximum: ([x, y], [a, b]) => (x >= y ? a : b),
  minimum: ([x, y], [a, b]) => (x <= y ? a : b),
};

/** The error function, to the last digits: a series near zero, a continued fraction far out. @param {number} x */
function erf(x) {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 2.5) {
    let [term, sum] = [size, size];
    for (let k = 1; Math.abs(term) > 1e-17 * Math.abs(sum) && k < 200; k += 1) {
      term *= (-size * size) / k;
      sum += term / (2 * k + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = size;
  for (let k = 120; k > 0; k -= 1) fraction = size + k / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-size * size) / (fraction * Math.sqrt(Math.PI)));
}

/** @param {any} dim @param {number} rank @returns {number[]} */
function axesOf(dim, rank) {
  if (dim === null || dim === undefined || (Array.isArray(dim) && !dim.length)) return Array.from({ length: rank }, (_, axis) => axis);
  return rank ? (Array.isArray(dim) ? dim : [dim]).map((axis) => (axis + rank) % rank) : [];
}

/** @param {number} place @param {number[]} sizes @returns {number[]} */
function unravel(place, sizes) {
  const found = [];
  let rest = place;
  for (const size of [...sizes].reverse()) {
    found.unshift(rest % Math.max(size, 1));
    rest = Math.floor(rest / Math.max(size, 1));
  }
  return found;
}

/** @param {number[]} sizes */
const product = (sizes) => sizes.reduce((one, other) => one * other, 1);

/** @param {Asked} asked @returns {View} */
const source = ({ operation }) => (operation.arguments.self?.size ? operation.arguments.self : operation.arguments.input);

/** @type {Record<string, (asked: Asked, ...given: any[]) => number[]>} */
const INDICES = {
  replaced(asked, dim, place) {
    if (!asked.index.length) return [];
    const index = [...asked.index];
    index[(dim + index.length) % index.length] = place;
    return index;
  },
  without(asked, dim) {
    return asked.index.filter((_, axis) => axis !== (dim + asked.index.length) % asked.index.length);
  },
  over(asked, dim, keepdim, place) {
    const { size } = source(asked);
    const reduced = axesOf(dim, size.length);
    const inner = unravel(place, reduced.map((axis) => size[axis]));
    const outer = asked.index.filter((_, axis) => !(keepdim && reduced.includes(axis)));
    return size.map((_, axis) => (reduced.includes(axis) ? inner[reduced.indexOf(axis)] : /** @type {number} */ (outer.shift())));
  },
  tail: (asked, shape, place) => [...asked.index.slice(0, asked.index.length - shape.length), ...unravel(place, shape)],
  unraveled: (_, view, first, place) => unravel(place, view.size.slice(first)),
  flipped(asked, dims) {
    const { size } = source(asked);
    const turned = axesOf(dims, size.length);
    return asked.index.map((place, axis) => (turned.includes(axis) ? size[axis] - 1 - place : place));
  },
};
INDICES.chosen = INDICES.over;

/** @param {View[]} views @param {number} dim @returns {number[]} */
function ends(views, dim) {
  let total = 0;
  return views.map(({ size }) => (total += size.length === 1 && size[0] === 0 ? 0 : /** @type {number} */ (size.at(dim))));
}

/** @type {Record<string, (asked: Asked, ...given: any[]) => number>} */
export const SIZES = {
  size: (_, view, dim) => (view.size.length ? view.size.at(dim) : 1),
  rank: (_, view) => view.size.length,
  extent: (_, view, dim) => product(axesOf(dim, view.size.length).map((axis) => view.size[axis])),
  extent_from: (_, view, first) => product(view.size.slice(first)),
  product: (_, sizes) => product(sizes),
  given: (_, value) => Number(value !== null && value !== undefined),
  place: (asked, dim) => asked.index.at(dim) ?? 0,
  piece: (asked, views, dim) => ends(views, dim).findIndex((end) => /** @type {number} */ (asked.index.at(dim)) < end),
  place_in_piece(asked, views, dim) {
    const place = /** @type {number} */ (asked.index.at(dim));
    const all = ends(views, dim);
    const piece = all.findIndex((end) => place < end);
    return place - (piece ? all[piece - 1] : 0);
  },
  correction_of: (_, correction, unbiased) => correction ?? (unbiased === null || unbiased === undefined ? 1 : Number(unbiased)),
  infinity: () => Infinity,
};

/** @param {View} view @param {number} offset @returns {number[] | null} */
export function indexOf(view, offset) {
  let rest = offset - view.offset;
  if (rest < 0 || view.size.some((size) => size === 0)) return null;
  const index = view.size.map(() => 0);
  const axes = index.map((_, axis) => axis).filter((axis) => view.stride[axis] && view.size[axis] > 1);
  for (const axis of axes.sort((one, other) => view.stride[other] - view.stride[one])) {
    index[axis] = Math.floor(rest / view.stride[axis]);
    rest -= index[axis] * view.stride[axis];
    if (index[axis] >= view.size[axis]) return null;
  }
  return rest === 0 ? index : null;
}

/** @param {Tape} tape @param {Place} place @returns {{write: Write, index: number[]} | null} */
export function lastWrite(tape, { storage, offset, time }) {
  for (const write of [...tape.storages[storage].writes].reverse()) {
    const index = write.time < time ? indexOf(write.view, offset) : null;
    if (index) return { write, index };
  }
  return null;
}

/** @param {Tape} tape @param {Place} place */
export function valueAt(tape, { storage, offset, time }) {
  return tape.storages[storage].values(time)[offset];
}

/** An element's rule, ready to be evaluated; null where there is none. @param {Tape} tape @param {Operation} operation @param {number} output @param {number[]} index @returns {{asked: Asked, node: Node} | null} */
export function ruleFor(tape, operation, output, index) {
  const statement = operation.rules?.[output];
  if (!statement) return null;
  /** @type {Asked} */
  const asked = { tape, operation, index, captured: {}, variables: {}, results: {}, reads: null };
  operation.rules?.forEach((line, number) => (asked.results[line.result] = number));
  const rest = [...index];
  const pattern = statement.index;
  pattern.forEach((/** @type {any} */ item, /** @type {number} */ at) => {
    if ("captured" in item) {
      const later = pattern.slice(at + 1).filter((/** @type {any} */ other) => "variable" in other).length;
      asked.captured[item.captured] = rest.splice(0, rest.length - later);
    } else if ("variable" in item) asked.variables[item.variable] = /** @type {number} */ (rest.shift());
  });
  return { asked, node: statement.value };
}

/** @param {Node} node @param {Asked} asked @returns {Pair} */
export function evaluate(node, asked) {
  if ("read" in node) return read(node, asked);
  if ("name" in node) return evaluate(node.of, asked);
  if ("constant" in node || "argument" in node || "variable" in node) {
    const value = scalar(raw(node, asked)) ?? NaN;
    return [value, Math.abs(value)];
  }
  if ("reduce" in node) return reduced(node, asked);
  if ("choose" in node) return evaluate(evaluate(node.choose, asked)[0] !== 0 ? node.then : node.else, asked);
  return call(node, asked);
}

/** @param {Node} node @param {Asked} asked @returns {any} */
export function raw(node, asked) {
  if ("constant" in node) return node.constant;
  if ("argument" in node) return node.argument === "nan" ? NaN : asked.operation.arguments[node.argument];
  if ("variable" in node) return asked.variables[node.variable] ?? asked.operation.arguments[node.variable];
  return evaluate(node, asked)[0];
}

/** @param {Node} node @param {Asked} asked @returns {Pair} */
function read(node, asked) {
  const { operation } = asked;
  const own = !(node.read in operation.arguments);
  let view = own ? operation.outputs[asked.results[node.read]] : operation.arguments[node.read];
  const plain = scalar(view);
  if (plain !== null) return [plain, Math.abs(plain)];
  if ("piece" in node) view = view[evaluate(node.piece, asked)[0]];
  if (!view?.size) throw new Unknown(`${node.read} of ${operation.name}`);
  const spots = node.at.flatMap((/** @type {Node} */ item) => indices(item, asked));
  const aligned = view.size.length ? spots.slice(spots.length - view.size.length) : [];
  const offset = view.offset + aligned.reduce((/** @type {number} */ total, /** @type {number} */ place, /** @type {number} */ axis) => total + (view.size[axis] === 1 ? 0 : place * view.stride[axis]), 0);
  const place = { storage: view.storage, offset, time: operation.time + Number(own) };
  asked.reads?.push(place);
  const value = valueAt(asked.tape, place);
  return [value, Math.abs(value)];
}

/** An argument that is a plain number; null for anything else. Infinities come as texts. @param {any} value @returns {number | null} */
export function scalar(value) {
  if (typeof value === "number" || typeof value === "boolean") return Number(value);
  return typeof value === "string" && ["inf", "-inf", "nan"].includes(value) ? real(value) : null;
}

/** @param {Node} item @param {Asked} asked @returns {number[]} */
function indices(item, asked) {
  if ("all" in item) return asked.index;
  if ("captured" in item) return asked.captured[item.captured];
  if (!("indices" in item)) return [Number(raw(item, asked))];
  const find = INDICES[item.indices];
  if (!find) throw new Unknown(item.indices);
  return find(asked, ...item.of.map((/** @type {Node} */ argument) => raw(argument, asked)));
}

/** @param {Asked} asked @param {string} name @param {number} place @returns {Asked} */
export function withVariable(asked, name, place) {
  return { ...asked, variables: { ...asked.variables, [name]: place } };
}

/** What a reduction of nothing gives. @type {Record<string, Pair>} */
const EMPTY = { sum: [0, 0], prod: [1, 1], max: [-Infinity, Infinity], min: [Infinity, Infinity], any: [0, 0], all: [1, 1] };

/** @param {Node} node @param {Asked} asked @returns {Pair} */
function reduced(node, asked) {
  const count = evaluate(node.count, asked)[0];
  let total = EMPTY[node.reduce] ?? [NaN, NaN];
  for (let place = 0; place < count; place += 1) {
    const [value, size] = evaluate(node.of, withVariable(asked, node.over, place));
    if (node.reduce === "sum") total = [total[0] + value, total[1] + size];
    else if (node.reduce === "prod") total = [total[0] * value, total[1] * size];
    else if (node.reduce === "max" && value > total[0]) total = [value, size];
    else if (node.reduce === "min" && value < total[0]) total = [value, size];
    else if (node.reduce === "any" && value !== 0) total = [1, 1];
    else if (node.reduce === "all" && value === 0) total = [0, 0];
  }
  return total;
}

/** @param {Node} node @param {Asked} asked @returns {Pair} */
function call(node, asked) {
  const name = node.call;
  if (name in SIZES) {
    const value = SIZES[name](asked, ...node.of.map((/** @type {Node} */ argument) => raw(argument, asked)));
    return [value, Math.abs(value)];
  }
  if ((name === "equal" || name === "unequal") && node.of.some((/** @type {Node} */ part) => "constant" in part && typeof part.constant === "string")) {
    const [one, other] = node.of.map((/** @type {Node} */ part) => raw(part, asked));
    const value = Number((one === other) === (name === "equal"));
    return [value, value];
  }
  /** @type {Pair[]} */
  const pairs = node.of.map((/** @type {Node} */ argument) => evaluate(argument, asked));
  if (name === "converted") return pairs[0];
  const compute = FUNCTIONS[name];
  if (!compute) throw new Unknown(name);
  const values = pairs.map(([value]) => value);
  const value = compute(...values);
  return [value, MAGNITUDES[name]?.(values, pairs.map(([, size]) => size)) ?? Math.abs(value)];
}

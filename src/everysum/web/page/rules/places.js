/** Places that rules speak of: indices that a function gives, sizes of axes, and on which places of an element each depends. */

/** @typedef {import("./tape.js").View} View */
/** @typedef {import("./asked.js").Asked} Asked */

/** @param {any} dim @param {number} rank @returns {number[]} */
function axesOf(dim, rank) {
  if (dim === null || dim === undefined || (Array.isArray(dim) && !dim.length)) return Array.from({ length: rank }, (_, axis) => axis);
  return rank ? (Array.isArray(dim) ? dim : [dim]).map((axis) => (axis + rank) % rank) : [];
}

/** @param {number} place @param {number[]} sizes @returns {number[]} */
function unravel(place, sizes) {
  const found = sizes.map(() => 0);
  let rest = place;
  for (let axis = sizes.length - 1; axis >= 0; axis -= 1) {
    const size = Math.max(sizes[axis], 1);
    found[axis] = rest % size;
    rest = Math.floor(rest / size);
  }
  return found;
}

/** @param {number[]} sizes */
const product = (sizes) => sizes.reduce((one, other) => one * other, 1);

/** @param {Asked} asked @returns {View} */
const source = ({ operation }) => (operation.arguments.self?.size ? operation.arguments.self : operation.arguments.input);

/** @type {Record<string, (asked: Asked, ...given: any[]) => number[]>} */
export const INDICES = {
  replaced(asked, dim, place) {
    if (!asked.index.length) return [];
    const index = asked.index.slice();
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

/**
 * The places of an element's own index that do not matter to what an index function gives: for all others every place may.
 * @type {Record<string, (rank: number, ...given: any[]) => number[]>}
 */
export const IRRELEVANT = {
  replaced: (rank, dim) => axesOf(dim, rank),
  without: (rank, dim) => axesOf(dim, rank),
  tail: (rank, shape) => Array.from({ length: rank }, (_, axis) => axis).slice(rank - shape.length),
  unraveled: (rank) => Array.from({ length: rank }, (_, axis) => axis),
};

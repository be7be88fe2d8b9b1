/** Sums, products, the largest, …: what each makes of a row of values, with their magnitudes. */

/** @typedef {import("./asked.js").Pair} Pair */

/** What a reduction of nothing gives. @type {Record<string, Pair>} */
export const EMPTY = { sum: [0, 0], prod: [1, 1], max: [-Infinity, Infinity], min: [Infinity, Infinity], any: [0, 0], all: [1, 1] };

/** How a reduction takes in one value more; not a number stays what it is. @type {Record<string, (total: Pair, value: number, size: number) => void>} */
export const TAKE = {
  sum(total, value, size) {
    total[0] += value;
    total[1] += size;
  },
  prod(total, value, size) {
    total[0] *= value;
    total[1] *= size;
  },
  max(total, value, size) {
    if (!Number.isNaN(total[0]) && !(value <= total[0])) [total[0], total[1]] = [value, size];
  },
  min(total, value, size) {
    if (!Number.isNaN(total[0]) && !(value >= total[0])) [total[0], total[1]] = [value, size];
  },
  any(total, value) {
    if (value !== 0) [total[0], total[1]] = [1, 1];
  },
  all(total, value) {
    if (value === 0) [total[0], total[1]] = [0, 0];
  },
};

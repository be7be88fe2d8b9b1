/** The functions that rules use, and how large the numbers were that a result came from. */

/** @type {Record<string, (...values: number[]) => number>} */
export const FUNCTIONS = {
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

/**
 * The magnitude of a result from those of x and y, and from x and y: of everything else it is the result without its sign.
 * @type {Record<string, (ofX: number, ofY: number, x: number, y: number) => number>}
 */
export const MAGNITUDES = {
  add: (ofX, ofY) => ofX + ofY,
  subtract: (ofX, ofY) => ofX + ofY,
  multiply: (ofX, ofY) => ofX * ofY,
  divide: (ofX, _ofY, _x, y) => ofX / Math.abs(y),
  remainder: (ofX, ofY) => ofX + ofY,
  power: (ofX, _ofY, _x, y) => (y > 0 ? ofX ** y : Infinity),
  negative: (ofX) => ofX,
  abs: (ofX) => ofX,
  relu: (ofX) => ofX,
  maximum: (ofX, ofY, x, y) => (x >= y ? ofX : ofY),
  minimum: (ofX, ofY, x, y) => (x <= y ? ofX : ofY),
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

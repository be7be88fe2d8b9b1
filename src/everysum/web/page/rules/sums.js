/** Sums of products of elements that lie at even distances, which is what a matrix product is: nearly all work of a pass. */

/** @typedef {import("./asked.js").Asked} Asked */
/** @typedef {import("./asked.js").Node} Node */
/** @typedef {import("./tape.js").View} View */

/**
 * The sum over a variable as one loop over two storages; null where the terms are anything else.
 * @param {Node} term
 * @param {string} over
 * @param {Asked} asked
 * @returns {((asked: Asked, count: number) => number) | null}
 */
export function sumOfProducts(term, over, asked) {
  if (term.call !== "multiply") return null;
  const [first, second] = term.of.map((/** @type {Node} */ part) => line(part, over, asked));
  if (!first || !second) return null;
  const { time } = asked.operation;
  return (one, count) => {
    const [a, b] = [one.tape.storages[first.storage].values(time), one.tape.storages[second.storage].values(time)];
    const [stepA, stepB] = [first.step, second.step];
    let inA = first.start(one);
    let inB = second.start(one);
    let total = 0;
    let size = 0;
    for (let place = 0; place < count; place += 1) {
      const product = a[inA] * b[inB];
      total += product;
      size += Math.abs(product);
      inA += stepA;
      inB += stepB;
    }
    one.magnitude = size;
    return total;
  };
}

/**
 * The elements that a read goes through as the variable runs: where it begins, and how far it goes at each step.
 * @param {Node} node
 * @param {string} over
 * @param {Asked} asked
 */
function line(node, over, asked) {
  /** @type {View | undefined} */
  const view = asked.operation.arguments[node.read];
  const simple = "read" in node && !("piece" in node) && node.at.every((/** @type {Node} */ item) => "variable" in item);
  if (!simple || !view?.size || view.size.length !== node.at.length) return null;
  let step = 0;
  /** @type {{variable: string, stride: number}[]} */
  const fixed = [];
  node.at.forEach((/** @type {{variable: string}} */ { variable }, /** @type {number} */ axis) => {
    const stride = view.size[axis] === 1 ? 0 : view.stride[axis];
    if (variable === over) step += stride;
    else if (stride) fixed.push({ variable, stride });
  });
  const start = (/** @type {Asked} */ { variables }) => fixed.reduce((offset, { variable, stride }) => offset + variables[variable] * stride, view.offset);
  return { storage: view.storage, step, start };
}

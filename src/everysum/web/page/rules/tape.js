/** What a saved pass recorded: its operations in order, and the storages that they read and wrote. */

/** @typedef {{storage: number, offset: number, size: number[], stride: number[]}} View */
/**
 * @typedef {object} Operation
 * @property {number} time its place in the pass
 * @property {string} packet
 * @property {string} name
 * @property {string} module
 * @property {Record<string, any>} arguments a `View` for every tensor
 * @property {(View | null)[]} outputs
 * @property {any[] | null} rules a line for each result; null where there is no rule that holds
 * @property {(string | null)[]} formulas
 * @property {{relative: number, type: string}} tolerance
 * @property {boolean} held whether its results stay as they were when what it reads is changed: random draws
 */
/** @typedef {{view: View, time: number, operation: number, output: number, type: string, name: string | null, named: View | null}} Write */
/** @typedef {ArrayLike<number> & Iterable<number>} Row the numbers of a storage, in the order in which they lie */
/** @typedef {{values: (time: number) => Row, type: string, writes: Write[], origins: {name: string, kind: string, view: View}[]}} Storage */
/** @typedef {{operations: Operation[], storages: Storage[]}} Tape */
/** @typedef {{storage: number, offset: number, time: number}} Place a number: where it lies, just before the operation at this time */

/** The index of the element that lies at this offset; null where the view does not cover it. @param {View} view @param {number} offset @returns {number[] | null} */
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

/**
 * Every element of a view in order, with the offset at which it lies. The index is one array, which changes.
 * @param {View} view
 * @returns {Generator<{index: number[], offset: number}>}
 */
export function* elementsOf({ offset, size, stride }) {
  if (size.includes(0)) return;
  const element = { index: size.map(() => 0), offset };
  for (;;) {
    yield element;
    let axis = size.length - 1;
    for (; axis >= 0; axis -= 1) {
      element.index[axis] += 1;
      element.offset += stride[axis];
      if (element.index[axis] < size[axis]) break;
      element.offset -= element.index[axis] * stride[axis];
      element.index[axis] = 0;
    }
    if (axis < 0) return;
  }
}

/** What put a number there, and its index in that result. @param {Tape} tape @param {Place} place @returns {{write: Write, index: number[]} | null} */
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

/** The tensors that an operation reads, those in lists too. @param {Operation} operation @returns {View[]} */
export function inputsOf(operation) {
  return Object.values(operation.arguments).flat().filter((value) => value !== null && typeof value === "object" && "stride" in value);
}

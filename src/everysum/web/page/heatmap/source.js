/** Where a heat map's numbers come from: held whole, or fetched for the part that is looked at. */

/**
 * @typedef {object} Part a rectangle of a matrix, every `step`-th block of it one number
 * @property {number} row
 * @property {number} column
 * @property {number} rows cells in it, not blocks
 * @property {number} columns
 * @property {number} step
 */
/** @typedef {Part & {values: Float32Array}} Read */
/**
 * @typedef {object} Source
 * @property {number} rows
 * @property {number} columns
 * @property {number} low the smallest number in the whole matrix
 * @property {number} high
 * @property {(part: Part, signal: AbortSignal) => Read | Promise<Read>} read
 */
/** @typedef {import("./viewport.js").Viewport} Viewport */

/** So many numbers are fetched at once, whatever part of them is looked at. */
const MOST_AT_ONCE = 1 << 20;

/**
 * A source that holds all its numbers.
 * @param {ArrayLike<number>} values row by row
 * @param {number} rows
 * @param {number} columns
 * @returns {Source}
 */
export function held(values, rows, columns) {
  const all = values instanceof Float32Array ? values : Float32Array.from(values);
  let [low, high] = [Infinity, -Infinity];
  for (const value of all) {
    if (value < low && value !== -Infinity) low = value;
    if (value > high && value !== Infinity) high = value;
  }
  if (low > high) [low, high] = [0, 0];
  return { rows, columns, low, high, read: () => ({ row: 0, column: 0, rows, columns, step: 1, values: all }) };
}

/**
 * Reads what a viewport shows, with a margin to move in; of several readings under way only the newest counts.
 * @param {Source} source
 * @param {Viewport} viewport
 * @param {{came: (read: Read) => void, failed: () => void}} does
 */
export function reader(source, viewport, { came, failed }) {
  /** @type {Read | null} */
  let last = null;
  let asking = new AbortController();

  /** @param {Read} read */
  function take(read) {
    last = read;
    came(read);
  }

  return {
    load() {
      if (!viewport.width || (last && covers(last, viewport, source))) return;
      asking.abort();
      asking = new AbortController();
      const { signal } = asking;
      const read = source.read(wanted(viewport, source), signal);
      if (read instanceof Promise) read.then((got) => signal.aborted || take(got), () => signal.aborted || failed());
      else take(read);
    },
    forget() {
      last = null;
    },
    /** A number that has been read; undefined for one that has not. @param {number} row @param {number} column */
    at(row, column) {
      if (!last || last.step !== 1) return undefined;
      const [inRow, inColumn] = [row - last.row, column - last.column];
      if (inRow < 0 || inColumn < 0 || inRow >= last.rows || inColumn >= last.columns) return undefined;
      return last.values[inRow * last.columns + inColumn];
    },
  };
}

/** The step at which no two numbers would fall on one point. @param {Viewport} viewport */
function stepOf({ scale }) {
  return Math.max(1, Math.floor(1 / scale));
}

/** @param {Viewport} viewport @param {Source} source @returns {Part} */
function wanted(viewport, source) {
  if (source.rows * source.columns <= MOST_AT_ONCE) return { row: 0, column: 0, rows: source.rows, columns: source.columns, step: 1 };
  const step = stepOf(viewport);
  const seen = viewport.seen();
  const row = Math.max(0, Math.floor((viewport.row - seen.rows / 2) / step) * step);
  const column = Math.max(0, Math.floor((viewport.column - seen.columns / 2) / step) * step);
  return { row, column, rows: Math.min(source.rows - row, Math.ceil(seen.rows * 2)), columns: Math.min(source.columns - column, Math.ceil(seen.columns * 2)), step };
}

/** @param {Read} part @param {Viewport} viewport @param {Source} source */
function covers(part, viewport, source) {
  if (part.step > stepOf(viewport)) return false;
  const seen = viewport.seen();
  const bottom = Math.min(source.rows, viewport.row + seen.rows);
  const right = Math.min(source.columns, viewport.column + seen.columns);
  const holds = part.row <= viewport.row && part.column <= viewport.column;
  return holds && part.row + part.rows >= bottom - 1e-6 && part.column + part.columns >= right - 1e-6;
}

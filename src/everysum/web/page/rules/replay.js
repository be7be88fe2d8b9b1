/**
 * A saved pass carried out once more with a number changed: what differs, and by how much.
 *
 * Only operations that read something changed are computed anew, by their rules in float64, each of their numbers twice:
 * with the change and without, and rounded as the pass rounded. Where that makes no difference the recorded number stays
 * to the last bit; where it does, the recorded number moves by the difference. So what moves here is what the change
 * moves, and never the distance between this page's rounding and that of the kernels which made the pass.
 */

import { aim, ruleFor } from "./asked.js";
import { formulaOf } from "./evaluate.js";
import { elementsOf, inputsOf, lastWrite } from "./tape.js";
import { isReal, keptIn } from "./types.js";

/** @typedef {import("./tape.js").Operation} Operation */
/** @typedef {import("./tape.js").Place} Place */
/** @typedef {import("./tape.js").Row} Row */
/** @typedef {import("./tape.js").Tape} Tape */
/** @typedef {import("./tape.js").Write} Write */
/** @typedef {{write: Write, storage: number}} Made what an operation wrote, and where */
/** @typedef {{tape: Tape, moved: Made[], held: Operation[]}} Replayed `tape` has the numbers as they are now, `moved` what of it differs */

/** An operation whose results have no rule here: what follows a change cannot be told. */
export class Unruled extends Error {}

/** So many elements are computed between two looks at the clock. */
const BETWEEN_LOOKS = 64;

/**
 * @param {Tape} tape
 * @param {Place} place the number that is changed
 * @param {number} value
 * @param {(share: number) => Promise<void>} pause called every few milliseconds with how far it is, from 0 to 1
 * @returns {Promise<Replayed>}
 */
export async function replayed(tape, place, value, pause) {
  const now = changeable(tape);
  const made = writesOf(tape);
  const write = lastWrite(tape, place)?.write;
  const time = write?.time ?? -1;
  const changed = copyOf(tape.storages[place.storage].values(time + 1));
  changed[place.offset] = keptIn(write?.type ?? tape.storages[place.storage].type)(value);
  now.put(place.storage, time, changed);
  /** @type {Made[]} */
  const moved = [];
  /** @type {Operation[]} */
  const held = [];
  for (const operation of tape.operations.slice(time + 1)) {
    if (!inputsOf(operation).some(({ storage }) => now.differs(storage))) continue;
    if (operation.held) held.push(operation);
    for (const each of made.get(operation.time) ?? []) {
      const row = await rewritten(tape, now, operation, each, (share) => pause((operation.time + share) / tape.operations.length));
      if (!row) continue;
      now.put(each.storage, operation.time, row);
      moved.push(each);
    }
  }
  return { tape: now.tape, moved, held };
}

/** The tape with storages that can be given other numbers from a time on. @param {Tape} tape */
function changeable({ operations, storages }) {
  /** @type {Map<number, {time: number, row: Row}[]>} */
  const history = new Map();
  return {
    tape: {
      operations,
      storages: storages.map((storage, number) => ({
        ...storage,
        values: (/** @type {number} */ time) => history.get(number)?.findLast((entry) => entry.time < time)?.row ?? storage.values(time),
      })),
    },
    /** @param {number} storage */
    differs: (storage) => history.has(storage),
    /** @param {number} storage @param {number} time @param {Row} row */
    put(storage, time, row) {
      history.set(storage, [...(history.get(storage) ?? []), { time, row }]);
    },
  };
}

/** What each operation wrote, by its time. @param {Tape} tape */
function writesOf(tape) {
  /** @type {Map<number, Made[]>} */
  const found = new Map();
  tape.storages.forEach(({ writes }, storage) => {
    for (const write of writes) found.set(write.operation, [...(found.get(write.operation) ?? []), { write, storage }]);
  });
  for (const made of found.values()) made.sort((one, other) => one.write.output - other.write.output);
  return found;
}

/** Whether two numbers are equal, or both none. @param {number} one @param {number} other */
export function same(one, other) {
  return one === other || (Number.isNaN(one) && Number.isNaN(other));
}

/** A row of numbers that can be changed. @param {Row} row @returns {Float32Array | Float64Array} */
function copyOf(row) {
  return row instanceof Float32Array ? row.slice() : Float64Array.from(row);
}

/**
 * A storage as an operation leaves it now; null where it leaves it as it did.
 * @param {Tape} tape
 * @param {ReturnType<typeof changeable>} now
 * @param {Operation} operation
 * @param {Made} made
 * @param {(share: number) => Promise<void>} pause
 * @returns {Promise<Row | null>}
 */
async function rewritten(tape, now, operation, { write, storage }, pause) {
  const recorded = tape.storages[storage].values(operation.time + 1);
  // places that this write leaves alone may have been changed before
  const row = now.differs(storage) ? copyOf(now.tape.storages[storage].values(operation.time)) : copyOf(recorded);
  const [after, before] = [now.tape, tape].map((each) => elementFormula(each, operation, write));
  const [kept, real] = [keptIn(write.type), isReal(write.type)];
  const count = write.view.size.reduce((one, other) => one * other, 1);
  let done = 0;
  let differs = now.differs(storage);
  for (const { index, offset } of elementsOf(write.view)) {
    const own = recorded[offset];
    row[offset] = own;
    if (after && before) {
      const [value, was] = [kept(after(index)), kept(before(index))];
      if (!same(value, was)) {
        const difference = value - was;
        row[offset] = kept(real && Number.isFinite(difference) ? own + difference : value);
        differs ||= !same(row[offset], own);
      }
    }
    done += 1;
    if (done % BETWEEN_LOOKS === 0) await pause(done / count);
  }
  return differs ? row : null;
}

/** The value of an element by its rule; null for what stays as it was drawn. @param {Tape} tape @param {Operation} operation @param {Write} write @returns {((index: number[]) => number) | null} */
function elementFormula(tape, operation, { output, view }) {
  if (operation.held) return null;
  const rule = ruleFor(tape, operation, output, view.size.map(() => 0));
  if (!rule) throw new Unruled(`${operation.name}${operation.module ? ` in ${operation.module}` : ""}`);
  const { asked, node } = rule;
  const compute = formulaOf(node, asked);
  const pattern = operation.rules?.[output].index;
  return (index) => {
    aim(asked, pattern, index);
    return compute(asked);
  };
}

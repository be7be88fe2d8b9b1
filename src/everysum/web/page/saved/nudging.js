/** A number of a saved pass changed in the page: what moves, and the predictions before and after. */

import { Outside, Unknown } from "../rules/asked.js";
import { replayed, same, Unruled } from "../rules/replay.js";
import { elementsOf, lastWrite } from "../rules/tape.js";
import { isReal } from "../rules/types.js";
import { numberAt, title } from "./explaining.js";
import { refuse } from "./pass.js";
import { predictions } from "./tensors.js";

/** @typedef {import("../rules/replay.js").Made} Made */
/** @typedef {import("../rules/tape.js").Tape} Tape */
/** @typedef {import("./pass.js").SavedPass} SavedPass */
/** @typedef {import("../inspect/nudge.js").Difference} Difference */

const MOST_DIFFERENCES = 200;
const INSTEAD = "everysum explain MODEL PROMPT --nudge 'NUMBER=VALUE' runs the network itself";
/** Milliseconds of computing after which the page gets to breathe. */
const AT_ONCE = 12;

/**
 * @param {SavedPass} pass
 * @param {import("../inspect/explanation.js").Where & {value: number, position: number, temperature: number}} wanted
 * @param {import("../server.js").Listener} listener
 * @returns {Promise<import("../inspect/nudge.js").Nudged>}
 */
export async function nudge(pass, { value, position, temperature, ...where }, { signal, heard }) {
  const number = numberAt(pass, where);
  if ("node" in number) return refuse(`${title(pass, number)} stands in no tensor of the pass: it is a part of a formula, and cannot be changed`, "change one of its terms");
  const { tape } = pass;
  const type = lastWrite(tape, number)?.write.type ?? tape.storages[number.storage].type;
  if (!isReal(type) && !Number.isInteger(value)) return refuse(`${title(pass, number)} is a whole number (${type})`, "change it to a whole number");
  let breathed = performance.now();
  const pause = async (/** @type {number} */ share) => {
    if (performance.now() - breathed < AT_ONCE) return;
    heard({ progress: share, said: "computing the pass again from its rules" });
    await new Promise((done) => setTimeout(done));
    signal.throwIfAborted();
    breathed = performance.now();
  };
  try {
    const after = await replayed(tape, number, value, pause);
    const differences = after.moved.flatMap((made) => differenceIn(pass.tape, after.tape, made) ?? []);
    return {
      before: predictions(pass, { position, temperature }),
      after: predictions({ ...pass, tape: after.tape }, { position, temperature }),
      changes: [{ number: title(pass, number), before: tape.storages[number.storage].values(number.time)[number.offset], after: value }],
      differences: differences.slice(0, MOST_DIFFERENCES),
      differences_in_all: differences.length,
      held: after.held.map(({ name, module }) => (module ? `${name} in ${module}` : name)),
    };
  } catch (problem) {
    if (problem instanceof Outside) return refuse(`with this change the pass cannot go on: ${problem.message}`);
    if (problem instanceof Unknown || problem instanceof Unruled) return refuse(`this page cannot tell what this change moves: it has no rule for ${problem.message}`, INSTEAD);
    throw problem;
  }
}

/** A tensor that came out differently: in how many numbers, and where most. @param {Tape} before @param {Tape} after @param {Made} made @returns {Difference | null} */
function differenceIn(before, after, { write, storage }) {
  const { module, packet } = before.operations[write.operation];
  const view = write.named ?? write.view;
  const [was, is] = [before, after].map((tape) => tape.storages[storage].values(write.time + 1));
  /** @type {Difference} */
  const found = { tensor: write.name ?? `${module ? `${module}.` : ""}${packet}${write.output ? `.${write.output}` : ""}`, numbers: 0, changed: 0, largest_at: [], before: NaN, after: NaN };
  let largest = -1;
  for (const { index, offset } of elementsOf(view)) {
    found.numbers += 1;
    if (same(was[offset], is[offset])) continue;
    found.changed += 1;
    const distance = Math.abs(is[offset] - was[offset]);
    const size = Number.isNaN(distance) ? Infinity : distance;
    if (size <= largest) continue;
    largest = size;
    Object.assign(found, { largest_at: [...index], before: was[offset], after: is[offset] });
  }
  return found.changed ? found : null;
}

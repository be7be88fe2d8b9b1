/** The sum behind a number of a saved pass, from the numbers in the file and the rules beside them. */

import { ruleFor, Unknown } from "../rules/asked.js";
import { evaluate } from "../rules/evaluate.js";
import { indexOf, lastWrite, valueAt } from "../rules/tape.js";
import { factorsOf, isSum, readsOf, settled, termsOfSum, written } from "../rules/terms.js";
import { refuse } from "./pass.js";

/** @typedef {import("../rules/tape.js").Place} Place */
/** @typedef {import("../rules/terms.js").Part} Part */
/** @typedef {import("./pass.js").SavedPass} SavedPass */
/** @typedef {Place | Part} Number_ a number that was recorded, or a part of a formula */
/** @typedef {import("../inspect/explanation.js").Where} Where */

/** A recorded number, or a part that does nothing but read one, as that number. @param {Number_} number @returns {Number_} */
function plain(number) {
  if (!("node" in number) || number.factor !== 1) return number;
  const node = settled(number.node, number.asked);
  return "read" in node ? (readsOf(node, number.asked).at(-1) ?? number) : number;
}

/** @param {SavedPass} pass @param {Number_} number */
function valueOf({ tape }, number) {
  return "node" in number ? evaluate(number.node, number.asked)[0] * number.factor : valueAt(tape, number);
}

/** What a number is made of, the largest first where it is a sum. @param {SavedPass} pass @param {Number_} number @returns {Number_[]} */
function termsOf(pass, number) {
  const part = "node" in number ? number : partOf(pass, number);
  if (!part) return [];
  if (isSum(part.node, part.asked)) {
    const terms = termsOfSum(part).map((term) => ({ term, size: Math.abs(valueOf(pass, term)) }));
    return terms.sort((one, other) => other.size - one.size).map(({ term }) => plain(term));
  }
  const node = settled(part.node, part.asked);
  if ("read" in node && part.factor === 1) return readsOf(node, part.asked).reverse();
  if ("reduce" in node) return termsOfSum({ ...part, node: { ...node, reduce: "sum" } }).map(plain);
  return factorsOf(part).map(plain);
}

/** A recorded number's rule; null where it has none. @param {SavedPass} pass @param {Place} place @returns {Part | null} */
function partOf({ tape }, place) {
  const found = lastWrite(tape, place);
  const rule = found && ruleFor(tape, tape.operations[found.write.operation], found.write.output, found.index);
  return rule ? { ...rule, factor: 1 } : null;
}

/** @param {SavedPass} pass @param {Number_} number */
export function title({ nameOf }, number) {
  return "node" in number ? written(number, nameOf) : nameOf(number);
}

/** A number by its place in a tensor, and the way through terms from there. @param {SavedPass} pass @param {Where} where @returns {Number_} */
export function numberAt(pass, { tensor, index, way }) {
  /** @type {Number_} */
  let number = pass.placeIn(pass.tensor(tensor), index);
  for (const step of way) number = termsOf(pass, number)[step] ?? refuse("there is no such term");
  return number;
}

/** @param {SavedPass} pass @param {Where & {shown: number}} where */
export function explain(pass, { shown, ...where }) {
  const { tape } = pass;
  const number = numberAt(pass, where);
  const found = "node" in number ? null : lastWrite(tape, number);
  const operation = found && tape.operations[found.write.operation];
  const value = valueOf(pass, number);
  const base = { name: title(pass, number), value, rerun: false, tolerance: operation?.tolerance ?? { relative: 0, type: "" } };
  const nothing = { recomputed: null, difference: null, agrees: true, magnitude: Math.abs(value), terms: [], terms_in_all: 0, rest: { count: 0, sum: 0 } };
  try {
    const part = "node" in number ? number : partOf(pass, number);
    const kind = part ? (isSum(part.node, part.asked) ? "sum" : "formula") : "given";
    if (!part) return { ...base, ...nothing, kind, formula: "", made_by: operation ? `${operation.name}: this file has no rule for it` : given(pass, /** @type {Place} */ (number)) };
    const [recomputed, magnitude] = evaluate(part.node, part.asked).map((each) => each * part.factor);
    const terms = termsOf(pass, number);
    const rest = terms.slice(shown).map((term) => valueOf(pass, term));
    const formula = (found && operation?.formulas[found.write.output]) ?? "";
    const made = kind === "sum" ? `the sum of ${terms.length.toLocaleString("en")} terms: ` : "";
    const difference = Object.is(recomputed, value) ? 0 : recomputed - value;
    return {
      ...base,
      kind,
      formula,
      made_by: `${made}${formula || base.name}${operation ? `  [${operation.name}${operation.module ? ` in ${operation.module}` : ""}]` : ""}`,
      recomputed,
      difference,
      agrees: !operation || Number.isNaN(difference) || Math.abs(difference) <= operation.tolerance.relative * Math.abs(magnitude) + 1e-30,
      magnitude: Math.abs(magnitude),
      terms: terms.slice(0, shown).map((term, place) => brief(pass, term, [place])),
      terms_in_all: terms.length,
      rest: { count: rest.length, sum: rest.reduce((total, each) => total + each, 0) },
    };
  } catch (problem) {
    if (!(problem instanceof Unknown)) throw problem;
    return { ...base, ...nothing, kind: "opaque", formula: "", made_by: `${operation?.name}: this page cannot evaluate its rule (${problem.message}); everysum explain can` };
  }
}

/** @param {SavedPass} pass @param {Number_} number @param {number[]} way */
function named(pass, number, way) {
  return { name: title(pass, number), value: valueOf(pass, number), way, asks: !("node" in number && "constant" in number.node) };
}

/** A term in a line: a product by its factors, anything else by its name. @param {SavedPass} pass @param {Number_} number @param {number[]} way */
function brief(pass, number, way) {
  if ("node" in number && !isSum(number.node, number.asked) && (settled(number.node, number.asked).call === "multiply" || number.factor !== 1)) {
    const factors = factorsOf(number).map(plain);
    return { value: valueOf(pass, number), way, factors: factors.map((factor, place) => named(pass, factor, [...way, place])) };
  }
  return named(pass, number, way);
}

/** @param {SavedPass} pass @param {Place} place */
function given({ tape }, { storage, offset }) {
  const origin = tape.storages[storage].origins.find(({ view }) => indexOf(view, offset));
  return origin ? `${origin.kind === "input" ? "an" : "a"} ${origin.kind}` : "a constant of the program";
}

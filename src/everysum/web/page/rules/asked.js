/** An element of an operation's result that is asked for, with what its rule needs to be evaluated. */

/** @typedef {import("./tape.js").Tape} Tape */
/** @typedef {import("./tape.js").Operation} Operation */
/** @typedef {import("./tape.js").Place} Place */
/** @typedef {any} Node */
/** @typedef {[number, number]} Pair a value and its magnitude */
/**
 * @typedef {object} Asked an element of a result, and everything needed to compute it
 * @property {Tape} tape
 * @property {Operation} operation
 * @property {number[]} index
 * @property {Record<string, number[]>} captured
 * @property {Record<string, number>} variables
 * @property {Record<string, number>} results the operation's results by the rule's names for them
 * @property {Place[] | null} reads where a list stands here, every number that is read is noted in it
 * @property {number} magnitude of what was evaluated last
 * @property {Map<Node, Map<number, Pair>>} memory sums that several elements, or several terms of one, have in common
 */

/** A rule asks for something that this page does not know. */
export class Unknown extends Error {}

/** A formula reads beyond the end of a tensor: with a changed index, of a row that there is not. */
export class Outside extends Error {}

/** An element's rule, ready to be evaluated; null where there is none. @param {Tape} tape @param {Operation} operation @param {number} output @param {number[]} index @returns {{asked: Asked, node: Node} | null} */
export function ruleFor(tape, operation, output, index) {
  const statement = operation.rules?.[output];
  if (!statement) return null;
  /** @type {Asked} */
  const asked = { tape, operation, index, captured: {}, variables: {}, results: {}, reads: null, magnitude: 0, memory: new Map() };
  operation.rules?.forEach((line, number) => (asked.results[line.result] = number));
  aim(asked, statement.index, index);
  return { asked, node: statement.value };
}

/** Ask for another element of the same result: the names in the rule's pattern get their meaning. @param {Asked} asked @param {any[]} pattern @param {number[]} index */
export function aim(asked, pattern, index) {
  asked.index = index;
  let from = 0;
  pattern.forEach((item, at) => {
    if ("captured" in item) {
      const later = pattern.slice(at + 1).filter((other) => "variable" in other).length;
      asked.captured[item.captured] = index.slice(from, index.length - later);
      from = index.length - later;
    } else if ("variable" in item) {
      asked.variables[item.variable] = index[from];
      from += 1;
    }
  });
}

/** @param {Asked} asked @param {string} name @param {number} place @returns {Asked} */
export function withVariable(asked, name, place) {
  return { ...asked, variables: { ...asked.variables, [name]: place } };
}

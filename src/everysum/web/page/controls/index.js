/** What a chapter lets the reader do by hand: one control a chapter, drawn from the chapter's lesson alone. */

import { attention } from "./attention.js";
import { characters } from "./characters.js";
import { dropout } from "./dropout.js";
import { embedding } from "./embedding.js";
import { heads } from "./heads.js";
import { gpt, llama, separator, transformer } from "./models.js";
import { network } from "./network.js";
import { positions } from "./positions.js";
import { residual } from "./residual.js";
import { softmax } from "./softmax.js";
import { crossEntropy, deviation, gradient, matrix, normalization } from "./sums_by_hand.js";
import { oneHot, subWords } from "./tokens.js";
import { training } from "./training.js";

/** @typedef {import("../chapter.js").Lesson} Lesson */
/**
 * @typedef {object} Control
 * @property {HTMLElement} element
 * @property {(lesson: Lesson) => void} update
 * @property {() => void} [leave]
 */
/** @typedef {(assignments: string[]) => void} Set sets figures, such as "object.red=32" */

/** @type {Record<string, (lesson: Lesson, set: Set) => Control>} */
const CONTROLS = {
  network,
  matrix,
  deviation,
  training,
  gradient,
  "cross-entropy": crossEntropy,
  characters,
  "one-hot": oneHot,
  embedding,
  "sub-words": subWords,
  attention,
  softmax,
  residual,
  normalization,
  dropout,
  heads,
  positions,
  gpt,
  separator,
  transformer,
  llama,
};

/** @param {Lesson} lesson @param {Set} set @returns {Control | null} */
export function controlOf(lesson, set) {
  return Object.hasOwn(CONTROLS, lesson.name) ? CONTROLS[lesson.name](lesson, set) : null;
}

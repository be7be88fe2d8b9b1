/** What a chapter lets the reader do by hand: one control a chapter, drawn from the chapter's lesson alone. */

import { network } from "./network.js";

/** @typedef {import("../chapter.js").Lesson} Lesson */
/**
 * @typedef {object} Control
 * @property {HTMLElement} element
 * @property {(lesson: Lesson) => void} update
 * @property {() => void} [leave]
 */
/** @typedef {(assignments: string[]) => void} Set sets figures, such as "object.red=32" */

/** @type {Record<string, (lesson: Lesson, set: Set) => Control>} */
const CONTROLS = { network };

/** @param {Lesson} lesson @param {Set} set @returns {Control | null} */
export function controlOf(lesson, set) {
  return Object.hasOwn(CONTROLS, lesson.name) ? CONTROLS[lesson.name](lesson, set) : null;
}

/** What stands on a heat map's axes: the names of rows and columns, and the room that they take. */

import { visible } from "../numbers.js";

/**
 * @typedef {object} AxisTexts
 * @property {string} [rowAxis] what a row stands for
 * @property {string} [columnAxis]
 * @property {string[]} [rowLabels]
 * @property {string[]} [columnLabels]
 */
/** @typedef {ReturnType<typeof labelsOf>} Labels */

/** Rows of so many pixels can be named; where only letters stand on the axes, rows and columns of so many. */
const [NAMED, NAMED_BY_LETTERS] = [15, 10];
const CHARACTER = 7.4;
const LONGEST_COLUMN = 12;
const NUMBER = 34;

/** Measured once: a vocabulary may stand on an axis. @param {AxisTexts} texts */
export function labelsOf({ rowAxis, columnAxis, rowLabels, columnLabels }) {
  const letters = rowLabels && columnLabels && longest(rowLabels) <= 1 && longest(columnLabels) <= 1;
  return {
    /** How tall a row has to be to be named. */
    tall: letters ? NAMED_BY_LETTERS : NAMED,
    /** The margins of the map, in pixels. */
    left: rowLabels ? Math.min(120, 14 + longest(rowLabels) * CHARACTER) : NUMBER,
    top: columnLabels ? 26 : 22,
    /** How wide a column's name is at most, in pixels. */
    widest: letters ? NAMED_BY_LETTERS : columnLabels ? Math.min(LONGEST_COLUMN, longest(columnLabels)) * CHARACTER + 8 : NUMBER,
    /** @param {number} place @param {number} room in pixels */
    row: (place, room) => cut(rowLabels, place, room),
    /** @param {number} place @param {number} room */
    column: (place, room) => cut(columnLabels, place, room),
    /** Which cell this is, in words. @param {number} row @param {number} column */
    told: (row, column) => `${rowAxis ?? "row"} ${full(rowLabels, row)}, ${columnAxis ?? "column"} ${full(columnLabels, column)}`,
  };
}

/** @param {string[]} labels */
function longest(labels) {
  return labels.reduce((most, label) => Math.max(most, visible(label).length), 0);
}

/** @param {string[] | undefined} labels @param {number} place @param {number} room */
function cut(labels, place, room) {
  const text = visible(labels?.[place] ?? String(place));
  const most = Math.floor(room / CHARACTER);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** @param {string[] | undefined} labels @param {number} place */
function full(labels, place) {
  return labels?.[place] === undefined ? `${place}` : `${place} “${visible(labels[place])}”`;
}

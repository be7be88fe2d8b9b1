/** Painting what stands in and around a heat map's cells: numbers, once there is room, and the axes. */

import { colour, css, wantsDarkText } from "./colours.js";
import { figure, fixed, visible } from "./numbers.js";

/** A cell of so many pixels holds a number that can be read; rows of so many pixels can be named. */
export const READABLE = 52;
export const NAMED = 15;

/**
 * @typedef {object} Frame a map as it is now
 * @property {{row: number, column: number, scale: number}} view
 * @property {number} left
 * @property {number} top
 * @property {number} width
 * @property {number} height
 * @property {number} rows
 * @property {number} columns
 * @property {import("./heatmap.js").Options} options
 * @property {number} extreme the number of largest size
 * @property {{at: (share: number) => import("./colours.js").Colour}} colours
 * @property {(row: number, column: number) => number | undefined} at
 * @property {string} font
 */

/** Every number that is seen, in its cell. @param {CanvasRenderingContext2D} context @param {Frame} frame */
export function paintNumbers(context, frame) {
  const { view, colours, extreme, at, font } = frame;
  // as many places behind the point for all, so that the numbers of a map can be compared and none outgrows its cell
  const digits = view.scale < READABLE ? 2 : view.scale < READABLE * 1.3 ? 3 : 4;
  const places = Math.max(0, digits - 1 - Math.floor(Math.log10(extreme)));
  const large = places > 6 || extreme >= 1e5;
  context.font = `${Math.min(14, view.scale / 4.2)}px ${font}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  each(frame, (row, column, x, y) => {
    const value = at(row, column);
    if (value === undefined) return;
    context.fillStyle = wantsDarkText(colours.at(value / extreme)) ? "#14171d" : "#ffffff";
    context.fillText(large || !Number.isFinite(value) ? figure(value, digits) : fixed(value, places), x + view.scale / 2, y + view.scale / 2);
  });
}

/** @param {Frame} frame @param {(row: number, column: number, x: number, y: number) => void} does */
function each({ view, left, top, width, height, rows, columns }, does) {
  const [lastRow, lastColumn] = [view.row + (height - top) / view.scale, view.column + (width - left) / view.scale];
  for (let row = Math.floor(view.row); row < Math.min(rows, lastRow); row += 1)
    for (let column = Math.floor(view.column); column < Math.min(columns, lastColumn); column += 1)
      does(row, column, left + (column - view.column) * view.scale, top + (row - view.row) * view.scale);
}

/** What stands on the axes, as much of it as there is room for. @param {CanvasRenderingContext2D} context @param {Frame} frame */
export function paintAxes(context, { view, left, top, width, height, rows, columns, options, font }) {
  context.fillStyle = css(colour("--quiet"));
  context.font = `12px ${font}`;
  context.textBaseline = "middle";
  const skip = (/** @type {number} */ room) => Math.max(1, Math.ceil(room / view.scale));
  context.textAlign = "right";
  const [lastRow, lastColumn] = [view.row + (height - top) / view.scale, view.column + (width - left) / view.scale];
  for (let row = Math.ceil(view.row / skip(NAMED)) * skip(NAMED); row < Math.min(rows, lastRow); row += skip(NAMED)) {
    const y = top + (row - view.row + 0.5) * view.scale;
    if (y > top + 4 && y < height) context.fillText(name(options.rowLabels, row, left), left - 6, y);
  }
  context.textAlign = "center";
  const labels = options.columnLabels;
  const widest = labels ? Math.max(...labels.map((label) => Math.min(12, visible(label).length))) * 7.4 + 8 : 34;
  const every = skip(widest);
  for (let column = Math.ceil(view.column / every) * every; column < Math.min(columns, lastColumn); column += every) {
    const x = left + (column - view.column + 0.5) * view.scale;
    if (x > left) context.fillText(name(labels, column, 96), x, top / 2 + 2);
  }
}

/** @param {string[] | undefined} labels @param {number} place @param {number} room */
function name(labels, place, room) {
  const text = visible(labels?.[place] ?? String(place));
  const most = Math.floor(room / 7.4);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** Painting a heat map: a point for each number, the numbers themselves once there is room, and the axes. */

import { colour, css, ramp, wantsDarkText } from "../colours.js";
import { figure, fixed } from "../numbers.js";

/** @typedef {import("./source.js").Read} Read */
/** @typedef {import("./viewport.js").Viewport} Viewport */
/** @typedef {Read & {picture: HTMLCanvasElement}} Painted */
/** @typedef {ReturnType<typeof paletteOf>} Palette */
/**
 * @typedef {object} Frame a map as it is now
 * @property {Viewport} view
 * @property {{rows: number, columns: number}} matrix
 * @property {import("./labels.js").Labels} labels
 * @property {number} extreme the number of largest size
 * @property {Palette} palette
 * @property {(row: number, column: number) => number | undefined} at
 * @property {Painted | null} shown
 * @property {{row: number, column: number} | null} cursor
 */

/** A cell of so many pixels holds a number that can be read. */
const READABLE = 52;
/** The beginning of a column's name says something where it has so many pixels. */
const CUT_NAME = 40;

/** Colours and letters as the style sheet has them now. @param {Element} stage */
export function paletteOf(stage) {
  return { ramp: ramp(), ink: css(colour("--ink")), quiet: css(colour("--quiet")), font: getComputedStyle(stage).fontFamily };
}

/** One pixel a number. @param {Read} part @param {number} extreme @param {Palette} palette @returns {HTMLCanvasElement} */
export function picture({ rows, columns, step, values }, extreme, { ramp: { pixels: colours } }) {
  const made = document.createElement("canvas");
  [made.width, made.height] = [Math.ceil(columns / step), Math.ceil(rows / step)];
  const context = /** @type {CanvasRenderingContext2D} */ (made.getContext("2d"));
  const image = context.createImageData(made.width, made.height);
  const pixels = new Uint32Array(image.data.buffer);
  const factor = 255 / extreme;
  for (let place = 0; place < pixels.length; place += 1) {
    const share = values[place] * factor;
    // a number that is none stays transparent
    if (share === share) pixels[place] = colours[Math.round(share < -255 ? 0 : share > 255 ? 510 : share + 255)];
  }
  context.putImageData(image, 0, 0);
  return made;
}

/** @param {CanvasRenderingContext2D} context @param {Frame} frame */
export function paint(context, frame) {
  const { view, shown, cursor, palette } = frame;
  const ratio = window.devicePixelRatio || 1;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, view.width, view.height);
  context.save();
  context.beginPath();
  context.rect(view.left, view.top, view.width - view.left, view.height - view.top);
  context.clip();
  if (shown) {
    const { picture: drawn, row, column, step } = shown;
    const [x, y] = view.corner(row, column);
    context.imageSmoothingEnabled = view.scale * step < 1;
    context.drawImage(drawn, x, y, drawn.width * step * view.scale, drawn.height * step * view.scale);
    if (view.scale >= READABLE * 0.62 && step === 1) paintNumbers(context, frame);
  }
  if (cursor) {
    context.strokeStyle = palette.ink;
    context.lineWidth = 2;
    const [x, y] = view.corner(cursor.row, cursor.column);
    context.strokeRect(x, y, Math.max(3, view.scale), Math.max(3, view.scale));
  }
  context.restore();
  paintAxes(context, frame);
}

/** Every number that is seen, in its cell. @param {CanvasRenderingContext2D} context @param {Frame} frame */
function paintNumbers(context, frame) {
  const { view, palette, extreme, at } = frame;
  // as many places behind the point for all, so that the numbers of a map can be compared and none outgrows its cell
  const digits = view.scale < READABLE ? 2 : view.scale < READABLE * 1.3 ? 3 : 4;
  const places = Math.max(0, digits - 1 - Math.floor(Math.log10(extreme)));
  const large = places > 6 || extreme >= 1e5;
  context.font = `${Math.min(14, view.scale / 4.2)}px ${palette.font}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  each(frame, (row, column, x, y) => {
    const value = at(row, column);
    if (value === undefined) return;
    context.fillStyle = wantsDarkText(palette.ramp.at(value / extreme)) ? "#14171d" : "#ffffff";
    context.fillText(large || !Number.isFinite(value) ? figure(value, digits) : fixed(value, places), x + view.scale / 2, y + view.scale / 2);
  });
}

/** @param {Frame} frame @param {(row: number, column: number, x: number, y: number) => void} does */
function each({ view, matrix }, does) {
  const { rows, columns } = view.seen();
  for (let row = Math.floor(view.row); row < Math.min(matrix.rows, view.row + rows); row += 1)
    for (let column = Math.floor(view.column); column < Math.min(matrix.columns, view.column + columns); column += 1)
      does(row, column, ...view.corner(row, column));
}

/** What stands on the axes, as much of it as there is room for. @param {CanvasRenderingContext2D} context @param {Frame} frame */
function paintAxes(context, { view, matrix, labels, palette }) {
  context.fillStyle = palette.quiet;
  context.font = `${Math.min(12, Math.max(labels.tall, view.scale))}px ${palette.font}`;
  context.textBaseline = "middle";
  context.textAlign = "right";
  const seen = view.seen();
  const [lastRow, lastColumn] = [Math.min(matrix.rows, view.row + seen.rows), Math.min(matrix.columns, view.column + seen.columns)];
  const every = (/** @type {number} */ room) => Math.max(1, Math.ceil(room / view.scale));
  const down = every(labels.tall);
  for (let row = Math.ceil(view.row / down) * down; row < lastRow; row += down) {
    const y = view.corner(row + 0.5, 0)[1];
    if (y > view.top + 4 && y < view.height) context.fillText(labels.row(row, view.left), view.left - 6, y);
  }
  context.textAlign = "center";
  const across = every(Math.min(labels.widest, CUT_NAME));
  for (let column = Math.ceil(view.column / across) * across; column < lastColumn; column += across) {
    const x = view.corner(0, column + 0.5)[0];
    if (x > view.left) context.fillText(labels.column(column, Math.min(96, across * view.scale)), x, view.top / 2 + 2);
  }
}

/**
 * A matrix as a map of colours: drag to move, zoom until the numbers can be read, choose a number by mouse or keyboard.
 *
 * The numbers come from a source, which may hold them all or fetch the part that is looked at; where there are more
 * cells than pixels, the source gives of each block the number that is largest without its sign, and the map says so.
 */

import { colour, css, ramp } from "./colours.js";
import { atNextFrame, button, h, put } from "./dom.js";
import { handle } from "./heatmap_hands.js";
import { NAMED, paintAxes, paintNumbers, READABLE } from "./heatmap_paint.js";
import { figure, visible } from "./numbers.js";

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
/**
 * @typedef {object} Options
 * @property {string} label what the matrix is
 * @property {string} [rowAxis] what a row stands for
 * @property {string} [columnAxis]
 * @property {string[]} [rowLabels]
 * @property {string[]} [columnLabels]
 * @property {(row: number, column: number, value: number) => void} [pick]
 * @property {number} [height] the tallest it may be, in pixels
 */

const MOST_CELLS = 1 << 22;
const LARGEST = 96;
const FEW_ROWS = 48;

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
 * @param {Source} source
 * @param {Options} options
 */
export function heatmap(source, options) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const reading = h("output", { class: "reading" });
  const hint = options.pick ? "Enter chooses a number" : "arrow keys read the numbers";
  const stage = h("div", { class: "stage", tabindex: "0", role: "application", "aria-roledescription": "heat map" }, canvas);
  const size = `${source.rows} × ${source.columns}`;
  const axes = `${options.rowAxis ?? "rows"} down, ${options.columnAxis ?? "columns"} across`;
  stage.setAttribute("aria-label", `${options.label}, ${size}: ${axes}. Arrow keys move, plus and minus zoom, ${hint}.`);
  const tools = h(
    "span",
    { class: "tools" },
    button("−", () => zoom(1 / 1.6), { "aria-label": "smaller" }),
    button("+", () => zoom(1.6), { "aria-label": "larger" }),
    button("all", () => fit(), { "aria-label": "show all" }),
  );
  const blocks = h("span", {});
  const legend = h("span", { class: "scale" });
  const figureElement = h(
    "figure",
    { class: "heat" },
    stage,
    h("div", { class: "under" }, reading, legend, blocks, tools),
  );

  /** The left upper cell that is seen, and pixels per cell. */
  const view = { row: 0, column: 0, scale: 1 };
  let [width, height, left, top] = [0, 0, 0, 0];
  /** @type {{row: number, column: number} | null} */
  let cursor = null;
  /** @type {(Read & {picture: HTMLCanvasElement}) | null} */
  let shown = null;
  let colours = ramp();
  let asking = new AbortController();
  let fitted = true;
  const extreme = Math.max(Math.abs(source.low), Math.abs(source.high)) || 1;

  const draw = atNextFrame(paint);
  new ResizeObserver(measure).observe(stage);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  document.addEventListener("everysum-theme", repaint);

  function repaint() {
    colours = ramp();
    if (shown) shown = { ...shown, picture: picture(shown) };
    drawLegend();
    draw();
  }

  function measure() {
    const longest = Math.max(0, ...(options.rowLabels ?? []).map((label) => visible(label).length));
    left = options.rowLabels ? Math.min(120, 14 + longest * 7.4) : 34;
    top = options.columnLabels ? 26 : 22;
    width = stage.clientWidth;
    const tallest = Math.min(options.height ?? 520, window.innerHeight * 0.7);
    const fits = Math.min(LARGEST * 0.7, (width - left) / source.columns);
    const natural = (source.rows > FEW_ROWS ? fits : Math.max(fits, NAMED + 1)) * source.rows + top + 1;
    const wanted = Math.round(Math.max(top + 60, Math.min(tallest, natural)));
    stage.style.setProperty("height", `${wanted}px`);
    height = wanted;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    if (fitted) fit(false);
    else keep();
  }

  function smallest() {
    return Math.min((width - left) / source.columns, (height - top) / source.rows, LARGEST * 0.7);
  }

  /** All of it; at first only as much as leaves the rows large enough to be told apart. @param {boolean} [whole] */
  function fit(whole = true) {
    view.scale = whole || source.rows > FEW_ROWS ? smallest() : Math.max(smallest(), NAMED + 1);
    view.row = view.column = 0;
    fitted = true;
    keep();
  }

  /** Keep the view on the matrix, and see that its numbers are there. */
  function keep() {
    view.scale = Math.min(LARGEST, Math.max(smallest(), view.scale));
    const [seenRows, seenColumns] = [(height - top) / view.scale, (width - left) / view.scale];
    view.row = Math.max(0, Math.min(view.row, source.rows - seenRows));
    view.column = Math.max(0, Math.min(view.column, source.columns - seenColumns));
    load();
    draw();
  }

  /** The part that is seen, with a margin to move in. @returns {Part} */
  function wanted() {
    const step = Math.max(1, Math.floor(1 / view.scale));
    const [seenRows, seenColumns] = [(height - top) / view.scale, (width - left) / view.scale];
    const row = Math.max(0, Math.floor((view.row - seenRows / 2) / step) * step);
    const column = Math.max(0, Math.floor((view.column - seenColumns / 2) / step) * step);
    const rows = Math.min(source.rows - row, Math.ceil(seenRows * 2));
    const columns = Math.min(source.columns - column, Math.ceil(seenColumns * 2));
    return { row, column, rows, columns, step };
  }

  function load() {
    if (!width || (shown && covers(shown))) return;
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    const whole = { row: 0, column: 0, rows: source.rows, columns: source.columns, step: 1 };
    const part = source.rows * source.columns <= MOST_CELLS / 4 ? whole : wanted();
    const read = source.read(part, signal);
    const take = (/** @type {Read} */ got) => {
      if (signal.aborted) return;
      shown = { ...got, picture: picture(got) };
      draw();
    };
    if (read instanceof Promise) read.then(take, () => signal.aborted || put(reading, "these numbers did not come"));
    else take(read);
  }

  /** @param {Read} part */
  function covers(part) {
    if (part.step > Math.max(1, Math.floor(1 / view.scale))) return false;
    const bottom = Math.min(source.rows, view.row + (height - top) / view.scale);
    const right = Math.min(source.columns, view.column + (width - left) / view.scale);
    const holds = part.row <= view.row && part.column <= view.column;
    return holds && part.row + part.rows >= bottom - 1e-6 && part.column + part.columns >= right - 1e-6;
  }

  /** One pixel a number. @param {Read} part @returns {HTMLCanvasElement} */
  function picture(part) {
    const [across, down] = [Math.ceil(part.columns / part.step), Math.ceil(part.rows / part.step)];
    const made = h("canvas", { width: across, height: down });
    const context = /** @type {CanvasRenderingContext2D} */ (made.getContext("2d"));
    const image = context.createImageData(across, down);
    const pixels = new Uint32Array(image.data.buffer);
    const { values } = part;
    const factor = 255 / extreme;
    for (let place = 0; place < pixels.length; place += 1) {
      const share = values[place] * factor;
      // a number that is none stays transparent
      if (share === share) pixels[place] = colours.pixels[Math.round(share < -255 ? 0 : share > 255 ? 510 : share + 255)];
    }
    context.putImageData(image, 0, 0);
    return made;
  }

  function paint() {
    const context = canvas.getContext("2d");
    if (!context || !width) return;
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.save();
    context.beginPath();
    context.rect(left, top, width - left, height - top);
    context.clip();
    if (shown) {
      context.imageSmoothingEnabled = view.scale * shown.step < 1;
      const [x, y] = [left + (shown.column - view.column) * view.scale, top + (shown.row - view.row) * view.scale];
      const { step, picture: drawn } = shown;
      context.drawImage(drawn, x, y, drawn.width * step * view.scale, drawn.height * step * view.scale);
      if (view.scale >= READABLE * 0.62 && step === 1) paintNumbers(context, frameNow());
    }
    if (cursor) {
      context.strokeStyle = css(colour("--ink"));
      context.lineWidth = 2;
      const [x, y] = [left + (cursor.column - view.column) * view.scale, top + (cursor.row - view.row) * view.scale];
      context.strokeRect(x, y, Math.max(3, view.scale), Math.max(3, view.scale));
    }
    context.restore();
    paintAxes(context, frameNow());
    const step = shown?.step ?? 1;
    put(blocks, step > 1 ? `each point is the largest of ${step} × ${step} numbers` : "");
  }

  /** What painters need to know of the map as it is now. */
  function frameNow() {
    return { view, left, top, width, height, rows: source.rows, columns: source.columns, options, extreme, colours, at, font: getComputedStyle(stage).fontFamily };
  }

  /** @param {number} row @param {number} column @returns {number | undefined} */
  function at(row, column) {
    if (!shown || shown.step !== 1) return undefined;
    const [inRow, inColumn] = [row - shown.row, column - shown.column];
    if (inRow < 0 || inColumn < 0 || inRow >= shown.rows || inColumn >= shown.columns) return undefined;
    return shown.values[inRow * shown.columns + inColumn];
  }

  /** @param {number} row @param {number} column */
  function tell(row, column) {
    const value = at(row, column);
    const place = (/** @type {string[] | undefined} */ labels, /** @type {number} */ index) =>
      labels?.[index] === undefined ? `${index}` : `${index} “${visible(labels[index])}”`;
    const where = `${options.rowAxis ?? "row"} ${place(options.rowLabels, row)}, ${options.columnAxis ?? "column"} ${place(options.columnLabels, column)}`;
    put(reading, `${where}: ${value === undefined ? "zoom in to read it" : figure(value, 7)}`);
  }

  /** @param {number} row @param {number} column */
  function move(row, column) {
    cursor = {
      row: Math.max(0, Math.min(source.rows - 1, row)),
      column: Math.max(0, Math.min(source.columns - 1, column)),
    };
    const [seenRows, seenColumns] = [(height - top) / view.scale, (width - left) / view.scale];
    view.row = Math.min(cursor.row, Math.max(view.row, cursor.row + 1 - seenRows));
    view.column = Math.min(cursor.column, Math.max(view.column, cursor.column + 1 - seenColumns));
    keep();
    tell(cursor.row, cursor.column);
  }

  function choose() {
    if (!cursor || !options.pick) return;
    const value = at(cursor.row, cursor.column);
    options.pick(cursor.row, cursor.column, value ?? NaN);
  }

  /** Larger or smaller around a point of the stage, or around its middle. @param {number} factor @param {number} [x] @param {number} [y] */
  function zoom(factor, x = left + (width - left) / 2, y = top + (height - top) / 2) {
    const before = view.scale;
    view.scale = Math.min(LARGEST, Math.max(smallest(), before * factor));
    view.row += (y - top) * (1 / before - 1 / view.scale);
    view.column += (x - left) * (1 / before - 1 / view.scale);
    fitted = view.scale <= smallest() + 1e-9;
    keep();
  }

  /** @param {{clientX: number, clientY: number}} event */
  function place(event) {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const row = Math.floor(view.row + (y - top) / view.scale);
    const column = Math.floor(view.column + (x - left) / view.scale);
    const inside = x >= left && y >= top && row >= 0 && column >= 0 && row < source.rows && column < source.columns;
    return { x, y, row, column, inside };
  }

  /** @param {number} factor */
  function zoomAtCursor(factor) {
    if (!cursor) return zoom(factor);
    const [x, y] = [left + (cursor.column - view.column + 0.5) * view.scale, top + (cursor.row - view.row + 0.5) * view.scale];
    return zoom(factor, x, y);
  }

  handle(stage, {
    view,
    cursor: () => cursor,
    place,
    tell,
    move,
    choose,
    zoom,
    zoomAtCursor,
    fit,
    /** @param {number} rows @param {number} columns */
    pan(rows, columns) {
      const before = [view.row, view.column];
      view.row += rows;
      view.column += columns;
      fitted = fitted && view.scale <= smallest() + 1e-9;
      keep();
      return before[0] !== view.row || before[1] !== view.column;
    },
    columns: source.columns,
  });

  function drawLegend() {
    const bar = h("canvas", { width: 140, height: 1, "aria-hidden": "true" });
    const context = /** @type {CanvasRenderingContext2D} */ (bar.getContext("2d"));
    const [from, to] = [Math.min(0, source.low), Math.max(0, source.high)];
    for (let x = 0; x < 140; x += 1) {
      context.fillStyle = css(colours.at((from + ((to - from) * x) / 139) / extreme));
      context.fillRect(x, 0, 1, 1);
    }
    put(legend, figure(from, 3), bar, figure(to, 3));
  }
  drawLegend();

  return {
    element: figureElement,
    /** The same map with other numbers. @param {Source} next */
    renew(next) {
      Object.assign(source, next);
      shown = null;
      load();
      draw();
    },
    move,
    zoom,
  };
}

/**
 * A matrix as a map of colours: drag to move, zoom until the numbers can be read, choose a number by mouse or keyboard.
 *
 * The numbers come from a source, which may hold them all or fetch the part that is looked at; where there are more
 * cells than pixels, the source gives of each block the number that is largest without its sign, and the map says so.
 */

import { css } from "./colours.js";
import { atNextFrame, button, h, put } from "./dom.js";
import { handle } from "./heatmap/hands.js";
import { labelsOf } from "./heatmap/labels.js";
import { paint, paletteOf, picture } from "./heatmap/paint.js";
import { reader } from "./heatmap/source.js";
import { viewportOf } from "./heatmap/viewport.js";
import { figure } from "./numbers.js";

export { held } from "./heatmap/source.js";

/** @typedef {import("./heatmap/source.js").Source} Source */
/**
 * @typedef {object} Choices
 * @property {string} label what the matrix is
 * @property {(row: number, column: number, value: number) => void} [pick]
 * @property {number} [height] the tallest it may be, in pixels
 */
/** @typedef {Choices & import("./heatmap/labels.js").AxisTexts} Options */

const TALLEST = 520;
/** What is said and what is pressed below a map needs so much room. */
const NARROWEST = 300;
/** Of the stage, left and right or above and below together. */
const BORDERS = 2;
const OTHER_COLOURS = "everysum-colours";

// one listener for all maps: those that are no longer on the page are told nothing, and nothing keeps them
const tellAll = () => document.querySelectorAll(".stage").forEach((stage) => stage.dispatchEvent(new Event(OTHER_COLOURS)));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tellAll);
document.addEventListener("everysum-theme", tellAll);

/**
 * @param {Source} source
 * @param {Options} options
 */
export function heatmap(source, options) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const stage = h("div", { class: "stage", tabindex: "0", role: "application", "aria-roledescription": "heat map", "aria-label": spoken(source, options) }, canvas);
  const [reading, blocks, legend] = [h("output", { class: "reading" }), h("span", {}), h("span", { class: "scale" })];
  const tools = h(
    "span",
    { class: "tools" },
    button("−", () => zoom(1 / 1.6), { "aria-label": "smaller" }),
    button("+", () => zoom(1.6), { "aria-label": "larger" }),
    button("all", () => fit(), { "aria-label": "show all" }),
  );
  const element = h("figure", { class: "heat" }, stage, h("div", { class: "under" }, reading, legend, blocks, tools));
  const labels = labelsOf(options);
  const view = viewportOf(source, labels);
  /** @type {{row: number, column: number} | null} */
  let cursor = null;
  /** @type {import("./heatmap/paint.js").Painted | null} */
  let shown = null;
  let palette = paletteOf(stage);
  const extreme = Math.max(Math.abs(source.low), Math.abs(source.high)) || 1;

  const draw = atNextFrame(() => {
    const context = canvas.getContext("2d");
    if (!context || !view.width) return;
    paint(context, { view, matrix: source, labels, extreme, palette, at: numbers.at, shown, cursor });
    const step = shown?.step ?? 1;
    put(blocks, step > 1 ? `each point is the largest of ${step} × ${step} numbers` : "");
  });
  const numbers = reader(source, view, {
    came(read) {
      shown = { ...read, picture: picture(read, extreme, palette) };
      draw();
    },
    failed: () => put(reading, "these numbers did not come"),
  });

  new ResizeObserver(measure).observe(element);
  stage.addEventListener(OTHER_COLOURS, repaint);

  function repaint() {
    palette = paletteOf(stage);
    if (shown) shown = { ...shown, picture: picture(shown, extreme, palette) };
    drawLegend();
    draw();
  }

  function measure() {
    const room = Math.max(0, element.clientWidth - BORDERS); // none while it is not on the page
    const height = view.wantedHeight(room, Math.min(options.height ?? TALLEST, window.innerHeight * 0.7));
    const width = Math.min(room, Math.max(NARROWEST, view.wantedWidth(height)));
    element.style.setProperty("--widest", `${width + BORDERS}px`);
    stage.style.setProperty("height", `${height + BORDERS}px`);
    const ratio = window.devicePixelRatio || 1;
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    view.resize(width, height);
    repaint();
    numbers.load();
  }

  /** After the viewport has moved: see that its numbers are there, and paint them. */
  function moved() {
    numbers.load();
    draw();
  }

  function fit() {
    view.fit();
    moved();
  }

  /** Larger or smaller around a point of the stage, or around its middle. @param {number} factor @param {number} [x] @param {number} [y] */
  function zoom(factor, x = (view.left + view.width) / 2, y = (view.top + view.height) / 2) {
    view.zoom(factor, x, y);
    moved();
  }

  /** @param {number} row @param {number} column */
  function tell(row, column) {
    const value = numbers.at(row, column);
    put(reading, `${labels.told(row, column)}: ${value === undefined ? "zoom in to read it" : figure(value, 7)}`);
  }

  /** @param {number} row @param {number} column */
  function move(row, column) {
    cursor = { row: Math.max(0, Math.min(source.rows - 1, row)), column: Math.max(0, Math.min(source.columns - 1, column)) };
    view.show(cursor.row, cursor.column);
    moved();
    tell(cursor.row, cursor.column);
  }

  handle(stage, {
    view,
    columns: source.columns,
    cursor: () => cursor,
    place({ clientX, clientY }) {
      const box = canvas.getBoundingClientRect();
      const [x, y] = [clientX - box.left, clientY - box.top];
      return { x, y, ...view.cellAt(x, y) };
    },
    tell,
    move,
    choose() {
      if (cursor) options.pick?.(cursor.row, cursor.column, numbers.at(cursor.row, cursor.column) ?? NaN);
    },
    zoom,
    zoomAtCursor(factor) {
      if (cursor) zoom(factor, ...view.corner(cursor.row + 0.5, cursor.column + 0.5));
      else zoom(factor);
    },
    fit,
    pan(rows, columns) {
      const room = view.pan(rows, columns);
      moved();
      return room;
    },
  });

  function drawLegend() {
    const bar = h("canvas", { width: 140, height: 1, "aria-hidden": "true" });
    const context = /** @type {CanvasRenderingContext2D} */ (bar.getContext("2d"));
    const [from, to] = [Math.min(0, source.low), Math.max(0, source.high)];
    for (let x = 0; x < 140; x += 1) {
      context.fillStyle = css(palette.ramp.at((from + ((to - from) * x) / 139) / extreme));
      context.fillRect(x, 0, 1, 1);
    }
    put(legend, figure(from, 3), bar, figure(to, 3));
  }
  drawLegend();

  return {
    element,
    /** The same map with other numbers. @param {Source} next */
    renew(next) {
      Object.assign(source, next);
      shown = null;
      numbers.forget();
      moved();
    },
    move,
    zoom,
  };
}

/** What a map says of itself to those who do not see it. @param {Source} source @param {Options} options */
function spoken({ rows, columns }, { label, rowAxis, columnAxis, pick }) {
  const hint = pick ? "Enter chooses a number" : "arrow keys read the numbers";
  return `${label}, ${rows} × ${columns}: ${rowAxis ?? "rows"} down, ${columnAxis ?? "columns"} across. Arrow keys move, plus and minus zoom, ${hint}.`;
}

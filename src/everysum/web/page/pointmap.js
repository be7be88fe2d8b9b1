/** A map of points that training moves: where each is at a moment, and the way that it has come. */

import { h, svg } from "./dom.js";
import { drawing, narrow, ticks } from "./drawing.js";
import { figure } from "./numbers.js";

/** @typedef {Extract<import("./blocks.js").Block, {kind: "map"}>} MapBlock */
/** @typedef {[number, number]} Point */

const SIZES = { wide: { width: 480, tallest: 430, point: 11 }, narrow: { width: 330, tallest: 360, point: 9.5 } };
const MARGIN = 24;

/**
 * @param {MapBlock} block
 * @returns {{element: SVGSVGElement, show: (step: number) => void}} `show` moves all points to where they were after so many steps
 */
export function pointMap(block) {
  const { width, height, point, x, y, low, high } = scales(block.places);
  const trails = block.names.map(() => svg("path", { class: "trail" }));
  const points = block.names.map((name) => svg("g", { class: "point" }, svg("circle", { r: point }), svg("text", { "text-anchor": "middle", y: 4.5 }, name)));
  const element = drawing(
    width,
    height,
    {},
    svg("path", { class: "axis", d: `M0 ${y(0)}H${width}M${x(0)} 0V${height}` }),
    ...ticks(low[0], high[0]).filter(Boolean).map((value) => svg("text", { class: "quiet", x: x(value), y: y(0) + 16, "text-anchor": "middle" }, figure(value))),
    ...ticks(low[1], high[1]).filter(Boolean).map((value) => svg("text", { class: "quiet", x: x(0) - 6, y: y(value) + 4, "text-anchor": "end" }, figure(value))),
    svg("text", { class: "quiet", x: width - 2, y: y(0) - 6, "text-anchor": "end" }, `${block.axes[0]} →`),
    svg("text", { class: "quiet", x: x(0) + 6, y: 12 }, `↑ ${block.axes[1]}`),
    ...trails,
    ...block.places[0].map(([from, to]) => svg("circle", { class: "begun", cx: x(from), cy: y(to), r: 2.5 })),
    ...points,
  );
  /** @param {number} step */
  function show(step) {
    const here = block.places[step];
    here.forEach(([across, up], place) => {
      points[place].style.setProperty("transform", `translate(${x(across).toFixed(2)}px, ${y(up).toFixed(2)}px)`);
      const way = block.places.slice(0, step + 1).map((at) => `${x(at[place][0]).toFixed(2)} ${y(at[place][1]).toFixed(2)}`);
      trails[place].setAttribute("d", `M${way.join("L")}`);
    });
    const told = block.names.map((name, place) => `${name} at ${figure(here[place][0], 3)}, ${figure(here[place][1], 3)}`);
    element.setAttribute("aria-label", `${block.what} after ${block.steps} ${step}: ${told.join("; ")}`);
  }
  show(0);
  return { element, show };
}

/** Where every point is after so many steps, in numbers. @param {MapBlock} block @param {number} step */
export function placesTable({ axes, names, places }, step) {
  const cell = (/** @type {number} */ value) => h("td", { class: "number" }, figure(value));
  return h(
    "table",
    {},
    h("thead", {}, h("tr", {}, h("td", {}), axes.map((name) => h("th", { scope: "col", class: "number" }, name)))),
    h("tbody", {}, names.map((name, place) => h("tr", {}, h("th", { scope: "row" }, name), places[step][place].map(cell)))),
  );
}

/** One scale for both numbers, so that what is far is far in every direction. @param {Point[][]} places */
function scales(places) {
  const { width, tallest, point } = narrow() ? SIZES.narrow : SIZES.wide;
  const numbers = [0, 1].map((axis) => places.flatMap((points) => points.map((point) => point[axis])));
  const low = numbers.map((all) => Math.min(0, ...all));
  const high = numbers.map((all) => Math.max(0, ...all));
  const range = [0, 1].map((axis) => Math.max(1e-9, high[axis] - low[axis]));
  const unit = Math.min((width - 2 * MARGIN) / range[0], (tallest - 2 * MARGIN) / range[1]);
  const height = range[1] * unit + 2 * MARGIN;
  const left = (width - range[0] * unit) / 2;
  const x = (/** @type {number} */ value) => left + (value - low[0]) * unit;
  const y = (/** @type {number} */ value) => height - MARGIN - (value - low[1]) * unit;
  return { width, height, point, x, y, low, high };
}

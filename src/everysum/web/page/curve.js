/** Curves over steps or positions: drawn once with their axes, a value read at each place by pointer or keyboard. */

import { h, put, svg } from "./dom.js";
import { drawing, narrow, ticks } from "./drawing.js";
import { figure } from "./numbers.js";

/** @typedef {{name: string, values: number[]}} Line */

const SIZES = { wide: { width: 640, height: 260, left: 62 }, narrow: { width: 330, height: 200, left: 48 } };
const [BOTTOM, TOP, RIGHT] = [30, 12, 12];

const FEW = 3;

/** Few lines have colours of their own, many go in pairs from one colour to the other. @param {number} place @param {number} count */
function colourOf(place, count) {
  if (count <= FEW) return `var(${["--plus", "--minus", "--quiet"][place]})`;
  const pairs = Math.ceil(count / 2);
  return `color-mix(in oklab, var(--minus) ${Math.round((Math.floor(place / 2) / (pairs - 1)) * 100)}%, var(--plus))`;
}

/** The second of a pair is dashed. @param {number} place @param {number} count */
function dashed(place, count) {
  return count > FEW && place % 2 === 1;
}

/**
 * @param {Line[]} lines of one length, or shorter while they grow
 * @param {{label: string, across: string, places?: number, low?: number, high?: number, first?: number, every?: number, led?: boolean}} options
 *   `places`: how many there will be; `first`: the number of the first place; `every`: how far the next is from it;
 *   `led`: something else says which place is looked at, the last that there is
 */
export function curve(lines, { label, across, places, low, high, first = 0, every = 1, led = false }) {
  const { width, height, left } = narrow() ? SIZES.narrow : SIZES.wide;
  const all = lines.flatMap(({ values }) => values.filter(Number.isFinite));
  const from = low ?? Math.min(0, ...all);
  const to = high ?? Math.max(from + 1e-9, ...all);
  const longest = Math.max(...lines.map(({ values }) => values.length));
  const count = Math.max(2, places ?? 0, longest);
  const x = (/** @type {number} */ place) => left + (place / (count - 1)) * (width - left - RIGHT);
  const y = (/** @type {number} */ value) => height - BOTTOM - ((value - from) / (to - from)) * (height - BOTTOM - TOP);
  const named = (/** @type {number} */ place) => first + place * every;
  const reading = h("span", { class: "small quiet" });
  const marks = svg("g", {});
  const drawn = drawing(
    width,
    height,
    { "aria-label": label },
    ...ticks(from, to).map((value) =>
      svg(
        "g",
        {},
        svg("path", { class: "axis", d: `M${left} ${y(value)}H${width - RIGHT}` }),
        svg("text", { class: "quiet", x: left - 8, y: y(value) + 4, "text-anchor": "end" }, figure(value, 3)),
      ),
    ),
    svg("text", { class: "quiet", x: left, y: height - 8 }, String(first)),
    svg("text", { class: "quiet", x: width - RIGHT, y: height - 8, "text-anchor": "end" }, `${across} ${named(count - 1)}`),
    ...lines.map(({ values }, place) => svg("path", { class: dashed(place, lines.length) ? "line dashed" : "line", style: { stroke: colourOf(place, lines.length) }, d: path(values, x, y) })),
    marks,
  );
  const legend =
    lines.length > 1 &&
    h("div", { class: "legend" }, lines.map(({ name }, place) => h("span", {}, h("i", { class: dashed(place, lines.length) && "dashed", style: { "border-color": colourOf(place, lines.length) } }), name)));
  const input = h("input", { type: "range", min: 0, max: count - 1, "aria-label": `${label}: read at ${across}` });
  // the slider lies below the plot, and its knob below the place that is read
  const under = { "margin-left": `${((left - 8) / width) * 100}%`, width: `${((width - left - RIGHT + 16) / width) * 100}%` };
  for (const [property, value] of Object.entries(under)) input.style.setProperty(property, value);
  /** @param {number} place */
  function read(place) {
    input.value = String(place);
    const texts = lines.map(({ name, values }) => `${lines.length > 1 ? `${name} ` : ""}${place < values.length ? figure(values[place]) : "–"}`);
    put(reading, `${across} ${named(place)}: `, ...texts.flatMap((text, at) => [at ? " · " : "", h("span", { class: "whole" }, text)]));
    input.setAttribute("aria-valuetext", reading.textContent ?? "");
    const dots = lines.map(({ values }, line) => ({ value: values[place], colour: colourOf(line, lines.length) })).filter(({ value }) => Number.isFinite(value));
    put(marks, dots.map(({ value, colour }) => svg("circle", { cx: x(place), cy: y(value), r: 4.5, style: { fill: colour } })));
  }
  read(Math.max(0, longest - 1));
  if (led) return h("div", { class: "curve", style: { width: drawn.style.width } }, legend, drawn);
  input.addEventListener("input", () => read(Number(input.value)));
  drawn.addEventListener("pointermove", (event) => {
    const box = drawn.getBoundingClientRect();
    const share = (((event.clientX - box.left) / box.width) * width - left) / (width - left - RIGHT);
    read(Math.max(0, Math.min(count - 1, Math.round(share * (count - 1)))));
  });
  return h("div", { class: "curve", style: { width: drawn.style.width } }, legend, drawn, input, reading);
}

/** @param {number[]} values @param {(place: number) => number} x @param {(value: number) => number} y */
function path(values, x, y) {
  let pen = "M";
  return values
    .map((value, place) => {
      if (!Number.isFinite(value)) {
        pen = "M";
        return "";
      }
      const piece = `${pen}${x(place).toFixed(2)} ${y(value).toFixed(2)}`;
      pen = "L";
      return piece;
    })
    .join("");
}

/** Curves over steps or positions: drawn once with their axes, a value read at each place by pointer or keyboard. */

import { h, put, svg } from "./dom.js";
import { figure } from "./numbers.js";

/** @typedef {{name: string, values: number[]}} Line */

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT] = [640, 260, 62, 30, 12, 12];

/** Few lines have colours of their own, many go from one to the other. @param {number} place @param {number} count */
function colourOf(place, count) {
  if (count <= 3) return `var(${["--plus", "--minus", "--quiet"][place]})`;
  return `color-mix(in oklab, var(--minus) ${Math.round((place / (count - 1)) * 100)}%, var(--plus))`;
}

/**
 * @param {Line[]} lines of one length, or shorter while they grow
 * @param {{label: string, across: string, places?: number, low?: number, high?: number, first?: number}} options
 *   `places`: how many there will be; `first`: the number of the first place
 */
export function curve(lines, { label, across, places, low, high, first = 0 }) {
  const all = lines.flatMap(({ values }) => values.filter(Number.isFinite));
  const from = low ?? Math.min(0, ...all);
  const to = high ?? Math.max(from + 1e-9, ...all);
  const count = Math.max(2, places ?? 0, ...lines.map(({ values }) => values.length));
  const x = (/** @type {number} */ place) => LEFT + (place / (count - 1)) * (WIDTH - LEFT - RIGHT);
  const y = (/** @type {number} */ value) => HEIGHT - BOTTOM - ((value - from) / (to - from)) * (HEIGHT - BOTTOM - TOP);
  const reading = h("output", { class: "small quiet" });
  const marks = svg("g", {});
  const drawing = svg(
    "svg",
    { class: "drawing", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img", "aria-label": label },
    ...ticks(from, to).map((value) =>
      svg(
        "g",
        {},
        svg("path", { class: "axis", d: `M${LEFT} ${y(value)}H${WIDTH - RIGHT}` }),
        svg("text", { class: "quiet", x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, figure(value, 3)),
      ),
    ),
    svg("text", { class: "quiet", x: LEFT, y: HEIGHT - 8 }, String(first)),
    svg("text", { class: "quiet", x: WIDTH - RIGHT, y: HEIGHT - 8, "text-anchor": "end" }, `${across} ${first + count - 1}`),
    ...lines.map(({ values }, place) => svg("path", { class: "line", style: { stroke: colourOf(place, lines.length) }, d: path(values, x, y) })),
    marks,
  );
  const legend =
    lines.length > 1 &&
    h("div", { class: "legend" }, lines.map(({ name }, place) => h("span", {}, h("i", { style: { "border-color": colourOf(place, lines.length) } }), name)));
  const input = h("input", { type: "range", min: 0, max: count - 1, value: 0, "aria-label": `${label}: read at ${across}` });
  /** @param {number} place */
  function read(place) {
    input.value = String(place);
    const texts = lines.map(({ name, values }) => `${lines.length > 1 ? `${name} ` : ""}${place < values.length ? figure(values[place]) : "–"}`);
    put(reading, `${across} ${first + place}: ${texts.join(" · ")}`);
    const dots = lines.filter(({ values }) => Number.isFinite(values[place]));
    put(marks, dots.map(({ values }) => svg("circle", { class: "dot", cx: x(place), cy: y(values[place]), r: 4 })));
  }
  input.addEventListener("input", () => read(Number(input.value)));
  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const share = (((event.clientX - box.left) / box.width) * WIDTH - LEFT) / (WIDTH - LEFT - RIGHT);
    read(Math.max(0, Math.min(count - 1, Math.round(share * (count - 1)))));
  });
  return h("div", { class: "curve" }, legend, h("div", {}, drawing), h("div", { class: "row" }, input, reading));
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

/** Round numbers between two others. @param {number} from @param {number} to */
function ticks(from, to) {
  const rough = (to - from) / 4;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((part) => part * size).find((part) => part >= rough) ?? rough;
  const found = [];
  for (let value = Math.ceil(from / step) * step; value <= to + step / 1e6; value += step) found.push(Math.abs(value) < step / 1e6 ? 0 : value);
  return found;
}

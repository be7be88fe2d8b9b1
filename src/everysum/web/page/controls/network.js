/** Leaf or flower: the network as a drawing, with its weights on the lines and each neuron's sum when it is looked at. */

import { button, h, put, svg } from "../dom.js";
import { slider } from "../fields.js";
import { figure } from "../numbers.js";
import { equals, figureOf } from "../sums.js";
import { figureNamed, numbersOf, sumsIn } from "./tools.js";

/** @typedef {import("./index.js").Lesson} Lesson */
/** @typedef {import("../blocks.js").NamedSum} NamedSum */

const [WIDTH, HEIGHT, RADIUS] = [720, 340, 30];
const COLUMNS = [90, 360, 610];

/** @param {Lesson} lesson @param {import("./index.js").Set} set @returns {import("./index.js").Control} */
export function network(lesson, set) {
  const drawing = h("div", { class: "scroll" });
  const telling = h("p", { class: "sum", "aria-live": "polite" });
  const swatch = h("span", { class: "swatch", role: "img" });
  const sliders = h("div", {});
  /** @param {Lesson} now */
  function moveSliders(now) {
    if (sliders.contains(document.activeElement)) return;
    put(
      sliders,
      (figureNamed(now, "object").labels ?? []).map((label, place) => {
        const [most, step] = label === "volume" ? [100, 0.1] : [255, 1];
        return slider(label, { least: 0, most, step }, numbersOf(now, "object")[place], (text) => set([`object.${label}=${text}`]));
      }),
    );
  }
  let looked = 0;

  /** @param {Lesson} now */
  function update(now) {
    moveSliders(now);
    const values = numbersOf(now, "object");
    const label = `a colour of red ${values[0]}, green ${values[1]}, blue ${values[2]}`;
    swatch.style.setProperty("background", `rgb(${values[0]} ${values[1]} ${values[2]})`);
    swatch.setAttribute("aria-label", label);
    const neurons = [...sumsIn(now.blocks, 0), ...sumsIn(now.blocks, 1)];
    /** @param {number} place */
    const tell = (place) => {
      looked = place;
      const { name, number } = neurons[place];
      put(telling, h("strong", {}, name, " = ", figureOf(number)), ...equals(number));
      for (const [at, group] of [...drawing.querySelectorAll(".cell")].entries()) group.classList.toggle("hot", at === place);
      for (const edge of drawing.querySelectorAll(".edge")) edge.classList.toggle("dim", /** @type {SVGElement} */ (edge).dataset.to !== String(place));
    };
    put(drawing, picture(now, values, neurons, tell));
    tell(looked);
  }
  update(lesson);
  const things = h(
    "p",
    { class: "row" },
    button("A leaf", () => set(["object=32 107 56 11.2"])),
    button("A flower", () => set(["object=241 200 4 59.5"])),
  );
  const object = h("div", {}, h("h2", {}, "By hand"), h("p", { class: "row" }, swatch, "Move its colour and volume."), sliders, things);
  const right = h("div", {}, drawing, telling, h("p", { class: "quiet small" }, "Point at a neuron, or step to it with Tab: its sum is written out. The weights are among the numbers that you can put in yourself."));
  return { element: h("div", { class: "split network" }, object, right), update };
}

/** @param {Lesson} lesson @param {number[]} inputs @param {NamedSum[]} neurons @param {(place: number) => void} tell */
function picture(lesson, inputs, neurons, tell) {
  const labels = figureNamed(lesson, "object").labels ?? [];
  const middle = neurons.length - 2;
  const columns = [inputs.length, middle, 2];
  const at = (/** @type {number} */ column, /** @type {number} */ place) => ({ x: COLUMNS[column], y: ((place + 0.5) * HEIGHT) / columns[column] });
  const weights = neurons.map(({ name }) => numbersOf(lesson, name));
  const largest = Math.max(1e-9, ...weights.flat().map(Math.abs));
  const edges = neurons.flatMap((_, place) => {
    const column = place < middle ? 1 : 2;
    const to = at(column, place < middle ? place : place - middle);
    return weights[place].map((weight, from) => {
      const start = at(column - 1, from);
      return svg("path", {
        class: `edge ${weight < 0 ? "below" : "above"}`,
        "data-to": place,
        "stroke-width": 0.6 + (Math.abs(weight) / largest) * 6,
        d: `M${start.x + RADIUS} ${start.y}C${start.x + 130} ${start.y} ${to.x - 130} ${to.y} ${to.x - RADIUS} ${to.y}`,
      });
    });
  });
  const given = inputs.map((value, place) => circle(at(0, place), labels[place], figure(value, 4), "input"));
  const computed = neurons.map(({ name, number }, place) => {
    const group = circle(at(place < middle ? 1 : 2, place < middle ? place : place - middle), name, number.figure, "cell");
    group.setAttribute("tabindex", "0");
    group.setAttribute("role", "button");
    group.setAttribute("aria-label", `${name}: ${number.figure}`);
    for (const event of ["pointerenter", "focus", "click"]) group.addEventListener(event, () => tell(place));
    return group;
  });
  return svg(
    "svg",
    { class: "drawing", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "group", "aria-label": "the network" },
    ...edges,
    ...given,
    ...computed,
  );
}

/** @param {{x: number, y: number}} at @param {string} name @param {string} value @param {string} kind */
function circle({ x, y }, name, value, kind) {
  return svg(
    "g",
    { class: kind, transform: `translate(${x} ${y})` },
    svg("circle", { class: "neuron", r: RADIUS }),
    svg("text", { "text-anchor": "middle", y: 5 }, value),
    svg("text", { class: "quiet", "text-anchor": kind === "input" ? "end" : "middle", x: kind === "input" ? -RADIUS - 6 : 0, y: kind === "input" ? 5 : RADIUS + 16 }, name),
  );
}

/** Leaf or flower: the network as a drawing, with its weights on the lines and each neuron's sum when it is looked at. */

import { button, h, put, svg } from "../dom.js";
import { drawing, narrow } from "../drawing.js";
import { field, slider } from "../fields.js";
import { figure } from "../numbers.js";
import { equals, figureOf } from "../sums.js";
import { figureNamed, numbersOf, sumsIn } from "./tools.js";

/** @typedef {import("./index.js").Lesson} Lesson */
/** @typedef {import("../blocks.js").NamedSum} NamedSum */

const SIZES = {
  wide: { width: 640, height: 350, radius: 33, columns: [105, 330, 560] },
  narrow: { width: 340, height: 400, radius: 29, columns: [84, 194, 304] },
};

/** @param {Lesson} lesson @param {import("./index.js").Set} set @returns {import("./index.js").Control} */
export function network(lesson, set) {
  const drawn = h("div", {});
  const telling = h("p", { class: "sum", "aria-live": "polite" });
  const swatch = h("span", { class: "swatch", role: "img" });
  const sliders = h("div", { class: "sliders" });
  const weights = h("div", { class: "fields" });
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
  /** The neuron whose sum is written out, and the one whose weights can be changed. */
  let [looked, chosen] = [0, 0];

  /** @param {Lesson} now */
  function update(now) {
    moveSliders(now);
    const values = numbersOf(now, "object");
    const label = `a color of red ${values[0]}, green ${values[1]}, blue ${values[2]}`;
    swatch.style.setProperty("background", `rgb(${values[0]} ${values[1]} ${values[2]})`);
    swatch.setAttribute("aria-label", label);
    const neurons = [...sumsIn(now.blocks, 0), ...sumsIn(now.blocks, 1)];
    /** @param {number} place */
    const tell = (place) => {
      looked = place;
      const { name, number } = neurons[place];
      put(telling, h("strong", {}, name, " = ", figureOf(number)), ...equals(number));
      for (const [at, group] of [...drawn.querySelectorAll(".cell")].entries()) group.classList.toggle("hot", at === place);
      for (const edge of drawn.querySelectorAll(".edge")) edge.classList.toggle("dim", /** @type {SVGElement} */ (edge).dataset.to !== String(place));
    };
    /** @param {number} place */
    const choose = (place) => {
      chosen = place;
      tell(place);
      if (!weights.contains(document.activeElement))
        put(weights, field(figureNamed(now, neurons[place].name), (name, value) => set([`${name}=${value}`])));
    };
    put(drawn, picture(now, values, neurons, tell, choose));
    const before = looked;
    choose(chosen);
    tell(before);
  }
  update(lesson);
  const things = h(
    "p",
    { class: "row" },
    button("A leaf", () => set(["object=32 107 56 11.2"])),
    button("A flower", () => set(["object=241 200 4 59.5"])),
  );
  const object = h("div", {}, h("h2", {}, "By hand"), h("p", { class: "row" }, swatch, "Move its color and volume."), sliders, things);
  const hint = h("p", { class: "quiet small" }, "Point at a neuron, or step to it with Tab, and its sum is written out. Click it, or press Enter, and its weights can be changed.");
  const right = h("div", {}, drawn, telling, hint);
  return { element: h("div", { class: "network" }, object, right, weights), update };
}

/** @param {Lesson} lesson @param {number[]} inputs @param {NamedSum[]} neurons @param {(place: number) => void} tell @param {(place: number) => void} choose */
function picture(lesson, inputs, neurons, tell, choose) {
  const { width, height, radius, columns: across } = narrow() ? SIZES.narrow : SIZES.wide;
  const labels = figureNamed(lesson, "object").labels ?? [];
  const middle = neurons.length - 2;
  const columns = [inputs.length, middle, 2];
  const at = (/** @type {number} */ column, /** @type {number} */ place) => ({ x: across[column], y: ((place + 0.5) * height) / columns[column] });
  const weights = neurons.map(({ name }) => numbersOf(lesson, name));
  const largest = Math.max(1e-9, ...weights.flat().map(Math.abs));
  const edges = neurons.flatMap((_, place) => {
    const column = place < middle ? 1 : 2;
    const to = at(column, place < middle ? place : place - middle);
    return weights[place].map((weight, from) => {
      const start = at(column - 1, from);
      const bend = (to.x - start.x) / 2;
      return svg("path", {
        class: `edge ${weight < 0 ? "below" : "above"}`,
        "data-to": place,
        "stroke-width": 0.6 + (Math.abs(weight) / largest) * 6,
        d: `M${start.x + radius} ${start.y}C${start.x + bend} ${start.y} ${to.x - bend} ${to.y} ${to.x - radius} ${to.y}`,
      });
    });
  });
  const given = inputs.map((value, place) => circle(at(0, place), radius, labels[place], figure(value, 4), "input"));
  const computed = neurons.map(({ name, number }, place) => {
    const group = circle(at(place < middle ? 1 : 2, place < middle ? place : place - middle), radius, name, number.figure, "cell");
    group.setAttribute("tabindex", "0");
    group.setAttribute("role", "button");
    group.setAttribute("aria-label", `${name}: ${number.figure}`);
    for (const event of ["pointerenter", "focus"]) group.addEventListener(event, () => tell(place));
    group.addEventListener("click", () => choose(place));
    group.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose(place);
    });
    return group;
  });
  return drawing(width, height, { role: "group", "aria-label": "the network" }, ...edges, ...given, ...computed);
}

/** @param {{x: number, y: number}} at @param {number} radius @param {string} name @param {string} value @param {string} kind */
function circle({ x, y }, radius, name, value, kind) {
  return svg(
    "g",
    { class: kind, transform: `translate(${x} ${y})` },
    svg("circle", { class: "neuron", r: radius }),
    svg("text", { "text-anchor": "middle", y: 5 }, value),
    svg("text", { class: "quiet", "text-anchor": kind === "input" ? "end" : "middle", x: kind === "input" ? -radius - 6 : 0, y: kind === "input" ? 5 : radius + 16 }, name),
  );
}

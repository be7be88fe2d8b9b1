/** Dropout by hand: the dice thrown again, which connections they delete, and the loss on what was never seen. */

import { draw } from "../blocks.js";
import { curve } from "../curve.js";
import { h, svg } from "../dom.js";
import { drawing } from "../drawing.js";
import { dice, figureNamed, numbersOf, simple, sumsIn, tableIn, under } from "./tools.js";

/** @typedef {import("./index.js").Lesson} Lesson */

export const dropout = simple({
  title: "Throw the dice",
  figures: ["p", "epochs"],
  drawing: (lesson, set) => {
    const times = sumsIn(under(lesson, "Connections deleted"));
    const curves = under(lesson, "Does it help").filter((block) => block.kind === "curve");
    const lines = curves.map(({ what, values }) => ({ name: what.replace("loss on unseen examples, ", ""), values }));
    const silenced = tableIn(under(lesson, "Neurons silenced"));
    const every = curves[0]?.every ?? 1;
    return [
      h("p", { class: "row" }, dice(lesson, set, "Throw again")),
      h("h3", {}, "The article's way: connections are deleted"),
      h("div", { class: "split three" }, ...times.map((time) => h("figure", { class: "deleted" }, thinned(lesson, time), h("figcaption", {}, `${time.name}: `, draw({ kind: "sums", sums: [{ name: "", number: time.number }] }, set))))),
      h(
        "div",
        { class: "beside" },
        silenced && h("div", {}, h("h3", {}, "Today's way: what goes in is silenced, or grows"), draw(silenced, set)),
        lines.length > 0 && h("div", {}, h("h3", {}, "The loss on examples that it has not seen"), curve(lines, { label: "loss on unseen examples", across: "round", first: every, every })),
      ),
    ];
  },
});

/** One neuron with those of its connections that the dice left. @param {Lesson} lesson @param {import("../blocks.js").NamedSum} time */
function thinned(lesson, { name, number }) {
  const inputs = numbersOf(lesson, "inputs");
  const labels = figureNamed(lesson, "inputs").labels ?? [];
  // a sum of products: the inputs that are left, then as many weights; a deleted one is multiplied by 0 or gone
  const left = number.parts.slice(0, Math.floor(number.parts.length / 2));
  const weights = number.parts.slice(left.length, 2 * left.length);
  const kept = inputs.map((input, at) => {
    const place = left.length === inputs.length ? at : left.findIndex((part) => part.value === input);
    return place >= 0 && (weights[place]?.value ?? 0) !== 0;
  });
  const y = (/** @type {number} */ place) => 26 + place * 36;
  const lost = labels.filter((_, place) => !kept[place]);
  const signs = numbersOf(lesson, "weights").map((weight) => (weight < 0 ? "below" : "above"));
  return drawing(
    260,
    160,
    { "aria-label": `${name}: ${lost.length ? `without ${lost.join(", ")}` : "all there"}` },
    ...inputs.map((_, place) => svg("path", { class: `edge ${kept[place] ? signs[place] : "gone"}`, "stroke-width": 2, d: `M86 ${y(place)}C140 ${y(place)} 150 80 196 80` })),
    ...labels.map((label, place) => svg("text", { x: 78, y: y(place) + 4, "text-anchor": "end", class: kept[place] ? null : "quiet" }, label)),
    svg("circle", { class: "neuron", cx: 214, cy: 80, r: 18 }),
  );
}


/** Controls of chapters about plain numbers: deviation, normalization, the long way back, how wrong it is, matrices. */

import { bars } from "../bars.js";
import { draw } from "../blocks.js";
import { h, svg } from "../dom.js";
import { drawing, narrow } from "../drawing.js";
import { figure, subscript } from "../numbers.js";
import { numbersOf, simple, sumsIn, tableIn, under } from "./tools.js";

export const deviation = simple({
  title: "Move the numbers",
  figures: ["numbers"],
  drawing: (lesson) => {
    const numbers = numbersOf(lesson, "numbers");
    const middle = sumsIn(lesson.blocks, 0)[0]?.number.value ?? 0;
    const spread = lesson.blocks.flatMap((block) => (block.kind === "sums" ? block.sums : [])).find(({ name }) => name === "deviation")?.number;
    return [line(numbers, middle, spread?.value ?? 0), h("p", {}, `The mean is ${figure(middle)}, the deviation ${spread?.figure ?? ""}.`)];
  },
});

export const normalization = simple({
  title: "Put them on a common scale",
  figures: ["numbers", "scale", "shift"],
  drawing: (lesson) => {
    const before = numbersOf(lesson, "numbers").map((value, place) => ({ name: `x${subscript(place + 1)}`, value }));
    const sums = (/** @type {string} */ heading) => sumsIn(under(lesson, heading)).map(({ name, number }) => ({ name, value: number.value, shown: number.figure }));
    const columns = /** @type {const} */ ([["What comes in", before], ["On a common scale", sums("Never dividing")], ["Scaled and shifted", sums("Scale and shift")]]);
    return [h("div", { class: "split three" }, ...columns.map(([title, values]) => h("div", {}, h("h3", {}, title), bars(values, { label: title }))))];
  },
});

export const gradient = simple({
  title: "Turn the weight",
  figures: ["weight", "layers"],
  drawing: (lesson) =>
    [0, 1].map((which) => {
      const heading = which === 0 ? "A tower of one" : "With a bend";
      const rows = tableIn(under(lesson, heading))?.rows ?? [];
      return h(
        "div",
        {},
        h("h3", {}, which === 0 ? "How far each floor moves the top" : "The same with the logistic function on each floor"),
        bars(rows.map(({ name, values, cells }) => ({ name, value: values[1] ?? 0, shown: cells[1] })), { label: heading }),
      );
    }),
});

export const crossEntropy = simple({
  title: "Say it with more or less certainty",
  figures: ["outputs", "wanted"],
  drawing: (lesson) => {
    const table = tableIn(under(lesson, "Its gradient"));
    const loss = sumsIn(under(lesson, "From a chance"))[0];
    const simple = sumsIn(lesson.blocks)[0];
    const chances = (table?.rows ?? []).map(({ name, values, cells }) => ({ name, value: values[0] ?? 0, shown: cells[0] }));
    const pushes = (table?.rows ?? []).map(({ name, values, cells }) => ({ name, value: -(values[2] ?? 0), shown: cells[2].startsWith("−") ? `up by ${cells[2].slice(1)}` : `down by ${cells[2]}` }));
    return [
      h(
        "div",
        { class: "split" },
        h("div", {}, h("h3", {}, "The chances"), bars(chances, { label: "chances", share: true })),
        h("div", {}, h("h3", {}, "Where each output is pushed"), bars(pushes, { label: "pushes", most: 1 })),
      ),
      h("p", {}, `The loss is ${loss?.number.figure ?? ""}. The article's simple one, the differences from 1 and 0 added up, would be ${simple?.number.figure ?? ""}.`),
    ];
  },
});

export const matrix = simple({
  title: "Every number of the product is a sum",
  figures: ["first", "second"],
  drawing: (lesson) => lesson.blocks.filter((block) => block.kind === "sums").slice(0, 1).map((block) => draw(block, () => {})),
});

/** Numbers on a line, with their mean and one deviation to each side. @param {number[]} numbers @param {number} mean @param {number} spread */
function line(numbers, mean, spread) {
  const [low, high] = [Math.min(...numbers, mean - spread), Math.max(...numbers, mean + spread)];
  const width = narrow() ? 330 : 720;
  const x = (/** @type {number} */ value) => 40 + ((value - low) / (high - low || 1)) * (width - 80);
  return drawing(
    width,
    110,
    { "aria-label": `numbers from ${figure(low)} to ${figure(high)} around ${figure(mean)}` },
    svg("rect", { x: x(mean - spread), y: 30, width: Math.max(1, x(mean + spread) - x(mean - spread)), height: 40, fill: "var(--marked)" }),
    svg("path", { class: "axis", d: `M40 50H${width - 40}` }),
    svg("path", { class: "line second", d: `M${x(mean)} 26V74` }),
    svg("text", { class: "quiet", x: x(mean), y: 18, "text-anchor": "middle" }, figure(mean)),
    ...numbers.map((value) => svg("circle", { class: "dot", cx: x(value), cy: 50, r: 6 })),
    ...numbers.map((value, place) => svg("text", { x: x(value), y: place % 2 ? 104 : 88, "text-anchor": "middle" }, figure(value))),
  );
}

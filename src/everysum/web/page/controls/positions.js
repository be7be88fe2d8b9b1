/** Positions by hand: each rule for their numbers as waves over the positions, and as a map. */

import { curve } from "../curve.js";
import { button, h, put } from "../dom.js";
import { heatmap, held } from "../heatmap.js";
import { simple, tableIn } from "./tools.js";

/** @typedef {import("./index.js").Lesson} Lesson */
/** @typedef {import("./tools.js").Table} Table */

const WAYS = ["sines and cosines", "sines", "unpaired sines and cosines", "fractions", "counting"];

/** @param {Lesson} lesson @param {import("./index.js").Set} set @returns {import("./index.js").Control} */
export function positions(lesson, set) {
  let way = WAYS[0];
  let shown = lesson;
  const chosen = h("p", { class: "row", role: "group", "aria-label": "kinds of position numbers" });
  const drawn = h("div", {});
  put(
    chosen,
    WAYS.map((name) =>
      button(name, () => {
        way = name;
        update(shown);
      }),
    ),
  );
  const fields = simple({ title: "Positions as waves", figures: ["length", "width"], drawing: () => [] })(lesson, set);
  /** @param {Lesson} now */
  function update(now) {
    shown = now;
    fields.update(now);
    for (const each of chosen.querySelectorAll("button")) each.setAttribute("aria-pressed", String(each.textContent === way));
    const start = now.blocks.findIndex((block) => block.kind === "heading" && block.text.toLowerCase() === way);
    const [, said] = now.blocks.slice(start);
    const table = tableIn(now.blocks.slice(start));
    put(drawn, said?.kind === "text" && h("p", {}, said.text), table && h("div", { class: "beside" }, ...waves(table, way)));
  }
  update(lesson);
  return { element: h("div", {}, fields.element, chosen, drawn), update };
}

/** @param {Table} table @param {string} way */
function waves(table, way) {
  const values = table.rows.map((row) => row.values.map((value) => value ?? 0));
  const lines = table.columns.map((name, column) => ({ name: `number ${name}`, values: values.map((row) => row[column]) }));
  const low = Math.min(-1, ...values.flat());
  const high = Math.max(1, ...values.flat());
  const map = heatmap(held(values.flat(), values.length, table.columns.length), {
    label: `position numbers, ${way}`,
    rowAxis: "position",
    columnAxis: "number",
    rowLabels: table.rows.map(({ name }) => name.replace("position ", "")),
    columnLabels: table.columns,
    height: 360,
  });
  return [curve(lines, { label: `position numbers, ${way}`, across: "position", low, high }), map.element];
}


/** A lesson's blocks, drawn: text, sums, tables, curves, maps, the same in torch, and what is worth trying. */

import { bars } from "./bars.js";
import { curve } from "./curve.js";
import { button, h } from "./dom.js";
import { figure } from "./numbers.js";
import { pointMap } from "./pointmap.js";
import { sum } from "./sums.js";

/** @typedef {{name: string, number: import("./sums.js").Worked}} NamedSum */
/** @typedef {{name: string, cells: string[], values: (number | null)[], strong: boolean}} Row */
/**
 * @typedef {{kind: "text", text: string}
 *   | {kind: "heading", text: string}
 *   | {kind: "diagram", lines: string[]}
 *   | {kind: "sums", sums: NamedSum[]}
 *   | {kind: "table", columns: string[], rows: Row[], bars: number | null, alike: boolean}
 *   | {kind: "curve", what: string, steps: string, values: number[], every: number}
 *   | {kind: "map", what: string, steps: string, axes: [string, string], names: string[], places: [number, number][][], losses: number[]}
 *   | {kind: "comparison", what: string, library: string, code: string, plain: number[], other: number[], largest_difference: number, agrees: boolean}
 *   | {kind: "try", assignments: string[], shows: string}} Block
 */

const SHOWN = 12;
const LONG = 14;

/** @param {Block} block @param {(assignments: string[]) => void} set @returns {HTMLElement} */
export function draw(block, set) {
  switch (block.kind) {
    case "text":
      return h("p", {}, withCode(block.text));
    case "heading":
      return h("h2", {}, block.text);
    case "diagram":
      return h("pre", { class: "scroll diagram", tabindex: "0" }, block.lines.join("\n"));
    case "sums":
      return h("div", { class: "sums" }, block.sums.map(({ name, number }) => sum(name, number)));
    case "table":
      return table(block);
    case "curve":
      return h("div", { class: "card" }, h("h3", {}, block.what), curve([{ name: block.what, values: block.values }], { label: block.what, across: block.steps, first: block.every, every: block.every }));
    case "map":
      return map(block);
    case "comparison":
      return comparison(block);
    case "try":
      return h(
        "p",
        { class: "try" },
        button("Try it", () => set(block.assignments)),
        h("span", {}, h("code", {}, block.assignments.join("  ")), ` ${block.shows}`),
      );
    default:
      // a newer lesson may say more than this page knows: better said than left out
      return h("p", { class: "quiet" }, `(this page cannot show “${/** @type {{kind: string}} */ (block).kind}”)`);
  }
}

/** @param {string} text */
function withCode(text) {
  return text.split("`").map((part, place) => (place % 2 ? h("code", {}, part) : part));
}

/** @param {Extract<Block, {kind: "table"}>} block */
function table({ columns, rows, bars: barColumn, alike }) {
  const values = rows.flatMap((row) => row.values.filter((value) => value !== null));
  const largest = Math.max(1e-12, ...values.map(Math.abs));
  const numeric = columns.map((_, place) => rows.some((row) => row.values[place] !== null));
  if (barColumn !== null && columns.length === 1) {
    const drawn = rows.map(({ name, cells, values: own, strong }) => ({ name, value: own[0] ?? 0, shown: cells[0], chosen: strong }));
    return h("div", { class: "card" }, bars(drawn, { label: columns[0], share: true }));
  }
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": "table" },
    h(
      "table",
      { class: alike ? "matrix" : null },
      columns.some(Boolean) && h("thead", {}, h("tr", {}, h("td", {}), columns.map((name, place) => (name ? h("th", { scope: "col", class: numeric[place] ? "number" : null }, name) : h("td", {}))))),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h(
            "tr",
            { class: row.strong ? "strong" : null },
            h("th", { scope: "row", class: row.name.length > LONG ? "long" : null }, row.name),
            row.cells.map((cell, place) => {
              const value = row.values[place];
              const shade = alike && value !== null ? tint(value / largest) : {};
              return h("td", { class: numeric[place] ? "number" : "text", style: shade }, barColumn === place ? share(value ?? 0) : null, h("span", { "data-figure": true }, cell));
            }),
          ),
        ),
      ),
    ),
  );
}

/** A map with the whole way that its points have come. @param {Extract<Block, {kind: "map"}>} block */
function map(block) {
  const drawn = pointMap(block);
  drawn.show(block.places.length - 1);
  return h("div", { class: "card" }, h("h3", {}, `${block.what} after ${block.steps} ${block.places.length - 1}, and the way they came`), drawn.element);
}

/** The background of a cell, by its share of the largest. @param {number} share */
export function tint(share) {
  const side = share < 0 ? "--minus" : "--plus";
  return { background: `color-mix(in srgb, var(${side}) ${Math.round(Math.min(1, Math.abs(share)) * 34)}%, transparent)` };
}

/** @param {number} value */
function share(value) {
  return h("span", { class: "share", "aria-hidden": "true" }, h("i", { style: { width: `${Math.max(0, Math.min(1, value)) * 100}%` } }));
}

/** @param {Extract<Block, {kind: "comparison"}>} block */
function comparison({ what, library, code, plain, other, largest_difference, agrees }) {
  const more = plain.length - SHOWN;
  return h(
    "div",
    { class: "card comparison" },
    h("p", {}, h("strong", {}, agrees ? "✓ " : "✗ "), `${what}: ${agrees ? "both agree" : "they differ"}; the largest difference is ${figure(largest_difference, 2)}.`),
    h("pre", { class: "scroll", tabindex: "0" }, h("code", {}, code)),
    h(
      "details",
      { class: "more" },
      h("summary", {}, "The numbers side by side"),
      h(
        "div",
        { class: "scroll", tabindex: "0", role: "group", "aria-label": "both results" },
        h(
          "table",
          {},
          h("thead", {}, h("tr", {}, h("th", { scope: "col", class: "number" }, "by hand"), h("th", { scope: "col", class: "number" }, library))),
          h("tbody", {}, plain.slice(0, SHOWN).map((value, place) => h("tr", {}, h("td", { class: "number" }, figure(value, 10)), h("td", { class: "number" }, figure(other[place], 10))))),
        ),
      ),
      more > 0 && h("p", { class: "quiet small" }, `and ${more} more`),
    ),
  );
}

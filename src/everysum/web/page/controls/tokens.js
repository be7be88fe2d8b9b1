/** One of many, learned numbers, pieces of words: characters and tokens by hand. */

import { h, put, svg } from "../dom.js";
import { field } from "../fields.js";
import { heatmap, held } from "../heatmap.js";
import { figure } from "../numbers.js";
import { ask } from "../server.js";
import { figureNamed, numbersOf, simple, stepper, tableIn, under } from "./tools.js";

/** @typedef {import("./index.js").Lesson} Lesson */

export const oneHot = simple({
  title: "A row for each character",
  figures: ["word"],
  drawing: (lesson) => {
    const lines = lesson.blocks.find((block) => block.kind === "diagram")?.lines ?? [];
    const alphabet = [...(lines[0] ?? "").trim()];
    const rows = lines.slice(1).map((line) => ({ name: line[0], hot: [...line.slice(1).trim()].map((mark) => (mark === "1" ? 1 : 0)) }));
    const map = heatmap(held(rows.flatMap(({ hot }) => hot), rows.length, alphabet.length), {
      label: "one-hot",
      rowAxis: "character",
      columnAxis: "input",
      rowLabels: rows.map(({ name }) => name),
      columnLabels: alphabet,
    });
    return [map.element];
  },
});

/** The numbers of each character before training and after, as points on a map. */
export const embedding = simple({
  title: "The map of characters",
  hint: "The first two of each character's numbers, before training and after it. With two numbers each, this is all of them.",
  figures: ["width", "epochs", "seed"],
  drawing: (lesson) => {
    const [before, after] = [tableIn(under(lesson, "")), tableIn(under(lesson, "Training moves"))];
    if (!before || !after || before.rows.length < 2) return ["The map needs two numbers for each character."];
    const points = before.columns.map((name, at) => ({
      name,
      from: [before.rows[0].values[at] ?? 0, before.rows[1].values[at] ?? 0],
      to: [after.rows[0].values[at] ?? 0, after.rows[1].values[at] ?? 0],
    }));
    return [h("div", { class: "scroll" }, map(points))];
  },
});

/** @param {{name: string, from: number[], to: number[]}[]} points */
function map(points) {
  const size = 420;
  const reach = Math.max(0.1, ...points.flatMap(({ from, to }) => [...from, ...to]).map(Math.abs)) * 1.15;
  const x = (/** @type {number} */ value) => size / 2 + (value / reach) * (size / 2);
  const y = (/** @type {number} */ value) => size / 2 - (value / reach) * (size / 2);
  const label = points.map(({ name, to }) => `${name} at ${figure(to[0], 3)}, ${figure(to[1], 3)}`).join("; ");
  return svg(
    "svg",
    { class: "drawing", viewBox: `0 0 ${size} ${size}`, width: size, height: size, role: "img", "aria-label": `after training: ${label}` },
    svg("path", { class: "axis", d: `M0 ${size / 2}H${size}M${size / 2} 0V${size}` }),
    ...points.map(({ from, to }) => svg("path", { class: "line third", d: `M${x(from[0])} ${y(from[1])}L${x(to[0])} ${y(to[1])}` })),
    ...points.map(({ from }) => svg("circle", { cx: x(from[0]), cy: y(from[1]), r: 3, fill: "var(--quiet)" })),
    ...points.map(({ to }) => svg("circle", { class: "dot", cx: x(to[0]), cy: y(to[1]), r: 5 })),
    ...points.map(({ name, to }) => svg("text", { x: x(to[0]) + 9, y: y(to[1]) + 5, "font-weight": 700 }, name)),
  );
}

/** @typedef {{name: string, tokens: string[]}} Cut */

/** Merges one by one on the reader's own sentence, beside the cuts of the models that are open. @param {Lesson} lesson @param {import("./index.js").Set} set @returns {import("./index.js").Control} */
export function subWords(lesson, set) {
  let shown = lesson;
  const steps = stepper({
    now: () => numbersOf(shown, "merges")[0],
    most: figureNamed(lesson, "merges").most ?? 60,
    go: (merges) => set([`merges=${merges}`]),
    words: { step: "One merge more", play: "Go on by itself", start: "Single characters" },
  });
  const [sentence, cut, last, others] = [h("div", {}), h("p", { class: "tokens", "aria-live": "polite" }), h("p", { class: "quiet" }), h("div", {})];
  let asked = "";
  /** @param {Lesson} now */
  function update(now) {
    shown = now;
    if (!sentence.contains(document.activeElement))
      put(sentence, field(figureNamed(now, "text"), (name, value) => set([`${name}=${value}`])));
    const blocks = under(now, "Merge by merge");
    const rows = tableIn(blocks)?.rows ?? [];
    const text = blocks.filter((block) => block.kind === "text")[1]?.text ?? "";
    put(cut, text.split(" ").map((token) => h("span", { class: "token" }, token)));
    const newest = rows[rows.length - 1];
    const count = numbersOf(now, "merges")[0];
    put(last, newest ? `Merge ${newest.name}: ${newest.cells[0]} stood there ${newest.cells[2]} times, and is now ${newest.cells[1]}.` : "Every character is a token.", count > rows.length && ` After ${rows.length} merges no pair stands there twice.`);
    void cuts(String(figureNamed(now, "text").value));
  }
  /** @param {string} text */
  async function cuts(text) {
    if (text === asked) return;
    asked = text;
    const answer = /** @type {{cuts: Cut[]}} */ (await ask("api/cuts", { text }));
    if (text !== asked) return;
    put(
      others,
      h("h3", {}, "The same sentence in the models that are open"),
      answer.cuts.length === 0 && h("p", { class: "quiet" }, "None is: give ", h("code", {}, "everysum open"), " the folders of GPT-2 or Llama, and their cuts stand here."),
      ...answer.cuts.map(({ name, tokens }) => h("p", { class: "tokens" }, h("strong", {}, `${name}, ${tokens.length} tokens `), tokens.map((token) => h("span", { class: "token" }, token.replaceAll(" ", "␣"))))),
    );
  }
  update(lesson);
  return { element: h("div", {}, h("h2", {}, "Merge by merge, on your own sentence"), sentence, steps.element, last, cut, others), update, leave: steps.stop };
}

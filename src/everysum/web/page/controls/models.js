/** Whole models by hand: GPT, a translator that goes on behind a separator, the two towers, Llama. */

import { bars } from "../bars.js";
import { draw } from "../blocks.js";
import { curve } from "../curve.js";
import { h, put, svg } from "../dom.js";
import { drawing, narrow } from "../drawing.js";
import { heatmap, held } from "../heatmap.js";
import { subscript } from "../numbers.js";
import { curveIn, numbersOf, simple, stepper, sumsIn, tableIn, under } from "./tools.js";

/** @typedef {import("./index.js").Lesson} Lesson */
/** @typedef {import("./tools.js").Table} Table */

export const gpt = simple({
  title: "Train it, and let it go on",
  hint: "It trains in plain Python, number by number: that takes a while, and can be cancelled.",
  figures: ["prompt", "temperature", "steps", "characters"],
  drawing: (lesson) => {
    const learned = under(lesson, "It learns a few rhymes");
    const losses = curveIn(learned);
    const text = learned.filter((block) => block.kind === "diagram")[1]?.lines ?? [];
    const inside = under(lesson, "From the last character");
    const listening = tableIn(inside, 0);
    const chances = tableIn(inside, 1);
    return [
      h("div", { class: "split" }, h("div", {}, h("h3", {}, "It goes on"), h("pre", { class: "scroll", tabindex: "0" }, text.join("\n"))), h("div", {}, h("h3", {}, "What may come next"), chances && bars(chances.rows.map(({ name, values, cells }) => ({ name, value: values[1] ?? 0, shown: cells[1] })), { label: "chances", share: true }))),
      h(
        "div",
        { class: "beside" },
        losses && h("div", {}, h("h3", {}, "Its loss, step by step"), curve([{ name: "loss", values: losses.values }], { label: "loss", across: "step", first: 1 })),
        listening && h("div", {}, h("h3", {}, "Whom each head listens to, asked by the last character"), attended(listening, "attention of the last character")),
      ),
    ];
  },
});

/** Attention weights as a map, tokens on both sides. @param {Table} table @param {string} label */
function attended(table, label) {
  const map = heatmap(held(table.rows.flatMap(({ values }) => values.map((value) => value ?? 0)), table.rows.length, table.columns.length), {
    label,
    rowAxis: "asks",
    columnAxis: "listens to",
    // a map shows the spaces of tokens; these names are none
    rowLabels: table.rows.map(({ name }) => name.replaceAll(" ", "\u00a0")),
    columnLabels: table.columns,
  });
  return map.element;
}

/** The window over sentence, separator and translation, one word further at a press. @param {Lesson} lesson @param {import("./index.js").Set} set @returns {import("./index.js").Control} */
export function separator(lesson, set) {
  let place = 0;
  let shown = lesson;
  const [seen, told] = [h("p", { class: "tokens" }), h("p", { class: "quiet", "aria-live": "polite" })];
  const rows = () => tableIn(shown.blocks)?.rows ?? [];
  const steps = stepper({
    now: () => place,
    most: () => Math.max(0, rows().length - 1),
    go: (to) => {
      place = to;
      show();
    },
    words: { step: "Next word", play: "Go on by itself", start: "From the start" },
  });
  function show() {
    steps.follow();
    const row = rows()[Math.min(place, rows().length - 1)];
    const tokens = row ? row.name.split(" ") : [];
    const context = numbersOf(shown, "context")[0];
    put(seen, tokens.map((token, at) => h("span", { class: at < tokens.length - context ? "token lost" : "token" }, token)), h("span", { class: "token coming" }, row?.cells[0] ?? ""));
    const lost = Math.max(0, tokens.length - context);
    put(told, `After “${tokens[tokens.length - 1] ?? ""}” comes “${row?.cells[0] ?? ""}”. ${lost ? `${lost} of the ${tokens.length} tokens can no longer be seen.` : "All tokens can be seen."}`);
  }
  const fields = simple({ title: "The window slides", figures: ["context", "sentence", "translation"], drawing: () => [] })(lesson, set);
  /** @param {Lesson} now */
  function update(now) {
    shown = now;
    fields.update(now);
    show();
  }
  update(lesson);
  return { element: h("div", {}, fields.element, seen, told, steps.element), update, leave: steps.stop };
}

export const transformer = simple({
  title: "Who is asked for each word",
  figures: ["sentence", "epochs"],
  drawing: (lesson, set) => {
    const cross = tableIn(under(lesson, "Asked at each word"));
    const learned = under(lesson, "It learns to translate");
    const [said, losses] = [tableIn(learned), curveIn(learned)];
    return [
      h(
        "div",
        { class: "beside" },
        said && h("div", {}, h("h3", {}, "What it has learned to say"), draw(said, set), losses && h("h3", {}, "Its loss, epoch by epoch"), losses && curve([{ name: "loss", values: losses.values }], { label: "loss", across: losses.steps, first: 1 })),
        cross && h("div", {}, h("h3", {}, "Cross-attention: which words of the sentence each written word asks"), attended(cross, "cross-attention")),
      ),
    ];
  },
});

export const llama = simple({
  title: "Turn, share, squeeze",
  figures: ["position", "heads", "key_value_heads", "x"],
  drawing: (lesson) => {
    const named = (/** @type {string} */ heading) => sumsIn(under(lesson, heading)).map(({ name, number }) => ({ name, value: number.value, shown: number.figure }));
    const before = numbersOf(lesson, "x").map((value, at) => ({ name: `x${subscript(at + 1)}`, value }));
    const shared = tableIn(under(lesson, "Grouped queries"));
    return [
      h("div", { class: "split three" }, h("div", {}, h("h3", {}, "What flows in"), bars(before, { label: "x" })), h("div", {}, h("h3", {}, "After RMSNorm"), bars(named("RMSNorm"), { label: "after RMSNorm" })), h("div", {}, h("h3", {}, `Turned for position ${numbersOf(lesson, "position")[0]}`), bars(named("Rotary"), { label: "turned" }))),
      shared && h("h3", {}, "Grouped queries: each query head, and the key and value that it listens with"),
      shared && groups(shared),
    ];
  },
});

/** Which key and value each query head listens with. @param {Table} table */
function groups(table) {
  const keys = [...new Set(table.rows.map(({ cells }) => cells[0]))];
  const width = narrow() ? 330 : 640;
  const x = (/** @type {number} */ place, /** @type {number} */ count) => ((place + 0.5) * width) / count;
  const shown = (/** @type {string} */ name) => (width / table.rows.length < 100 ? name.replace(/^\D+/, "") : name);
  const label = table.rows.map(({ name, cells }) => `${name}: ${cells[0]}`).join("; ");
  return drawing(
    width,
    150,
    { "aria-label": label },
    ...table.rows.map(({ cells }, place) => svg("path", { class: "edge above", "stroke-width": 2, d: `M${x(place, table.rows.length)} 38C${x(place, table.rows.length)} 84 ${x(keys.indexOf(cells[0]), keys.length)} 70 ${x(keys.indexOf(cells[0]), keys.length)} 112` })),
    ...table.rows.map(({ name }, place) => svg("text", { x: x(place, table.rows.length), y: 26, "text-anchor": "middle" }, shown(name))),
    ...keys.map((name, place) => svg("text", { x: x(place, keys.length), y: 136, "text-anchor": "middle" }, shown(name))),
  );
}

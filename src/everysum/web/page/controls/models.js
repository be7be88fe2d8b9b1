/** Controls of the later chapters: dropout, heads, positions, and whole models. */

import { bars } from "../bars.js";
import { draw } from "../blocks.js";
import { curve } from "../curve.js";
import { button, h, put, svg } from "../dom.js";
import { heatmap, held } from "../heatmap.js";
import { curveIn, figureNamed, numbersOf, simple, stepper, sumsIn, tableIn, under } from "./tools.js";

/** @typedef {import("./index.js").Lesson} Lesson */
/** @typedef {import("./tools.js").Table} Table */

/** Another start for everything that is random. @param {Lesson} lesson @param {import("./index.js").Set} set @param {string} label */
function dice(lesson, set, label) {
  return button(label, () => set([`seed=${(numbersOf(lesson, "seed")[0] + 1) % 10_000}`]), { class: "main" });
}

export const dropout = simple({
  title: "Throw the dice",
  figures: ["p", "epochs"],
  drawing: (lesson, set) => {
    const times = sumsIn(under(lesson, "Connections deleted"));
    const curves = under(lesson, "Does it help").filter((block) => block.kind === "curve");
    const lines = curves.map(({ what, values }) => ({ name: what.replace("loss on unseen examples, ", ""), values }));
    return [
      h("p", { class: "row" }, dice(lesson, set, "Throw again")),
      h("div", { class: "split" }, ...times.map((time) => h("figure", { class: "deleted" }, thinned(lesson, time), h("figcaption", {}, `${time.name}: `, draw({ kind: "sums", sums: [{ name: "", number: time.number }] }, set))))),
      lines.length > 0 && h("h3", {}, "The loss on examples that it has not seen"),
      lines.length > 0 && curve(lines, { label: "loss on unseen examples", across: "round", first: 1 }),
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
  return svg(
    "svg",
    { class: "drawing", viewBox: "0 0 260 160", width: 260, height: 160, role: "img", "aria-label": `${name}: ${lost.length ? `without ${lost.join(", ")}` : "all there"}` },
    ...inputs.map((_, place) => svg("path", { class: kept[place] ? "edge above" : "edge gone", "stroke-width": 2, d: `M86 ${y(place)}C140 ${y(place)} 150 80 196 80` })),
    ...labels.map((label, place) => svg("text", { x: 78, y: y(place) + 4, "text-anchor": "end", class: kept[place] ? null : "quiet" }, label)),
    svg("circle", { class: "neuron", cx: 214, cy: 80, r: 18 }),
  );
}

export const heads = simple({
  title: "Two listeners",
  figures: ["sat", "humpty", "dumpty"],
  drawing: (lesson, set) => {
    const table = tableIn(under(lesson, "The article's way"));
    return [
      h("p", { class: "row" }, dice(lesson, set, "Other weights")),
      h(
        "div",
        { class: "split" },
        ...(table?.rows ?? []).map(({ name, values, cells }) =>
          h("div", {}, h("h3", {}, `Whom sat listens to, ${name}`), bars((table?.columns ?? []).map((word, at) => ({ name: word, value: values[at] ?? 0, shown: cells[at] })), { label: name, share: true })),
        ),
      ),
    ];
  },
});

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
    const start = now.blocks.findIndex((block) => block.kind === "heading" && block.text === way);
    const table = tableIn(now.blocks.slice(start));
    put(drawn, ...(table ? waves(table, way) : []));
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
      listening && h("h3", {}, "Whom each head listens to"),
      listening && attended(listening, "attention of the last character"),
      losses && curve([{ name: "loss", values: losses.values }], { label: "loss", across: "step", first: 1 }),
    ];
  },
});

/** Attention weights as a map, tokens on both sides. @param {Table} table @param {string} label */
function attended(table, label) {
  const map = heatmap(held(table.rows.flatMap(({ values }) => values.map((value) => value ?? 0)), table.rows.length, table.columns.length), {
    label,
    rowAxis: "asks",
    columnAxis: "listens to",
    rowLabels: table.rows.map(({ name }) => name),
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
    most: Math.max(0, rows().length - 1),
    go: (to) => {
      place = to;
      show();
    },
    words: { step: "Next word", play: "Go on by itself", start: "From the start" },
  });
  function show() {
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
    const said = tableIn(under(lesson, "It learns to translate"));
    return [
      said && draw(said, set),
      cross && h("h3", {}, "Cross-attention: each written word, and the words of the sentence"),
      cross && attended(cross, "cross-attention"),
    ];
  },
});

export const llama = simple({
  title: "Turn, share, squeeze",
  figures: ["position", "heads", "key_value_heads", "x"],
  drawing: (lesson) => {
    const named = (/** @type {string} */ heading) => sumsIn(under(lesson, heading)).map(({ name, number }) => ({ name, value: number.value, shown: number.figure }));
    const before = numbersOf(lesson, "x").map((value, at) => ({ name: `x${at + 1}`, value }));
    const shared = tableIn(under(lesson, "Grouped queries"));
    return [
      h("div", { class: "split" }, h("div", {}, h("h3", {}, "What flows in"), bars(before, { label: "x" })), h("div", {}, h("h3", {}, "After RMSNorm"), bars(named("RMSNorm"), { label: "after RMSNorm" })), h("div", {}, h("h3", {}, `Turned for position ${numbersOf(lesson, "position")[0]}`), bars(named("Rotary"), { label: "turned" }))),
      shared && h("h3", {}, "Grouped queries"),
      shared && groups(shared),
    ];
  },
});

/** Which key and value each query head listens with. @param {Table} table */
function groups(table) {
  const keys = [...new Set(table.rows.map(({ cells }) => cells[0]))];
  const x = (/** @type {number} */ place, /** @type {number} */ count) => ((place + 0.5) * 600) / count + 20;
  const label = table.rows.map(({ name, cells }) => `${name}: ${cells[0]}`).join("; ");
  return svg(
    "svg",
    { class: "drawing", viewBox: "0 0 640 150", width: 640, height: 150, role: "img", "aria-label": label },
    ...table.rows.map(({ cells }, place) => svg("path", { class: "edge above", "stroke-width": 2, d: `M${x(place, table.rows.length)} 38C${x(place, table.rows.length)} 84 ${x(keys.indexOf(cells[0]), keys.length)} 70 ${x(keys.indexOf(cells[0]), keys.length)} 112` })),
    ...table.rows.map(({ name }, place) => svg("text", { x: x(place, table.rows.length), y: 26, "text-anchor": "middle" }, name)),
    ...keys.map((name, place) => svg("text", { x: x(place, keys.length), y: 136, "text-anchor": "middle" }, name)),
  );
}


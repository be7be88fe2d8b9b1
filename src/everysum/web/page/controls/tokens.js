/** One of many, pieces of words: characters and tokens by hand. */

import { h, put } from "../dom.js";
import { field } from "../fields.js";
import { heatmap, held } from "../heatmap.js";
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

/** @typedef {{name: string, tokens: string[]}} Cut */

/** Merges one by one on the reader's own sentence, beside the cuts of the models that are open. @param {Lesson} lesson @param {import("./index.js").Set} set @returns {import("./index.js").Control} */
export function subWords(lesson, set) {
  let shown = lesson;
  const steps = stepper({
    now: () => numbersOf(shown, "merges")[0],
    most: () => figureNamed(shown, "merges").most ?? 60,
    go: (merges) => set([`merges=${merges}`]),
    words: { step: "One merge more", play: "Go on by itself", start: "Single characters" },
  });
  const [sentence, cut, last, others] = [h("div", {}), h("p", { class: "tokens", "aria-live": "polite" }), h("p", { class: "quiet" }), h("div", {})];
  let asked = "";
  /** @param {Lesson} now */
  function update(now) {
    shown = now;
    steps.follow();
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

/** Who listens to whom: three words that can be put in another order; the last one asks. */

import { draw } from "../blocks.js";
import { button, h, put, svg } from "../dom.js";
import { drawing, narrow } from "../drawing.js";
import { figure, percent } from "../numbers.js";
import { figureNamed, tableIn, under } from "./tools.js";

/** @typedef {import("./index.js").Lesson} Lesson */

const WORDS = ["humpty", "dumpty", "sat"];

/** @param {Lesson} lesson @param {import("./index.js").Set} set @returns {import("./index.js").Control} */
export function attention(lesson, set) {
  /** The vector of each word, wherever the word stands. @type {Map<string, string>} */
  const vectors = new Map(WORDS.map((word) => [word, figureNamed(lesson, word).text]));
  let order = [...WORDS];
  let held = -1;
  const list = h("ol", { class: "words", "aria-label": "the words, in their order; the last one asks" });
  const [arcs, result, today] = [h("div", {}), h("div", {}), h("div", {})];
  const said = h("p", { class: "quiet", "aria-live": "polite" });

  /** Put the word at one place to another. @param {number} from @param {number} to */
  function move(from, to) {
    if (to < 0 || to >= order.length || from === to) return;
    const [word] = order.splice(from, 1);
    order.splice(to, 0, word);
    // the lesson's three figures are the vectors at the three places
    set(order.map((each, place) => `${WORDS[place]}=${vectors.get(each)}`));
    put(said, `${word} is now word ${to + 1}; ${order[2]} asks.`);
  }

  function drawWords() {
    const focused = list.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement).dataset.word : null;
    put(
      list,
      order.map((word, place) => {
        const item = h(
          "li",
          { class: place === order.length - 1 ? "word chosen" : "word", draggable: "true" },
          button("‹", () => move(place, place - 1), { class: "bare", "aria-label": `${word}: one to the left`, disabled: place === 0, data: { word: `${word}‹` } }),
          word,
          button("›", () => move(place, place + 1), { class: "bare", "aria-label": `${word}: one to the right`, disabled: place === order.length - 1, data: { word: `${word}›` } }),
        );
        item.addEventListener("dragstart", () => {
          held = place;
          item.classList.add("held");
        });
        item.addEventListener("dragend", () => item.classList.remove("held"));
        item.addEventListener("dragover", (event) => {
          event.preventDefault();
          item.classList.add("over");
        });
        item.addEventListener("dragleave", () => item.classList.remove("over"));
        item.addEventListener("drop", (event) => {
          event.preventDefault();
          move(held, place);
        });
        return item;
      }),
    );
    if (focused) /** @type {HTMLElement | null} */ (list.querySelector(`[data-word="${CSS.escape(focused)}"]`))?.focus();
  }

  /** @param {Lesson} now */
  function update(now) {
    const texts = WORDS.map((name) => figureNamed(now, name).text);
    const known = [...vectors.values()];
    // somebody changed a vector among their own numbers: it belongs to the word that stands there
    if (texts.some((text) => !known.includes(text))) texts.forEach((text, place) => vectors.set(order[place], text));
    else if (texts.every((text, place) => vectors.get(WORDS[place]) === text)) order = [...WORDS];
    drawWords();
    const block = under(now, "Who listens to whom");
    const listened = tableIn(block)?.rows ?? [];
    const weights = listened.map(({ values }) => values[0] ?? 0);
    put(arcs, picture(order, weights));
    const taken = block.filter(({ kind }) => kind === "sums")[2];
    put(result, h("h3", {}, `What ${order[2]} takes home`), taken && draw(taken, set));
    const standard = tableIn(under(now, "As it is done today"))?.rows[2];
    const article = { name: "the article's", cells: listened.map(({ cells }) => cells[0]), values: weights, strong: false };
    const rows = standard ? [article, { ...standard, name: "today's, divided by √2" }] : [article];
    put(today, h("h3", {}, `Whom ${order[2]} listens to, then and now`), draw({ kind: "table", columns: order, rows, bars: null, alike: true }, set));
  }
  update(lesson);
  return {
    element: h(
      "div",
      {},
      h("h2", {}, "Put the words in another order"),
      h("p", { class: "quiet" }, "Drag a word, or use its arrows. Let the first two change places: nothing changes. Let another word be the last: everything does."),
      list,
      said,
      h("div", { class: "beside" }, arcs, h("div", {}, result, today)),
    ),
    update,
  };
}

/** @param {string[]} words @param {number[]} weights */
function picture(words, weights) {
  const [first, step, width] = narrow() ? [52, 104, 330] : [60, 180, 520];
  const x = (/** @type {number} */ place) => first + place * step;
  const from = x(words.length - 1);
  const label = words.map((word, place) => `${word} ${percent(weights[place])}`).join(", ");
  return drawing(
    width,
    210,
    { "aria-label": `${words[2]} listens to: ${label}` },
    ...words.map((_, place) => {
      const [to, top] = [x(place), 124 - (words.length - 1 - place) * 52];
      const itself = `M${from + 8} 150C${from + 14} 76 ${from + 70} 92 ${from + 18} 150`;
      const d = place === words.length - 1 ? itself : `M${from - 4} 150C${from - 4} ${top} ${to} ${top} ${to} 150`;
      return svg("path", { class: "edge above", d, "stroke-width": 1 + weights[place] * 16, opacity: 0.35 + weights[place] * 0.65 });
    }),
    ...words.map((word, place) =>
      svg(
        "g",
        {},
        svg("text", { x: x(place), y: 172, "text-anchor": "middle" }, word),
        svg("text", { class: "quiet", x: x(place), y: 194, "text-anchor": "middle" }, figure(weights[place])),
      ),
    ),
  );
}

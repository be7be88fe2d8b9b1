/** What controls share: finding a lesson's blocks and figures, and the frame of fields above a drawing. */

import { button, calm, h, put } from "../dom.js";
import { field } from "../fields.js";

/** @typedef {import("./index.js").Lesson} Lesson */
/** @typedef {import("./index.js").Set} Set */
/** @typedef {import("../blocks.js").Block} Block */
/** @typedef {import("../blocks.js").NamedSum} NamedSum */
/** @typedef {Extract<Block, {kind: "table"}>} Table */

/** @param {Lesson} lesson @param {string} name */
export function figureNamed(lesson, name) {
  const found = lesson.figures.find((each) => each.name === name);
  if (!found) throw new Error(`the lesson ${lesson.name} has no figure ${name}`);
  return found;
}

/** @param {Lesson} lesson @param {string} name @returns {number[]} */
export function numbersOf(lesson, name) {
  const { value } = figureNamed(lesson, name);
  return Array.isArray(value) ? value : [Number(value)];
}

/** The blocks under a heading; with "" those before the first. @param {Lesson} lesson @param {string} heading @returns {Block[]} */
export function under(lesson, heading) {
  const { blocks } = lesson;
  const start = heading ? blocks.findIndex((block) => block.kind === "heading" && block.text.startsWith(heading)) : -1;
  if (heading && start < 0) return [];
  const rest = blocks.slice(start + 1);
  const end = rest.findIndex((block) => block.kind === "heading");
  return end < 0 ? rest : rest.slice(0, end);
}

/** @param {Block[]} blocks @param {number} [which] @returns {Table | undefined} */
export function tableIn(blocks, which = 0) {
  return blocks.filter((block) => block.kind === "table")[which];
}

/** @param {Block[]} blocks @param {number} [which] @returns {NamedSum[]} */
export function sumsIn(blocks, which = 0) {
  return blocks.filter((block) => block.kind === "sums")[which]?.sums ?? [];
}

/** @param {Block[]} blocks @param {number} [which] */
export function curveIn(blocks, which = 0) {
  return blocks.filter((block) => block.kind === "curve")[which];
}

/**
 * A control of some of a lesson's figures, and a drawing that follows the lesson.
 * @param {object} parts
 * @param {string} parts.title
 * @param {string} [parts.hint]
 * @param {string[]} parts.figures names of the lesson's figures to set by hand
 * @param {(lesson: Lesson, set: Set) => (Node | string | null | undefined | false)[]} parts.drawing
 * @returns {(lesson: Lesson, set: Set) => import("./index.js").Control}
 */
export function simple({ title, hint, figures, drawing }) {
  return (lesson, set) => {
    const fields = h("div", { class: "fields" });
    const drawn = h("div", { class: "drawn" });
    /** @param {Lesson} now */
    function update(now) {
      if (!fields.contains(document.activeElement))
        put(fields, figures.map((name) => field(figureNamed(now, name), (figure, value) => set([`${figure}=${value}`]))));
      put(drawn, ...drawing(now, set));
    }
    update(lesson);
    return { element: h("div", {}, h("h2", {}, title), hint && h("p", { class: "quiet" }, hint), fields, drawn), update };
  };
}

/**
 * Buttons that lead a whole number up step by step, and play by themselves; with `slider` also one to move by hand.
 * @param {object} parts
 * @param {() => number} parts.now
 * @param {() => number} parts.most
 * @param {number} [parts.least]
 * @param {(value: number) => void} parts.go
 * @param {{step: string, play: string, start: string, slider?: string}} parts.words
 * @param {number} [parts.pause] milliseconds from one step to the next while it plays
 * @returns {{element: HTMLElement, stop: () => void, follow: () => void}} `follow`: after the number or its limit has changed
 */
export function stepper({ now, most, least = 0, go, words, pause = 120 }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const step = button(words.step, () => (stop(), go(Math.min(most(), now() + 1))), { class: "main step" });
  const play = button(words.play, () => (timer === undefined ? begin() : stop()), { class: "play" });
  const start = button(words.start, () => (stop(), go(least)));
  const slider = words.slider ? h("input", { type: "range", class: "over", min: least, "aria-label": words.slider }) : null;
  slider?.addEventListener("input", () => (stop(), go(Number(slider.value))));

  function begin() {
    // who asked for less motion is shown the end of it
    if (calm()) return go(most());
    put(play, "Pause");
    timer = setTimeout(advance, 0);
    if (now() >= most()) go(least);
  }
  function stop() {
    clearTimeout(timer);
    timer = undefined;
    put(play, words.play);
  }
  function advance() {
    if (now() >= most()) return stop();
    go(now() + 1);
    // the next only once this one has been drawn
    timer = setTimeout(advance, pause);
  }
  function follow() {
    // only said, not done: a button that is disabled loses the keyboard's focus
    step.setAttribute("aria-disabled", String(now() >= most()));
    start.setAttribute("aria-disabled", String(now() <= least));
    if (!slider) return;
    slider.max = String(most());
    slider.value = String(now());
    slider.setAttribute("aria-valuetext", `${now()} of ${most()}`);
  }
  follow();
  return { element: h("div", { class: "row stepper" }, step, play, start, slider), stop, follow };
}

/** Another start for everything that is random. @param {Lesson} lesson @param {import("./index.js").Set} set @param {string} label */
export function dice(lesson, set, label) {
  return button(label, () => set([`seed=${(numbersOf(lesson, "seed")[0] + 1) % 10_000}`]), { class: "main" });
}

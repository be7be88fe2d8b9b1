/** Training by hand: one epoch at a press, the curve as it falls, and the nudged gradient beside the formula's. */

import { curve } from "../curve.js";
import { draw } from "../blocks.js";
import { h, put } from "../dom.js";
import { field } from "../fields.js";
import { curveIn, figureNamed, numbersOf, stepper, tableIn, under } from "./tools.js";

/** @typedef {import("./index.js").Lesson} Lesson */

const LONGEST = 200;

/** @param {Lesson} lesson @param {import("./index.js").Set} set @returns {import("./index.js").Control} */
export function training(lesson, set) {
  let shown = lesson;
  const most = figureNamed(lesson, "epochs").most ?? 500;
  const steps = stepper({
    now: () => numbersOf(shown, "epochs")[0],
    least: 1,
    most: () => Math.min(most, LONGEST),
    go: (epochs) => set([`epochs=${epochs}`]),
    words: { step: "One epoch more", play: "Go on by itself", start: "From the start" },
  });
  const rate = h("div", { class: "fields" });
  const [falling, gradients, answers] = [h("div", {}), h("div", {}), h("div", {})];
  /** @param {Lesson} now */
  function update(now) {
    shown = now;
    steps.follow();
    if (!rate.contains(document.activeElement))
      put(rate, field(figureNamed(now, "rate"), (name, value) => set([`${name}=${value}`])), field(figureNamed(now, "seed"), (name, value) => set([`${name}=${value}`])));
    const trained = under(now, "Again and again");
    const losses = curveIn(trained)?.values ?? [];
    put(falling, curve([{ name: "loss", values: losses }], { label: "the average loss, epoch by epoch", across: "epoch", places: Math.max(LONGEST, losses.length), first: 1 }));
    const table = tableIn(under(now, "Which way is down"), 1);
    put(gradients, h("h3", {}, "The gradient of one weight, at the start"), table && draw(table, set));
    const says = tableIn(trained);
    put(answers, h("h3", {}, `What it says after ${losses.length} epochs`), says && draw(says, set));
  }
  update(lesson);
  const element = h("div", {}, h("h2", {}, "Train it by hand"), rate, steps.element, h("div", { class: "beside" }, falling, h("div", {}, gradients, answers)));
  return { element, update, leave: steps.stop };
}

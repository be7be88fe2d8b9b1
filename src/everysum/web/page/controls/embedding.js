/** The numbers of characters while they are learned: points on a map that move at each step, and the loss that falls. */

import { curve } from "../curve.js";
import { h, put } from "../dom.js";
import { field } from "../fields.js";
import { figure } from "../numbers.js";
import { placesTable, pointMap } from "../pointmap.js";
import { figureNamed, stepper, under } from "./tools.js";

/** @typedef {import("./index.js").Lesson} Lesson */

/** @param {Lesson} lesson @returns {import("../pointmap.js").MapBlock} */
function mapIn(lesson) {
  const found = under(lesson, "Two numbers make a map").find((block) => block.kind === "map");
  if (!found) throw new Error(`the lesson ${lesson.name} has no map`);
  return found;
}

/** @param {Lesson} lesson @param {import("./index.js").Set} set @returns {import("./index.js").Control} */
export function embedding(lesson, set) {
  let block = mapIn(lesson);
  let map = pointMap(block);
  let step = 0;
  const last = () => block.places.length - 1;
  const steps = stepper({
    now: () => step,
    most: last,
    go,
    words: { step: "One round more", play: "Let it learn", start: "From the start", slider: "rounds of training" },
  });
  const fields = h("div", { class: "fields" });
  const [place, falling] = [h("div", {}), h("div", {})];
  const numbers = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "where each character is" });
  const told = h("p", { "aria-live": "polite" });

  /** @param {number} to after how many steps */
  function go(to) {
    step = to;
    map.show(step);
    put(told, `After ${block.steps} ${step} of ${last()} the loss is `, h("strong", {}, figure(block.losses[step])), ".");
    const losses = block.losses.slice(0, step + 1);
    put(falling, curve([{ name: "loss", values: losses }], { label: "the loss, round by round", across: block.steps, places: block.losses.length, high: Math.max(...block.losses), led: true }));
    put(numbers, placesTable(block, step));
    steps.follow();
  }
  /** @param {Lesson} now */
  function update(now) {
    if (!fields.contains(document.activeElement))
      put(fields, ["epochs", "seed"].map((name) => field(figureNamed(now, name), (key, value) => set([`${key}=${value}`]))));
    block = mapIn(now);
    map = pointMap(block);
    put(place, map.element);
    go(Math.min(step, last()));
  }
  update(lesson);
  const element = h(
    "div",
    {},
    h("h2", {}, "Watch the characters find their places"),
    h("p", { class: "quiet" }, "Two numbers for each character say where it lies. Each round of training moves them all a little, to where the loss gets smaller."),
    fields,
    steps.element,
    h("div", { class: "beside" }, place, h("div", {}, told, falling, h("details", { class: "more" }, h("summary", {}, "The numbers at this moment"), numbers))),
  );
  return { element, update, leave: steps.stop };
}

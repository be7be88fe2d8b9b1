/** The sliding window, typing what the trained network says: twelve characters go in, one comes out, and on. */

import { button, h, put } from "../dom.js";
import { field } from "../fields.js";
import { figureNamed, stepper, tableIn, under } from "./tools.js";

/** @typedef {import("./index.js").Lesson} Lesson */

const WINDOW = 12;
const PAUSE = 220;

/** @param {Lesson} lesson @param {import("./index.js").Set} set @returns {import("./index.js").Control} */
export function characters(lesson, set) {
  const tape = h("p", { class: "tape", "aria-live": "off" });
  const said = h("p", { class: "quiet", "aria-live": "polite" });
  const choice = h("p", { class: "row", role: "group", "aria-label": "how long it was trained" });
  const training = h("div", { class: "fields" });
  let [text, place, chosen] = ["", 0, -1];
  const steps = stepper({
    now: () => place,
    most: () => text.length - WINDOW,
    go,
    words: { step: "Next character", play: "Let it type", start: "From the start" },
    pause: PAUSE,
  });

  /** @param {number} to how many characters it has said */
  function go(to) {
    place = Math.max(0, Math.min(text.length - WINDOW, to));
    const seen = [...text.slice(0, place + WINDOW)];
    put(
      tape,
      seen.map((character, at) =>
        h("span", { class: at >= place && at < place + WINDOW ? "seen" : at >= WINDOW ? "own" : null }, character),
      ),
      place < text.length - WINDOW && h("span", { class: "coming" }, "?"),
    );
    const inside = text.slice(place, place + WINDOW);
    put(said, place < text.length - WINDOW ? `It sees “${inside}” and says “${text[place + WINDOW]}”.` : `It has said “${text.slice(WINDOW)}”.`);
    steps.follow();
  }
  /** @param {Lesson} now */
  function update(now) {
    const rows = tableIn(under(now, "It learns to speak"))?.rows ?? [];
    const start = String(figureNamed(now, "sentence").value).slice(0, WINDOW);
    /** @param {number} which */
    function choose(which) {
      steps.stop();
      chosen = which;
      // the lesson shows a space as ␣, and may show the whole sentence or only what was said
      const spoken = (rows[which]?.cells[0] ?? "").replaceAll("␣", " ");
      text = spoken.startsWith(start) ? spoken : start + spoken;
      for (const [at, each] of [...choice.querySelectorAll("button")].entries()) each.setAttribute("aria-pressed", String(at === which));
      go(0);
    }
    put(choice, rows.map(({ name }, at) => button(name, () => choose(at), { "aria-pressed": "false" })), h("span", { class: "quiet" }, "rounds of training"));
    choose(chosen >= 0 && chosen < rows.length ? chosen : rows.length - 1);
    if (!training.contains(document.activeElement))
      put(training, ["sentence", "epochs"].map((name) => field(figureNamed(now, name), (figure, value) => set([`${figure}=${value}`]))));
  }
  update(lesson);
  return { element: h("div", {}, h("h2", {}, "Let it speak"), training, choice, tape, said, steps.element), update, leave: steps.stop };
}

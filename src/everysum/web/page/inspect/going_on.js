/** What a model writes by itself: the text gone on with, or the whole translation. */

import { button, h, put } from "../dom.js";
import { notice } from "../notice.js";
import { lines } from "../server.js";

/** @typedef {import("../inspector.js").Asked} Asked */

/** Let the model go on from the prompt, piece by piece. @param {Asked} asked @param {() => number} temperature */
export function goOn(asked, temperature) {
  const text = h("p", { class: "tape", "aria-live": "polite" }, asked.prompt);
  const problem = h("div", {});
  let seed = 0;
  let stop = new AbortController();
  const go = button("Let it go on", run, { class: "main" });
  async function run() {
    stop.abort();
    stop = new AbortController();
    const { signal } = stop;
    seed += 1;
    put(text, asked.prompt);
    put(problem);
    try {
      await lines("api/generate", { model: asked.model, prompt: asked.prompt, temperature: temperature(), seed }, signal, ({ piece }) => {
        if (piece !== undefined) text.append(h("span", { class: "own" }, piece));
      });
    } catch (found) {
      if (!signal.aborted) put(problem, notice(found));
    }
  }
  return {
    element: h("section", { class: "card" }, h("h2", {}, "And on"), h("p", { class: "row" }, go, button("Stop", () => stop.abort()), h("span", { class: "quiet small" }, "at the temperature beside; each time with other dice")), text, problem),
    leave: () => stop.abort(),
  };
}

/** Let a translator translate the whole sentence. @param {Asked} asked */
export function wholeTranslation({ model, prompt }) {
  const text = h("p", { class: "tape", "aria-live": "polite" });
  let stop = new AbortController();
  async function run() {
    stop.abort();
    stop = new AbortController();
    const { signal } = stop;
    put(text, h("span", { class: "waiting" }, "Translating…"));
    try {
      const found = /** @type {{text: string}} */ (await lines("api/translate", { model, prompt }, signal, () => {}));
      put(text, h("span", { class: "own" }, found.text || "(nothing)"));
    } catch (problem) {
      put(text, signal.aborted ? "" : notice(problem));
    }
  }
  return {
    element: h("section", { class: "card" }, h("h2", {}, "The whole translation"), h("p", { class: "row" }, button("Let it translate", run, { class: "main" }), button("Stop", () => stop.abort()), h("span", { class: "quiet small" }, "the best of a search with five beams, from the sentence alone")), text),
    leave: () => stop.abort(),
  };
}

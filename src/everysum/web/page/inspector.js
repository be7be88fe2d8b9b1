/** The inspector: choose a model, type a prompt, and every number of that pass can be looked at, asked and changed. */

import { bars } from "./bars.js";
import { button, h, put, uniqueId } from "./dom.js";
import { slider } from "./fields.js";
import { diagram } from "./inspect/diagram.js";
import { explanation } from "./inspect/explanation.js";
import { goOn, wholeTranslation } from "./inspect/going_on.js";
import { tensorView } from "./inspect/tensor.js";
import { notice } from "./notice.js";
import { figure, percent, visible } from "./numbers.js";
import { ask, isSaved, lines, newest } from "./server.js";
import { store } from "./store.js";
import { working } from "./waiting.js";

/** @typedef {{name: string, axes: string[], shape: number[], what: string, module: string, place: string, rerun: boolean, kind: "weight" | "buffer" | "input" | "constant" | "output" | "step"}} TensorLine */
/** @typedef {{id: number, text: string}} Token */
/** @typedef {{record: string, seconds: number, tokens: Token[], source: Token[] | null, network: string, tensors: TensorLine[]}} Pass */
/** @typedef {{id: number, text: string, logit: number, probability: number}} Prediction */
/** @typedef {{position: number, predictions: Prediction[]}} Predicted */
/** @typedef {{model: string, prompt: string, target?: string}} Asked `target` for translators only: the translation so far */

/** @type {import("./main.js").Room} */
export function inspector(place, _, query) {
  document.title = "Look inside – everysum";
  const { models } = store.get();
  const opening = h("div", { class: "prose" }, h("h1", {}, "Look inside a model"));
  if (!models.length) {
    put(
      place,
      opening,
      h("p", {}, "No model is open. Train one, and give its folder to the page:"),
      h("pre", { class: "scroll", tabindex: "0" }, "everysum train my_book.txt --minutes 5 --out runs/book\neverysum open runs/book"),
    );
    place.dataset.ready = "1";
    return () => {};
  }
  const ids = { model: uniqueId("model"), prompt: uniqueId("prompt"), target: uniqueId("target") };
  const model = h("select", { id: ids.model }, models.map(({ id, name }) => h("option", { value: id, selected: id === query.get("model") }, name)));
  const prompt = h("input", { type: "text", id: ids.prompt, value: query.get("prompt") ?? "", spellcheck: "false", autocomplete: "off" });
  const target = h("input", { type: "text", id: ids.target, value: query.get("target") ?? "", spellcheck: "false", autocomplete: "off" });
  let untouched = !query.has("prompt");
  for (const field of [prompt, target]) field.addEventListener("input", () => (untouched = false));
  const reading = h("label", { for: ids.prompt }, "Prompt");
  const soFar = h("div", { class: "field text", hidden: true }, h("label", { for: ids.target }, "Its translation so far"), target);
  const form = h(
    "form",
    { class: "card asking" },
    h("div", { class: "field text" }, h("label", { for: ids.model }, "Model"), model),
    h("div", { class: "field text" }, reading, prompt),
    soFar,
    h("button", { type: "submit", class: "main" }, "Look inside"),
  );
  const [waiting, inside] = [h("div", { class: "waiting", "aria-live": "polite" }), h("div", {})];
  let stop = new AbortController();
  let leaveInside = () => {};

  /** The fields that the chosen model reads, with its own words to begin with: a translator has a sentence and what it has written so far. @returns {Promise<Asked>} */
  async function fit() {
    const chosen = model.value;
    const { translates, ...first } = /** @type {{translates: boolean, prompt: string, target: string | null}} */ (await ask(`api/models/${encodeURIComponent(chosen)}`));
    if (model.value !== chosen) return fit();
    if (untouched) [prompt.value, target.value] = [first.prompt, first.target ?? ""];
    put(reading, translates ? "Sentence to translate" : "Prompt");
    soFar.hidden = !translates;
    form.classList.toggle("both", translates);
    return { model: chosen, prompt: prompt.value, ...(translates ? { target: target.value } : {}) };
  }

  async function record() {
    stop.abort();
    stop = new AbortController();
    const { signal } = stop;
    const bar = working(() => stop.abort());
    put(waiting, bar.element);
    try {
      const asked = await fit();
      signal.throwIfAborted();
      if (!isSaved()) history.replaceState(null, "", `#/inspect?${new URLSearchParams({ ...asked })}`);
      const pass = /** @type {Pass} */ (await lines("api/records", asked, signal, bar.tell));
      leaveInside();
      leaveInside = show(inside, pass, asked);
      put(waiting);
    } catch (problem) {
      put(waiting, signal.aborted ? "Cancelled." : notice(problem));
    }
    place.dataset.ready = String(Number(place.dataset.ready ?? 0) + 1);
  }
  model.addEventListener("change", () => fit().catch((problem) => put(waiting, notice(problem))));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void record();
  });
  put(place, opening, isSaved() ? h("p", { class: "lead" }, `${models[0].name}, saved with all its numbers: this page needs no server.`) : form, waiting, inside);
  void record();
  return () => {
    stop.abort();
    leaveInside();
  };
}

/** Everything about one pass. @param {HTMLElement} place @param {Pass} pass @param {Asked} asked @returns {() => void} */
function show(place, pass, asked) {
  let position = pass.tokens.length - 1;
  let temperature = 1;
  const tokens = h("ol", { class: "words tokens", "aria-label": "the tokens" });
  const [title, chances] = [h("h2", {}), h("div", { "aria-live": "polite" })];
  const told = explanation(pass);
  const view = tensorView(pass, told.show);
  const predicted = newest(
    (/** @type {{position: number, temperature: number}} */ wanted, signal) =>
      /** @type {Promise<Predicted>} */ (ask(`api/records/${pass.record}/predictions`, wanted, signal)),
    (found) => drawPredictions(found),
    (problem) => put(chances, notice(problem)),
  );

  function drawTokens() {
    put(
      tokens,
      pass.tokens.map(({ id, text }, at) =>
        h("li", {}, button(visible(text), () => choose(at), { class: "token", "aria-pressed": String(at === position), title: `token ${at}: number ${id}` })),
      ),
    );
  }
  /** @param {number} at */
  function choose(at) {
    position = at;
    for (const [place_, each] of [...tokens.querySelectorAll("button")].entries()) each.setAttribute("aria-pressed", String(place_ === at));
    told.setPosition(at);
    predicted.ask({ position, temperature });
  }
  /** @param {Predicted} found */
  function drawPredictions(found) {
    put(title, `After “${visible(pass.tokens[found.position].text)}”`);
    put(
      chances,
      bars(
        found.predictions.map(({ id, text, logit, probability }) => ({
          name: visible(text),
          value: probability,
          shown: `${percent(probability)} · ${figure(logit, 4)}`,
          pick: () => told.show("logits", [0, found.position, id]),
        })),
        { label: "the likeliest tokens, with their chances and logits", share: true },
      ),
    );
  }
  const going = asked.target === undefined ? goOn(asked, () => temperature) : wholeTranslation(asked);
  drawTokens();
  put(
    place,
    h("p", { class: "quiet small" }, `${pass.network}: ${pass.tensors.length} tensors recorded in ${figure(pass.seconds, 2)} s.`),
    pass.source && h("h2", { class: "over" }, "The sentence"),
    pass.source && h("ol", { class: "words tokens", "aria-label": "the tokens of the sentence" }, pass.source.map(({ id, text }, at) => h("li", {}, h("span", { class: "token", title: `token ${at}: number ${id}` }, visible(text))))),
    pass.source && h("h2", { class: "over" }, "Its translation so far"),
    tokens,
    h(
      "div",
      { class: "split" },
      h(
        "section",
        { class: "card predictions" },
        title,
        slider("temperature", { least: 0.05, most: 5, step: 0.05 }, temperature, (text) => {
          temperature = Number(text);
          predicted.ask({ position, temperature });
        }),
        chances,
        h("p", { class: "quiet small" }, "Choose a token to see the sum behind its logit."),
      ),
      !isSaved() && going.element,
    ),
    h("div", { class: "inside" }, diagram(pass, view.show), h("div", {}, view.element, told.element)),
  );
  choose(position);
  const first = pass.tensors.some(({ name }) => name === "logits") ? "logits" : pass.tensors[pass.tensors.length - 1].name;
  void view.show(first);
  return () => {
    predicted.cancel();
    going.leave();
  };
}

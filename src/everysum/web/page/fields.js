/** A lesson's figures as fields: a slider with a number beside it, words, or a choice. */

import { h, uniqueId } from "./dom.js";

/**
 * @typedef {object} Figure what a lesson says of one of its figures
 * @property {string} name
 * @property {string} meaning
 * @property {"number" | "count" | "numbers" | "text" | "choice"} kind
 * @property {string} text as it is written
 * @property {number | string | number[]} value
 * @property {number | string | number[]} default
 * @property {number} [least]
 * @property {number} [most]
 * @property {number} [step]
 * @property {string[]} [labels]
 * @property {string[]} [choices]
 * @property {string} [alphabet]
 * @property {number} [shortest]
 * @property {number} [longest]
 */
/** @typedef {(name: string, value: string) => void} Changed */

/**
 * @param {Figure[]} figures
 * @param {Changed} changed called with "weights.red" and "0.3", or "text" and "humpty"
 */
export function fields(figures, changed) {
  return h("div", { class: "fields" }, figures.map((figure) => field(figure, changed)));
}

/** @param {Figure} figure @param {Changed} changed @returns {HTMLElement} */
export function field(figure, changed) {
  if (figure.kind === "choice") return choice(figure, changed);
  if (figure.kind === "text") return words(figure, changed);
  if (figure.kind !== "numbers") return slider(figure.meaning, figure, Number(figure.value), (text) => changed(figure.name, text));
  const values = /** @type {number[]} */ (figure.value);
  if (!figure.labels?.length) return list(figure, changed);
  return h(
    "fieldset",
    {},
    h("legend", {}, figure.meaning),
    ...values.map((value, place) => {
      const label = figure.labels?.[place] ?? String(place + 1);
      return slider(label, figure, value, (text) => changed(`${figure.name}.${label}`, text));
    }),
  );
}

/**
 * A slider and a number that follow each other.
 * @param {string} label
 * @param {{least?: number, most?: number, step?: number, kind?: string}} limits
 * @param {number} value
 * @param {(text: string) => void} changed
 */
export function slider(label, { least = -1, most = 1, step = 0.01, kind }, value, changed) {
  const id = uniqueId("field");
  const [from, to] = sliderRange(least, most, value);
  const stride = kind === "count" ? 1 : step;
  const range = h("input", { type: "range", min: from, max: to, step: stride, value, "aria-label": `${label}, slider` });
  const number = h("input", { type: "number", id, min: least, max: most, step: kind === "count" ? 1 : "any", value });
  range.addEventListener("input", () => {
    number.value = range.value;
    changed(range.value);
  });
  number.addEventListener("input", () => {
    if (!number.checkValidity() || number.value === "") return;
    range.value = number.value;
    changed(number.value);
  });
  // a number that only names a start needs no slider
  const plain = kind === "count" && most > 1000;
  return h("div", { class: label.length > 12 ? "field long" : "field" }, h("label", { for: id }, label), !plain && range, number);
}

/** A slider over a thousand in each direction moves nothing finely: it keeps near what is there. @param {number} least @param {number} most @param {number} value */
function sliderRange(least, most, value) {
  if (most - least <= 600) return [least, most];
  const reach = Math.max(1, Math.abs(value) * 2);
  return [Math.max(least, -reach), Math.min(most, reach)];
}

/** @param {Figure} figure @param {Changed} changed */
function words(figure, changed) {
  const id = uniqueId("field");
  const input = h("input", {
    type: "text",
    id,
    value: figure.value,
    maxlength: figure.longest ?? null,
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "off",
  });
  input.addEventListener("input", () => changed(figure.name, input.value));
  return h("div", { class: "field text long" }, h("label", { for: id }, figure.meaning), input);
}

/** Numbers whose count may change are typed one after another. @param {Figure} figure @param {Changed} changed */
function list(figure, changed) {
  const id = uniqueId("field");
  const input = h("input", { type: "text", id, value: figure.text, spellcheck: "false", autocomplete: "off" });
  input.addEventListener("input", () => changed(figure.name, input.value));
  return h("div", { class: "field text long" }, h("label", { for: id }, figure.meaning), input);
}

/** @param {Figure} figure @param {Changed} changed */
function choice(figure, changed) {
  const id = uniqueId("field");
  const select = h(
    "select",
    { id },
    (figure.choices ?? []).map((name) => h("option", { value: name, selected: name === figure.value }, name)),
  );
  select.addEventListener("change", () => changed(figure.name, select.value));
  return h("div", { class: "field text long" }, h("label", { for: id }, figure.meaning), select);
}

/** The tensors of a saved pass: described, tile by tile, and what the last one predicts. */

import { elementsOf } from "../rules/tape.js";

/** @typedef {import("./pass.js").SavedPass} SavedPass */

/** @param {SavedPass} pass @param {URLSearchParams} query */
export function describe({ tape, tensor, vocabulary }, query) {
  const { view, labels, time, ...line } = tensor(query.get("tensor") ?? "");
  const values = tape.storages[view.storage].values(time);
  let [low, high] = [Infinity, -Infinity];
  for (const { offset } of elementsOf(view)) {
    const value = values[offset];
    if (Number.isFinite(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
  }
  const tokens = labels.map((each) => (each === "vocabulary" ? vocabulary : each));
  return { ...line, tokens, low: low > high ? 0 : low, high: low > high ? 0 : high };
}

/** A rectangle of the matrix of the last two axes; of each block of `step` × `step` the number of largest size. @param {SavedPass} pass @param {URLSearchParams} query */
export function tile({ tape, tensor }, query) {
  const { view, time } = tensor(query.get("tensor") ?? "");
  const asked = (/** @type {string} */ key) => Number(query.get(key));
  const at = query.getAll("at").map(Number);
  const lead = at.reduce((total, place, axis) => total + place * view.stride[axis], view.offset);
  const [down, across] = view.size.length < 2 ? [0, view.stride[0] ?? 0] : view.stride.slice(-2);
  const values = tape.storages[view.storage].values(time);
  const [rows, columns, step] = [asked("rows"), asked("columns"), asked("step")];
  const found = new Float32Array(Math.ceil(rows / step) * Math.ceil(columns / step));
  for (let row = 0; row < rows; row += 1)
    for (let column = 0; column < columns; column += 1) {
      const spot = Math.floor(row / step) * Math.ceil(columns / step) + Math.floor(column / step);
      const value = values[lead + (row + asked("row")) * down + (column + asked("column")) * across];
      if (step === 1 || Math.abs(value) > Math.abs(found[spot])) found[spot] = value;
    }
  return found;
}

const LIKELIEST = 12;

/**
 * The tokens that are likeliest to come after a position, by the logits of this tape: the recorded one, or a replayed one.
 * @param {SavedPass} pass
 * @param {{position: number, temperature: number}} wanted
 * @returns {import("../inspector.js").Predicted}
 */
export function predictions({ tape, tensor, placeIn, vocabulary }, { position, temperature }) {
  const logits = tensor("logits");
  const { storage, time, offset } = placeIn(logits, [0, position, 0]);
  const row = tape.storages[storage].values(time);
  const values = vocabulary.map((_, id) => row[offset + id * logits.view.stride[2]]);
  const largest = values.reduce((one, other) => Math.max(one, other), -Infinity);
  const powers = values.map((value) => Math.exp((value - largest) / temperature));
  const total = powers.reduce((sum, power) => sum + power, 0);
  const best = values.map((_, id) => id).sort((one, other) => values[other] - values[one]).slice(0, LIKELIEST);
  return { position, predictions: best.map((id) => ({ id, text: vocabulary[id], logit: values[id], probability: powers[id] / total })) };
}

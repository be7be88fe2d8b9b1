/** A tensor as a heat map: its last two axes drawn, the others chosen; a click on a number asks for its sum. */

import { h, put, uniqueId } from "../dom.js";
import { heatmap } from "../heatmap.js";
import { notice } from "../notice.js";
import { figure, visible } from "../numbers.js";
import { ask, askNumbers } from "../server.js";

/** @typedef {import("../inspector.js").TensorLine & {tokens: (string[] | null)[], low: number, high: number}} Described */

/** @param {import("../inspector.js").Pass} pass @param {(tensor: string, index: number[]) => void} pick */
export function tensorView(pass, pick) {
  const element = h("section", { class: "card tensor", "aria-label": "a tensor" });
  let asked = "";

  /** @param {string} name */
  async function show(name) {
    asked = name;
    try {
      const query = new URLSearchParams({ tensor: name });
      const tensor = /** @type {Described} */ (await ask(`api/records/${pass.record}/tensor?${query}`));
      if (asked === name) draw(tensor);
    } catch (problem) {
      put(element, notice(problem));
    }
    for (const chip of document.querySelectorAll(".chip")) {
      const here = /** @type {HTMLElement} */ (chip).dataset.tensor === name;
      if (here) chip.setAttribute("aria-current", "true");
      else chip.removeAttribute("aria-current");
    }
  }

  /** @param {Described} tensor */
  function draw(tensor) {
    const leading = Math.max(0, tensor.shape.length - 2);
    const at = tensor.shape.slice(0, leading).map(() => 0);
    const place = h("div", {});
    const choices = at.map((_, axis) => chooser(tensor, axis, (spot) => {
      at[axis] = spot;
      drawMap();
    }));
    function drawMap() {
      put(place, map(tensor, [...at]).element);
    }
    put(
      element,
      h("h2", {}, tensor.name),
      h("p", { class: "quiet small" }, `${tensor.axes.map((axis, each) => `${axis} ${tensor.shape[each]}`).join(" · ") || "a single number"} – ${tensor.what}${tensor.place ? `, ${tensor.place}` : ""}${tensor.rerun ? "; from a re-run of the fused operation" : ""}`),
      h("div", { class: "row" }, choices.filter(Boolean)),
      place,
      h("p", { class: "quiet small" }, `from ${figure(tensor.low)} to ${figure(tensor.high)}`),
    );
    drawMap();
  }

  /** @param {Described} tensor @param {number[]} at */
  function map(tensor, at) {
    const rank = tensor.shape.length;
    const rows = rank < 2 ? 1 : tensor.shape[rank - 2];
    const columns = rank < 1 ? 1 : tensor.shape[rank - 1];
    const url = (/** @type {import("../heatmap/source.js").Part} */ part) => {
      const query = new URLSearchParams({ tensor: tensor.name, ...Object.fromEntries(Object.entries(part).map(([key, value]) => [key, String(value)])) });
      for (const spot of at) query.append("at", String(spot));
      return `api/records/${pass.record}/tile?${query}`;
    };
    const source = {
      rows,
      columns,
      low: tensor.low,
      high: tensor.high,
      read: async (/** @type {import("../heatmap/source.js").Part} */ part, /** @type {AbortSignal} */ signal) => ({ ...part, values: await askNumbers(url(part), signal) }),
    };
    return heatmap(source, {
      label: tensor.name,
      rowAxis: rank < 2 ? "row" : tensor.axes[rank - 2],
      columnAxis: rank < 1 ? "number" : tensor.axes[rank - 1],
      rowLabels: rank < 2 ? undefined : (tensor.tokens[rank - 2] ?? undefined),
      columnLabels: rank < 1 ? undefined : (tensor.tokens[rank - 1] ?? undefined),
      pick: (row, column) => pick(tensor.name, rank === 0 ? [] : rank === 1 ? [column] : [...at, row, column]),
      height: 460,
    });
  }
  return { element, show };
}

/** Which place of an axis is looked at; nothing to choose where there is one only. @param {Described} tensor @param {number} axis @param {(spot: number) => void} chosen */
function chooser(tensor, axis, chosen) {
  const size = tensor.shape[axis];
  if (size < 2) return null;
  const id = uniqueId("axis");
  const name = (/** @type {number} */ spot) => (tensor.tokens[axis] ? `${spot} ${visible(tensor.tokens[axis]?.[spot] ?? "")}` : String(spot));
  const select = h("select", { id }, Array.from({ length: Math.min(size, 4096) }, (_, spot) => h("option", { value: spot }, name(spot))));
  select.addEventListener("change", () => chosen(Number(select.value)));
  return h("label", { for: id }, tensor.axes[axis], select);
}

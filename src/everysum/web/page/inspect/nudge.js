/** A number changed: what moves, and the predictions before and after, side by side. */

import { bars } from "../bars.js";
import { button, h, put, uniqueId } from "../dom.js";
import { notice } from "../notice.js";
import { change, figure, real, visible } from "../numbers.js";
import { isSaved, lines } from "../server.js";
import { working } from "../waiting.js";

/** @typedef {import("../inspector.js").Predicted} Predicted */
/** @typedef {import("../numbers.js").Numeric} Numeric */
/** @typedef {import("./explanation.js").Where} Where */
/** @typedef {{tensor: string, numbers: number, changed: number, largest_at: number[], before: Numeric, after: Numeric}} Difference */
/** @typedef {{before: Predicted, after: Predicted, changes: {number: string, before: Numeric, after: Numeric}[], differences: Difference[], differences_in_all: number, held: string[]}} Nudged */
/** @typedef {(tensor: string, index: number[]) => void} Show */

const FROM_THE_FILE = "Computed in this page, from the rules in the file: the last digits may differ from what the network itself would compute.";

/**
 * @param {import("../inspector.js").Pass} pass
 * @param {import("./explanation.js").Explained} number
 * @param {Where} where
 * @param {() => number} position behind which token predictions are compared
 * @param {Show} show
 */
export function nudging(pass, number, where, position, show) {
  const id = uniqueId("nudge");
  const input = h("input", { type: "text", inputmode: "decimal", id, value: String(real(number.value)), autocomplete: "off" });
  const result = h("div", { "aria-live": "polite" });
  const form = h("form", { class: "row nudge" }, h("label", { for: id }, "Change it to", input), h("button", { type: "submit" }, "What moves?"));
  let stop = new AbortController();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = input.value.trim().replace("−", "-").replace(",", ".");
    const value = Number(text);
    stop.abort();
    if (!text || !Number.isFinite(value)) {
      put(result, h("p", { class: "notice", role: "alert" }, "That is no number."));
      return;
    }
    stop = new AbortController();
    const { signal } = stop;
    const bar = working(() => stop.abort());
    put(result, bar.element);
    try {
      const moved = /** @type {Nudged} */ (await lines(`api/records/${pass.record}/nudge`, { ...where, value, position: position() }, signal, bar.tell));
      put(result, ...drawn(moved, show));
    } catch (problem) {
      if (!signal.aborted) put(result, notice(problem));
      else if (signal === stop.signal) put(result, "Cancelled.");
    }
  });
  return h("div", {}, form, result);
}

/** @param {Nudged} moved @param {Show} show */
function drawn({ before, after, changes, differences, differences_in_all, held }, show) {
  const more = differences_in_all - differences.length;
  return [
    h("p", {}, changes.map((each) => `${each.number}: ${figure(each.before)} → ${figure(each.after)}`).join("; ")),
    h("div", { class: "split" }, h("div", {}, h("h3", {}, "Before"), chances(before)), h("div", {}, h("h3", {}, "After"), chances(after))),
    h("h3", {}, differences.length ? "What moved" : "Nothing that was computed differs"),
    isSaved() && h("p", { class: "quiet small" }, FROM_THE_FILE),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "group", "aria-label": "what moved" },
      h("table", {}, h("tbody", {}, differences.map((each) => row(each, show)))),
    ),
    more > 0 && h("p", { class: "quiet" }, `and ${more} more tensors`),
    held.length > 0 && h("p", { class: "quiet small" }, `held as it was: ${held.join(", ")}`),
  ];
}

/** @param {Predicted} predicted */
function chances({ predictions }) {
  return bars(predictions.map(({ text, probability }) => ({ name: visible(text), value: probability })), { label: "chances", share: true });
}

/** @param {Difference} difference @param {Show} show */
function row({ tensor, numbers, changed, largest_at, before, after }, show) {
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, button(tensor, () => show(tensor, largest_at), { class: "number" })),
    h("td", {}, `${changed.toLocaleString("en")} of ${numbers.toLocaleString("en")}`),
    h("td", { class: "number" }, `${figure(before)} → ${figure(after)}`),
    h("td", { class: "number" }, change(real(after) - real(before), 3)),
  );
}

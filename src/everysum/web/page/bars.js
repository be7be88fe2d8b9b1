/** Numbers as bars: chances from zero to one, or parts above and below zero that add up. */

import { h } from "./dom.js";
import { figure, percent } from "./numbers.js";

/**
 * @typedef {object} Bar
 * @property {string} name
 * @property {number} value
 * @property {boolean} [chosen]
 * @property {string} [shown] the number as it is written, where that is not a figure
 * @property {(() => void) | undefined} [pick]
 */

/**
 * @param {Bar[]} bars
 * @param {{label: string, share?: boolean, most?: number}} options `share`: numbers are chances, drawn from 0 to 1
 */
export function bars(bars, { label, share = false, most }) {
  const largest = most ?? (share ? 1 : Math.max(1e-12, ...bars.map(({ value }) => Math.abs(value))));
  const below = bars.some(({ value }) => value < 0);
  const zero = below ? 50 : 0;
  const room = below ? 50 : 100;
  return h(
    "ul",
    { class: "bars", "aria-label": label },
    bars.map(({ name, value, chosen, shown, pick }) => {
      const length = Math.min(1, Math.abs(value) / largest) * room;
      const left = value < 0 ? zero - length : zero;
      const fill = h("span", {
        class: value < 0 ? "fill below" : "fill",
        style: { left: `${left}%`, width: `${length}%` },
      });
      const title = pick
        ? h("button", { type: "button", class: "number", on: { click: pick } }, breakable(name))
        : h("span", { class: "name", title: name }, breakable(name));
      return h(
        "li",
        { class: chosen ? "chosen" : null },
        title,
        h("span", { class: "track", "aria-hidden": "true" }, below && h("span", { class: "zero", style: { left: "50%" } }), fill),
        h("span", { class: value < 0 ? "value minus" : "value", "data-figure": true }, shown ?? (share ? percent(value) : figure(value))),
      );
    }),
  );
}

/** A name that breaks at its points and underscores where it does not fit, not in the middle of a word. @param {string} name */
function breakable(name) {
  return name.split(/(?<=[._])(?=.)/u).flatMap((part, place) => (place ? [h("wbr"), part] : [part]));
}

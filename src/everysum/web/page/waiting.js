/** Long work as it is shown while it goes on: how far it is, what is done, and a button that cancels it. */

import { button, h, put } from "./dom.js";

/** @param {() => void} cancel */
export function working(cancel) {
  const bar = h("progress", { max: 1, "aria-label": "how far it is" });
  const said = h("span", { class: "said" });
  return {
    element: h("div", { class: "row waiting" }, bar, said, button("Cancel", cancel)),
    /** @param {{progress?: number, said?: string}} line what the work tells */
    tell({ progress, said: words }) {
      if (progress) bar.value = progress;
      if (words !== undefined) put(said, words);
    },
  };
}

/** A deep tower with the sum around each layer, and without: how far the top moves with each floor. */

import { bars } from "../bars.js";
import { button, h, put } from "../dom.js";
import { field } from "../fields.js";
import { figure } from "../numbers.js";
import { figureNamed, tableIn, under } from "./tools.js";

/** @typedef {import("./index.js").Lesson} Lesson */

/** @param {Lesson} lesson @param {import("./index.js").Set} set @returns {import("./index.js").Control} */
export function residual(lesson, set) {
  let around = true;
  let shown = lesson;
  const switcher = button("Sums around the layers", () => {
    around = !around;
    update(shown);
  });
  const fields = h("div", { class: "fields" });
  const drawn = h("div", { "aria-live": "polite" });
  /** @param {Lesson} now */
  function update(now) {
    shown = now;
    switcher.setAttribute("aria-pressed", String(around));
    if (!fields.contains(document.activeElement))
      put(fields, ["weight", "layers"].map((name) => field(figureNamed(now, name), (part, value) => set([`${part}=${value}`]))));
    const rows = tableIn(under(now, "Gradients get through"))?.rows ?? [];
    const column = around ? 1 : 0;
    const floors = rows.map(({ name, values, cells }) => ({ name, value: values[column] ?? 0, shown: cells[column] }));
    const bottom = floors[0]?.value ?? 0;
    put(
      drawn,
      bars(floors, { label: "how far the top moves with each floor" }),
      h("p", {}, `Seen from the bottom the top moves by ${figure(bottom)}: ${Math.abs(bottom) < 0.01 ? "the gradient has vanished." : Math.abs(bottom) > 100 ? "the gradient has exploded." : "the gradient gets through."}`),
    );
  }
  update(lesson);
  return { element: h("div", {}, h("h2", {}, "With and without"), h("p", { class: "row" }, switcher), fields, drawn), update };
}

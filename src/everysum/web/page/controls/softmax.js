/** Temperature, chances as bars, and several ways to go on as a tree. */

import { bars } from "../bars.js";
import { h } from "../dom.js";
import { tree } from "../tree.js";
import { simple, tableIn, under } from "./tools.js";

export const softmax = simple({
  title: "Warmer and colder",
  figures: ["temperature", "outputs"],
  drawing: (lesson) => {
    const warm = tableIn(under(lesson, "Temperature"));
    const row = warm?.rows.find(({ strong }) => strong);
    const names = warm?.columns ?? [];
    const drawn = names.map((name, place) => ({ name, value: row?.values[place] ?? 0, shown: row?.cells[place] }));
    const ways = (tableIn(under(lesson, "Several ways"))?.rows ?? []).map(({ name, values }) => ({ text: name.slice(2), chance: values[0] ?? 0 }));
    const whole = tableIn(under(lesson, "All of them"));
    const first = Object.fromEntries((whole?.rows ?? []).map(({ name, values }) => [name, values[1] ?? 0]));
    return [
      h(
        "div",
        { class: "split" },
        h("div", {}, h("h3", {}, `Chances at temperature ${row?.name ?? ""}`), bars(drawn, { label: "chances", share: true })),
        h("div", {}, h("h3", {}, "Several ways to go on from “humpty du”"), tree("humpty du", ways, first)),
      ),
    ];
  },
});

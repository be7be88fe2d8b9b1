/** Several heads by hand: whom each listens to, and that the article's way brings home what the standard's does. */

import { bars } from "../bars.js";
import { draw } from "../blocks.js";
import { h } from "../dom.js";
import { dice, simple, tableIn, under } from "./tools.js";

export const heads = simple({
  title: "Two listeners",
  figures: ["sat", "humpty", "dumpty"],
  drawing: (lesson, set) => {
    const article = under(lesson, "The article's way");
    const table = tableIn(article);
    const [shared, own] = [tableIn(article, 1), tableIn(under(lesson, "The standard way"), 1)];
    return [
      h("p", { class: "row" }, dice(lesson, set, "Other weights")),
      h(
        "div",
        { class: "split" },
        ...(table?.rows ?? []).map(({ name, values, cells }) =>
          h("div", {}, h("h3", {}, `Whom sat listens to, ${name}`), bars((table?.columns ?? []).map((word, at) => ({ name: word, value: values[at] ?? 0, shown: cells[at] })), { label: name, share: true })),
        ),
      ),
      shared && own && h("h3", {}, "What sat takes home, in both ways of writing heads"),
      shared && own && draw({ ...shared, rows: [{ ...shared.rows[2], name: "the article's" }, { ...own.rows[2], name: "the standard's" }] }, set),
    ];
  },
});


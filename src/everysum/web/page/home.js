/** The way in: what this is, the chapters one after another, and the inspector. */

import { h, put } from "./dom.js";
import { store } from "./store.js";

/** @param {HTMLElement} place */
export function home(place) {
  document.title = "everysum";
  const { chapters, models } = store.get();
  place.classList.add("home");
  put(
    place,
    h(
      "div",
      { class: "prose" },
      h("h1", {}, "Language models you can see every sum of"),
      h(
        "p",
        { class: "lead" },
        "From one neuron on paper to the models people talk with, in numbers that are added and multiplied. ",
        "Nothing here is decoration: every number is computed when you look at it, and shows how it was made.",
      ),
    ),
    h(
      "div",
      { class: "row" },
      h("a", { class: "start", href: `#/chapter/${chapters[0]?.name ?? ""}` }, "Begin with the first network"),
      h("a", { href: "#/inspect" }, models.length ? `Look inside ${models[0].name}` : "Look inside a model"),
    ),
    h("h2", { id: "chapters" }, "Chapters"),
    h(
      "ol",
      { class: "contents" },
      chapters.map(({ name, title, line }) =>
        h("li", {}, h("a", { href: `#/chapter/${name}` }, h("strong", {}, title), h("span", {}, line))),
      ),
    ),
  );
}

/** A refusal in words: what was wrong, what was wanted, what came, what to do. */

import { h } from "./dom.js";
import { Refusal } from "./server.js";

/** @param {unknown} problem */
export function notice(problem) {
  if (!(problem instanceof Refusal)) {
    console.error(problem);
    return h("div", { class: "notice", role: "alert" }, "The page stumbled over something that nobody foresaw.");
  }
  const { wanted, came, advice } = problem.parts;
  const rows = /** @type {const} */ ([["wanted", wanted], ["came", came], ["do", advice]]);
  return h(
    "div",
    { class: "notice", role: "alert" },
    h("strong", {}, sentence(problem.message)),
    rows.some(([, text]) => text) &&
      h("dl", {}, ...rows.flatMap(([label, text]) => (text ? [h("dt", {}, label), h("dd", {}, text)] : []))),
  );
}

/** @param {string} text */
function sentence(text) {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

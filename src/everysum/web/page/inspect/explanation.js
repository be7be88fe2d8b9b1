/** The sum behind a number: its terms, the largest first, each to be asked in its turn; and what moves if it is changed. */

import { bars } from "../bars.js";
import { button, calm, h, put } from "../dom.js";
import { notice } from "../notice.js";
import { figure, real, tiny } from "../numbers.js";
import { ask } from "../server.js";
import { nudging } from "./nudge.js";

/** @typedef {import("../numbers.js").Numeric} Numeric */
/** @typedef {{name: string, value: Numeric, way: number[], asks: boolean}} Named */
/** @typedef {Named | {value: Numeric, way: number[], factors: Named[]}} Term */
/**
 * @typedef {{name: string, kind: string, value: Numeric, made_by: string, formula: string, recomputed: Numeric | null, difference: Numeric | null,
 *   agrees: boolean, magnitude: Numeric, tolerance: {relative: number, type: string}, rerun: boolean, terms: Term[],
 *   terms_in_all: number, rest: {count: number, sum: Numeric}, inputs?: {argument: string, tensor: string}[]}} Explained
 */
/** @typedef {{number: string, value: number, contributions: {kind: string, name: string, value: number}[], total: number, difference: number, held: string[]}} Residual */
/** @typedef {{tensor: string, index: number[], way: number[]}} Where */
/** @typedef {{where: Where, name: string}} Crumb */

/** @param {import("../inspector.js").Pass} pass */
export function explanation(pass) {
  const element = h("section", { class: "card explanation", "aria-label": "the sum behind a number", tabindex: "-1" }, h("h2", {}, "The sum behind a number"), h("p", { class: "quiet" }, "Choose a number in a map, or a token that may come next."));
  /** @type {Crumb[]} */
  let crumbs = [];
  let position = -1;
  let asked = 0;

  /** @param {string} tensor @param {number[]} index */
  function show(tensor, index) {
    crumbs = [];
    void follow({ tensor, index, way: [] });
  }

  /** @param {Where} where @param {number} [shown] */
  async function follow(where, shown = 20) {
    asked += 1;
    const own = asked;
    try {
      const found = /** @type {Explained} */ (await ask(`api/records/${pass.record}/explain`, { ...where, shown }));
      if (own !== asked) return;
      const last = crumbs[crumbs.length - 1];
      if (!last || last.where !== where) crumbs = [...crumbs, { where, name: found.name }];
      draw(found, where);
    } catch (problem) {
      put(element, notice(problem));
    }
  }

  /** @param {Explained} number @param {Where} where */
  function draw(number, where) {
    /** @param {Named} term */
    const go = (term) => follow({ ...where, way: [...where.way, ...term.way] });
    put(
      element,
      trail(),
      h("h2", {}, number.name),
      h("p", { class: "quiet" }, number.made_by),
      values(number),
      where.tensor === "logits" && where.way.length === 0 && stream(where),
      number.terms.length > 0 && terms(number, go),
      number.rest.count > 0 && button(`${number.rest.count.toLocaleString("en")} more terms, together ${figure(number.rest.sum)}`, () => follow(where, Math.min(1000, number.terms.length * 5))),
      number.inputs && h("ul", {}, number.inputs.map(({ argument, tensor }) => h("li", {}, `${argument}: ${tensor}`))),
      nudging(pass, number, where, () => position, show),
    );
    element.dataset.number = number.name;
    element.focus({ preventScroll: true });
    element.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
  }

  /** A logit as what each part of the network added to the residual stream. @param {Where} where */
  function stream(where) {
    const inside = h("div", { class: "waiting" }, "Adding up what each part contributed…");
    const [position_, token] = where.index.slice(-2);
    ask(`api/records/${pass.record}/residual`, { position: position_, token }).then(
      (found) => {
        inside.className = "";
        put(inside, ...contributions(/** @type {Residual} */ (found)));
      },
      (problem) => put(inside, notice(problem)),
    );
    return h("details", { class: "more stream-view", open: true }, h("summary", {}, "Through the residual stream: who contributed what"), inside);
  }

  function trail() {
    return h(
      "nav",
      { "aria-label": "the way to this number" },
      h(
        "ol",
        { class: "crumbs" },
        crumbs.map(({ name, where }, place) =>
          h(
            "li",
            {},
            place === crumbs.length - 1
              ? h("span", { "aria-current": "true" }, name)
              : button(name, () => {
                  crumbs = crumbs.slice(0, place);
                  void follow(where);
                }, { class: "number" }),
          ),
        ),
      ),
    );
  }

  return {
    element,
    show,
    /** @param {number} at */
    setPosition(at) {
      position = at;
    },
  };
}

/** @param {Residual} residual */
function contributions({ contributions: parts, total, value, difference, held }) {
  const drawn = parts.map(({ kind, name, value: own }) => ({ name: name.replaceAll("_", " ").includes(kind.replace("-", " ")) ? name : `${name} (${kind})`, value: own }));
  return [
    bars(drawn, { label: "what each part added to the logit" }),
    h("p", {}, `Together ${figure(total, 8)}; recorded ${figure(value, 8)}, difference ${tiny(difference)}.`),
    held.length > 0 && h("p", { class: "quiet small" }, `Held as in this pass: the scale of ${held.join(", ")}.`),
  ];
}

/** Recorded, recomputed, and how far they are apart. @param {Explained} number */
function values(number) {
  const allowed = number.tolerance.relative ? `allowed: ${figure(number.tolerance.relative, 2)} of ${figure(number.magnitude)}, for ${number.tolerance.type}` : "whole numbers must be exact";
  return h(
    "dl",
    { class: "values" },
    h("div", {}, h("dt", {}, "recorded"), h("dd", {}, figure(number.value, 8))),
    number.recomputed !== null && h("div", {}, h("dt", {}, "recomputed"), h("dd", {}, figure(number.recomputed, 8))),
    number.difference !== null && h("div", { title: allowed }, h("dt", {}, "difference"), h("dd", { class: number.agrees ? null : "minus" }, `${tiny(number.difference)} ${number.agrees ? "✓" : "✗ too far"}`)),
  );
}

/** @param {Explained} number @param {(term: Named) => void} go */
function terms(number, go) {
  const largest = Math.max(1e-300, ...number.terms.map(({ value }) => Math.abs(real(value))).filter(Number.isFinite));
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": "terms" },
    h(
      "table",
      { class: "terms" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col", class: "number" }, "value"), h("td", {}), h("th", { scope: "col" }, number.kind === "sum" ? `${number.terms_in_all.toLocaleString("en")} terms, the largest first` : number.kind))),
      h("tbody", {}, number.terms.map((term) => row(term, largest, go))),
    ),
  );
}

/** @param {Term} term @param {number} largest @param {(term: Named) => void} go */
function row(term, largest, go) {
  const value = real(term.value);
  const share = Number.isFinite(value) ? Math.min(1, Math.abs(value) / largest) * 50 : 0;
  const fill = h("span", { class: value < 0 ? "fill below" : "fill", style: { left: `${value < 0 ? 50 - share : 50}%`, width: `${share}%` } });
  return h(
    "tr",
    {},
    h("td", { class: value < 0 ? "number minus" : "number" }, figure(term.value)),
    h("td", { class: "bar-cell", "aria-hidden": "true" }, h("span", { class: "track" }, h("span", { class: "zero", style: { left: "50%" } }), fill)),
    h(
      "td",
      {},
      "factors" in term
        ? term.factors.flatMap((factor, place) => [place > 0 && " × ", named(factor, go)])
        : named(term, go),
    ),
  );
}

/** A number by its figure, its name in small behind it. @param {Named} number @param {(term: Named) => void} go */
function named(number, go) {
  const text = h("span", {}, figure(number.value), h("span", { class: "quiet small" }, ` ${number.name}`));
  if (!number.asks) return text;
  return button(text, () => go(number), { class: "number", "aria-label": `${number.name}, ${figure(number.value)}: what made it?` });
}

/** Drawings in SVG: as large as the letters around them ask for, and made anew for a narrow screen. */

import { svg } from "./dom.js";

const LETTER = 16;

/**
 * A drawing of so many units in width and height, of which 16 are a letter's height; where there is no room it shrinks.
 * @param {number} width
 * @param {number} height
 * @param {import("./dom.js").Attributes} attributes
 * @param {...(Node | Node[])} children
 */
export function drawing(width, height, attributes, ...children) {
  const size = { viewBox: `0 0 ${width} ${height}`, style: { width: `${width / LETTER}rem` } };
  return svg("svg", { class: "drawing", role: "img", ...size, ...attributes }, children.flat());
}

const TELEPHONE = matchMedia("(max-width: 40rem)");

/** Whether the screen is as narrow as a telephone's: then a drawing has to be narrow too, or its letters get too small. */
export function narrow() {
  return TELEPHONE.matches;
}

/** Call a function whenever that changes; the returned one ends it. @param {() => void} draws */
export function whenNarrow(draws) {
  TELEPHONE.addEventListener("change", draws);
  return () => TELEPHONE.removeEventListener("change", draws);
}

/** Round numbers between two others, about `count` of them. @param {number} from @param {number} to @param {number} [count] */
export function ticks(from, to, count = 4) {
  const rough = (to - from) / count;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((part) => part * size).find((part) => part >= rough) ?? rough;
  const found = [];
  for (let value = Math.ceil(from / step) * step; value <= to + step / 1e6; value += step) found.push(Math.abs(value) < step / 1e6 ? 0 : value);
  return found;
}

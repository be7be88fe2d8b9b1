/** Ways to go on as a tree: what they share is drawn once, a branch as thick as it is likely. */

import { svg } from "./dom.js";
import { drawing, narrow } from "./drawing.js";
import { percent, visible } from "./numbers.js";

/** @typedef {{text: string, chance: number}} Way */
/** @typedef {{text: string, chance: number, children: Branch[], y: number}} Branch */

const ROW = 30;
/** The root's width, how far a branch reaches, and how far the next begins behind the last. */
const SIZES = { wide: { left: 100, reach: 70, step: 150 }, narrow: { left: 82, reach: 38, step: 118 } };

/**
 * @param {string} root
 * @param {Way[]} ways one character a step
 * @param {Record<string, number>} first the chance of each first step, of which not every way is drawn
 */
export function tree(root, ways, first) {
  const branches = grown(ways, first);
  const { left, reach, step } = narrow() ? SIZES.narrow : SIZES.wide;
  let rows = 0;
  /** @param {Branch} branch */
  const place = (branch) => {
    for (const child of branch.children) place(child);
    branch.y = branch.children.length ? (branch.children[0].y + branch.children[branch.children.length - 1].y) / 2 : (rows += 1) * ROW - ROW / 2;
  };
  branches.forEach(place);
  const height = Math.max(rows, 1) * ROW + 8;
  const depth = 1 + Math.max(0, ...branches.map(({ children }) => (children.length ? 1 : 0)));
  const width = left + step * depth;
  const best = ways.reduce((one, other) => (other.chance > one.chance ? other : one), ways[0] ?? { text: "", chance: 0 });
  const middle = branches.length ? (branches[0].y + branches[branches.length - 1].y) / 2 : height / 2;
  /** @param {Branch} branch @param {number} x @param {number} y @returns {SVGElement[]} */
  const drawn = (branch, x, y) => [
    svg("path", { class: "edge above", "stroke-width": 1 + branch.chance * 12, d: `M${x} ${y}C${x + reach * 0.7} ${y} ${x + reach * 0.4} ${branch.y} ${x + reach} ${branch.y}` }),
    svg("text", { x: x + reach + 8, y: branch.y + 5, "font-weight": best.text.startsWith(branch.text) ? 700 : 400 }, visible(branch.text.slice(-1)), svg("tspan", { class: "quiet", dx: 8 }, percent(branch.chance))),
    ...branch.children.flatMap((child) => drawn(child, x + step, branch.y)),
  ];
  return drawing(
    width,
    height,
    { "aria-label": ways.map(({ text, chance }) => `${root}${text} ${percent(chance)}`).join(", ") },
    svg("text", { x: left - 14, y: middle + 5, "text-anchor": "end" }, root),
    ...branches.flatMap((branch) => drawn(branch, left - 8, middle)),
  );
}

/** @param {Way[]} ways @param {Record<string, number>} first @returns {Branch[]} */
function grown(ways, first) {
  /** @type {Branch[]} */
  const roots = [];
  for (const { text, chance } of ways) {
    let root = roots.find((each) => each.text === text[0]);
    if (!root) roots.push((root = { text: text[0], chance: first[text[0]] ?? 0, children: [], y: 0 }));
    root.children.push({ text, chance, children: [], y: 0 });
  }
  return roots;
}

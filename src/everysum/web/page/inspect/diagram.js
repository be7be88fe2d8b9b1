/** A model as its diagram: the residual stream runs down, and at each station hangs what reads from it and adds to it. */

import { h } from "../dom.js";

/** @typedef {import("../inspector.js").TensorLine} TensorLine */
/** @typedef {(tensor: string) => void} Show */
/** @typedef {{key: string, tensors: TensorLine[], parts: Map<string, TensorLine[]>}} Station */

/** @param {import("../inspector.js").Pass} pass @param {Show} show */
export function diagram(pass, show) {
  return h(
    "nav",
    { class: "card diagram-of", "aria-label": "the model and its tensors" },
    h("h2", {}, pass.network),
    h("ol", { class: "stream" }, stations(pass.tensors).map((station) => drawn(station, show))),
  );
}

const FIXED = ["weight", "buffer", "input", "constant"];
const OTHERS = "on the way";
const LAST = ["hidden", "logits", "probabilities", "loss"];

/**
 * Tensors by where they belong, in the order in which they are computed: a block by its number, anything else by its
 * first name. Steps that belong to no module stand together at the end.
 * @param {TensorLine[]} tensors
 * @returns {Station[]}
 */
export function stations(tensors) {
  /** @type {Map<string, Station>} */
  const found = new Map();
  for (const tensor of tensors) {
    const names = tensor.name.split(".");
    const numbered = names.findIndex((name) => /^\d+$/.test(name));
    const key = numbered > 0 ? names.slice(0, numbered + 1).join(".") : bare(names[0]);
    const rest = numbered > 0 ? names.slice(numbered + 1) : names.slice(1);
    /** @type {Station} */
    const station = found.get(key) ?? { key, tensors: [], parts: new Map() };
    found.set(key, station);
    if (numbered > 0 && rest.length) {
      const part = bare(rest[0]);
      station.parts.set(part, [...(station.parts.get(part) ?? []), tensor]);
    } else station.tensors.push(tensor);
  }
  const all = [...found.values()];
  const time = (/** @type {Station} */ station) => {
    if (LAST.includes(station.key)) return tensors.length + LAST.indexOf(station.key);
    const own = new Set([...station.tensors, ...[...station.parts.values()].flat()]);
    const computed = tensors.findIndex((tensor) => own.has(tensor) && !FIXED.includes(tensor.kind));
    if (computed >= 0) return computed;
    // an input comes first; weights of a part that computes nothing of its own, such as the output's matrix, stand before the results
    return [...own].some(({ kind }) => kind === "input") ? -1 : tensors.length - 0.5;
  };
  const loose = (/** @type {Station} */ station) => !station.parts.size && station.tensors.every(({ kind }) => kind === "step") && !LAST.includes(station.key);
  const steps = all.filter(loose).flatMap((station) => station.tensors);
  const shown = all.filter((station) => !loose(station)).sort((one, other) => time(one) - time(other));
  return steps.length ? [...shown, { key: OTHERS, tensors: steps, parts: new Map() }] : shown;
}

/** @param {Station} station @param {Show} show */
function drawn({ key, tensors, parts }, show) {
  const block = /(\d+)$/.exec(key);
  if (!parts.size) return h("li", { class: "station" }, part(words(key), key, tensors, show));
  return h(
    "li",
    { class: "station block" },
    h(
      "details",
      { open: block?.[1] === "0" },
      h("summary", {}, block ? `${words(key.slice(0, -block[1].length - 1)).replace(/s$/, "")} ${Number(block[1]) + 1}` : words(key)),
      h("ul", {}, [...parts].map(([name, own]) => h("li", {}, part(words(name), `${key}.${name}`, own, show)))),
      tensors.length > 0 && h("ul", {}, h("li", {}, chips(tensors, key, show))),
    ),
  );
}

/** One module or variable: its result first, what leads there behind a fold. @param {string} title @param {string} path @param {TensorLine[]} tensors @param {Show} show */
function part(title, path, tensors, show) {
  if (tensors.length === 1) return chip(tensors[0], title, show);
  const main = tensors.find(({ name }) => name === path) ?? tensors[tensors.length - 1];
  const known = tensors.filter((tensor) => tensor !== main && tensor.kind !== "step");
  const steps = tensors.filter((tensor) => tensor !== main && tensor.kind === "step");
  return h(
    "details",
    { class: "part" },
    h("summary", {}, title),
    chip(main, main.name === path ? "result" : short(main.name, path), show),
    chips(known, path, show),
    steps.length > 0 && h("div", { class: "steps" }, h("span", { class: "quiet small" }, "on the way"), chips(steps, path, show)),
  );
}

/** @param {TensorLine[]} tensors @param {string} path @param {Show} show */
function chips(tensors, path, show) {
  return h("span", { class: "chips" }, tensors.map((tensor) => chip(tensor, short(tensor.name, path), show)));
}

/** @param {TensorLine} tensor @param {string} title @param {Show} show */
function chip(tensor, title, show) {
  const size = tensor.shape.join(" × ") || "1";
  return h(
    "button",
    { type: "button", class: `chip ${tensor.kind}`, data: { tensor: tensor.name }, title: `${tensor.name}: ${tensor.axes.join(", ")}`, on: { click: () => show(tensor.name) } },
    title,
    h("span", { class: "quiet" }, ` ${size}`),
  );
}

/** @param {string} name @param {string} path */
function short(name, path) {
  return name.startsWith(`${path}.`) ? name.slice(path.length + 1) : name;
}

/** Without the number of a call or of an assignment. @param {string} name */
function bare(name) {
  return name.replace(/[#@].*$/, "");
}

/** @param {string} name */
function words(name) {
  return name.replaceAll("_", " ");
}

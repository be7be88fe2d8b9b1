/** A saved pass answers for the server: the same questions, from the numbers in the file and the rules beside them. */

import { evaluate, indexOf, lastWrite, ruleFor, Unknown, valueAt } from "./rules.js";
import { Refusal } from "./server.js";
import { factorsOf, isSum, readsOf, settled, termsOfSum, written } from "./terms.js";

/** @typedef {import("./rules.js").Place} Place */
/** @typedef {import("./terms.js").Part} Part */
/** @typedef {import("./rules.js").View} View */
/** @typedef {Place | Part} Number_ a number that was recorded, or a part of a formula */
/** @typedef {import("./inspector.js").TensorLine & {view: View, time: number, labels: (string[] | "vocabulary" | null)[]}} SavedTensor */
/**
 * @typedef {object} Saved
 * @property {string} model
 * @property {string} prompt
 * @property {import("./inspector.js").Pass} pass
 * @property {string[]} vocabulary
 * @property {SavedTensor[]} tensors
 * @property {(Omit<import("./rules.js").Operation, "rules"> & {rules: string | null})[]} operations each with the name of its rules
 * @property {Record<string, any[]>} rules
 * @property {{states: {from: number, kind: string, data: string}[], writes: import("./rules.js").Write[], origins: {name: string, kind: string, view: View}[]}[]} storages
 * @property {Record<string, import("./inspect/explanation.js").Residual>} residuals by token, for the last position
 */

/** @type {Record<string, (bytes: ArrayBuffer) => ArrayLike<number>>} */
const KINDS = {
  f4: (bytes) => new Float32Array(bytes),
  f8: (bytes) => new Float64Array(bytes),
  i4: (bytes) => new Int32Array(bytes),
  u1: (bytes) => new Uint8Array(bytes),
};

/** @param {string} text @returns {ArrayBuffer} */
function bytesOf(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer;
}

/** @param {string} problem @param {string} [advice] @returns {never} */
function refuse(problem, advice) {
  throw new Refusal({ kind: "Saved", exit_code: 2, problem, advice });
}

/** @param {Saved} saved @returns {(path: string, body: any) => any} */
export function answering(saved) {
  const storages = saved.storages.map(({ states, writes, origins }) => {
    /** @type {(ArrayLike<number> | undefined)[]} */
    const decoded = [];
    return {
      writes,
      origins,
      values(/** @type {number} */ time) {
        let at = states.length - 1;
        while (at > 0 && states[at].from > time) at -= 1;
        return (decoded[at] ??= KINDS[states[at].kind](bytesOf(states[at].data)));
      },
    };
  });
  const operations = saved.operations.map((operation) => ({ ...operation, rules: operation.rules === null ? null : saved.rules[operation.rules] }));
  const tape = { operations, storages };
  const tensors = new Map(saved.tensors.map((tensor) => [tensor.name, tensor]));

  /** @param {string} name */
  const tensor = (name) => tensors.get(name) ?? refuse(`there is no tensor ${name} in this file`);
  /** @param {SavedTensor} found @param {number[]} index */
  const placeIn = ({ view, time }, index) => ({ storage: view.storage, time, offset: view.offset + index.reduce((total, place, axis) => total + place * view.stride[axis], 0) });

  /** @param {Place} place */
  function nameOf(place) {
    const found = lastWrite(tape, place);
    const named = found ? { name: found.write.name, view: found.write.named } : null;
    if (named?.name && named.view) {
      const index = indexOf(named.view, place.offset);
      if (index) return titled(named.name, index);
    }
    if (found) {
      const operation = tape.operations[found.write.operation];
      return titled(`${operation.module || "pass"}.${operation.packet}`, found.index);
    }
    for (const { name, view } of tape.storages[place.storage].origins) {
      const index = indexOf(view, place.offset);
      if (index) return titled(name, index);
    }
    return `constant ${place.storage}[${place.offset}]`;
  }
  /** The tokens at a number's places. @param {string} name @param {number[]} index */
  function titled(name, index) {
    const found = tensors.get(name);
    const said = (found?.labels ?? []).flatMap((labels, axis) => {
      const texts = labels === "vocabulary" ? saved.vocabulary : labels;
      return texts ? [`${found?.axes[axis]} “${texts[index[axis]]}”`] : [];
    });
    return `${name}${index.length ? `[${index.join(", ")}]` : ""}${said.length ? ` (${said.join(", ")})` : ""}`;
  }

  /** @param {Number_} number @returns {Number_} */
  function plain(number) {
    if (!("node" in number) || number.factor !== 1) return number;
    const node = settled(number.node, number.asked);
    return "read" in node ? (readsOf(node, number.asked).at(-1) ?? number) : number;
  }
  /** @param {Number_} number */
  const valueOf = (number) => ("node" in number ? evaluate(number.node, number.asked)[0] * number.factor : valueAt(tape, number));

  /** What a number is made of, the largest first where it is a sum. @param {Number_} number @returns {Number_[]} */
  function termsOf(number) {
    const part = "node" in number ? number : partOf(number);
    if (!part) return [];
    if (isSum(part.node, part.asked)) {
      const terms = termsOfSum(part).map((term) => ({ term, size: Math.abs(valueOf(term)) }));
      return terms.sort((one, other) => other.size - one.size).map(({ term }) => plain(term));
    }
    const node = settled(part.node, part.asked);
    if ("read" in node && part.factor === 1) return readsOf(node, part.asked).reverse();
    if ("reduce" in node) return termsOfSum({ ...part, node: { ...node, reduce: "sum" } }).map(plain);
    return factorsOf(part).map(plain);
  }
  /** @param {Place} place @returns {Part | null} */
  function partOf(place) {
    const found = lastWrite(tape, place);
    const rule = found && ruleFor(tape, tape.operations[found.write.operation], found.write.output, found.index);
    return rule ? { ...rule, factor: 1 } : null;
  }
  /** @param {Number_} number */
  const title = (number) => ("node" in number ? written(number, nameOf) : nameOf(number));
  /** @param {Number_} number @param {number[]} way */
  const named = (number, way) => ({ name: title(number), value: valueOf(number), way, asks: !("node" in number && "constant" in number.node) });
  /** @param {Number_} number @param {number[]} way */
  function brief(number, way) {
    if ("node" in number && !isSum(number.node, number.asked) && (settled(number.node, number.asked).call === "multiply" || number.factor !== 1)) {
      const factors = factorsOf(number).map(plain);
      return { value: valueOf(number), way, factors: factors.map((factor, place) => named(factor, [...way, place])) };
    }
    return named(number, way);
  }

  /** @param {{tensor: string, index: number[], way: number[], shown: number}} where */
  function explain({ tensor: name, index, way, shown }) {
    /** @type {Number_} */
    let number = placeIn(tensor(name), index);
    for (const step of way) number = termsOf(number)[step] ?? refuse("there is no such term");
    const found = "node" in number ? null : lastWrite(tape, number);
    const operation = found && tape.operations[found.write.operation];
    const value = valueOf(number);
    const base = { name: title(number), value, rerun: false, tolerance: operation?.tolerance ?? { relative: 0, type: "" } };
    const nothing = { recomputed: null, difference: null, agrees: true, magnitude: Math.abs(value), terms: [], terms_in_all: 0, rest: { count: 0, sum: 0 } };
    try {
      const part = "node" in number ? number : partOf(number);
      const kind = part ? (isSum(part.node, part.asked) ? "sum" : "formula") : "given";
      if (!part) return { ...base, ...nothing, kind, formula: "", made_by: operation ? `${operation.name}: this file has no rule for it` : given(/** @type {Place} */ (number)) };
      const [recomputed, magnitude] = evaluate(part.node, part.asked).map((each) => each * part.factor);
      const terms = termsOf(number);
      const rest = terms.slice(shown).map(valueOf);
      const formula = (found && operation?.formulas[found.write.output]) ?? "";
      const made = kind === "sum" ? `the sum of ${terms.length.toLocaleString("en")} terms: ` : "";
      const difference = Object.is(recomputed, value) ? 0 : recomputed - value;
      return {
        ...base,
        kind,
        formula,
        made_by: `${made}${formula || base.name}${operation ? `  [${operation.name}${operation.module ? ` in ${operation.module}` : ""}]` : ""}`,
        recomputed,
        difference,
        agrees: !operation || Number.isNaN(difference) || Math.abs(difference) <= operation.tolerance.relative * Math.abs(magnitude) + 1e-30,
        magnitude: Math.abs(magnitude),
        terms: terms.slice(0, shown).map((term, place) => brief(term, [place])),
        terms_in_all: terms.length,
        rest: { count: rest.length, sum: rest.reduce((total, each) => total + each, 0) },
      };
    } catch (problem) {
      if (!(problem instanceof Unknown)) throw problem;
      return { ...base, ...nothing, kind: "opaque", formula: "", made_by: `${operation?.name}: this page cannot evaluate its rule (${problem.message}); everysum explain can` };
    }
  }
  /** @param {Place} place */
  function given({ storage, offset }) {
    const origin = tape.storages[storage].origins.find(({ view }) => indexOf(view, offset));
    return origin ? `${origin.kind === "input" ? "an" : "a"} ${origin.kind}` : "a constant of the program";
  }

  /** @param {{position: number, temperature: number}} wanted */
  function predictions({ position, temperature }) {
    const logits = tensor("logits");
    const values = saved.vocabulary.map((_, id) => valueAt(tape, placeIn(logits, [0, position, id])));
    const largest = Math.max(...values);
    const powers = values.map((value) => Math.exp((value - largest) / temperature));
    const total = powers.reduce((sum, power) => sum + power, 0);
    const best = values.map((_, id) => id).sort((one, other) => values[other] - values[one]).slice(0, 12);
    return { position, predictions: best.map((id) => ({ id, text: saved.vocabulary[id], logit: values[id], probability: powers[id] / total })) };
  }

  /** @param {URLSearchParams} query */
  function describe(query) {
    const { view, labels, time, ...line } = tensor(query.get("tensor") ?? "");
    const all = [...everywhere(view)].map((offset) => tape.storages[view.storage].values(time)[offset]).filter(Number.isFinite);
    let [low, high] = [Infinity, -Infinity];
    for (const value of all) [low, high] = [Math.min(low, value), Math.max(high, value)];
    return { ...line, tokens: labels.map((each) => (each === "vocabulary" ? saved.vocabulary : each)), low: all.length ? low : 0, high: all.length ? high : 0 };
  }
  /** @param {URLSearchParams} query */
  function tile(query) {
    const { view, time } = tensor(query.get("tensor") ?? "");
    const asked = (/** @type {string} */ key) => Number(query.get(key));
    const at = query.getAll("at").map(Number);
    const lead = at.reduce((total, place, axis) => total + place * view.stride[axis], view.offset);
    const [down, across] = view.size.length < 2 ? [0, view.stride[0] ?? 0] : view.stride.slice(-2);
    const values = tape.storages[view.storage].values(time);
    const [rows, columns, step] = [asked("rows"), asked("columns"), asked("step")];
    const found = new Float32Array(Math.ceil(rows / step) * Math.ceil(columns / step));
    for (let row = 0; row < rows; row += 1)
      for (let column = 0; column < columns; column += 1) {
        const spot = Math.floor(row / step) * Math.ceil(columns / step) + Math.floor(column / step);
        const value = values[lead + (row + asked("row")) * down + (column + asked("column")) * across];
        if (step === 1 || Math.abs(value) > Math.abs(found[spot])) found[spot] = value;
      }
    return found;
  }

  return (path, body) => {
    const [route, query] = path.split("?");
    const last = route.split("/").at(-1);
    const asked = new URLSearchParams(query ?? "");
    if (route === "api/contents") return { chapters: [], models: [{ id: "saved", name: saved.model, folder: "" }] };
    if (route === "api/models/saved") return { translates: saved.pass.source !== null };
    if (route === "api/records") return saved.pass;
    if (last === "tensor") return describe(asked);
    if (last === "tile") return tile(asked);
    if (last === "explain") return explain({ way: [], shown: 20, ...body });
    if (last === "predictions") return predictions(body);
    if (last === "residual") return saved.residuals[`${body.position},${body.token}`] ?? refuse("this file holds that view for the likeliest tokens after the last position only");
    return refuse("a saved page cannot run the model", `everysum open can`);
  };
}

/** Every offset of a view. @param {View} view @returns {Generator<number>} */
function* everywhere({ offset, size, stride }, axis = 0) {
  if (axis === size.length) yield offset;
  else for (let place = 0; place < size[axis]; place += 1) yield* everywhere({ storage: 0, offset: offset + place * stride[axis], size, stride }, axis + 1);
}

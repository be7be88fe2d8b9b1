/** A saved pass as it stands in the file: its numbers, which are unpacked when they are looked at, and their names. */

import { indexOf, lastWrite } from "../rules/tape.js";
import { Refusal } from "../server.js";

/** @typedef {import("../rules/tape.js").Operation} Operation */
/** @typedef {import("../rules/tape.js").Place} Place */
/** @typedef {import("../rules/tape.js").Row} Row */
/** @typedef {import("../rules/tape.js").Tape} Tape */
/** @typedef {import("../rules/tape.js").View} View */
/** @typedef {import("../inspector.js").TensorLine & {view: View, time: number, labels: (string[] | "vocabulary" | null)[]}} SavedTensor */
/**
 * @typedef {object} Saved
 * @property {string} model
 * @property {string} prompt
 * @property {import("../inspector.js").Pass} pass
 * @property {string[]} vocabulary
 * @property {SavedTensor[]} tensors
 * @property {(Omit<Operation, "rules"> & {rules: string | null})[]} operations each with the name of its rules
 * @property {Record<string, any[]>} rules
 * @property {{states: {from: number, kind: string, data: string}[], type: string, writes: import("../rules/tape.js").Write[], origins: {name: string, kind: string, view: View}[]}[]} storages
 * @property {Record<string, import("../inspect/explanation.js").Residual>} residuals by token, for the last position
 */
/**
 * @typedef {object} SavedPass
 * @property {Tape} tape
 * @property {string[]} vocabulary
 * @property {(name: string) => SavedTensor} tensor
 * @property {(tensor: SavedTensor, index: number[]) => Place} placeIn
 * @property {(place: Place) => string} nameOf a number by the name of its tensor, with the tokens at its places
 */

/** @type {Record<string, (bytes: ArrayBuffer) => Row>} */
const KINDS = {
  f4: (bytes) => new Float32Array(bytes),
  f8: (bytes) => new Float64Array(bytes),
  i4: (bytes) => new Int32Array(bytes),
  u1: (bytes) => new Uint8Array(bytes),
};

/** @param {string} text @returns {ArrayBuffer} */
function bytesOf(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let place = 0; place < bytes.length; place += 1) bytes[place] = characters.charCodeAt(place);
  return bytes.buffer;
}

/** @param {string} problem @param {string} [advice] @returns {never} */
export function refuse(problem, advice) {
  throw new Refusal({ kind: "Saved", exit_code: 2, problem, advice });
}

/** @param {Saved} saved @returns {SavedPass} */
export function opened(saved) {
  const operations = saved.operations.map((operation) => ({ ...operation, rules: operation.rules === null ? null : saved.rules[operation.rules] }));
  const tape = { operations, storages: saved.storages.map(storageOf) };
  const tensors = new Map(saved.tensors.map((tensor) => [tensor.name, tensor]));

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

  return {
    tape,
    vocabulary: saved.vocabulary,
    tensor: (name) => tensors.get(name) ?? refuse(`there is no tensor ${name} in this file`),
    placeIn: ({ view, time }, index) => ({ storage: view.storage, time, offset: view.offset + index.reduce((total, place, axis) => total + place * view.stride[axis], 0) }),
    nameOf,
  };
}

/** @param {Saved["storages"][number]} saved @returns {import("../rules/tape.js").Storage} */
function storageOf({ states, type, writes, origins }) {
  /** @type {(Row | undefined)[]} */
  const decoded = [];
  return {
    type,
    writes,
    origins,
    values(time) {
      let at = states.length - 1;
      while (at > 0 && states[at].from > time) at -= 1;
      return (decoded[at] ??= KINDS[states[at].kind](bytesOf(states[at].data)));
    },
  };
}

/** Asking the server: JSON, raw numbers, and long work that tells how far it is and can be cancelled. */

/**
 * @typedef {object} ChapterLine
 * @property {string} name
 * @property {string} title
 * @property {string} line
 */
/** @typedef {{kind: string, exit_code: number, problem: string, wanted?: string, came?: string, advice?: string}} Parts */

/** Something that cannot be done; its parts say what was wanted, what came and what to do. */
export class Refusal extends Error {
  /** @param {Parts} parts */
  constructor(parts) {
    super(parts.problem);
    this.parts = parts;
  }
}

/** @typedef {{signal: AbortSignal, heard: (line: any) => void}} Listener who waits for long work: hears how far it is, and may cancel it */
/** @typedef {(path: string, body: any, listener?: Listener) => any} Answers */

/** In a page that was saved there is no server: this answers instead. @type {Answers | null} */
let here = null;

/** @param {Answers} answers */
export function answerHere(answers) {
  here = answers;
}

/** Whether this page was saved, and answers from its own file. */
export function isSaved() {
  return here !== null;
}

/**
 * @param {string} path
 * @param {unknown} [body] asked by POST where it is given
 * @param {AbortSignal} [signal]
 * @returns {Promise<Response>}
 */
async function answer(path, body, signal) {
  const posted = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, { ...(body === undefined ? {} : posted), signal });
  } catch (problem) {
    if (signal?.aborted) throw problem;
    const advice = "start it again with `everysum open`, and open its new link";
    throw new Refusal({ kind: "Gone", exit_code: 1, problem: "everysum does not answer any more", advice });
  }
  if (response.ok) return response;
  const found = await response.json().catch(() => null);
  const parts = found?.error ?? { kind: "Unforeseen", exit_code: 1, problem: `the server answered ${response.status}` };
  throw new Refusal(parts);
}

/**
 * @template T
 * @param {string} path
 * @param {unknown} [body]
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export async function ask(path, body, signal) {
  if (here) return here(path, body);
  return (await answer(path, body, signal)).json();
}

/**
 * Raw float32 numbers.
 * @param {string} path
 * @param {AbortSignal} [signal]
 */
export async function askNumbers(path, signal) {
  if (here) return /** @type {Float32Array} */ (here(path, undefined));
  return new Float32Array(await (await answer(path, undefined, signal)).arrayBuffer());
}

/**
 * Long work: every line that is told of it is heard, until the last, the result; aborting the signal cancels it, here
 * and on the server.
 * @param {string} path
 * @param {unknown} body
 * @param {AbortSignal} signal
 * @param {(line: any) => void} heard lines of JSON, such as {"progress": 0.5, "said": "…"}
 * @returns {Promise<any>}
 */
export async function lines(path, body, signal, heard) {
  if (here) return here(path, body, { signal, heard });
  const response = await answer(path, body, signal);
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    text += decoder.decode(value, { stream: !done });
    const whole = text.split("\n");
    text = whole.pop() ?? "";
    for (const line of whole.map((each) => JSON.parse(each))) {
      if ("error" in line) throw new Refusal(line.error);
      if ("result" in line) return line.result;
      heard(line);
    }
    if (done) throw new Refusal({ kind: "Gone", exit_code: 1, problem: "the work ended without a result" });
  }
}

const PATIENCE = 1500;

/**
 * Questions of which only the newest counts: while one is on its way, only the last that came meanwhile is kept, and one
 * that takes long is given up for it. For sliders, which ask faster than anyone answers.
 * @template A, R
 * @param {(asked: A, signal: AbortSignal) => Promise<R>} asks
 * @param {(result: R, asked: A) => void} answered
 * @param {(problem: unknown) => void} failed
 */
export function newest(asks, answered, failed) {
  /** @type {{asked: A} | null} */
  let next = null;
  let busy = false;
  let began = 0;
  let stop = new AbortController();
  function giveUp() {
    stop.abort();
    stop = new AbortController();
  }
  async function go() {
    if (busy) {
      if (performance.now() - began > PATIENCE) giveUp();
      return;
    }
    busy = true;
    while (next) {
      const { asked } = next;
      const { signal } = stop;
      next = null;
      began = performance.now();
      try {
        const result = await asks(asked, signal);
        if (!signal.aborted) answered(result, asked);
      } catch (problem) {
        if (!signal.aborted) failed(problem);
      }
    }
    busy = false;
  }
  return {
    /** @param {A} asked */
    ask(asked) {
      next = { asked };
      void go();
    },
    cancel() {
      next = null;
      giveUp();
    },
  };
}

/** A chapter: its lesson drawn, what the reader can do by hand, and their own numbers put in. */

import { draw } from "./blocks.js";
import { controlOf } from "./controls/index.js";
import { button, h, put } from "./dom.js";
import { whenNarrow } from "./drawing.js";
import { fields } from "./fields.js";
import { notice } from "./notice.js";
import { ask, lines, newest } from "./server.js";
import { working } from "./waiting.js";

/** @typedef {{name: string, title: string, line: string, section: string}} Line */
/**
 * @typedef {object} Frame a lesson without its blocks
 * @property {string} name
 * @property {string} title
 * @property {string} line
 * @property {number} place
 * @property {number} of
 * @property {import("./fields.js").Figure[]} figures
 * @property {string[]} files
 * @property {Line | null} previous
 * @property {Line | null} next
 */
/** @typedef {Frame & {blocks: import("./blocks.js").Block[]}} Lesson */

/** @type {import("./main.js").Room} */
export function chapter(place, [name], query) {
  document.title = "everysum";
  /** What the reader has set, by figure or part of one. @type {Map<string, string>} */
  const settings = new Map(query.getAll("set").map((text) => /** @type {[string, string]} */ (split(text))));
  const parts = {
    opening: h("div", { class: "prose" }),
    control: h("section", { class: "card control", "aria-label": "By hand", hidden: true }),
    own: h("details", { class: "card own", open: matchMedia("(min-width: 78rem)").matches }),
    waiting: h("div", { class: "waiting", "aria-live": "polite" }),
    problem: h("div", {}),
    blocks: h("div", { class: "prose blocks" }),
    ending: h("div", {}),
  };
  put(place, parts.opening, parts.control, h("div", { class: "lesson" }, h("div", {}, parts.problem, parts.waiting, parts.blocks), parts.own), parts.ending);
  /** @type {import("./controls/index.js").Control | null} */
  let control = null;
  /** @type {Frame | null} */
  let framed = null;
  /** @type {Lesson | null} */
  let whole = null;
  const asked = newest(read, shown, failed);
  let bar = working(asked.cancel);

  /** @param {string[]} assignments @param {AbortSignal} signal @returns {Promise<Lesson>} */
  async function read(assignments, signal) {
    /** @type {Lesson | null} */
    let lesson = null;
    const first = framed === null;
    let slow = false;
    const later = setTimeout(() => {
      slow = true;
      wait(0, "computing");
    }, 400);
    try {
      await lines(`api/lessons/${encodeURIComponent(name)}`, { set: assignments }, signal, (line) => {
        if ("frame" in line) {
          lesson = { ...line.frame, blocks: [] };
          if (first) open(line.frame);
        } else if ("block" in line && lesson) {
          lesson.blocks.push(line.block);
          if (first) parts.blocks.append(draw(line.block, setAll));
        } else if ("progress" in line && slow) wait(line.progress, line.said);
      });
    } finally {
      clearTimeout(later);
      put(parts.waiting);
      place.removeAttribute("aria-busy");
    }
    return /** @type {Lesson} */ (/** @type {unknown} */ (lesson));
  }

  /** @param {number} share @param {string} said */
  function wait(share, said) {
    place.setAttribute("aria-busy", "true");
    if (!parts.waiting.childElementCount) {
      bar = working(asked.cancel);
      put(parts.waiting, bar.element);
    }
    bar.tell({ progress: share, said });
  }

  /** @param {Frame} frame */
  function open(frame) {
    framed = frame;
    document.title = `${frame.title} – everysum`;
    put(parts.opening, h("p", { class: "quiet small" }, `Chapter ${frame.place} of ${frame.of}`), h("h1", {}, frame.title), h("p", { class: "lead" }, sentence(frame.line)));
    own(frame);
    put(parts.ending, ending(frame));
  }

  /** The reader's own numbers. @param {Frame} frame */
  function own(frame) {
    parts.own.hidden = frame.figures.length === 0;
    put(
      parts.own,
      h("summary", {}, "Put in your own numbers"),
      fields(frame.figures, (figure, value) => setAll([`${figure}=${value}`], false)),
      h("div", { class: "row" }, button("As it was", reset, { disabled: settings.size === 0, class: "reset" })),
    );
  }

  /** @param {Lesson} lesson */
  function shown(lesson) {
    put(parts.problem);
    const typing = document.activeElement?.matches(".own input, .own select");
    if (framed && !typing) own(lesson);
    else parts.own.querySelector(".reset")?.toggleAttribute("disabled", settings.size === 0);
    framed = lesson;
    whole = lesson;
    renew(parts.blocks, lesson.blocks.map((block) => draw(block, setAll)));
    if (control) control.update(lesson);
    else {
      control = controlOf(lesson, (assignments) => setAll(assignments, true));
      parts.control.hidden = control === null;
      if (control) put(parts.control, control.element);
    }
    place.dataset.ready = String(Number(place.dataset.ready ?? 0) + 1);
  }

  /** @param {unknown} problem */
  function failed(problem) {
    put(parts.problem, notice(problem));
    place.dataset.ready = String(Number(place.dataset.ready ?? 0) + 1);
  }

  /** @param {string[]} assignments @param {boolean} [fresh] whether the fields must follow */
  function setAll(assignments, fresh = true) {
    for (const [figure, value] of assignments.map(split)) {
      // a whole figure replaces what was set of its parts
      for (const key of [...settings.keys()]) if (key === figure || key.startsWith(`${figure}.`)) settings.delete(key);
      settings.set(figure, value);
    }
    const typing = /** @type {HTMLElement | null} */ (parts.own.querySelector("input:focus, select:focus"));
    if (fresh) typing?.blur();
    again();
  }

  function reset() {
    settings.clear();
    parts.own.querySelector("summary")?.focus();
    again();
  }

  function again() {
    const assignments = [...settings].map(([figure, value]) => `${figure}=${value}`);
    const asking = new URLSearchParams(assignments.map((text) => ["set", text]));
    history.replaceState(null, "", `#/chapter/${name}${assignments.length ? `?${asking}` : ""}`);
    asked.ask(assignments);
  }

  asked.ask([...settings].map(([figure, value]) => `${figure}=${value}`));
  const ends = whenNarrow(() => whole && shown(whole));
  return () => {
    ends();
    asked.cancel();
    control?.leave?.();
  };
}

/** The new blocks in place of the old ones: what is open stays open, and numbers that moved are marked. @param {HTMLElement} place @param {HTMLElement[]} fresh */
function renew(place, fresh) {
  const figures = () => [...place.querySelectorAll("[data-figure]")];
  const opened = [...place.querySelectorAll("details")].map(({ open }) => open);
  const before = figures().map(({ textContent }) => textContent);
  put(place, fresh);
  const details = place.querySelectorAll("details");
  if (details.length === opened.length) details.forEach((each, at) => (each.open = opened[at]));
  const now = figures();
  if (now.length === before.length) now.forEach((each, at) => each.classList.toggle("moved", each.textContent !== before[at]));
}

/** Where the code is, and where to go on. @param {Frame} frame */
function ending({ files, next, previous }) {
  return h(
    "div",
    {},
    h("h2", {}, "The code that does it"),
    ...files.map(source),
    h(
      "nav",
      { class: "next", "aria-label": "Chapters before and after" },
      previous ? h("a", { href: `#/chapter/${previous.name}` }, `← ${previous.title}`) : h("span", {}),
      next
        ? h("a", { class: "to", href: `#/chapter/${next.name}` }, `${next.title} →`)
        : h("a", { class: "to", href: "#/inspect" }, "Look inside a model →"),
    ),
  );
}

/** A file of code, read when it is opened. @param {string} file */
function source(file) {
  const code = h("code", {}, "…");
  const details = h("details", { class: "more" }, h("summary", {}, h("code", {}, file)), h("pre", { class: "scroll", tabindex: "0" }, code));
  details.addEventListener(
    "toggle",
    async () => {
      try {
        const answer = /** @type {{text: string}} */ (await ask(`api/source/${file}`));
        put(code, answer.text);
      } catch (problem) {
        put(details, h("summary", {}, h("code", {}, file)), notice(problem));
      }
    },
    { once: true },
  );
  return details;
}

/** @param {string} text @returns {[string, string]} */
function split(text) {
  const at = text.indexOf("=");
  return [text.slice(0, at), text.slice(at + 1)];
}

/** What begins with a formula, such as x + layer(x), keeps its small letter. @param {string} text */
function sentence(text) {
  const word = /^(\p{L}{2}|\p{L} \p{L})/u.test(text);
  return `${word ? text.slice(0, 1).toUpperCase() : text.slice(0, 1)}${text.slice(1)}.`;
}

/** The one store: what the page knows, changed in one place, told to whoever listens. */

/**
 * @typedef {object} ModelChoice
 * @property {string} id
 * @property {string} name
 * @property {string} folder
 */
/**
 * @typedef {object} State
 * @property {string} route where the reader is, such as "chapter/attention"
 * @property {"auto" | "light" | "dark"} theme
 * @property {import("./server.js").ChapterLine[]} chapters
 * @property {ModelChoice[]} models
 */

/**
 * @template {object} S
 * @param {S} initial
 */
export function createStore(initial) {
  let state = initial;
  /** @type {Set<(state: S, before: S) => void>} */
  const listeners = new Set();
  return {
    get: () => state,
    /** @param {Partial<S>} changes */
    set(changes) {
      const before = state;
      state = { ...state, ...changes };
      for (const listener of [...listeners]) listener(state, before);
    },
    /**
     * Listen; the returned function ends it.
     * @param {(state: S, before: S) => void} listener
     * @returns {() => void}
     */
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** @type {ReturnType<typeof createStore<State>>} */
export const store = createStore(
  /** @type {State} */ ({ route: "", theme: remembered(), chapters: [], models: [] }),
);

/** The theme chosen last time, where the browser remembers such things. @returns {State["theme"]} */
function remembered() {
  try {
    const theme = localStorage.getItem("everysum-theme");
    return theme === "light" || theme === "dark" ? theme : "auto";
  } catch {
    return "auto";
  }
}

/** @param {State["theme"]} theme */
export function chooseTheme(theme) {
  try {
    localStorage.setItem("everysum-theme", theme);
  } catch {
    // a browser that remembers nothing still shows the theme
  }
  store.set({ theme });
}

/** The frame of the page: where the reader is, which chapter that is, light or dark. */

import { add, h, put } from "./dom.js";
import { answerHere, ask } from "./server.js";
import { notice } from "./notice.js";
import { chooseTheme, store } from "./store.js";

/** @typedef {(place: HTMLElement, rest: string[], query: URLSearchParams) => (() => void) | void} Room */

/** What each part of the page is; loaded when somebody goes there. @type {Record<string, () => Promise<Room>>} */
const ROOMS = {
  "": async () => (await import("./home.js")).home,
  chapters: async () => (await import("./home.js")).home,
  chapter: async () => (await import("./chapter.js")).chapter,
  inspect: async () => (await import("./inspector.js")).inspector,
};

const THEMES = /** @type {const} */ (["auto", "light", "dark"]);
const main = /** @type {HTMLElement} */ (document.querySelector("main"));
const side = /** @type {HTMLElement} */ (document.querySelector(".side"));
const chapterList = /** @type {HTMLElement} */ (side.querySelector("ol"));
const frame = /** @type {HTMLElement} */ (document.querySelector(".frame"));
const menu = /** @type {HTMLButtonElement} */ (document.querySelector(".menu"));
const themeButton = /** @type {HTMLButtonElement} */ (document.querySelector(".theme"));
/** @type {(() => void) | void} */
let leave;
let visit = 0;

async function go() {
  if (location.hash && !location.hash.startsWith("#/")) return;
  const [path, query] = location.hash.slice(2).split("?");
  const [part, ...rest] = path.split("/").map(decodeURIComponent);
  visit += 1;
  const own = visit;
  openMenu(false);
  store.set({ route: path });
  try {
    const room = ROOMS[Object.hasOwn(ROOMS, part) ? part : ""];
    const enter = await room();
    if (own !== visit) return;
    leave?.();
    const place = h("div", { class: "page" });
    put(main, place);
    leave = enter(place, rest, new URLSearchParams(query ?? ""));
    window.scrollTo(0, 0);
  } catch (problem) {
    put(main, h("div", { class: "page" }, notice(problem)));
  }
}

/** @param {boolean} open */
function openMenu(open) {
  side.classList.toggle("open", open);
  menu.setAttribute("aria-expanded", String(open));
}

/** Which chapters there are, with the one that is open marked. */
function list() {
  const { chapters, route } = store.get();
  put(
    chapterList,
    chapters.map(({ name, title }) => {
      const here = route === `chapter/${name}`;
      return h("li", {}, h("a", { href: `#/chapter/${name}`, "aria-current": here ? "page" : null }, title));
    }),
  );
  side.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  for (const link of document.querySelectorAll("[data-part]")) {
    const here = (route.split("/")[0] || "chapter").startsWith(/** @type {HTMLElement} */ (link).dataset.part ?? "");
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  // the inspector needs the room, and the way in lists the chapters itself
  frame.classList.toggle("alone", !route.startsWith("chapter/"));
}

function showTheme() {
  const { theme } = store.get();
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  put(themeButton, { auto: "◐", light: "☀", dark: "☾" }[theme]);
  themeButton.setAttribute("aria-label", `Colors: ${theme}`);
  themeButton.title = `Colors: ${theme}`;
  document.dispatchEvent(new Event("everysum-theme"));
}

themeButton.addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(store.get().theme) + 1) % THEMES.length];
  chooseTheme(next);
});
menu.addEventListener("click", () => openMenu(!side.classList.contains("open")));
window.addEventListener("hashchange", () => {
  void go();
  if (location.hash.startsWith("#/")) main.focus({ preventScroll: true });
});
store.listen((state, before) => {
  if (state.theme !== before.theme) showTheme();
  if (state.route !== before.route || state.chapters !== before.chapters) list();
});

showTheme();
const saved = document.querySelector("#saved");
if (saved) {
  const { answering } = await import("./offline.js");
  answerHere(answering(JSON.parse(saved.textContent ?? "")));
  for (const part of document.querySelectorAll(".top nav, .menu, .side")) part.remove();
  if (!location.hash.startsWith("#/inspect")) history.replaceState(null, "", "#/inspect");
}
try {
  store.set(await ask("api/contents"));
} catch (problem) {
  add(main, notice(problem));
}
void go();

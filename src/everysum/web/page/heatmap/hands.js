/** Mouse, fingers and keys on a heat map: drag, pinch, wheel, arrows. */

/**
 * @typedef {object} Hands what a map lets itself be told
 * @property {{row: number, column: number, scale: number}} view
 * @property {() => {row: number, column: number} | null} cursor
 * @property {(event: {clientX: number, clientY: number}) => {x: number, y: number, row: number, column: number, inside: boolean}} place
 * @property {(row: number, column: number) => void} tell
 * @property {(row: number, column: number) => void} move
 * @property {() => void} choose
 * @property {(factor: number, x?: number, y?: number) => void} zoom
 * @property {(factor: number) => void} zoomAtCursor
 * @property {() => void} fit
 * @property {(rows: number, columns: number) => boolean} pan says whether there was room to move
 * @property {number} columns
 */

const CLOSE = 60;

/** @param {HTMLElement} stage @param {Hands} map */
export function handle(stage, map) {
  handleKeys(stage, map);
  handlePointers(stage, map);
  handleWheel(stage, map);
}

/** @param {HTMLElement} stage @param {Hands} map */
function handleKeys(stage, map) {
  stage.addEventListener("keydown", (event) => {
    const far = event.shiftKey ? 10 : 1;
    const from = map.cursor() ?? { row: Math.ceil(map.view.row), column: Math.ceil(map.view.column) };
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowUp: () => map.move(from.row - far, from.column),
      ArrowDown: () => map.move(from.row + far, from.column),
      ArrowLeft: () => map.move(from.row, from.column - far),
      ArrowRight: () => map.move(from.row, from.column + far),
      Home: () => map.move(from.row, 0),
      End: () => map.move(from.row, map.columns - 1),
      PageUp: () => map.move(from.row - 20, from.column),
      PageDown: () => map.move(from.row + 20, from.column),
      "+": () => map.zoomAtCursor(1.6),
      "=": () => map.zoomAtCursor(1.6),
      "-": () => map.zoomAtCursor(1 / 1.6),
      0: () => map.fit(),
      Enter: map.choose,
      " ": map.choose,
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  });
}

/** @param {HTMLElement} stage @param {Hands} map */
function handlePointers(stage, map) {
  /** @type {Map<number, {x: number, y: number}>} */
  const fingers = new Map();
  let moved = 0;
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (fingers.size === 1) moved = 0;
  });
  stage.addEventListener("pointermove", (event) => {
    const finger = fingers.get(event.pointerId);
    if (!finger) {
      const { row, column, inside } = map.place(event);
      if (inside) map.tell(row, column);
      return;
    }
    const others = [...fingers.entries()].filter(([id]) => id !== event.pointerId);
    if (others.length) {
      const other = others[0][1];
      const distance = (/** @type {{x: number, y: number}} */ one) => Math.hypot(one.x - other.x, one.y - other.y) || 1;
      const here = { x: event.clientX, y: event.clientY };
      const middle = map.place({ clientX: (here.x + other.x) / 2, clientY: (here.y + other.y) / 2 });
      map.zoom(distance(here) / distance(finger), middle.x, middle.y);
    } else {
      map.pan((finger.y - event.clientY) / map.view.scale, (finger.x - event.clientX) / map.view.scale);
    }
    moved += Math.abs(event.clientX - finger.x) + Math.abs(event.clientY - finger.y);
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  stage.addEventListener("pointerup", (event) => {
    const { row, column, inside } = map.place(event);
    if (fingers.size === 1 && moved < 6 && inside) {
      map.move(row, column);
      map.choose();
    }
    fingers.delete(event.pointerId);
  });
  stage.addEventListener("pointercancel", (event) => fingers.delete(event.pointerId));
  stage.addEventListener("dblclick", (event) => {
    const { x, y } = map.place(event);
    map.zoom(Math.max(2, CLOSE / map.view.scale), x, y);
  });
}

/** @param {HTMLElement} stage @param {Hands} map */
function handleWheel(stage, map) {
  stage.addEventListener(
    "wheel",
    (event) => {
      // a map that is not focused lets the page scroll on
      if (document.activeElement !== stage && !event.ctrlKey) return;
      const { x, y } = map.place(event);
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        map.zoom(Math.exp(-event.deltaY / 200), x, y);
      } else if (map.pan(event.deltaY / map.view.scale, event.deltaX / map.view.scale)) event.preventDefault();
    },
    { passive: false },
  );
}

/** The part of a matrix that is seen: from which cell on, and how large a cell is. */

/** @typedef {ReturnType<typeof viewportOf>} Viewport */

/** A cell is at most so many pixels wide, and not quite so many where all of a small matrix is shown. */
const LARGEST = 96;
const LARGEST_WHOLE = LARGEST * 0.7;
/** Of so few rows each shall be large enough to be told from its neighbours, if need be beyond the right edge. */
const FEW_ROWS = 48;

/**
 * @param {{rows: number, columns: number}} matrix
 * @param {{left: number, top: number, tall: number}} labels what the axes take, and a row that is named, in pixels
 */
export function viewportOf(matrix, { left, top, tall }) {
  const view = {
    /** The left upper cell that is seen, and pixels per cell. */
    row: 0,
    column: 0,
    scale: 1,
    left,
    top,
    /** Of the whole map with its axes, in pixels; 0 while it is not on the page. */
    width: 0,
    height: 0,
    /** Whether it shows all there is, and shall go on to when it gets another size. */
    fitted: true,
    /** How many cells can be seen. */
    seen: () => ({ rows: (view.height - top) / view.scale, columns: (view.width - left) / view.scale }),
    /** How tall the map would like to be in this width. @param {number} width @param {number} tallest */
    wantedHeight(width, tallest) {
      const fits = Math.min(LARGEST_WHOLE, (width - left) / matrix.columns);
      const natural = readable(fits) * matrix.rows + top + 1;
      return Math.round(Math.max(top + 60, Math.min(tallest, natural)));
    },
    /** How wide it needs to be at most in this height: beyond its last column there is nothing to see. @param {number} height */
    wantedWidth(height) {
      return Math.ceil(left + readable(Math.min(LARGEST_WHOLE, (height - top) / matrix.rows)) * matrix.columns + 1);
    },
    /** @param {number} width @param {number} height */
    resize(width, height) {
      [view.width, view.height] = [width, height];
      if (view.fitted) view.fit(false);
      else view.keep();
    },
    /** All of it; at first only as much as leaves the rows large enough to be told apart. @param {boolean} [whole] */
    fit(whole = true) {
      view.scale = whole ? smallest() : readable(smallest());
      view.row = view.column = 0;
      view.fitted = true;
      view.keep();
    },
    /** Stay on the matrix. */
    keep() {
      view.scale = clamped(view.scale, smallest(), LARGEST);
      const seen = view.seen();
      view.row = clamped(view.row, 0, Math.max(0, matrix.rows - seen.rows));
      view.column = clamped(view.column, 0, Math.max(0, matrix.columns - seen.columns));
    },
    /** Larger or smaller around a point of the map. @param {number} factor @param {number} x @param {number} y */
    zoom(factor, x, y) {
      const before = view.scale;
      view.scale = clamped(before * factor, smallest(), LARGEST);
      view.row += (y - top) * (1 / before - 1 / view.scale);
      view.column += (x - left) * (1 / before - 1 / view.scale);
      view.fitted = whole();
      view.keep();
    },
    /** Move by so many cells; says whether there was room to. @param {number} rows @param {number} columns */
    pan(rows, columns) {
      const before = [view.row, view.column];
      view.row += rows;
      view.column += columns;
      view.fitted = view.fitted && whole();
      view.keep();
      return before[0] !== view.row || before[1] !== view.column;
    },
    /** Move as little as brings a cell into view. @param {number} row @param {number} column */
    show(row, column) {
      const seen = view.seen();
      view.row = clamped(view.row, row + 1 - seen.rows, row);
      view.column = clamped(view.column, column + 1 - seen.columns, column);
      view.keep();
    },
    /** Where a cell's left upper corner is drawn. @param {number} row @param {number} column @returns {[number, number]} */
    corner: (row, column) => [left + (column - view.column) * view.scale, top + (row - view.row) * view.scale],
    /** The cell at a point of the map, and whether there is one. @param {number} x @param {number} y */
    cellAt(x, y) {
      const row = Math.floor(view.row + (y - top) / view.scale);
      const column = Math.floor(view.column + (x - left) / view.scale);
      return { row, column, inside: x >= left && y >= top && row >= 0 && column >= 0 && row < matrix.rows && column < matrix.columns };
    },
  };

  /** At first the rows, if they are few, shall be large enough to be told apart. @param {number} scale */
  function readable(scale) {
    return matrix.rows > FEW_ROWS ? scale : Math.max(scale, tall);
  }
  function smallest() {
    return Math.min((view.width - left) / matrix.columns, (view.height - top) / matrix.rows, LARGEST_WHOLE);
  }
  function whole() {
    return view.scale <= smallest() + 1e-9;
  }
  return view;
}

/** @param {number} value @param {number} least @param {number} most */
function clamped(value, least, most) {
  return Math.min(most, Math.max(least, value));
}

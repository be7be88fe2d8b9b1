/** Colours of numbers: blue above zero, rust below, the paper at zero; read from the style sheet, so both themes fit. */

/** @typedef {[number, number, number]} Colour */

/**
 * A colour of the style sheet as numbers. @param {string} name @returns {Colour}
 */
export function colour(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color.match(/[\d.]+/g) ?? ["0", "0", "0"];
  probe.remove();
  return [Number(found[0]), Number(found[1]), Number(found[2])];
}

/** @param {Colour} colour */
export function css([red, green, blue]) {
  return `rgb(${red} ${green} ${blue})`;
}

/** @param {Colour} from @param {Colour} to @param {number} share @returns {Colour} */
export function mixed(from, to, share) {
  const part = (/** @type {number} */ at) => Math.round(from[at] + (to[at] - from[at]) * share);
  return [part(0), part(1), part(2)];
}

/**
 * A table of 511 colours from the lowest number over zero to the highest, as pixels of a canvas. Small numbers get more
 * of the range than their share, so that they can be told from zero.
 * @returns {{pixels: Uint32Array, at: (share: number) => Colour}}
 */
export function ramp() {
  const [below, zero, above] = [colour("--minus-deep"), colour("--nothing"), colour("--plus-deep")];
  /** @param {number} share from −1 to 1 @returns {Colour} */
  const at = (share) => mixed(zero, share < 0 ? below : above, Math.min(1, Math.abs(share)) ** 0.8);
  const pixels = new Uint32Array(511);
  const bytes = new Uint8ClampedArray(pixels.buffer);
  for (let place = 0; place < 511; place += 1) {
    const [red, green, blue] = at((place - 255) / 255);
    bytes.set([red, green, blue, 255], place * 4);
  }
  return { pixels, at };
}

/** Whether dark text reads better on a colour. @param {Colour} colour */
export function wantsDarkText([red, green, blue]) {
  const linear = [red, green, blue].map((part) => (part / 255) ** 2.2);
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.24;
}

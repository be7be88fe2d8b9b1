/** How a number is written: five significant digits, as in the terminal, with a real minus sign. */

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** @typedef {number | string} Numeric the texts "inf", "-inf" and "nan" stand for what JSON cannot say */

/** @param {Numeric} value @returns {number} */
export function real(value) {
  if (typeof value === "number") return value;
  return { inf: Infinity, "-inf": -Infinity, nan: NaN }[value] ?? Number(value.replace("−", "-"));
}

/**
 * @param {Numeric} given
 * @param {number} [digits] significant ones
 */
export function figure(given, digits = 5) {
  const value = real(given);
  if (Number.isNaN(value)) return "not a number";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  let text;
  if (size >= 1e15 || size < 1e-7) {
    const [mantissa, exponent] = trimmed(value.toExponential(digits - 1)).split("e");
    text = `${mantissa}·10${superscript(Number(exponent))}`;
  } else if (size >= 10 ** digits) text = value.toFixed(0);
  else text = plain(Number(value.toPrecision(digits)));
  return text.replace("-", "−");
}

/** With a fixed number of places behind the point; 0 stays short. @param {number} value @param {number} places */
export function fixed(value, places) {
  return value === 0 ? "0" : value.toFixed(places).replace("-", "−");
}

/** A number that should be next to nothing: 2.3·10⁻⁹. @param {Numeric} value */
export function tiny(value) {
  const number = real(value);
  if (number === 0 || !Number.isFinite(number)) return figure(value);
  const [mantissa, exponent] = number.toExponential(1).split("e");
  return `${mantissa.replace("-", "−")}·10${superscript(Number(exponent))}`;
}

/** With its sign, as a change. @param {Numeric} value @param {number} [digits] */
export function change(value, digits = 5) {
  return (real(value) > 0 ? "+" : "") + figure(value, digits);
}

/** A probability as a percentage. @param {number} value */
export function percent(value) {
  const shown = value * 100;
  if (shown > 0 && shown < 0.01) return "< 0.01 %";
  return `${shown >= 99.995 ? "100" : shown.toFixed(shown < 10 ? 2 : 1)} %`;
}

/** Without an exponent. @param {number} value */
function plain(value) {
  const text = String(value);
  return text.includes("e") ? value.toFixed(20).replace(/\.?0+$/, "") : text;
}

/** @param {string} text */
function trimmed(text) {
  return text.replace(/\.?0+e/, "e").replace("e+", "e");
}

/** @param {number} exponent */
function superscript(exponent) {
  return String(exponent).replace("-", "⁻").replace(/\d/g, (digit) => SUPERSCRIPTS[Number(digit)]);
}

/** A small number below the line: the 2 of x₂. @param {number} place */
export function subscript(place) {
  return String(place).replace(/\d/g, (digit) => String.fromCodePoint(0x2080 + Number(digit)));
}

/** A token as one looks at it: spaces and line ends made visible. @param {string} text */
export function visible(text) {
  return text === "" ? "∅" : text.replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥");
}

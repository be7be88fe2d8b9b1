/** The types in which a pass keeps its numbers, and how each rounds. */

const bits = new DataView(new ArrayBuffer(4));

/** To the upper half of a float32, halves to even ones. @param {number} value */
function asBfloat16(value) {
  bits.setFloat32(0, value);
  if (!Number.isFinite(bits.getFloat32(0))) return value;
  const whole = bits.getUint32(0);
  bits.setUint32(0, (whole + 0x7fff + ((whole >>> 16) & 1)) & 0xffff0000);
  return bits.getFloat32(0);
}

const LARGEST_HALF = 65504;

/** To ten bits behind the leading one, halves to even ones. @param {number} value */
function asFloat16(value) {
  if (!Number.isFinite(value) || value === 0) return value;
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(value))), -14);
  const step = 2 ** (exponent - 10);
  const steps = value / step;
  const near = Math.floor(steps);
  const behind = steps - near;
  const whole = behind > 0.5 || (behind === 0.5 && near % 2 !== 0) ? near + 1 : near;
  return Math.abs(whole * step) > LARGEST_HALF ? Math.sign(value) * Infinity : whole * step;
}

/** @type {Record<string, (value: number) => number>} */
const ROUNDED = {
  float64: (value) => value,
  float32: Math.fround,
  float16: asFloat16,
  bfloat16: asBfloat16,
  bool: (value) => Number(value !== 0),
};

/** A number as a tensor of this type keeps it: whole numbers lose what is behind the point. @param {string} type @returns {(value: number) => number} */
export function keptIn(type) {
  return ROUNDED[type] ?? Math.trunc;
}

/** Whether numbers of this type have digits behind the point. @param {string} type */
export function isReal(type) {
  return type.includes("float");
}

/**
 * Correct rounding: from exact sums to the nearest doubles, ties to even.
 *
 * Exact values are bigints in units of 2^-1074, the smallest double, so every double is a whole number of them.
 */

/** What a wide accumulator knows besides its sum. */
export const wideNaN = 1;
export const widePositive = 2;
export const wideNegative = 4;

const unitExponent = -1074;
const bits = new DataView(new ArrayBuffer(8));

/** A finite double as a whole number of 2^-1074. */
export function toUnits(value: number): bigint {
  bits.setFloat64(0, value);
  const word = bits.getBigUint64(0);
  const exponent = Number((word >> 52n) & 0x7ffn);
  const fraction = word & 0xfffffffffffffn;
  const magnitude = exponent === 0 ? fraction : (fraction | (1n << 52n)) << BigInt(exponent - 1);
  return value < 0 ? -magnitude : magnitude;
}

/** The double nearest to a number of units. */
export function fromUnits(units: bigint): number {
  return roundRatio(units, 1n, unitExponent);
}

/** The double nearest to `units / count`. */
export function meanOfUnits(units: bigint, count: bigint): number {
  return roundRatio(units, count, unitExponent);
}

/** The double nearest to `sum / count` for whole numbers. */
export function meanOfIntegers(sum: bigint, count: bigint): number {
  return roundRatio(sum, count, 0);
}

/** The double nearest to numerator / denominator · 2^exponent. */
function roundRatio(numerator: bigint, denominator: bigint, exponent: number): number {
  if (numerator === 0n) return 0;
  const magnitude = numerator < 0n ? -numerator : numerator;
  // A quotient of 55 or 56 bits: two more than are kept, and the remainder says whether anything lies below them.
  const shift = 55 - (bitLength(magnitude) - bitLength(denominator));
  const dividend = shift > 0 ? magnitude << BigInt(shift) : magnitude;
  const divisor = shift < 0 ? denominator << BigInt(-shift) : denominator;
  const quotient = dividend / divisor;
  const sticky = quotient * divisor !== dividend;
  const lowest = exponent - shift;
  const dropped = BigInt(Math.max(bitLength(quotient) - 53, unitExponent - lowest));
  const rest = quotient & ((1n << dropped) - 1n);
  const half = 1n << (dropped - 1n);
  let kept = quotient >> dropped;
  if (rest > half || (rest === half && (sticky || (kept & 1n) === 1n))) kept += 1n;
  const scale = lowest + Number(dropped);
  const result = scale > 971 ? Number(kept) * 2 ** 971 * 2 ** Math.min(scale - 971, 1000) : Number(kept) * 2 ** scale;
  return (numerator < 0n ? -result : result) + 0;
}

function bitLength(value: bigint): number {
  const hex = value.toString(16);
  return hex.length * 4 - (Math.clz32(Number.parseInt(hex[0]!, 16)) - 28);
}

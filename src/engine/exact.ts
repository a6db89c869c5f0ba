/**
 * Correct rounding: from exact sums to the nearest doubles, ties to even.
 *
 * Exact values are bigints in units of 2^-1074, the smallest double, so every double is a whole number of them.
 */

/** What a wide accumulator knows besides its sum. */
export const wideNaN = 1;
export const widePositive = 2;
export const wideNegative = 4;

export const unitExponent = -1074;
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

/** An exact number: units · 2^exponent. */
export interface Dyadic {
  readonly units: bigint;
  readonly exponent: number;
}

/** The exact sum of finite doubles, in units that are no smaller than they need to be. */
export function dyadicOf(values: readonly number[]): Dyadic {
  let exponent = 1024;
  const parts = values.map((value) => {
    bits.setFloat64(0, value);
    const top = bits.getUint32(0);
    const biased = (top >>> 20) & 0x7ff;
    const fraction = (top & 0xfffff) * 2 ** 32 + bits.getUint32(4);
    const mantissa = biased === 0 ? fraction : fraction + 2 ** 52;
    const own = Math.max(biased, 1) - 1 + unitExponent;
    if (mantissa !== 0) exponent = Math.min(exponent, own);
    return { mantissa: value < 0 ? -mantissa : mantissa, own };
  });
  let units = 0n;
  for (const { mantissa, own } of parts) if (mantissa !== 0) units += BigInt(mantissa) << BigInt(own - exponent);
  return units === 0n ? { units, exponent: 0 } : { units, exponent };
}

/** The double nearest to a number of units. */
export function fromUnits(units: bigint): number {
  return roundRatio(units, 1n, unitExponent);
}

/** The double nearest to a sum divided by `count`. */
export function meanOf({ units, exponent }: Dyadic, count: bigint): number {
  return roundRatio(units, count, exponent);
}

/** The double nearest to `sum / count` for whole numbers. */
export function meanOfIntegers(sum: bigint, count: bigint): number {
  return roundRatio(sum, count, 0);
}

/** What decides a variance: how many values there are, their sum, and the sum of their squares. */
export interface Moments {
  readonly count: number;
  readonly sum: Dyadic;
  readonly squares: Dyadic;
  /** What the values were multiplied by to be whole: 10^scale of decimals. */
  readonly unit: bigint;
}

/** The sample variance (n − 1) as a fraction · 2^exponent. */
function varianceRatio({ count, sum, squares, unit }: Moments): { readonly numerator: bigint; readonly denominator: bigint; readonly exponent: number } {
  const n = BigInt(count);
  const exponent = Math.min(squares.exponent, 2 * sum.exponent);
  const spread = n * (squares.units << BigInt(squares.exponent - exponent)) - ((sum.units * sum.units) << BigInt(2 * sum.exponent - exponent));
  return { numerator: spread, denominator: n * (n - 1n) * unit * unit, exponent };
}

/** The double nearest to the sample variance. */
export function varianceOf(moments: Moments): number {
  const { numerator, denominator, exponent } = varianceRatio(moments);
  return roundRatio(numerator, denominator, exponent);
}

/** The double nearest to the root of the sample variance, itself not rounded before. */
export function deviationOf(moments: Moments): number {
  const { numerator, denominator, exponent } = varianceRatio(moments);
  if (numerator === 0n) return 0;
  const odd = BigInt(exponent & 1);
  // A quotient of 112 bits or more has a root of 56 or more: three more than are kept, and what is left over says the rest.
  const wanted = 113 - (bitLength(numerator) - bitLength(denominator));
  const shift = wanted > 0 ? wanted + (wanted & 1) : 0;
  const dividend = (numerator << odd) << BigInt(shift);
  const quotient = dividend / denominator;
  const root = integerRoot(quotient);
  const rest = root * root !== quotient || quotient * denominator !== dividend;
  return roundRatio(root * 2n + (rest ? 1n : 0n), 1n, (exponent - Number(odd) - shift) / 2 - 1);
}

/** ⌊√value⌋ */
function integerRoot(value: bigint): bigint {
  const shift = BigInt(Math.max(0, (bitLength(value) - 1000) >> 1));
  let root = BigInt(Math.floor(Math.sqrt(Number(value >> (2n * shift))))) << shift;
  for (;;) {
    const next = (root + value / root) >> 1n;
    const step = next > root ? next - root : root - next;
    root = next;
    if (step <= 1n) break;
  }
  while (root * root > value) root--;
  while ((root + 1n) * (root + 1n) <= value) root++;
  return root;
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

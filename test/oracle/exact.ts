/**
 * Exact arithmetic, slow and obvious: a double is a fraction of bigints, a sum of doubles is a sum of fractions, and the
 * nearest double is found by asking doubles which of them is nearer. Knows nothing of the engine.
 */

/** A finite double as numerator / 2^1074. */
export function numeratorOf(value: number): bigint {
  if (value < 0) return -numeratorOf(-value);
  let [scaled, power] = [value, 1074];
  // Halving or doubling is exact here; a double has at most 1074 binary places.
  let result = 0n;
  while (scaled !== Math.floor(scaled)) {
    scaled *= 2;
    power--;
  }
  result = BigInt(scaled) << BigInt(power);
  return result;
}

/** The double nearest to numerator / (denominator · 2^1074), ties to the even one. */
export function nearestDouble(numerator: bigint, denominator: bigint): number {
  if (numerator < 0n) return -nearestDouble(-numerator, denominator);
  // The largest double not above the fraction, by bisection over the bits of doubles, which order as the doubles do.
  let [low, high] = [0n, 0x7ff0000000000000n];
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (numeratorOf(ofBits(middle)) * denominator <= numerator) low = middle;
    else high = middle;
  }
  const below = ofBits(low);
  const belowNumerator = numeratorOf(below) * denominator;
  // Beyond the largest double, the next step counts as if there were one more double.
  const aboveNumerator = high === 0x7ff0000000000000n ? (1n << (1074n + 1024n)) * denominator : numeratorOf(ofBits(high)) * denominator;
  const [toBelow, toAbove] = [numerator - belowNumerator, aboveNumerator - numerator];
  if (toBelow < toAbove) return below;
  if (toBelow > toAbove) return ofBits(high);
  return (low & 1n) === 0n ? below : ofBits(high);
}

const view = new DataView(new ArrayBuffer(8));

function ofBits(bits: bigint): number {
  view.setBigUint64(0, bits);
  return view.getFloat64(0);
}

/** Sum of doubles, as the design says it: correctly rounded, NaN and infinities as they are met. */
export function sumOf(values: readonly number[], count = 1n): number {
  if (values.some((value) => Number.isNaN(value))) return Number.NaN;
  const [up, down] = [values.includes(Infinity), values.includes(-Infinity)];
  if (up && down) return Number.NaN;
  if (up || down) return up ? Infinity : -Infinity;
  return nearestDouble(values.reduce((sum, value) => sum + numeratorOf(value), 0n), count) + 0;
}

/** The double nearest to the root of numerator / (denominator · 2^2148), ties to the even one. */
export function nearestRoot(numerator: bigint, denominator: bigint): number {
  // The largest double whose square is not above the fraction, by bisection over the bits of doubles.
  let [low, high] = [0n, 0x7ff0000000000000n];
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (numeratorOf(ofBits(middle)) ** 2n * denominator <= numerator) low = middle;
    else high = middle;
  }
  const above = high === 0x7ff0000000000000n ? 1n << (1074n + 1024n) : numeratorOf(ofBits(high));
  const twiceMiddle = numeratorOf(ofBits(low)) + above;
  const [middleSquare, wanted] = [twiceMiddle * twiceMiddle * denominator, 4n * numerator];
  if (wanted < middleSquare) return ofBits(low);
  if (wanted > middleSquare) return ofBits(high);
  return (low & 1n) === 0n ? ofBits(low) : ofBits(high);
}

/** IEEE 754 binary16, which JavaScript has no array for: columns of halves are kept as their bits. */

/** Exactly. */
export function halfToNumber(bits: number): number {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 0x3ff];
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1_024 + fraction) * 2 ** (exponent - 25));
}

/** Cuts off what a half does not hold; every float that was a half is one again. */
export function floatToHalf(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 255) - 112;
  const fraction = bits & 0x7fffff;
  if (exponent >= 31) return sign | 0x7c00 | (exponent === 143 && fraction !== 0 ? 0x200 | (fraction >>> 13) : 0);
  if (exponent > 0) return sign | (exponent << 10) | (fraction >>> 13);
  return exponent < -10 ? sign : sign | ((fraction | 0x800000) >>> (14 - exponent));
}

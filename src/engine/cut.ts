/** Where the keys of groups are cut into parts: ranges of about as many keys, by a sample of them. Pure. */
/** Where parts begin: words that order as keys do; those of strings stand behind the bytes that all begin with. */
export interface Cut {
  readonly bounds: BigUint64Array;
  readonly prefix: bigint;
  readonly skipped: number;
}

/** Keys that are looked at to cut. */
export const sampledKeys = 8_192;

/** From words in any order to the bounds of so many parts. */
export function boundsOf(words: BigUint64Array, parts: number): BigUint64Array {
  const sorted = words.slice().sort();
  return BigUint64Array.from({ length: parts - 1 }, (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / parts)] ?? 0n);
}

/** Cuts strings by the first 16 bytes of some, two words each. */
export function cutStrings(heads: BigUint64Array, parts: number): Cut {
  const firsts = heads.filter((_, i) => i % 2 === 0);
  const [least, greatest] = firsts.reduce(([low, high], word) => [word < low ? word : low, word > high ? word : high], [firsts[0] ?? 0n, firsts[0] ?? 0n]);
  let skipped = 8;
  while (skipped > 0 && least >> BigInt(64 - skipped * 8) !== greatest >> BigInt(64 - skipped * 8)) skipped--;
  const behind = (_: unknown, i: number): bigint => BigInt.asUintN(64, ((heads[i * 2]! << 64n) | heads[i * 2 + 1]!) >> BigInt(64 - skipped * 8));
  const words = BigUint64Array.from({ length: firsts.length }, behind);
  const prefix = skipped === 0 ? 0n : (least >> BigInt(64 - skipped * 8)) << BigInt(64 - skipped * 8);
  return { bounds: boundsOf(words, parts), prefix, skipped };
}

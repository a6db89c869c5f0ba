/** Where the keys of groups are cut into parts: ranges of about as many keys, by a sample of them. Pure. */
/** Where parts begin: words that order as keys do; those of strings stand behind the bytes that all begin with. */
export interface Cut {
  readonly bounds: BigUint64Array;
  readonly prefix: bigint;
  readonly skipped: number;
  /** About how many groups are in each part, where that is known. */
  readonly groups?: number;
}

/** Keys that are looked at to cut. */
export const sampledKeys = 8_192;

/** Rows from which on it may be worth it to put them aside by part. */
export const asideRowsLeast = 1 << 20;
/** And groups, about; keys of a dense range are found without a search otherwise, so it takes more of them. */
const asideGroupsLeast = { dense: 1 << 19, others: 1 << 18 } as const;
/** Groups of a part, about; they should stay in the cache. */
const groupsOfPart = 1 << 15;
/** Fewer parts than that are not shared out evenly. */
const partsLeast = 16;
/** As in kernel/part.ts. */
const cellBits = 12;
/** Fewer keys tell nothing. */
const keysLeast = 4_096;
/** How much larger than the others a part may be. */
const unevenMax = 4;
/** Parts are numbered by 16 bits. */
export const partsMax = 4_096;

/** Keys of rows: one word each, or of strings two. */
export interface SampledKeys {
  readonly words: BigUint64Array;
  readonly wordsEach: 1 | 2;
}

/**
 * How to cut rows that are to be put aside (aside.ts), from the keys of some; 'declined' where that is not worth it, and undefined where
 * these keys do not tell. `parts`: as many, whatever the keys say.
 */
export function cutForAside(keys: SampledKeys, { rows, parts }: { readonly rows: number; readonly parts: number | undefined }): Cut | 'declined' | undefined {
  const { words, wordsEach } = keys;
  const cut = (count: number): Cut => (wordsEach === 2 ? cutStrings(words, count) : { bounds: boundsOf(words, count), prefix: 0n, skipped: 0 });
  const sampled = words.length / wordsEach;
  const distinct = distinctOf(keys);
  let groups = 1;
  while (groups < rows && distinctAmong(groups, sampled) < distinct) groups *= 1.25;
  if (parts !== undefined) return { ...cut(parts), groups: Math.ceil(groups / parts) };
  if (rows < asideRowsLeast) return 'declined';
  if (sampled < keysLeast) return undefined;
  if (groups < asideGroupsLeast[areDense(keys, rows) ? 'dense' : 'others']) return 'declined';
  const count = Math.min(Math.max(partsLeast, Math.ceil(groups / groupsOfPart)), partsMax);
  const made = { ...cut(count), groups: Math.ceil(groups / count) };
  const aligned = { ...made, bounds: alignedBounds(made.bounds) };
  return [aligned, made].find((each) => isEven(keys, each)) ?? 'declined';
}

/** The same bounds, moved down to where cells begin (kernel/part.ts): then a word's cell alone says which part it is in. */
function alignedBounds(bounds: BigUint64Array): BigUint64Array {
  const [low, high] = [bounds[0]!, bounds.at(-1)!];
  const shift = BigInt(Math.max(0, (high - low).toString(2).length - cellBits));
  return bounds.map((bound) => low + (((bound - low) >> shift) << shift));
}

/** How many different keys so many rows have, about, of so many groups that are equally frequent. */
function distinctAmong(groups: number, rows: number): number {
  return groups * (1 - Math.exp(-rows / groups));
}

/** Whether so many rows may fill the range of these keys. */
function areDense({ words, wordsEach }: SampledKeys, rows: number): boolean {
  if (wordsEach === 2) return false;
  const [low, high] = words.reduce(([least, most], word) => [word < least ? word : least, word > most ? word : most], [words[0]!, words[0]!]);
  return high - low < BigInt(Math.floor(rows * 1.25));
}

function distinctOf({ words, wordsEach }: SampledKeys): number {
  const mixed = wordsEach === 1 ? words.slice() : BigUint64Array.from({ length: words.length / 2 }, (_, i) => BigInt.asUintN(64, words[i * 2]! * 0x9e3779b97f4a7c15n) ^ words[i * 2 + 1]!);
  mixed.sort();
  let distinct = Math.min(mixed.length, 1);
  for (let i = 1; i < mixed.length; i++) distinct += mixed[i] === mixed[i - 1] ? 0 : 1;
  return distinct;
}

/** Whether no part is much larger than the others: keys may be alike in what is looked at. */
function isEven({ words, wordsEach }: SampledKeys, { bounds, skipped }: Cut): boolean {
  const sorted = wordsEach === 1 ? words.slice() : behindPrefix(words, skipped);
  sorted.sort();
  const allowed = (unevenMax * sorted.length) / (bounds.length + 1);
  let [next, first] = [0, 0];
  for (const bound of [...bounds, undefined]) {
    while (next < sorted.length && (bound === undefined || sorted[next]! < bound)) next++;
    if (next - first > allowed) return false;
    first = next;
  }
  return true;
}

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
  const prefix = skipped === 0 ? 0n : (least >> BigInt(64 - skipped * 8)) << BigInt(64 - skipped * 8);
  return { bounds: boundsOf(behindPrefix(heads, skipped), parts), prefix, skipped };
}

/** The eight bytes behind what all begin with, of the first 16 of each string. */
function behindPrefix(heads: BigUint64Array, skipped: number): BigUint64Array {
  const behind = (_: unknown, i: number): bigint => BigInt.asUintN(64, ((heads[i * 2]! << 64n) | heads[i * 2 + 1]!) >> BigInt(64 - skipped * 8));
  return BigUint64Array.from({ length: heads.length / 2 }, behind);
}

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
  if (parts === undefined && rows < asideRowsLeast) return 'declined';
  if (parts === undefined && sampled < keysLeast) return undefined;
  if (parts === undefined && areClearlyFew(keys)) return 'declined';
  const distinct = distinctOf(keys);
  let groups = 1;
  while (groups < rows && distinctAmong(groups, sampled) < distinct) groups *= 1.25;
  if (parts !== undefined) return { ...cut(parts), groups: Math.ceil(groups / parts) };
  const { dense, others } = asideGroupsLeast;
  if (groups < others || (groups < dense && areDense(keys, rows))) return 'declined';
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

/** Whether the first of the keys tell already that there are fewer groups than would be worth it: so many of them are alike by chance once in a million times. */
function areClearlyFew({ words, wordsEach }: SampledKeys): boolean {
  const alike = keysLeast - distinctOf({ words: words.subarray(0, keysLeast * wordsEach), wordsEach });
  const likely = keysLeast - distinctAmong(asideGroupsLeast.others, keysLeast);
  return alike > likely + 5 * Math.sqrt(likely);
}

/** How many different keys so many rows have, about, of so many groups that are equally frequent. */
function distinctAmong(groups: number, rows: number): number {
  return groups * (1 - Math.exp(-rows / groups));
}

/** Whether so many rows may fill the range of these keys. */
function areDense({ words, wordsEach }: SampledKeys, rows: number): boolean {
  if (wordsEach === 2) return false;
  const halves = halvesOf(words);
  const isLess = (a: number, b: number): boolean => {
    const [high, other] = [halves[a + 1]!, halves[b + 1]!];
    return high === other ? halves[a]! < halves[b]! : high < other;
  };
  let [least, greatest] = [0, 0];
  for (let at = 2; at < halves.length; at += 2) {
    if (isLess(at, least)) least = at;
    if (isLess(greatest, at)) greatest = at;
  }
  return words[greatest / 2]! - words[least / 2]! < BigInt(Math.floor(rows * 1.25));
}

/** Words as two numbers each, the lower half first: what is done for every key is done without bigints, which took a hundred times as long. */
const halvesOf = (words: BigUint64Array): Uint32Array => new Uint32Array(words.buffer, words.byteOffset, words.length * 2);

/** How many of the keys are different. */
function distinctOf({ words, wordsEach }: SampledKeys): number {
  const halves = halvesOf(words);
  const each = wordsEach * 2;
  const mask = 2 ** Math.ceil(Math.log2(words.length + 1) + 1) - 1;
  /** By hash, where a key stands, and one more; 0: none does. */
  const met = new Uint32Array(mask + 1);
  const isSame = (a: number, b: number): boolean => {
    for (let half = 0; half < each; half++) if (halves[a + half] !== halves[b + half]) return false;
    return true;
  };
  let distinct = 0;
  for (let at = 0; at < halves.length; at += each) {
    let hash = 0;
    for (let half = 0; half < each; half++) hash = Math.imul(hash ^ halves[at + half]!, 0x9e3779b1) ^ (hash >>> 15);
    let slot = (hash ^ (hash >>> 15)) & mask;
    while (met[slot] !== 0 && !isSame(met[slot]! - 1, at)) slot = (slot + 1) & mask;
    if (met[slot] !== 0) continue;
    met[slot] = at + 1;
    distinct++;
  }
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

/**
 * The exact accumulator of a group whose sum does not fit two doubles: a fixed-point number that spans all doubles.
 *
 *   limb 0 … 69, 64 bits each, of weight 2^(32·i − 1074)      every limb is signed and has 32 bits of room for carries
 *   then: additions since carries were last propagated (u32), flags (u32): 1 NaN, 2 +∞, 4 −∞
 *
 * After R. M. Neal, "Fast exact summation using small and large superaccumulators" (2015): the small one.
 */
import { alloc, allocZeroed, free } from './memory';

const limbs: i32 = 70;
const additions: usize = 560;
const flags: usize = 564;
const wideBytes: usize = 576;
const slabCount: usize = 56; // fills half a 64 KiB block

/**
 * What belongs to the sums of a column: its wide accumulators, and how values are split (split.ts):
 *
 *   | pointers, u32: one address per group, 0 = none | capacity, u32 | slab, u32 | left in slab, u32 |
 *   | how to add, u32 | additions between looks, less one, u32 | M | limits of high and low | largest and smallest magnitude | f64 each
 */
const wPointers: usize = 0;
const wCapacity: usize = 4;
const wSlab: usize = 8;
const wLeft: usize = 12;
export const wMode: usize = 16; // 0 not decided, 1 split, 2 by TwoSum
export const wEvery: usize = 20;
export const wSplitter: usize = 24;
export const wLimits: usize = 32;
export const wLargest: usize = 48;
export const wSmallest: usize = 56;
const wideTableBytes: usize = 64;

export function newWideTable(): usize {
  return allocZeroed(wideTableBytes);
}

/** The wide accumulator of a group, made when there was none. */
export function wideOf(table: usize, group: u32): usize {
  let capacity = load<u32>(table + wCapacity);
  if (group >= capacity) {
    const wider = max<u32>(max<u32>(1024, capacity << 1), group + 1);
    const pointers = allocZeroed(<usize>wider << 2);
    if (capacity > 0) {
      memory.copy(pointers, load<u32>(table + wPointers), <usize>capacity << 2);
      free(load<u32>(table + wPointers), <usize>capacity << 2);
    }
    store<u32>(table + wPointers, <u32>pointers);
    store<u32>(table + wCapacity, wider);
  }
  const place = <usize>load<u32>(table + wPointers) + (<usize>group << 2);
  let wide: usize = load<u32>(place);
  if (wide == 0) {
    if (load<u32>(table + wLeft) == 0) {
      store<u32>(table + wSlab, <u32>alloc(slabCount * wideBytes));
      store<u32>(table + wLeft, <u32>slabCount);
    }
    wide = load<u32>(table + wSlab);
    store<u32>(table + wSlab, <u32>(wide + wideBytes));
    store<u32>(table + wLeft, load<u32>(table + wLeft) - 1);
    memory.fill(wide, 0, wideBytes);
    store<u32>(place, <u32>wide);
  }
  return wide;
}

export function wideFlag(wide: usize, flag: u32): void {
  store<u32>(wide + flags, load<u32>(wide + flags) | flag);
}

/** Adds any double. */
export function wideAdd(wide: usize, value: f64): void {
  const bits = reinterpret<u64>(value);
  const exponent = <i32>((bits >> 52) & 0x7ff);
  const fraction = bits & 0xfffffffffffff;
  if (exponent == 0x7ff) {
    wideFlag(wide, fraction != 0 ? 1 : <i64>bits < 0 ? 4 : 2);
    return;
  }
  const mantissa = exponent == 0 ? fraction : fraction | (1 << 52);
  if (mantissa == 0) return;
  const position = max<i32>(exponent, 1) - 1;
  const shift = <u64>(position & 31);
  const low = mantissa << shift;
  const high = shift == 0 ? 0 : mantissa >> (64 - shift);
  const place = wide + (<usize>(position >> 5) << 3);
  if (<i64>bits < 0) {
    store<i64>(place, load<i64>(place) - <i64>(low & 0xffffffff));
    store<i64>(place, load<i64>(place, 8) - <i64>(low >> 32), 8);
    store<i64>(place, load<i64>(place, 16) - <i64>high, 16);
  } else {
    store<i64>(place, load<i64>(place) + <i64>(low & 0xffffffff));
    store<i64>(place, load<i64>(place, 8) + <i64>(low >> 32), 8);
    store<i64>(place, load<i64>(place, 16) + <i64>high, 16);
  }
  counted(wide);
}

/** Adds `value`, less than 2^32 in magnitude, at the weight of a limb. */
export function wideAddLimb(wide: usize, limb: i32, value: f64): void {
  const place = wide + (<usize>limb << 3);
  store<i64>(place, load<i64>(place) + <i64>value);
  counted(wide);
}

function counted(wide: usize): void {
  const count = load<u32>(wide + additions) + 1;
  store<u32>(wide + additions, count);
  if (count >= 1 << 30) propagate(wide);
}

function propagate(wide: usize): void {
  for (let limb = 0; limb < limbs - 1; limb++) {
    const place = wide + (<usize>limb << 3);
    const value = load<i64>(place);
    store<i64>(place, value & 0xffffffff);
    store<i64>(place, load<i64>(place, 8) + (value >> 32), 8);
  }
  store<u32>(wide + additions, 0);
}

/** Whether any group has one. */
@inline export function hasWides(table: usize): bool {
  return load<u32>(table + wCapacity) != 0;
}

/** The wide accumulator of a group in a table, or 0. */
export function wideOfOther(table: usize, group: u32): usize {
  if (group >= load<u32>(table + wCapacity)) return 0;
  return load<u32>(<usize>load<u32>(table + wPointers) + (<usize>group << 2));
}

/** Adds another wide accumulator. */
export function wideMerge(wide: usize, other: usize): void {
  propagate(wide);
  propagate(other);
  for (let limb = 0; limb < limbs; limb++) {
    const place = wide + (<usize>limb << 3);
    store<i64>(place, load<i64>(place) + load<i64>(other + (<usize>limb << 3)));
  }
  wideFlag(wide, load<u32>(other + flags));
  store<u32>(wide + additions, 1);
}

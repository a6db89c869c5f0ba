/**
 * The table of a hash grouper: which id a key may have.
 *
 *   slot     | upper bits of the hash | id + 1 |      4 bytes, linear probing, at most half full; 0 = empty
 *
 * The lower bits of a hash say where it begins, and as many bits hold id + 1, so none of the hash is missing: hardly ever is a key
 * compared with another. Slots are read four at a time; behind the last stand some that are always empty.
 */
import { allocZeroed, free } from './memory';

const slotsBehind: usize = 8;

export function newTable(slots: u32): usize {
  return allocZeroed((<usize>slots + slotsBehind) << 2);
}

export function freeTable(table: usize, slots: u32): void {
  free(table, (<usize>slots + slotsBehind) << 2);
}

@inline export function slotOf(table: usize, slot: u32): usize {
  return table + (<usize>slot << 2);
}

/** Enters a key that is not there. */
@inline export function enter(table: usize, mask: u32, hash: u32, id: u32): void {
  let slot = hash & mask;
  while (load<u32>(slotOf(table, slot)) != 0) slot = (slot + 1) & mask;
  store<u32>(slotOf(table, slot), (hash & ~mask) | (id + 1));
}

/** What each hash is likely to find: the id + 1 of the first of four slots with its upper bits; else 0, or that of another. */
export function findSlots(table: usize, mask: u32, hashes: usize, count: i32, found: usize): void {
  const uppers = i32x4.splat(~mask);
  for (let i = 0; i < count; i++) {
    const hash = load<u32>(hashes + (<usize>i << 2));
    const slot = slotOf(table, hash & mask);
    const same = i32x4.eq(v128.and(v128.load(slot), uppers), v128.and(i32x4.splat(hash), uppers));
    const lane = ctz<u32>(i32x4.bitmask(same) | 8);
    store<u32>(found + (<usize>i << 2), load<u32>(slot + (<usize>lane << 2)) & mask);
  }
}

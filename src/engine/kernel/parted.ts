/**
 * Events put in parts by their entities before they are located: the states of all stretches do not fit the cache, those of a part do.
 *
 *   part of   u8 for each 2^shift entities
 *   lane      one value of each event, room for so many of each part, and one place more, where events of unknown entities go
 */
import { numberOf } from './asof';
import { timeAt, wordAt } from './words';

@inline function placeAll(
  isClose: bool, words: usize, firstKey: i64, count: i32, entityCount: u32, shift: i32, partOf: usize, parts: u32, fills: usize, room: u32, places: usize, lane: usize,
): void {
  const nowhere = parts * room;
  for (let i = 0; i < count; i++) {
    const number = isClose ? numberOf(timeAt(words, i), firstKey, entityCount) : wordAt(words, i);
    // Without a branch: where half of all events are of unknown entities it would wait for every other.
    const isKnown = u32(number < entityCount);
    const part = <u32>load<u8>(partOf + <usize>((number & (0 - isKnown)) >> shift));
    const fill = fills + (<usize>part << 2);
    const had = load<u32>(fill);
    const place = nowhere ^ ((nowhere ^ (part * room + had)) & (0 - isKnown));
    store<u32>(fill, had + isKnown);
    store<u32>(places + (<usize>i << 2), place);
    store<u32>(lane + (<usize>place << 2), number);
  }
}

/**
 * Places of events in the lanes, from their entities' numbers, which go there too; `fills` has how many each part has, and `room` how many it may. `isClose`:
 * of `words` as keys, 64 bits wide, whose numbers are counted from `firstKey`; else they are numbers of 32.
 */
export function placesInParts(
  isClose: i32, words: usize, firstKey: i64, count: i32, entityCount: u32, shift: i32, partOf: usize, parts: u32, fills: usize, room: u32, places: usize, lane: usize,
): void {
  if (isClose) placeAll(true, words, firstKey, count, entityCount, shift, partOf, parts, fills, room, places, lane);
  else placeAll(false, words, firstKey, count, entityCount, shift, partOf, parts, fills, room, places, lane);
}

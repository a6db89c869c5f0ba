/**
 * Points in time of entities, and which stretch between two of them an event lies in.
 *
 *   starts   u32 per entity, and one more: where its points begin
 *   points   | points of entity 0, ascending | points of entity 1 | …     i64, in the unit of the event time
 *   stretch  number i is the time before point i, from the entity's point before it on (from the beginning for its first)
 *
 * Events at or after an entity's last point lie in no stretch.
 *
 *   ranges   u32: where the points of 2^k equal ranges of cells begin, and the end, of each entity with many points; 2^k is a fourth of them
 *            or less, so that there is room from half of the entity's start on
 *   cells    i16 per point: which of 65,536 equal parts of time it lies in, so that those of most entities lie in one line of the cache
 *            and sixteen are compared at a time. Where an event and a point share a cell, the points themselves decide.
 */
import { cellOf } from './points';
import { countUpTo, timeAt, wordAt } from './words';

/** Of entities with more points it is noted where the points of ranges of cells begin. */
const rangedFrom: u32 = 32;
/** Cells that are compared at a time. */
const lanes: u32 = 16;

/** How many bits tell the ranges of an entity with so many points, and where they stand. */
@inline function rangeBits(points: u32): u32 {
  return min<u32>(29 - clz<u32>(points), 16);
}

@inline function rangesAt(start: u32): u32 {
  return (start + 1) >> 1;
}

/** Where the points of each range of cells begin, of entities with many points: `ranges` has room for half as many words as there are points, and one. */
export function rangesOf(starts: usize, entityCount: i32, cells: usize, ranges: usize): void {
  for (let entity: u32 = 0; entity < <u32>entityCount; entity++) {
    const start = wordAt(starts, entity);
    const behind = wordAt(starts, entity + 1);
    if (behind - start <= rangedFrom) continue;
    const bits = rangeBits(behind - start);
    const own = ranges + (<usize>rangesAt(start) << 2);
    let i = start;
    for (let range: u32 = 0; range < 1 << bits; range++) {
      while (i < behind && <u32>(<i32>load<i16>(cells + (<usize>i << 1)) + 32768) >> (16 - bits) < range) i++;
      store<u32>(own + (<usize>range << 2), i);
    }
    store<u32>(own + (<usize>(<u32>1 << bits) << 2), behind);
  }
}

/**
 * Which parts of time, of 2^`shift` units each counted from `origin`, an entity's wanted stretches touch, a u32 each, a bit for every 32nd part, and 0 for
 * the entity behind the last; all 32 where its first stretch is wanted, which has no beginning. `wanted` 0: all are. Returns how many bits are set.
 */
export function markParts(starts: usize, entityCount: i32, points: usize, wanted: usize, origin: i64, shift: i64, masks: usize): f64 {
  let set: f64 = 0;
  for (let entity: u32 = 0; entity < <u32>entityCount; entity++) {
    const start = wordAt(starts, entity);
    const end = wordAt(starts, entity + 1);
    let mask: u32 = 0;
    let from: i64 = 0;
    if (wanted == 0) {
      mask = 0 - u32(start < end);
    } else {
      // Without a branch on what is wanted: that goes back and forth.
      for (let i = start; i < end; i++) {
        const to = (timeAt(points, i) - origin) >> shift;
        const more = to - from;
        const touched = rotl<u32>((<u32>2 << (<u32>more & 31)) - 1, <u32>from) | (0 - u32((i == start) | (more >= 31)));
        mask |= touched & (0 - <u32>load<u8>(wanted + i));
        from = to;
      }
    }
    store<u32>(masks + (<usize>entity << 2), mask);
    set += <f64>popcnt<u32>(mask);
  }
  store<u32>(masks + (<usize>entityCount << 2), 0);
  return set;
}

@inline export function numberOf(key: i64, first: i64, entityCount: u32): u32 {
  const number = <u64>(key - first);
  return number < <u64>entityCount ? <u32>number : entityCount;
}

/** The number of each key's entity, `key − first`; that of all keys outside of `entityCount` is `entityCount`. */
export function numberKeys(keys: usize, count: i32, first: i64, entityCount: u32, out: usize): void {
  for (let i = 0; i < count; i++) store<u32>(out + (<usize>i << 2), numberOf(timeAt(keys, i), first, entityCount));
}

@inline function isMarked(masks: usize, entity: u32, part: u32): u32 {
  return (load<u32>(masks + (<usize>entity << 2)) >> part) & 1;
}

@inline function passParts(
  isClose: bool, isCoarse: bool, entities: usize, firstKey: i64, times: usize, rows: usize, count: i32, entityCount: u32, origin: i64, shift: i64, masks: usize,
  outRows: usize, outEntities: usize,
): i32 {
  let kept: usize = 0;
  for (let i = 0; i < count; i++) {
    const entity = isClose ? numberOf(timeAt(entities, i), firstKey, entityCount) : min<u32>(wordAt(entities, i), entityCount);
    const part = isCoarse ? <u32>load<u8>(times + i) >> <u32>shift : <u32>((timeAt(times, i) - origin) >> shift);
    store<u32>(outRows + kept, rows == 0 ? i : wordAt(rows, i));
    store<u32>(outEntities + kept, entity);
    kept += <usize>isMarked(masks, entity, part) << 2;
  }
  return <i32>(kept >> 2);
}

/** The same of all rows, of keys and coarse times: four at a time, and the entities only of what is kept. */
function passClose(keys: usize, firstKey: i64, coarse: usize, count: i32, entityCount: u32, shift: u32, masks: usize, outRows: usize, outEntities: usize): i32 {
  let kept: usize = 0;
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const key = keys + (<usize>i << 3);
    // The bits of the next byte stand above the five that count.
    const parts = load<u32>(coarse + i) >> shift;
    const entity0 = numberOf(load<i64>(key), firstKey, entityCount);
    const entity1 = numberOf(load<i64>(key, 8), firstKey, entityCount);
    const entity2 = numberOf(load<i64>(key, 16), firstKey, entityCount);
    const entity3 = numberOf(load<i64>(key, 24), firstKey, entityCount);
    store<u32>(outRows + kept, i);
    kept += <usize>isMarked(masks, entity0, parts) << 2;
    store<u32>(outRows + kept, i + 1);
    kept += <usize>isMarked(masks, entity1, parts >> 8) << 2;
    store<u32>(outRows + kept, i + 2);
    kept += <usize>isMarked(masks, entity2, parts >> 16) << 2;
    store<u32>(outRows + kept, i + 3);
    kept += <usize>isMarked(masks, entity3, parts >> 24) << 2;
  }
  for (; i < count; i++) {
    store<u32>(outRows + kept, i);
    kept += <usize>isMarked(masks, numberOf(timeAt(keys, i), firstKey, entityCount), <u32>load<u8>(coarse + i) >> shift) << 2;
  }
  // Of those that are known the number is what is left of the key.
  for (let at: usize = 0; at < kept; at += 4) store<u32>(outEntities + at, <u32>(timeAt(keys, load<u32>(outRows + at)) - firstKey));
  return <i32>(kept >> 2);
}

/**
 * Of `count` events those that lie in a marked part: their rows (`rows` 0: they are all in turn), and their entities. What is left may be of no stretch, what
 * is not is of none. Times outside of all parts count as in any: before the first point there are but first stretches, whose entities have all parts, and
 * none behind the last. `isClose`: `entities` has keys, 64 bits wide, whose numbers are counted from `firstKey`. `isCoarse`: `times` has a byte for each
 * event, `rows` is 0, and parts are 2^`shift` of those bytes' steps wide, eight at most.
 */
export function mightLocate(
  isClose: i32, isCoarse: i32, entities: usize, firstKey: i64, times: usize, rows: usize, count: i32, entityCount: u32, origin: i64, shift: i64, masks: usize,
  outRows: usize, outEntities: usize,
): i32 {
  if (isCoarse) {
    if (isClose) return passClose(entities, firstKey, times, count, entityCount, <u32>shift, masks, outRows, outEntities);
    return passParts(false, true, entities, firstKey, times, rows, count, entityCount, origin, shift, masks, outRows, outEntities);
  }
  return isClose
    ? passParts(true, false, entities, firstKey, times, rows, count, entityCount, origin, shift, masks, outRows, outEntities)
    : passParts(false, false, entities, firstKey, times, rows, count, entityCount, origin, shift, masks, outRows, outEntities);
}

/** How many of an entity's points are at or before an event's time, as `countUpTo`, of all before it by cells first. */
@inline function stretchOf(cells: usize, ranges: usize, points: usize, start: u32, behind: u32, time: i64, cell: i32): u32 {
  let at = start;
  let left = behind - start;
  if (left > rangedFrom) {
    const bits = rangeBits(left);
    const range = ranges + (<usize>(rangesAt(start) + (<u32>cell >> (16 - bits))) << 2);
    at = load<u32>(range);
    left = load<u32>(range, 4) - at;
  }
  const signed = cell - 32768;
  // Down to so few that one comparison counts them: [at, at + left] has the first that is not before the event's.
  while (left > lanes) {
    const half = left >> 1;
    at += half & (0 - u32(<i32>load<i16>(cells + (<usize>(at + half - 1) << 1)) < signed));
    left -= half;
  }
  const place = cells + (<usize>at << 1);
  const low = v128.load(place);
  const high = v128.load(place, 16);
  const wide = i16x8.splat(<i16>signed);
  const own = (<u32>1 << left) - 1;
  const isBefore = i8x16.bitmask(i8x16.narrow_i16x8_s(i16x8.lt_s(low, wide), i16x8.lt_s(high, wide)));
  const isSame = i8x16.bitmask(i8x16.narrow_i16x8_s(i16x8.eq(low, wide), i16x8.eq(high, wide))) & own;
  const stretch = at + popcnt<u32>(isBefore & own);
  if (isSame == 0) return stretch;
  // Of points in the same cell those that were compared, or all that come where the last of them is.
  const end = stretch + popcnt<u32>(isSame);
  return countUpTo(points, stretch, end == at + left ? behind : end, time);
}

/**
 * The stretch that each event lies in, as a u32 in `stretches`, and its row in `outRows`: of events of known entities that lie
 * in a stretch which is `wanted` (a byte each; 0: all are). `rows` 0: all. Returns how many; `outRows` may not be `rows`.
 *
 * `starts` has a second end behind the first, so that unknown entities have no points; behind `cells` there is room for 32 bytes. Without a
 * branch that would wait for memory, and short, so that the processor sends for the cells of many events at once.
 */
export function locate(
  entities: usize, times: usize, rows: usize, count: i32, entityCount: u32, starts: usize, cells: usize, ranges: usize, points: usize,
  first: i64, last: i64, shift: i64, multiplier: i64, wanted: usize, outRows: usize, stretches: usize,
): i32 {
  let kept: usize = 0;
  for (let i = 0; i < count; i++) {
    const entity = min<u32>(wordAt(entities, i), entityCount);
    const bounds = load<u64>(starts + (<usize>entity << 2));
    const behind = <u32>(bounds >> 32);
    const time = timeAt(times, i);
    const stretch = stretchOf(cells, ranges, points, <u32>bounds, behind, time, cellOf(time, first, last, shift, multiplier));
    store<u32>(outRows + (kept << 2), rows == 0 ? i : wordAt(rows, i));
    store<u32>(stretches + (kept << 2), stretch);
    kept += <usize>(u32(stretch < behind) & (wanted == 0 ? 1 : <u32>load<u8>(wanted + stretch)));
  }
  return <i32>kept;
}

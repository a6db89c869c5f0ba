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
import { alloc, free } from './memory';
import { countUpTo, timeAt, wordAt } from './words';

const none: u32 = 0xffffffff;
/** Up to so many points of an entity are put in order by their ranks, each compared with all. */
const rankedMost: u32 = 32;
const spareBytes: usize = <usize>rankedMost * 9;
/** Up to so many points of an entity are sorted by insertion. */
const insertedMost: u32 = 24;
/** Of entities with more points it is noted where the points of ranges of cells begin. */
const rangedFrom: u32 = 32;
/** Cells that are compared at a time. */
const lanes: u32 = 16;

/**
 * ⌈(time · multiplier − back) / divisor⌉ of each time, and at most `last`. What does not fit 64 bits on the way is the
 * least or greatest there is.
 */
export function pointsBefore(times: usize, count: i32, multiplier: i64, back: i64, divisor: i64, last: i64, out: usize): void {
  const greatest = i64.MAX_VALUE / multiplier;
  for (let i = 0; i < count; i++) {
    const time = timeAt(times, i);
    let point = time > greatest ? i64.MAX_VALUE : time < -greatest ? i64.MIN_VALUE : time * multiplier;
    point = point < i64.MIN_VALUE + back ? i64.MIN_VALUE : point - back;
    if (divisor != 1) point = point / divisor + i64(point > 0 && point % divisor != 0);
    store<i64>(out + (<usize>i << 3), min<i64>(point, last));
  }
}

/** Makes `bounds`, the least and the greatest so far, those of these words too. */
export function boundsOf(words: usize, count: i32, bounds: usize): void {
  let least = load<i64>(bounds);
  let greatest = load<i64>(bounds, 8);
  for (let i = 0; i < count; i++) {
    const word = timeAt(words, i);
    least = min<i64>(least, word);
    greatest = max<i64>(greatest, word);
  }
  store<i64>(bounds, least);
  store<i64>(bounds, greatest, 8);
}

/**
 * Sorts `count` points by entity and time, each once. `entities` says whose each is (0xffffffff: nobody's), `places` hears
 * which of the sorted points it is. Fills `starts`; returns how many points are left in `points`.
 */
export function sortPoints(entities: usize, times: usize, count: i32, entityCount: i32, starts: usize, points: usize, places: usize): i32 {
  memory.fill(starts, 0, (<usize>entityCount + 1) << 2);
  for (let i = 0; i < count; i++) {
    const entity = wordAt(entities, i);
    if (entity == none) continue;
    const place = starts + (<usize>entity << 2);
    store<u32>(place, load<u32>(place) + 1);
  }
  let total: u32 = 0;
  for (let entity = 0; entity < entityCount; entity++) {
    const place = starts + (<usize>entity << 2);
    const own = load<u32>(place);
    store<u32>(place, total);
    total += own;
  }
  store<u32>(starts + (<usize>entityCount << 2), total);
  // Which point stands where. Each start moves to its end meanwhile.
  const bytes = max<usize>(<usize>total << 2, 16);
  const order = alloc(bytes);
  for (let i = 0; i < count; i++) {
    const entity = wordAt(entities, i);
    if (entity == none) continue;
    const place = starts + (<usize>entity << 2);
    const at = load<u32>(place);
    store<u32>(order + (<usize>at << 2), i);
    store<i64>(points + (<usize>at << 3), timeAt(times, i));
    store<u32>(place, at + 1);
  }
  const spare = alloc(spareBytes);
  let start: u32 = 0;
  let kept: u32 = 0;
  for (let entity = 0; entity < entityCount; entity++) {
    const place = starts + (<usize>entity << 2);
    const end = load<u32>(place);
    store<u32>(place, kept);
    if (tryRank(points, start, end - start, order, kept, places, spare)) {
      kept += end - start;
      start = end;
      continue;
    }
    sortOwn(points + (<usize>start << 3), order + (<usize>start << 2), end - start);
    for (let i = start; i < end; i++) {
      const time = timeAt(points, i);
      if (i == start || time != timeAt(points, kept - 1)) {
        store<i64>(points + (<usize>kept << 3), time);
        kept++;
      }
      store<u32>(places + (<usize>wordAt(order, i) << 2), kept - 1);
    }
    start = end;
  }
  store<u32>(starts + (<usize>entityCount << 2), kept);
  free(spare, spareBytes);
  free(order, bytes);
  return kept;
}

/**
 * Puts the points of an entity in order by counting, of each, those that are less: no branch goes by how they compare. Where there are many, or any two
 * are equal, nothing is done. `spare` has room for them, and for as many bytes.
 */
function tryRank(points: usize, start: u32, count: u32, order: usize, kept: u32, places: usize, spare: usize): bool {
  if (count > rankedMost) return false;
  const own = points + (<usize>start << 3);
  const ranks = spare + (rankedMost << 3);
  for (let i: u32 = 0; i < count; i += 2) v128.store(spare + (<usize>i << 3), v128.load(own + (<usize>i << 3)));
  // Two are compared at a time, and none is greater than this one.
  if ((count & 1) != 0) store<i64>(spare + (<usize>count << 3), i64.MAX_VALUE);
  for (let i: u32 = 0; i < count; i++) {
    const time = i64x2.splat(timeAt(spare, i));
    let less = i64x2.splat(0);
    let same = i64x2.splat(0);
    for (let other: u32 = 0; other < count; other += 2) {
      const two = v128.load(spare + (<usize>other << 3));
      less = i64x2.sub(less, i64x2.gt_s(time, two));
      same = i64x2.sub(same, i64x2.eq(time, two));
    }
    if (i64x2.extract_lane(same, 0) + i64x2.extract_lane(same, 1) != 1) return false;
    store<u8>(ranks + i, <u8>(i64x2.extract_lane(less, 0) + i64x2.extract_lane(less, 1)));
  }
  for (let i: u32 = 0; i < count; i++) {
    const at = kept + load<u8>(ranks + i);
    store<i64>(points + (<usize>at << 3), timeAt(spare, i));
    store<u32>(places + (<usize>wordAt(order, start + i) << 2), at);
  }
  return true;
}

/** Sorts the points of one entity, and what goes with them. */
function sortOwn(points: usize, order: usize, count: u32): void {
  if (count > insertedMost && !isAscending(points, count)) {
    sortHeap(points, order, count);
    return;
  }
  for (let i: u32 = 1; i < count; i++) {
    const time = timeAt(points, i);
    if (timeAt(points, i - 1) <= time) continue;
    const place = wordAt(order, i);
    let at = i;
    for (; at > 0 && timeAt(points, at - 1) > time; at--) put(points, order, at, timeAt(points, at - 1), wordAt(order, at - 1));
    put(points, order, at, time, place);
  }
}

function isAscending(points: usize, count: u32): bool {
  for (let i: u32 = 1; i < count; i++) if (timeAt(points, i) < timeAt(points, i - 1)) return false;
  return true;
}

@inline function put(points: usize, order: usize, i: u32, time: i64, place: u32): void {
  store<i64>(points + (<usize>i << 3), time);
  store<u32>(order + (<usize>i << 2), place);
}

function sortHeap(points: usize, order: usize, count: u32): void {
  for (let i = count >> 1; i > 0; i--) sink(points, order, i - 1, count);
  for (let end = count - 1; end > 0; end--) {
    const time = timeAt(points, end);
    const place = wordAt(order, end);
    put(points, order, end, timeAt(points, 0), wordAt(order, 0));
    put(points, order, 0, time, place);
    sink(points, order, 0, end);
  }
}

function sink(points: usize, order: usize, root: u32, count: u32): void {
  const time = timeAt(points, root);
  const place = wordAt(order, root);
  let at = root;
  for (let child = (at << 1) + 1; child < count; child = (at << 1) + 1) {
    if (child + 1 < count && timeAt(points, child + 1) > timeAt(points, child)) child++;
    if (timeAt(points, child) <= time) break;
    put(points, order, at, timeAt(points, child), wordAt(order, child));
    at = child;
  }
  put(points, order, at, time, place);
}

/**
 * The cell of a time, from 0 to 65,535, between the first point of all and the last; what lies outside is as if at the nearer. Never
 * decreases as time goes on. `shift` brings their distance to 32 bits, and the distance so shifted times `multiplier` stays below 2^48.
 */
@inline function cellOf(time: i64, first: i64, last: i64, shift: u64, multiplier: u64): i32 {
  const distance = <u64>(min<i64>(max<i64>(time, first), last) - first);
  return <i32>(((distance >> shift) * multiplier) >> 32);
}

/** How many bits tell the ranges of an entity with so many points, and where they stand. */
@inline function rangeBits(points: u32): u32 {
  return min<u32>(29 - clz<u32>(points), 16);
}

@inline function rangesAt(start: u32): u32 {
  return (start + 1) >> 1;
}

/** The cell of each point, less 32,768. */
export function cellsOf(points: usize, count: i32, first: i64, last: i64, shift: i64, multiplier: i64, cells: usize): void {
  for (let i = 0; i < count; i++) {
    store<i16>(cells + (<usize>i << 1), <i16>(cellOf(timeAt(points, i), first, last, shift, multiplier) - 32768));
  }
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

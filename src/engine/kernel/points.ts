/**
 * Points in time of labels, put in order: by entity, then by time, each once.
 *
 *   item     a label's point for one bound: those of all labels for the first bound, then for the next
 *   record   | point i64 | item u32 | entity u32 |
 *   parts    ranges of 2^shift entities: records go by part first, then within a part, which stays in the cache
 *   order    u32 per item, as their points ascend: the item, and the highest bit set where its point is that of the one before;
 *            items of nobody come last
 *   cells    i16 per point: which of 65,536 equal parts of time it lies in, less 32,768
 */
import { alloc, free } from './memory';
import { backToStarts, sumUp, timeAt, wordAt } from './words';

const none: u32 = 0xffffffff;
const sameMark: u32 = 0x80000000;
const itemBits: u32 = 0x7fffffff;
/** Up to so many points of an entity are put in order by their ranks, each compared with all. */
const rankedMost: u32 = 32;
/** Cells that two vectors hold. */
const lanes: u32 = 16;
/** Up to so many points of an entity are sorted by insertion. */
const insertedMost: u32 = 24;

/**
 * ⌈(time · multiplier − back) / divisor⌉ of each time, and at most `last`. What does not fit 64 bits on the way is the
 * least or greatest there is.
 */
export function pointsBefore(times: usize, count: i32, multiplier: i64, back: i64, divisor: i64, last: i64, out: usize): void {
  if (multiplier == 1 && divisor == 1) {
    const least = i64.MIN_VALUE + back;
    for (let i = 0; i < count; i++) store<i64>(out + (<usize>i << 3), min<i64>(max<i64>(timeAt(times, i), least) - back, last));
    return;
  }
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
 * How many points are in each part, at `counts` + 4 on, which is 0 before, and the earliest and the latest of all at `bounds`. `entities` says whose each
 * label is (0xffffffff: nobody's), `points` has those of `labels` labels for each bound in turn.
 */
export function countPoints(entities: usize, points: usize, labels: i32, bounds: i32, shift: u32, counts: usize, extremes: usize): void {
  let least = i64.MAX_VALUE;
  let greatest = i64.MIN_VALUE;
  for (let bound = 0; bound < bounds; bound++) {
    const own = points + ((<usize>bound * <usize>labels) << 3);
    for (let i = 0; i < labels; i++) {
      const entity = wordAt(entities, i);
      if (entity == none) continue;
      const time = timeAt(own, i);
      least = min<i64>(least, time);
      greatest = max<i64>(greatest, time);
      const place = counts + (<usize>(entity >> shift) << 2);
      store<u32>(place, load<u32>(place, 4) + 1, 4);
    }
  }
  store<i64>(extremes, least);
  store<i64>(extremes, greatest, 8);
}

/** Where the points of a part are on their way. */
let records: usize = 0;
let near: usize = 0;
/** How times become cells (`cellOf`). */
let firstTime: i64 = 0;
let lastTime: i64 = 0;
let distanceShift: u64 = 0;
let cellMultiplier: u64 = 0;
/** What is made. */
let points: usize = 0;
let cells: usize = 0;
let order: usize = 0;

/**
 * Puts points in order, of which `counts` says how many each of `parts` parts has, as `countPoints` found. Fills `starts`, u32 per entity and one more, which
 * says where its points begin, and `order`; returns how many points are left in `outPoints`, and as many in `outCells`.
 */
export function orderPoints(
  entities: usize, from: usize, labels: i32, bounds: i32, entityCount: u32, shift: u32, parts: i32, counts: usize,
  first: i64, last: i64, scaleShift: i64, multiplier: i64, starts: usize, outPoints: usize, outCells: usize, outOrder: usize,
): i32 {
  firstTime = first;
  lastTime = last;
  distanceShift = <u64>scaleShift;
  cellMultiplier = <u64>multiplier;
  points = outPoints;
  cells = outCells;
  order = outOrder;
  let most: u32 = 0;
  for (let part = 0; part < parts; part++) most = max<u32>(most, wordAt(counts, part + 1));
  sumUp(counts, parts);
  const total = wordAt(counts, parts);
  const allBytes = <usize>max<u32>(total, 1) << 4;
  const partBytes = <usize>max<u32>(most, 1) << 4;
  const nearBytes = <usize>(most + rankedMost) << 1;
  const all = alloc(allBytes);
  intoParts(entities, from, labels, bounds, shift, counts, total, all);
  backToStarts(counts, parts);
  records = alloc(partBytes);
  near = alloc(nearBytes);
  let kept: u32 = 0;
  for (let part = 0; part < parts; part++) {
    const begin = wordAt(counts, part);
    const firstEntity = <u32>part << shift;
    kept = orderPart(
      all + (<usize>begin << 4), wordAt(counts, part + 1) - begin, begin, firstEntity, min<u32>(1 << shift, entityCount - firstEntity), starts + (<usize>firstEntity << 2), kept,
    );
  }
  store<u32>(starts + (<usize>entityCount << 2), kept);
  free(near, nearBytes);
  free(records, partBytes);
  free(all, allBytes);
  return <i32>kept;
}

/** Brings points into their parts, and says of items of nobody that they come last. `counts` says where each part begins, and moves on to its end. */
function intoParts(entities: usize, from: usize, labels: i32, bounds: i32, shift: u32, counts: usize, total: u32, all: usize): void {
  let behind = total;
  for (let bound = 0; bound < bounds; bound++) {
    const before: u32 = bound * labels;
    const own = from + (<usize>before << 3);
    for (let i = 0; i < labels; i++) {
      const entity = wordAt(entities, i);
      const item: u32 = before + i;
      if (entity == none) {
        store<u32>(order + (<usize>behind << 2), item);
        behind++;
        continue;
      }
      const place = counts + (<usize>(entity >> shift) << 2);
      const at = load<u32>(place);
      store<u32>(place, at + 1);
      v128.store(all + (<usize>at << 4), i64x2(timeAt(own, i), <i64>item | (<i64>entity << 32)));
    }
  }
}

/** Orders the points of a part, those of `count` records at `own`; `place` is where it begins in the order, and `kept` how many points are before it. */
function orderPart(own: usize, count: u32, place: u32, firstEntity: u32, entityCount: u32, starts: usize, kept: u32): u32 {
  const ends = starts - (<usize>firstEntity << 2);
  // The word behind is the next part's, or the one that is left over.
  memory.fill(starts, 0, <usize>(entityCount + 1) << 2);
  for (let i: u32 = 0; i < count; i++) {
    const end = ends + (<usize>load<u32>(own + (<usize>i << 4), 12) << 2);
    store<u32>(end, load<u32>(end, 4) + 1, 4);
  }
  sumUp(starts, <i32>entityCount);
  for (let i: u32 = 0; i < count; i++) {
    const record = v128.load(own + (<usize>i << 4));
    const end = ends + (<usize>i32x4.extract_lane(record, 3) << 2);
    const at = load<u32>(end);
    store<u32>(end, at + 1);
    v128.store(records + (<usize>at << 4), record);
  }
  for (let i: u32 = 0; i < count; i++) store<i16>(near + (<usize>i << 1), cellAt(timeOf(i)));
  let start: u32 = 0;
  for (let entity: u32 = 0; entity < entityCount; entity++) {
    const end = wordAt(starts, entity);
    store<u32>(starts + (<usize>entity << 2), kept);
    if (end > start) kept = tryRank(start, end - start, place + start, kept) ? kept + (end - start) : sortOwn(start, end, place, kept);
    start = end;
  }
  return kept;
}

@inline function timeOf(record: u32): i64 {
  return timeIn(records, record);
}

@inline function itemOf(record: u32): u32 {
  return load<u32>(records + (<usize>record << 4), 8);
}

@inline function cellAt(time: i64): i16 {
  return <i16>(cellOf(time, firstTime, lastTime, distanceShift, cellMultiplier) - 32768);
}

@inline function putPoint(at: u32, time: i64, cell: i16): void {
  store<i64>(points + (<usize>at << 3), time);
  store<i16>(cells + (<usize>at << 1), cell);
}

@inline function putItem(place: u32, word: u32): void {
  store<u32>(order + (<usize>place << 2), word);
}

/** Which of the 16 cells at `place` lie before one, a bit each. */
@inline function cellsBefore(place: usize, cell: v128): u32 {
  return i8x16.bitmask(i8x16.narrow_i16x8_s(i16x8.lt_s(v128.load(place), cell), i16x8.lt_s(v128.load(place, 16), cell)));
}

/**
 * Puts the points of an entity in order by counting, of each, those whose cells lie before its own: no branch goes by how they compare. False where there are
 * many, or any two share a cell; then what was put does not count.
 */
function tryRank(start: u32, count: u32, place: u32, kept: u32): bool {
  if (count > rankedMost) return false;
  const own = <u32>(((<u64>1) << count) - 1);
  const first = near + (<usize>start << 1);
  const isLong = count > lanes;
  let met: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const cell = load<i16>(first + (<usize>i << 1));
    const wide = i16x8.splat(cell);
    let before = cellsBefore(first, wide);
    if (isLong) before |= cellsBefore(first + 32, wide) << 16;
    const rank = <u32>popcnt<u32>(before & own);
    met |= 1 << rank;
    putPoint(kept + rank, timeOf(start + i), cell);
    putItem(place + rank, itemOf(start + i));
  }
  return met == own;
}

/** Puts the points [start, end) of an entity in order by their times, each once; returns how many are kept. */
function sortOwn(start: u32, end: u32, place: u32, kept: u32): u32 {
  sortRecords(records + (<usize>start << 4), end - start);
  for (let i = start; i < end; i++) {
    const time = timeOf(i);
    const isSame = i > start && time == timeOf(i - 1);
    if (!isSame) putPoint(kept++, time, cellAt(time));
    putItem(place + i, itemOf(i) | (isSame ? sameMark : 0));
  }
  return kept;
}

@inline function recordAt(own: usize, i: u32): v128 {
  return v128.load(own + (<usize>i << 4));
}

@inline function putRecord(own: usize, i: u32, record: v128): void {
  v128.store(own + (<usize>i << 4), record);
}

@inline function timeIn(own: usize, i: u32): i64 {
  return load<i64>(own + (<usize>i << 4));
}

function sortRecords(own: usize, count: u32): void {
  if (count > insertedMost && !isAscending(own, count)) {
    sortHeap(own, count);
    return;
  }
  for (let i: u32 = 1; i < count; i++) {
    const time = timeIn(own, i);
    if (timeIn(own, i - 1) <= time) continue;
    const record = recordAt(own, i);
    let at = i;
    for (; at > 0 && timeIn(own, at - 1) > time; at--) putRecord(own, at, recordAt(own, at - 1));
    putRecord(own, at, record);
  }
}

function isAscending(own: usize, count: u32): bool {
  for (let i: u32 = 1; i < count; i++) if (timeIn(own, i) < timeIn(own, i - 1)) return false;
  return true;
}

function sortHeap(own: usize, count: u32): void {
  for (let i = count >> 1; i > 0; i--) sink(own, i - 1, count);
  for (let end = count - 1; end > 0; end--) {
    const record = recordAt(own, end);
    putRecord(own, end, recordAt(own, 0));
    putRecord(own, 0, record);
    sink(own, 0, end);
  }
}

function sink(own: usize, root: u32, count: u32): void {
  const record = recordAt(own, root);
  const time = i64x2.extract_lane(record, 0);
  let at = root;
  for (let child = (at << 1) + 1; child < count; child = (at << 1) + 1) {
    if (child + 1 < count && timeIn(own, child + 1) > timeIn(own, child)) child++;
    if (timeIn(own, child) <= time) break;
    putRecord(own, at, recordAt(own, child));
    at = child;
  }
  putRecord(own, at, record);
}

/** How many entities have any point. */
export function entitiesWithPoints(starts: usize, entityCount: i32): i32 {
  let entities = 0;
  for (let entity = 0; entity < entityCount; entity++) entities += i32(wordAt(starts, entity) < wordAt(starts, entity + 1));
  return entities;
}

/** Which point each item has, at its place; nobody's items have none. `count`: of items that are somebody's. */
export function pointsOfItems(order: usize, count: i32, places: usize): void {
  let point: u32 = 0xffffffff;
  for (let i = 0; i < count; i++) {
    const word = wordAt(order, i);
    point += 1 - (word >> 31);
    store<u32>(places + (<usize>(word & itemBits) << 2), point);
  }
}

/**
 * The cell of a time, from 0 to 65,535, between the first point of all and the last; what lies outside is as if at the nearer. Never
 * decreases as time goes on. `shift` brings their distance to 32 bits, and the distance so shifted times `multiplier` stays below 2^48.
 */
@inline export function cellOf(time: i64, first: i64, last: i64, shift: u64, multiplier: u64): i32 {
  const distance = <u64>(min<i64>(max<i64>(time, first), last) - first);
  return <i32>(((distance >> shift) * multiplier) >> 32);
}

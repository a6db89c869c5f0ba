/**
 * From labels to moments: whose each label is, and which stretches of time lie in the ranges before it.
 *
 *   label   T of entity e, range [T − 7d, T)
 *   points  ──┬─────────┬──────┬─────────┬──     of all labels of e, ascending, each once
 *             T₁ − 7d   T₂−7d  T₁        T₂
 *   stretch      1       2       3              (0 is the time before the first point)
 *
 * The range of the first label is the stretches [1 + place of its start, 1 + place of its end): 1 … 3 of e. Pure.
 * Laws: the order of labels does not matter; a label with a null in a key or in its time is nobody's and has no stretches.
 */
import { type Data, Field, Schema, tableToIPC, type DataType } from '../../arrow/arrow.ts';
import { tableOfColumns } from '../../arrow/canonical.ts';
import { ceilDivide, floorDivide, type TimeRange } from '../../base/time.ts';
import { borrowInstance, type Instance } from '../instance.ts';
import type { EntityKeys, MomentArrays, Moments } from '../plan.ts';
import { Buffer64, ColumnStage, gatherWide } from '../staging.ts';
import { int64Max, int64Min, type KeyColumn, type TimeColumn, unitNs } from '../types.ts';
import type { Window } from '../grouper.ts';
import { cellScale } from './cells.ts';
import { eachWindow, entityGrouper } from './locator.ts';
import { OpenSpans, type Spans } from './spans.ts';

/** An end of a range: so long before the label's time, and not after an instant; or an instant. */
export type Bound = { readonly backUs: bigint; readonly notAfterUs?: bigint | undefined } | { readonly atUs: bigint };

/** The range of time that a label asks about; without a start, from the beginning. */
export interface LabelRange {
  readonly start?: Bound | undefined;
  readonly end: Bound;
}

export interface Labels {
  readonly rows: number;
  /** The key columns, in the types that the events have; in one piece each. */
  readonly keys: readonly { readonly column: KeyColumn; readonly data: Data }[];
  readonly time: { readonly column: TimeColumn; readonly data: Data };
}

export interface PlannedMoments {
  readonly moments: Moments & { readonly at: MomentArrays };
  /** One for each range. */
  readonly spans: readonly Spans[];
  /** All events that any label asks about lie inside; undefined: there are none. */
  readonly range: TimeRange | undefined;
  /** Entities that any label is of. */
  readonly entities: number;
  /** Labels with a null in a key or in their time. */
  readonly labelsWithNull: number;
  /** What holds all of that, for whoever has no more use of it (`freeNow`). */
  readonly buffers: readonly ArrayBufferLike[];
}

/** Items of a part that is put in order at a time, and how many parts there are at most. */
const itemsOf = { part: 1 << 14, partsMost: 256 } as const;
/** Integer keys are numbered as they are where there are at most so many numbers a label, or in all. */
const numbersOf = { eachLabel: 8, few: 1 << 16, most: 1 << 24 } as const;

/** `eventTime`: the type of the events' time, in whose unit moments are. */
export function planMoments(labels: Labels, ranges: readonly LabelRange[], eventTime: DataType, memoryLimit?: number): PlannedMoments {
  const bounds = distinctBounds(ranges);
  const instance = borrowInstance(memoryLimit);
  try {
    return instance.guard(() => {
      const found = findEntities(instance, labels);
      const ordered = orderPoints(instance, labels, found, bounds, eventTime);
      const starts = sharedStarts(instance, ordered.starts, found.count + 1);
      const isOpen = ranges.some(({ start }) => start === undefined);
      // Where every label asks for all before the one moment that it has, no stretch is in nobody's range.
      const { spans, wanted } = isOpen && bounds.length === 1 ? openSpans(instance, labels, ranges, ordered, starts) : placedSpans(instance, labels, ranges, bounds, found, ordered);
      const { first, last, count } = ordered;
      const at = { kind: 'arrays', points: new BigInt64Array(instance.copied(ordered.points, count * 8)), cells: new Int16Array(instance.copied(ordered.cells, count * 2)), wanted } as const;
      const moments = { entities: found.keys, starts, count, first, last, at };
      const entities = instance.kernels.entitiesWithPoints(ordered.starts, found.count);
      const arrays = [at.points, at.cells, ...(wanted === undefined ? [] : [wanted]), ...spans.flatMap((each) => (each instanceof OpenSpans ? [each.ascending.order] : [each.first, each.end]))];
      const buffers = arrays.map(({ buffer }) => buffer);
      return { moments, spans, buffers, range: count === 0 ? undefined : rangeOf(first, last, isOpen, eventTime), labelsWithNull: found.labelsWithNull, entities };
    });
  } finally {
    instance.giveBack();
  }
}

/** A copy that threads are given without another. */
function sharedStarts(instance: Instance, starts: number, count: number): Uint32Array {
  const copy = new Uint32Array(new (globalThis.SharedArrayBuffer ?? ArrayBuffer)(count * 4));
  copy.set(instance.view32(starts, count));
  return copy;
}

function isSame(a: Bound, b: Bound): boolean {
  if ('atUs' in a || 'atUs' in b) return 'atUs' in a && 'atUs' in b && a.atUs === b.atUs;
  return a.backUs === b.backUs && a.notAfterUs === b.notAfterUs;
}

function distinctBounds(ranges: readonly LabelRange[]): Bound[] {
  const all = ranges.flatMap(({ start, end }) => (start === undefined ? [end] : [start, end]));
  return all.filter((bound, i) => all.findIndex((other) => isSame(other, bound)) === i);
}

interface Found {
  /** Where the number of each label's entity is; 0xffffffff: it is nobody's. */
  readonly entityOf: number;
  readonly keys: EntityKeys;
  /** Numbers, of which not all need be an entity's. */
  readonly count: number;
  readonly labelsWithNull: number;
}

/** Whose each label is, and the keys of all entities. */
function findEntities(instance: Instance, { rows, keys, time }: Labels): Found {
  const { kernels } = instance;
  const stages = new Map(keys.map(({ column }) => [column.name, new ColumnStage(instance)]));
  const stageOf = (name: string): ColumnStage => stages.get(name)!;
  const timeStage = new ColumnStage(instance);
  const kept = new Buffer64(instance);
  const entityOf = instance.alloc(rows * 4);
  instance.view32(entityOf, rows).fill(0xffffffff);
  let labelsWithNull = 0;
  /** Calls `work` for the labels that have no null. */
  const eachValid = (work: (window: Window) => void): void => {
    labelsWithNull = 0;
    eachWindow(rows, (all) => {
      let window = all;
      for (const [data, stage] of [...keys.map(({ column, data }) => [data, stageOf(column.name)] as const), [time.data, timeStage] as const]) {
        const bitmap = stage.stageBitmap(data, window.start, window.length);
        if (bitmap === undefined) continue;
        const out = kept.ensure(window.length * 4);
        window = { ...window, rows: out, count: kernels.selectValid(bitmap.pointer, bitmap.bitOffset, window.rows, window.count, out) };
      }
      labelsWithNull += all.count - window.count;
      if (window.count > 0) work(window);
    });
  };
  const put = (numbers: number, window: Window): void => {
    const [ids, target] = [instance.view32(numbers, window.count), instance.view32(entityOf + window.start * 4, window.length)];
    if (window.rows === 0) target.set(ids);
    else instance.view32(window.rows, window.count).forEach((row, i) => void (target[row] = ids[i]!));
  };
  const [{ column, data }] = keys as [Labels['keys'][number]];
  const wide = new Buffer64(instance);
  const wordsOf = (window: Window): number => gatherWide(instance, stageOf(column.name), data, column.layout, window, wide);
  const close = keys.length === 1 && column.layout.kind === 'int' ? closeKeys(instance, rows, eachValid, wordsOf) : undefined;
  if (close !== undefined) {
    const numbers = new Buffer64(instance);
    eachValid((window) => {
      const isWhole = window.rows === 0;
      const out = isWhole ? entityOf + window.start * 4 : numbers.ensure(window.count * 4);
      kernels.numberKeys(wordsOf(window), window.count, close.first, close.count, out);
      if (!isWhole) put(out, window);
    });
    return { entityOf, keys: { kind: 'close', first: close.first }, count: close.count, labelsWithNull };
  }
  const grouper = entityGrouper(instance, keys.map((key) => key.column), stageOf);
  grouper.expect(rows);
  eachValid((window) => put(grouper.group(keys.map((key) => key.data), window), window));
  const { count } = grouper;
  const schema = new Schema(keys.map((key) => new Field(key.column.name, key.column.type, false)));
  const table = tableOfColumns(schema, grouper.keyColumns(Uint32Array.from({ length: count }, (_, i) => i)), count);
  return { entityOf, keys: { kind: 'listed', stream: tableToIPC(table, 'stream') }, count, labelsWithNull };
}

/** The least key of all, and how many numbers there are from it to the greatest; undefined where those are too many. */
function closeKeys(
  instance: Instance, rows: number, eachValid: (work: (window: Window) => void) => void, wordsOf: (window: Window) => number,
): { readonly first: bigint; readonly count: number } | undefined {
  const bounds = instance.alloc(16);
  instance.view64(bounds, 2).set([int64Max, int64Min]);
  eachValid((window) => instance.kernels.boundsOf(wordsOf(window), window.count, bounds));
  const [first, last] = instance.view64(bounds, 2) as unknown as [bigint, bigint];
  const most = Math.min(Math.max(rows * numbersOf.eachLabel, numbersOf.few), numbersOf.most);
  return last >= first && last - first < BigInt(most) ? { first, count: Number(last - first) + 1 } : undefined;
}

/** Points in order, as kernel/points.ts has them, and where. */
interface Ordered {
  readonly starts: number;
  readonly points: number;
  readonly cells: number;
  readonly count: number;
  readonly order: number;
  /** Items that are anybody's. */
  readonly asked: number;
  /** The earliest point and the latest; 0 where there are none. */
  readonly first: bigint;
  readonly last: bigint;
}

/** All points of all labels, for each bound in turn, in order. */
function orderPoints(instance: Instance, labels: Labels, { entityOf, count: entities }: Found, bounds: readonly Bound[], eventTime: DataType): Ordered {
  const { kernels } = instance;
  const { rows } = labels;
  const items = rows * bounds.length;
  const words = instance.alloc(items * 8);
  for (const [i, bound] of bounds.entries()) writePoints(instance, labels, bound, eventTime, words + i * rows * 8);
  const { shift, parts } = partsFor(items, entities);
  const counts = instance.alloc((parts + 1) * 4);
  instance.view32(counts, parts + 1).fill(0);
  const extremes = instance.alloc(16);
  kernels.countPoints(entityOf, words, rows, bounds.length, shift, counts, extremes);
  const asked = instance.view32(counts, parts + 1).reduce((sum, each) => sum + each, 0);
  const [first, last] = asked === 0 ? [0n, 0n] : (instance.view64(extremes, 2) as unknown as [bigint, bigint]);
  const [starts, points, cells, order] = [instance.alloc((entities + 1) * 4), instance.alloc(asked * 8), instance.alloc(asked * 2), instance.alloc(items * 4)];
  const scale = cellScale(first, last);
  const count = kernels.orderPoints(
    entityOf, words, rows, bounds.length, entities, shift, parts, counts, first, last, scale.shift, scale.multiplier, starts, points, cells, order,
  );
  return { starts, points, cells, count, order, asked, first, last };
}

/** How entities are cut into parts that have about as many items as stay in the cache while they are put in order. */
function partsFor(items: number, entities: number): { readonly shift: number; readonly parts: number } {
  const most = Math.min(Math.ceil(items / itemsOf.part), itemsOf.partsMost);
  let shift = 0;
  while (entities > most * 2 ** shift) shift++;
  return { shift, parts: Math.max(1, Math.ceil(entities / 2 ** shift)) };
}

/** The spans of ranges without a start. */
function openSpans(instance: Instance, { rows }: Labels, ranges: readonly LabelRange[], { order, asked }: Ordered, starts: Uint32Array) {
  const ascending = { order: new Uint32Array(instance.copied(order, rows * 4)), asked };
  return { spans: ranges.map(() => new OpenSpans(ascending, starts)), wanted: undefined };
}

/** The spans of ranges, and which stretches lie in any (undefined: all do). */
function placedSpans(instance: Instance, { rows }: Labels, ranges: readonly LabelRange[], bounds: readonly Bound[], { entityOf }: Found, { starts, order, asked, count }: Ordered) {
  const { kernels } = instance;
  const places = instance.alloc(rows * bounds.length * 4);
  kernels.pointsOfItems(order, asked, places);
  const placesOf = (bound: Bound): number => places + bounds.findIndex((other) => isSame(other, bound)) * rows * 4;
  const inMemory = ranges.map(({ start, end }) => {
    const [first, behind] = [instance.alloc(rows * 4), instance.alloc(rows * 4)];
    kernels.spansOf(entityOf, rows, starts, start === undefined ? 0 : placesOf(start), placesOf(end), first, behind);
    return { first, end: behind };
  });
  const spans = inMemory.map(({ first, end }): Spans => ({ first: new Uint32Array(instance.copied(first, rows * 4)), end: new Uint32Array(instance.copied(end, rows * 4)) }));
  return { spans, wanted: wantedOf(instance, inMemory, rows, count) };
}

/** The point of each label for one bound, in the unit of the events: an event is before it exactly when it is before the bound. */
function writePoints(instance: Instance, { rows, time }: Labels, bound: Bound, eventTime: DataType, out: number): void {
  const eventNs = unitNs(eventTime);
  const inEvents = (instantUs: bigint): bigint => clamped(ceilDivide(instantUs * 1_000n, eventNs));
  if ('atUs' in bound) {
    instance.view64(out, rows).fill(inEvents(bound.atUs));
    return;
  }
  const labelNs = unitNs(time.column.type);
  const fineNs = [labelNs, eventNs, 1_000n].reduce((a, b) => (a < b ? a : b));
  const last = bound.notAfterUs === undefined ? int64Max : inEvents(bound.notAfterUs);
  if (labelNs === eventNs && time.column.bytes === 8 && bound.backUs === 0n && last === int64Max) {
    instance.put((time.data.values as BigInt64Array).subarray(0, rows), out);
    return;
  }
  const layout = { kind: 'int', bytes: time.column.bytes, signed: true } as const;
  const [stage, wide] = [new ColumnStage(instance), new Buffer64(instance)];
  eachWindow(rows, (window) => {
    const times = gatherWide(instance, stage, time.data, layout, window, wide);
    instance.kernels.pointsBefore(times, window.count, labelNs / fineNs, clamped((bound.backUs * 1_000n) / fineNs), eventNs / fineNs, last, out + window.start * 8);
  });
}

function clamped(value: bigint): bigint {
  return value > int64Max ? int64Max : value < -int64Max ? -int64Max : value;
}

/** Which stretches lie in any span: each span opens at its first and closes at its end. Undefined: all do. */
function wantedOf(instance: Instance, spans: readonly { readonly first: number; readonly end: number }[], labels: number, stretches: number): Uint8Array | undefined {
  const changes = instance.alloc((stretches + 1) * 4);
  instance.view32(changes, stretches + 1).fill(0);
  for (const { first, end } of spans) instance.kernels.markSpans(first, end, labels, changes);
  const wanted = instance.alloc(stretches);
  const count = instance.kernels.wantedOf(changes, stretches, wanted);
  return count === stretches ? undefined : instance.view8(wanted, stretches).slice();
}

function rangeOf(first: bigint, last: bigint, isOpen: boolean, eventTime: DataType): TimeRange {
  const ns = unitNs(eventTime);
  return { ...(!isOpen && { startUs: floorDivide(first * ns, 1_000n) }), endUs: ceilDivide(last * ns, 1_000n) };
}

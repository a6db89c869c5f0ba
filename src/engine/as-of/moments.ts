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
import type { EntityKeys, Moments } from '../plan.ts';
import { Buffer64, ColumnStage, gatherWide } from '../staging.ts';
import { int64Max, int64Min, type KeyColumn, type TimeColumn, unitNs } from '../types.ts';
import type { Window } from '../grouper.ts';
import { eachWindow, entityGrouper } from './locator.ts';

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

/** The stretches of each label's range: [first, end); equal where there are none. */
export interface Spans {
  readonly first: Uint32Array;
  readonly end: Uint32Array;
}

export interface PlannedMoments {
  readonly moments: Moments;
  /** One for each range. */
  readonly spans: readonly Spans[];
  /** All events that any label asks about lie inside; undefined: there are none. */
  readonly range: TimeRange | undefined;
  /** Entities that any label is of. */
  readonly entities: number;
  /** Labels with a null in a key or in their time. */
  readonly labelsWithNull: number;
}

/** Integer keys are numbered as they are where there are at most so many numbers a label, or in all. */
const numbersOf = { eachLabel: 8, few: 1 << 16, most: 1 << 24 } as const;

/** `eventTime`: the type of the events' time, in whose unit moments are. */
export function planMoments(labels: Labels, ranges: readonly LabelRange[], eventTime: DataType, memoryLimit?: number): PlannedMoments {
  const bounds = distinctBounds(ranges);
  const instance = borrowInstance(memoryLimit);
  try {
    return instance.guard(() => {
      const found = findEntities(instance, labels);
      const placed = placePoints(instance, labels, found, bounds, eventTime);
      const placesOf = (bound: Bound): number => placed.places + bounds.findIndex((other) => isSame(other, bound)) * labels.rows * 4;
      const inMemory = ranges.map(({ start, end }) => {
        const [first, behind] = [instance.alloc(labels.rows * 4), instance.alloc(labels.rows * 4)];
        instance.kernels.spansOf(found.entityOf, labels.rows, placed.starts, start === undefined ? 0 : placesOf(start), placesOf(end), first, behind);
        return { first, end: behind };
      });
      const spans = inMemory.map(({ first, end }) => ({ first: instance.view32(first, labels.rows).slice(), end: instance.view32(end, labels.rows).slice() }));
      const starts = shared(instance.view32(placed.starts, found.count + 1));
      const points = shared(instance.view64(placed.points, placed.count));
      const [first, last] = extremesOf(instance, placed.points, placed.count);
      // Where every label asks for all before the one moment that it has, no stretch is in nobody's range.
      const isOpen = ranges.some(({ start }) => start === undefined);
      const wanted = isOpen && bounds.length === 1 ? undefined : wantedOf(instance, inMemory, labels.rows, placed.count);
      const moments: Moments = { entities: found.keys, starts, points, first, last, wanted };
      const { labelsWithNull, entities } = found;
      return { moments, spans, range: placed.count === 0 ? undefined : rangeOf(first, last, isOpen, eventTime), labelsWithNull, entities };
    });
  } finally {
    instance.giveBack();
  }
}

/** A copy that threads are given without another. */
function shared<Words extends Uint32Array | BigInt64Array | Uint8Array>(words: Words): Words {
  const buffer = new (globalThis.SharedArrayBuffer ?? ArrayBuffer)(words.byteLength);
  const copy = new (words.constructor as new (buffer: ArrayBufferLike) => Words)(buffer);
  copy.set(words as never);
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
  /** Numbers, and how many of them are an entity's. */
  readonly count: number;
  readonly entities: number;
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
    const met = instance.alloc(close.count);
    instance.view8(met, close.count).fill(0);
    eachValid((window) => {
      const isWhole = window.rows === 0;
      const out = isWhole ? entityOf + window.start * 4 : numbers.ensure(window.count * 4);
      kernels.numberKeys(wordsOf(window), window.count, close.first, close.count, out);
      if (!isWhole) put(out, window);
    });
    return { entityOf, keys: { kind: 'close', first: close.first }, count: close.count, entities: kernels.distinctNumbers(entityOf, rows, met), labelsWithNull };
  }
  const grouper = entityGrouper(instance, keys.map((key) => key.column), stageOf);
  grouper.expect(rows);
  eachValid((window) => put(grouper.group(keys.map((key) => key.data), window), window));
  const { count } = grouper;
  const schema = new Schema(keys.map((key) => new Field(key.column.name, key.column.type, false)));
  const table = tableOfColumns(schema, grouper.keyColumns(Uint32Array.from({ length: count }, (_, i) => i)), count);
  return { entityOf, keys: { kind: 'listed', stream: tableToIPC(table, 'stream') }, count, entities: count, labelsWithNull };
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

/** All points of all labels, sorted; `places` has of each bound in turn the point of each label. */
function placePoints(
  instance: Instance, labels: Labels, { entityOf, count: entities }: Found, bounds: readonly Bound[], eventTime: DataType,
): { readonly starts: number; readonly points: number; readonly count: number; readonly places: number } {
  const { rows } = labels;
  const count = rows * bounds.length;
  const words = instance.alloc(count * 8);
  const owners = bounds.length === 1 ? entityOf : instance.alloc(count * 4);
  bounds.forEach((bound, i) => {
    if (owners !== entityOf) instance.put(instance.view32(entityOf, rows), owners + i * rows * 4);
    writePoints(instance, labels, bound, eventTime, words + i * rows * 8);
  });
  const starts = instance.alloc((entities + 1) * 4);
  const points = instance.alloc(count * 8);
  const places = instance.alloc(count * 4);
  return { starts, points, count: instance.kernels.sortPoints(owners, words, count, entities, starts, points, places), places };
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

/** The earliest point and the latest; 0 where there are none. */
function extremesOf(instance: Instance, points: number, count: number): readonly [bigint, bigint] {
  if (count === 0) return [0n, 0n];
  const bounds = instance.alloc(16);
  instance.view64(bounds, 2).set([int64Max, int64Min]);
  instance.kernels.boundsOf(points, count, bounds);
  const [first, last] = instance.view64(bounds, 2) as unknown as [bigint, bigint];
  return [first, last];
}

/** Which stretches lie in any span: each span opens at its first and closes at its end. Undefined: all do. */
function wantedOf(instance: Instance, spans: readonly { readonly first: number; readonly end: number }[], labels: number, stretches: number): Uint8Array | undefined {
  const changes = instance.alloc((stretches + 1) * 4);
  instance.view32(changes, stretches + 1).fill(0);
  for (const { first, end } of spans) instance.kernels.markSpans(first, end, labels, changes);
  const wanted = instance.alloc(stretches);
  const count = instance.kernels.wantedOf(changes, stretches, wanted);
  return count === stretches ? undefined : shared(instance.view8(wanted, stretches));
}

function rangeOf(first: bigint, last: bigint, isOpen: boolean, eventTime: DataType): TimeRange {
  const ns = unitNs(eventTime);
  return { ...(!isOpen && { startUs: floorDivide(first * ns, 1_000n) }), endUs: ceilDivide(last * ns, 1_000n) };
}

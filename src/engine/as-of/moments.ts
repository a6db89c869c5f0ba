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
import type { Moments } from '../plan.ts';
import { Buffer64, ColumnStage, gatherWide } from '../staging.ts';
import { type KeyColumn, type TimeColumn, unitNs } from '../types.ts';
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
  /** Labels with a null in a key or in their time. */
  readonly labelsWithNull: number;
}

const nobody = 0xffffffff;

/** `eventTime`: the type of the events' time, in whose unit moments are. */
export function planMoments(labels: Labels, ranges: readonly LabelRange[], eventTime: DataType, memoryLimit?: number): PlannedMoments {
  const bounds = distinctBounds(ranges);
  const instance = borrowInstance(memoryLimit);
  try {
    return instance.guard(() => {
      const { entityOf, entities, count, labelsWithNull } = findEntities(instance, labels);
      const { starts, points, places } = placePoints(instance, labels, entityOf, count, bounds, eventTime);
      const placesOf = (bound: Bound): Uint32Array => {
        const index = bounds.findIndex((other) => isSame(other, bound));
        return places.subarray(index * labels.rows, (index + 1) * labels.rows);
      };
      const spans = ranges.map(({ start, end }) => spansOf(entityOf, starts, start && placesOf(start), placesOf(end)));
      const moments = { entities, starts, points, wanted: wantedOf(spans, points.length) };
      const isOpen = ranges.some(({ start }) => start === undefined);
      return { moments, spans, range: rangeOf(starts, points, isOpen, eventTime), labelsWithNull };
    });
  } finally {
    instance.giveBack();
  }
}

function isSame(a: Bound, b: Bound): boolean {
  if ('atUs' in a || 'atUs' in b) return 'atUs' in a && 'atUs' in b && a.atUs === b.atUs;
  return a.backUs === b.backUs && a.notAfterUs === b.notAfterUs;
}

function distinctBounds(ranges: readonly LabelRange[]): Bound[] {
  const all = ranges.flatMap(({ start, end }) => (start === undefined ? [end] : [start, end]));
  return all.filter((bound, i) => all.findIndex((other) => isSame(other, bound)) === i);
}

/** Whose each label is, and the keys of all entities. */
function findEntities(instance: Instance, { rows, keys, time }: Labels) {
  const stages = new Map(keys.map(({ column }) => [column.name, new ColumnStage(instance)]));
  const grouper = entityGrouper(instance, keys.map(({ column }) => column), (name) => stages.get(name)!);
  grouper.expect(rows);
  const columns = keys.map(({ data }) => data);
  const timeStage = new ColumnStage(instance);
  const kept = new Buffer64(instance);
  const entityOf = new Uint32Array(rows).fill(nobody);
  let labelsWithNull = 0;
  eachWindow(rows, (all) => {
    let window = all;
    for (const [data, stage] of [...keys.map(({ column, data }) => [data, stages.get(column.name)!] as const), [time.data, timeStage] as const]) {
      const bitmap = stage.stageBitmap(data, window.start, window.length);
      if (bitmap === undefined) continue;
      const out = kept.ensure(window.length * 4);
      window = { ...window, rows: out, count: instance.kernels.selectValid(bitmap.pointer, bitmap.bitOffset, window.rows, window.count, out) };
    }
    labelsWithNull += all.count - window.count;
    if (window.count === 0) return;
    const ids = instance.view32(grouper.group(columns, window), window.count);
    const selected = window.rows === 0 ? undefined : instance.view32(window.rows, window.count);
    if (selected === undefined) entityOf.set(ids, window.start);
    else for (let i = 0; i < window.count; i++) entityOf[window.start + selected[i]!] = ids[i]!;
  });
  const { count } = grouper;
  const schema = new Schema(keys.map(({ column }) => new Field(column.name, column.type, false)));
  const table = tableOfColumns(schema, grouper.keyColumns(Uint32Array.from({ length: count }, (_, i) => i)), count);
  return { entityOf, entities: tableToIPC(table, 'stream'), count, labelsWithNull };
}

/** All points of all labels, sorted; `places` has of each bound in turn the point of each label. */
function placePoints(
  instance: Instance, labels: Labels, entityOf: Uint32Array, entities: number, bounds: readonly Bound[], eventTime: DataType,
): { readonly starts: Uint32Array; readonly points: BigInt64Array; readonly places: Uint32Array } {
  const { kernels } = instance;
  const { rows } = labels;
  const count = rows * bounds.length;
  const words = instance.alloc(count * 8);
  const owners = instance.alloc(count * 4);
  bounds.forEach((bound, i) => {
    instance.put(entityOf, owners + i * rows * 4);
    writePoints(instance, labels, bound, eventTime, words + i * rows * 8);
  });
  const starts = instance.alloc((entities + 1) * 4);
  const points = instance.alloc(count * 8);
  const places = instance.alloc(count * 4);
  const found = kernels.sortPoints(owners, words, count, entities, starts, points, places);
  return {
    starts: instance.view32(starts, entities + 1).slice(),
    points: instance.view64(points, found).slice(),
    places: instance.view32(places, count).slice(),
  };
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

const int64Max = (1n << 63n) - 1n;

function clamped(value: bigint): bigint {
  return value > int64Max ? int64Max : value < -int64Max ? -int64Max : value;
}

function spansOf(entityOf: Uint32Array, starts: Uint32Array, startPlaces: Uint32Array | undefined, endPlaces: Uint32Array): Spans {
  const [first, end] = [new Uint32Array(entityOf.length), new Uint32Array(entityOf.length)];
  for (let label = 0; label < entityOf.length; label++) {
    const entity = entityOf[label]!;
    if (entity === nobody) continue;
    first[label] = startPlaces === undefined ? starts[entity]! : startPlaces[label]! + 1;
    end[label] = Math.max(endPlaces[label]! + 1, first[label]!);
  }
  return { first, end };
}

/** Which stretches lie in any span: each span opens at its first and closes at its end. */
function wantedOf(spans: readonly Spans[], stretches: number): Uint8Array {
  const changes = new Int32Array(stretches + 1);
  for (const { first, end } of spans) {
    for (let label = 0; label < first.length; label++) {
      changes[first[label]!]!++;
      changes[end[label]!]!--;
    }
  }
  const wanted = new Uint8Array(stretches);
  let open = 0;
  for (let stretch = 0; stretch < stretches; stretch++) {
    open += changes[stretch]!;
    wanted[stretch] = open > 0 ? 1 : 0;
  }
  return wanted;
}

function rangeOf(starts: Uint32Array, points: BigInt64Array, isOpen: boolean, eventTime: DataType): TimeRange | undefined {
  if (points.length === 0) return undefined;
  let [first, end] = [points[0]!, points[0]!];
  for (let entity = 0; entity + 1 < starts.length; entity++) {
    const [least, greatest] = [points[starts[entity]!]!, points[starts[entity + 1]! - 1]!];
    if (least < first) first = least;
    if (greatest > end) end = greatest;
  }
  const ns = unitNs(eventTime);
  return { ...(!isOpen && { startUs: floorDivide(first * ns, 1_000n) }), endUs: ceilDivide(end * ns, 1_000n) };
}

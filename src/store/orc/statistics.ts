/**
 * What the statistics of a stripe or a row group say of the rows that a scan is after.
 *
 * Law: wrong only on the safe side. Bounds that are missing, doubtful or the wrong way round are as if they were not there.
 */
import { DataType } from '../../arrow/arrow.ts';
import { dayUs, type TimeRange } from '../../base/time.ts';
import type { ScanOptions, TimeSpan } from '../table.ts';
import { prolepticBounds } from './calendar.ts';
import { type ColumnStatistics, type OrcType, typeKind } from './metadata.ts';

/** What statistics are about. */
export interface StatedColumn {
  readonly name: string;
  /** Its number in the tree of types, by which streams and statistics name it. */
  readonly id: number;
  readonly orcType: OrcType;
  /** The plain type. */
  readonly type: DataType;
  /** Whether days before 1582-10-15 are Julian in the file. */
  readonly isHybrid: boolean;
}

type Key = bigint | Uint8Array;

/** Only rows with a time in the range, or with one of the keys, are wanted; keys ascend, text by its bytes. */
export type RowFilter =
  | { readonly column: StatedColumn; readonly range: TimeRange }
  | { readonly column: StatedColumn; readonly keys: readonly Key[] };

/** No value lies outside. */
export interface Bounds {
  readonly least: Key;
  readonly greatest: Key;
}

/** Writers before this had their text in an order of its own (HIVE-8732). */
const orderedTextVersion = 1;

/** Undefined for a type whose bounds are not compared with values. */
export function keyFilter(column: StatedColumn, values: NonNullable<ScanOptions['anyOf']>['values'], writerVersion: number): RowFilter | undefined {
  const kind = column.orcType.kind ?? 0;
  const isText = kind === typeKind.string || kind === typeKind.varchar;
  if (isText ? writerVersion < orderedTextVersion : !DataType.isInt(column.type)) return undefined;
  if (values.some((value) => typeof value !== (isText ? 'string' : 'bigint'))) return undefined;
  const keys = isText ? values.map((value) => Buffer.from(value as string)) : (values as readonly bigint[]);
  return { column, keys: [...keys].sort(compareKeys) };
}

/** False only when no row is wanted. */
export function mightHave(filter: RowFilter, statistics: ColumnStatistics | undefined): boolean {
  if (statistics?.numberOfValues === 0) return false;
  if ('keys' in filter) return keysWithin(filter.keys, statistics && boundsOf(filter.column, statistics)).length > 0;
  const bounds = statistics && timeBounds(filter.column, statistics);
  const { startUs, endUs } = filter.range;
  return bounds === undefined || ((startUs === undefined || bounds.lastUs >= startUs) && (endUs === undefined || bounds.firstUs < endUs));
}

/** The keys that may be there. */
export function keysWithin(keys: readonly Key[], bounds: Bounds | undefined): readonly Key[] {
  if (bounds === undefined) return keys;
  return keys.slice(countWhere(keys, (key) => compareKeys(key, bounds.least) < 0), countWhere(keys, (key) => compareKeys(key, bounds.greatest) <= 0));
}

/** How many keys from the start on pass; what passes comes first. */
function countWhere(keys: readonly Key[], passes: (key: Key) => boolean): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (passes(keys[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function compareKeys(a: Key, b: Key): number {
  if (a instanceof Uint8Array) return Buffer.compare(a, b as Uint8Array);
  return a < (b as bigint) ? -1 : a > (b as bigint) ? 1 : 0;
}

/** Of times in microseconds, of integers, of text as its bytes, perhaps cut short or raised. */
export function boundsOf(column: StatedColumn, statistics: ColumnStatistics): Bounds | undefined {
  if (DataType.isTimestamp(column.type) || DataType.isDate(column.type)) {
    const bounds = timeBounds(column, statistics);
    return bounds && { least: bounds.firstUs, greatest: bounds.lastUs };
  }
  const { integers, strings } = statistics;
  if (integers !== undefined) return ordered(integers.minimum, integers.maximum);
  return ordered(textOf(strings?.minimum ?? strings?.lowerBound), textOf(strings?.maximum ?? strings?.upperBound));
}

/** Bytes that are no UTF-8 were replaced when they were read. */
function textOf(text: string | undefined): Uint8Array | undefined {
  return text === undefined || text.includes('\ufffd') ? undefined : Buffer.from(text);
}

function ordered(least: Key | undefined, greatest: Key | undefined): Bounds | undefined {
  return least === undefined || greatest === undefined || compareKeys(least, greatest) > 0 ? undefined : { least, greatest };
}

/** No event time is outside. Statistics by the writer's wall clock alone are not believed. */
function timeBounds(column: StatedColumn, { dates, timestamps, integers }: ColumnStatistics): { readonly firstUs: bigint; readonly lastUs: bigint } | undefined {
  let bounds: { readonly firstUs: bigint; readonly lastUs: bigint } | undefined;
  if (column.orcType.kind === typeKind.long) {
    // Spark's timestamps without zone, which are of no other calendar.
    const { minimum, maximum } = integers ?? {};
    return minimum === undefined || maximum === undefined || minimum > maximum ? undefined : { firstUs: minimum, lastUs: maximum };
  }
  if (dates?.minimum !== undefined && dates.maximum !== undefined) {
    bounds = { firstUs: BigInt(dates.minimum) * dayUs, lastUs: BigInt(dates.maximum) * dayUs };
  } else if (timestamps?.minimumUtc !== undefined && timestamps.maximumUtc !== undefined && column.orcType.kind !== typeKind.date) {
    // Whole milliseconds; what is beyond them is within the next. Before 1970 some writers round them up.
    const { minimumUtc, maximumUtc } = timestamps;
    bounds = { firstUs: (minimumUtc < 0n ? minimumUtc - 1n : minimumUtc) * 1_000n, lastUs: (maximumUtc + 1n) * 1_000n };
  }
  if (bounds === undefined || bounds.firstUs > bounds.lastUs) return undefined;
  return column.isHybrid ? prolepticBounds(bounds.firstUs, bounds.lastUs) : bounds;
}

/** The event times of so many rows, as far as the statistics tell. */
export function timeSpanOf(column: StatedColumn, rows: number, statistics: ColumnStatistics | undefined): TimeSpan | undefined {
  if (statistics?.numberOfValues === undefined) return undefined;
  const nulls = rows - Number(statistics.numberOfValues);
  if (nulls === rows) return { firstUs: undefined, lastUs: undefined, nulls };
  const bounds = timeBounds(column, statistics);
  return bounds && { ...bounds, nulls };
}

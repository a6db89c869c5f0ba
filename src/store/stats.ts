/**
 * What the log knows of a data file without opening it, in the form of Delta's statistics:
 *
 *   {"numRecords":3,"minValues":{"id":-9223372036854775808,"at":"2001-06-30T23:54:00.000001Z"},"maxValues":{…},"nullCount":{"id":0}}
 *
 * Law: a bound may be missing or too wide, never too narrow. Integers have all their digits; instants are rounded
 * outwards to microseconds; strings are cut to 32 code points, the greatest one rounded up; NaN voids the bounds of its
 * column. Booleans, decimals and binary have no bounds, only a count of nulls.
 */
import { type Data, DataType, type RecordBatch, type Schema, ArrowTimeUnit, Type, type Timestamp } from '../arrow/arrow.ts';
import { plainType } from '../arrow/canonical.ts';
import { ArgumentError } from '../base/errors.ts';
import { ceilDivide, dayUs, floorDivide, formatInstant, parseInstant, type TimeRange } from '../base/time.ts';

export interface FileStats {
  readonly rows: number;
  readonly minValues: Readonly<Record<string, unknown>>;
  readonly maxValues: Readonly<Record<string, unknown>>;
  readonly nullCount: Readonly<Record<string, unknown>>;
}

/** Integers are bigint; nothing is lost. */
export function parseStats(text: string): FileStats {
  // JSON.parse would round integers beyond 2^53, so long ones pass through it as marked strings.
  const marked = text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) => (/^-?\d{16,}$/.test(token) ? `"\\u0000${token}"` : token));
  const parsed = JSON.parse(marked, (_key, value: unknown) => {
    if (typeof value === 'string' && value.startsWith('\0')) return BigInt(value.slice(1));
    return value;
  });
  const part = (name: string): Record<string, unknown> => Object.assign(Object.create(null), parsed[name]);
  return { rows: Number(parsed.numRecords), minValues: part('minValues'), maxValues: part('maxValues'), nullCount: part('nullCount') };
}

/** Those of other writers are a help: what cannot be understood, or does not say how many rows there are, is as good as absent. */
export function tryStats(text: string): FileStats | undefined {
  try {
    const stats = parseStats(text);
    return Number.isSafeInteger(stats.rows) && stats.rows >= 0 ? stats : undefined;
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError || thrown instanceof TypeError)) throw thrown;
    return undefined;
  }
}

/** Whether a file may have a row whose event time is in the range. Rows without event time are in no range. */
export function mightContainTime(stats: FileStats, column: string, range: TimeRange): boolean {
  if (stats.nullCount[column] === stats.rows) return false;
  const [first, last] = [tryInstant(stats.minValues[column]), tryInstant(stats.maxValues[column])];
  if (range.endUs !== undefined && first !== undefined && first >= range.endUs) return false;
  return !(range.startUs !== undefined && last !== undefined && last < range.startUs);
}

/** Undefined, too, for what another writer has put there. */
function tryInstant(value: unknown): bigint | undefined {
  if (typeof value !== 'string') return undefined;
  try {
    return parseInstant(value, 'stats');
  } catch (thrown) {
    if (thrown instanceof ArgumentError) return undefined;
    throw thrown;
  }
}

interface Bounds {
  min: bigint | number | Uint8Array | undefined;
  max: bigint | number | Uint8Array | undefined;
  nulls: number;
  /** Set when a NaN was met. */
  unordered: boolean;
}

/** Gathers the statistics of one file, batch by batch. */
export class StatsBuilder {
  private rows = 0;
  private readonly bounds: readonly Bounds[];

  constructor(private readonly schema: Schema) {
    this.bounds = schema.fields.map(() => ({ min: undefined, max: undefined, nulls: 0, unordered: false }));
  }

  /** The batch's columns are those of the schema, in its order. */
  add(batch: RecordBatch): void {
    this.rows += batch.numRows;
    batch.data.children.forEach((data, column) => {
      widen(this.bounds[column]!, data);
    });
  }

  finish(): string {
    const minValues: string[] = [];
    const maxValues: string[] = [];
    const nullCount: string[] = [];
    this.schema.fields.forEach((field, column) => {
      const bounds = this.bounds[column]!;
      const name = JSON.stringify(field.name);
      nullCount.push(`${name}:${bounds.nulls}`);
      const type = plainType(field.type);
      const [min, max] = bounds.unordered ? [undefined, undefined] : [boundText(type, bounds.min, 'min'), boundText(type, bounds.max, 'max')];
      if (min !== undefined) minValues.push(`${name}:${min}`);
      if (max !== undefined) maxValues.push(`${name}:${max}`);
    });
    return `{"numRecords":${this.rows},"minValues":{${minValues}},"maxValues":{${maxValues}},"nullCount":{${nullCount}}}`;
  }
}

function widen(bounds: Bounds, data: Data): void {
  bounds.nulls += data.nullCount;
  if (DataType.isDictionary(data.type)) {
    // The entries that no row uses only make the bounds wider; a dictionary is rarely larger than its rows.
    for (const entries of data.dictionary!.data) {
      const nullsOfRows = bounds.nulls;
      widen(bounds, entries);
      bounds.nulls = nullsOfRows;
    }
    return;
  }
  switch (data.type.typeId) {
    case Type.Int:
    case Type.Date:
    case Type.Timestamp:
      if (data.values instanceof BigInt64Array || data.values instanceof BigUint64Array) widenBigints(bounds, data);
      else widenNumbers(bounds, data);
      return;
    case Type.Float:
      if (!(data.values instanceof Uint16Array)) widenNumbers(bounds, data);
      return;
    case Type.Utf8:
    case Type.LargeUtf8:
      widenStrings(bounds, data);
      return;
    default:
  }
}

function widenNumbers(bounds: Bounds, data: Data): void {
  const values = data.values as Float64Array;
  const valid = validity(data);
  let min = (bounds.min as number | undefined) ?? Number.POSITIVE_INFINITY;
  let max = (bounds.max as number | undefined) ?? Number.NEGATIVE_INFINITY;
  let seen = bounds.min !== undefined;
  for (let i = 0; i < data.length; i++) {
    if (valid !== undefined && !valid(i)) continue;
    const value = values[i]!;
    if (value < min) min = value;
    if (value > max) max = value;
    seen = true;
    // biome-ignore lint/suspicious/noSelfCompare: only NaN differs from itself
    if (value !== value) bounds.unordered = true;
  }
  if (seen) [bounds.min, bounds.max] = [min, max];
}

/** By halves, since reading a bigint per row would cost ten times as much. */
function widenBigints(bounds: Bounds, data: Data): void {
  const values = data.values as BigInt64Array | BigUint64Array;
  const signed = values instanceof BigInt64Array;
  const low = new Uint32Array(values.buffer, values.byteOffset, values.length * 2);
  const high = signed ? new Int32Array(values.buffer, values.byteOffset, values.length * 2) : low;
  const valid = validity(data);
  let [min, max] = [-1, -1];
  for (let i = 0; i < data.length; i++) {
    if (valid !== undefined && !valid(i)) continue;
    if (min === -1) [min, max] = [i, i];
    const [h, l] = [high[2 * i + 1]!, low[2 * i]!];
    if (h < high[2 * min + 1]! || (h === high[2 * min + 1]! && l < low[2 * min]!)) min = i;
    if (h > high[2 * max + 1]! || (h === high[2 * max + 1]! && l > low[2 * max]!)) max = i;
  }
  if (min === -1) return;
  const [least, greatest] = [values[min]!, values[max]!];
  if (bounds.min === undefined || least < (bounds.min as bigint)) bounds.min = least;
  if (bounds.max === undefined || greatest > (bounds.max as bigint)) bounds.max = greatest;
}

function widenStrings(bounds: Bounds, data: Data): void {
  const offsets = data.valueOffsets as unknown as ArrayLike<number | bigint>;
  const bytes = data.values as Uint8Array;
  const valid = validity(data);
  let [min, max] = [bounds.min as Uint8Array | undefined, bounds.max as Uint8Array | undefined];
  for (let i = 0; i < data.length; i++) {
    if (valid !== undefined && !valid(i)) continue;
    const [start, end] = [Number(offsets[i]!), Number(offsets[i + 1]!)];
    if (min === undefined || compareBytes(bytes, start, end, min) < 0) min = bytes.slice(start, end);
    if (max === undefined || compareBytes(bytes, start, end, max) > 0) max = bytes.slice(start, end);
  }
  [bounds.min, bounds.max] = [min, max];
}

/** Compares bytes [start, end) with `other`, as UTF-8 orders strings. */
function compareBytes(bytes: Uint8Array, start: number, end: number, other: Uint8Array): number {
  const common = Math.min(end - start, other.length);
  for (let i = 0; i < common; i++) {
    const difference = bytes[start + i]! - other[i]!;
    if (difference !== 0) return difference;
  }
  return end - start - other.length;
}

function validity(data: Data): ((row: number) => boolean) | undefined {
  const { nullBitmap, offset } = data;
  if (!nullBitmap || nullBitmap.length === 0) return undefined;
  return (row) => ((nullBitmap[(offset + row) >> 3]! >> ((offset + row) & 7)) & 1) === 1;
}

function boundText(type: DataType, value: Bounds['min'], side: 'min' | 'max'): string | undefined {
  if (value === undefined) return undefined;
  if (value instanceof Uint8Array) return stringBound(new TextDecoder().decode(value), side);
  if (DataType.isDate(type)) return instantBound(typeof value === 'number' ? BigInt(value) * dayUs : value * 1_000n, type.unit === 0 ? 'date' : 'zoneless');
  if (DataType.isTimestamp(type)) return instantBound(microseconds(type, value as bigint, side), type.timezone ? 'zoned' : 'zoneless');
  if (typeof value === 'number' && !Number.isFinite(value)) return undefined;
  return String(value);
}

function microseconds(type: Timestamp, value: bigint, side: 'min' | 'max'): bigint {
  switch (type.unit) {
    case ArrowTimeUnit.SECOND:
      return value * 1_000_000n;
    case ArrowTimeUnit.MILLISECOND:
      return value * 1_000n;
    case ArrowTimeUnit.MICROSECOND:
      return value;
    case ArrowTimeUnit.NANOSECOND:
      return side === 'min' ? floorDivide(value, 1_000n) : ceilDivide(value, 1_000n);
  }
}

/** Instants beyond the years 0000 to 9999 have no bound. */
function instantBound(instantUs: bigint, kind: 'date' | 'zoned' | 'zoneless'): string | undefined {
  const text = formatInstant(instantUs);
  if (!/^\d{4}-/.test(text)) return undefined;
  return JSON.stringify({ date: text.slice(0, 10), zoned: text, zoneless: text.slice(0, -1) }[kind]);
}

const stringLengthMax = 32;

function stringBound(text: string, side: 'min' | 'max'): string | undefined {
  const points = [...text];
  if (points.length <= stringLengthMax) return JSON.stringify(text);
  const kept = points.slice(0, stringLengthMax);
  if (side === 'min') return JSON.stringify(kept.join(''));
  // The least string above all that begin like this: the last code point that can be raised is, and the rest goes.
  for (let last = kept.length - 1; last >= 0; last--) {
    const point = kept[last]!.codePointAt(0)!;
    if (point === 0x10ffff) continue;
    const raised = point === 0xd7ff ? 0xe000 : point + 1;
    return JSON.stringify(kept.slice(0, last).join('') + String.fromCodePoint(raised));
  }
  return undefined;
}

/**
 * Statistics as columns of a checkpoint, `stats_parsed`: what the log has as JSON, in the types of the table.
 *
 *   struct { numRecords, minValues { id, at, … }, maxValues { id, at, … }, nullCount { id, at, name, … } }
 *
 * Law: a bound is the one of the JSON or missing; whoever prunes by it reads no less than it has to.
 */
import { type Data, DataType, Field, Int64, makeData, type Schema, Struct, vectorFromArray } from '../../arrow/arrow.ts';
import { dayUs, floorDivide, parseInstant } from '../../base/time.ts';
import { type FileStats, tryStats } from '../stats.ts';

/** Of the columns in files; `texts` are the statistics of each row of the checkpoint, undefined where it is no file or has none. */
export function parsedStats(columns: Schema, texts: readonly (string | undefined)[]): Data<Struct> {
  const stats = texts.map((text) => (text === undefined ? undefined : tryStats(text)));
  const stored = columns.fields.filter(({ type }) => !DataType.isNull(type));
  const bounded = stored.filter(({ type }) => hasBounds(type));
  const bounds = (side: 'minValues' | 'maxValues'): Data => structOf(bounded.map(({ name, type }) => [name, leaf(type, stats.map((each) => tryBound(type, each?.[side][name])))]), stats);
  const counts = stored.map(({ name }): [string, Data] => [name, leaf(new Int64(), stats.map((each) => tryWhole(each?.nullCount[name])))]);
  return structOf([
    ['numRecords', leaf(new Int64(), stats.map((each) => each && BigInt(each.rows)))],
    // Parquet has no struct without fields.
    ...(bounded.length === 0 ? [] : ([['minValues', bounds('minValues')], ['maxValues', bounds('maxValues')]] as const)),
    ...(counts.length === 0 ? [] : ([['nullCount', structOf(counts, stats)]] as const)),
  ], stats);
}

function hasBounds(type: DataType): boolean {
  return DataType.isInt(type) || DataType.isFloat(type) || DataType.isUtf8(type) || DataType.isDate(type) || DataType.isTimestamp(type);
}

type Bound = bigint | number | string | undefined;

/** In the units of the type; undefined for what another writer has put there and that is none of it. */
function tryBound(type: DataType, value: unknown): Bound {
  if (DataType.isUtf8(type)) return typeof value === 'string' ? value : undefined;
  if (DataType.isFloat(type)) return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined;
  if (DataType.isInt(type)) {
    const whole = tryWhole(value);
    return whole !== undefined && BigInt.asIntN(type.bitWidth, whole) === whole ? whole : undefined;
  }
  if (typeof value !== 'string') return undefined;
  try {
    const instantUs = parseInstant(value, 'stats');
    return DataType.isDate(type) ? floorDivide(instantUs, dayUs) : instantUs;
  } catch {
    return undefined;
  }
}

function tryWhole(value: unknown): bigint | undefined {
  return typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value)) ? BigInt(value) : undefined;
}

function structOf(children: readonly (readonly [string, Data])[], rows: readonly (FileStats | undefined)[]): Data<Struct> {
  const type = new Struct(children.map(([name, data]) => new Field(name, data.type, true)));
  return makeData({ type, length: rows.length, ...validity(rows), children: children.map(([, data]) => data) });
}

/** Integers, days and instants are written as they are: Arrow's builders would take them by way of milliseconds. */
function leaf(type: DataType, values: readonly Bound[]): Data {
  if (DataType.isUtf8(type) || DataType.isFloat(type)) return vectorFromArray(values.map((value) => value ?? null), type as never).data[0]!;
  const data = new (type.ArrayType as new (length: number) => Int32Array | BigInt64Array)(values.length);
  const isWide = data instanceof BigInt64Array;
  for (const [row, value] of values.entries()) data[row] = (isWide ? BigInt(value ?? 0) : Number(value ?? 0)) as never;
  return makeData({ type, length: values.length, ...validity(values), data } as never);
}

function validity(values: readonly unknown[]): { readonly nullCount: number; readonly nullBitmap: Uint8Array } {
  const nullBitmap = new Uint8Array((values.length + 7) >> 3);
  for (const [row, value] of values.entries()) if (value !== undefined) nullBitmap[row >> 3]! |= 1 << (row & 7);
  return { nullCount: values.filter((value) => value === undefined).length, nullBitmap };
}

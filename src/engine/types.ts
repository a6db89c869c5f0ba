/**
 * What the engine makes of Arrow types: how a column's values are widened to 64 bits, which aggregations they have, and
 * what type comes out. All wrong questions about types are answered here, before any row is read.
 */
import {
  type ArrowTimeUnit, DataType, Decimal, Field, Float64, Int64, Schema, type Timestamp, TimestampMicrosecond, Type, Uint64,
} from '../arrow/arrow.ts';
import { plainType } from '../arrow/canonical.ts';
import { ArgumentError, SchemaMismatchError } from '../base/errors.ts';
import { didYouMean } from '../base/names.ts';
import { ceilDivide, dayUs, type TimeRange } from '../base/time.ts';
import { type Agg, aggregationNames, type GroupByPlan, isByTime, type OutputColumn } from './plan.ts';

/** How the values of a type stand in memory; binary stands as strings do. */
export type Layout =
  | { readonly kind: 'int'; readonly bytes: 1 | 2 | 4 | 8; readonly signed: boolean }
  | { readonly kind: 'float'; readonly bytes: 2 | 4 | 8 }
  | { readonly kind: 'bool' | 'string' | 'decimal' | 'other' };

export function layoutOf(type: DataType): Layout {
  if (DataType.isInt(type)) return { kind: 'int', bytes: (type.bitWidth / 8) as 1 | 2 | 4 | 8, signed: type.isSigned };
  if (DataType.isDate(type)) return { kind: 'int', bytes: type.unit === 0 ? 4 : 8, signed: true };
  if (DataType.isTimestamp(type)) return { kind: 'int', bytes: 8, signed: true };
  if (DataType.isFloat(type)) return { kind: 'float', bytes: [2, 4, 8][type.precision] as 2 | 4 | 8 };
  if (DataType.isBool(type)) return { kind: 'bool' };
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type) || DataType.isBinary(type) || DataType.isLargeBinary(type)) return { kind: 'string' };
  if (DataType.isDecimal(type) && type.bitWidth === 128) return { kind: 'decimal' };
  return { kind: 'other' };
}

/** The aggregations that a type has. */
export function aggregationsOf(type: DataType): readonly Agg[] {
  const { kind } = layoutOf(type);
  const ordered: readonly Agg[] = ['count', 'min', 'max', 'first', 'last', 'count_distinct', 'approx_distinct'];
  if (kind === 'other') return ['count'];
  if (kind === 'bool') return [...ordered, 'any', 'all'];
  if (DataType.isInt(type) || kind === 'float' || kind === 'decimal') return ['sum', 'mean', 'std', 'var', ...ordered];
  return ordered;
}

/** The states of one value column, beside its count: what its aggregations need. */
export interface ValueColumn {
  readonly name: string;
  readonly type: DataType;
  readonly layout: Layout;
  readonly sum: boolean;
  readonly squares: boolean;
  readonly min: boolean;
  readonly max: boolean;
  readonly first: boolean;
  readonly last: boolean;
  readonly distinct: boolean;
  readonly approx: boolean;
  /** What `first` and `last` go by among values at one time; undefined: by the values alone. */
  readonly tie: TieColumn | undefined;
}

/** A column whose values are 64-bit words that order as they do. */
export interface TieColumn {
  readonly name: string;
  readonly type: DataType;
  readonly layout: Extract<Layout, { kind: 'int' }>;
}

export interface KeyColumn {
  readonly name: string;
  readonly type: DataType;
  readonly layout: Layout;
}

/** Event time: the bounds in the column's own unit, and the tile as t · numerator / denominator. */
export interface TimeColumn {
  readonly name: string;
  readonly type: DataType;
  readonly bytes: 4 | 8;
}

export interface TileKey {
  readonly name: string;
  readonly widthUs: bigint;
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** A plan that was checked against a schema. */
export interface BoundPlan {
  readonly plan: GroupByPlan;
  /** The columns that say whose a row is. */
  readonly keys: readonly KeyColumn[];
  /** What the answer has in their place: the same, but for stretches between moments. */
  readonly named: readonly KeyColumn[];
  readonly values: readonly ValueColumn[];
  readonly time: TimeColumn | undefined;
  readonly arrival: TimeColumn | undefined;
  readonly tile: TileKey | undefined;
}

/** The column of stretches between moments. No column of a source is called so. */
export const stretchKey: KeyColumn = { name: '\0stretch', type: new Int64(), layout: { kind: 'int', bytes: 8, signed: true } };

export function bindPlan(plan: GroupByPlan, schema: Schema): BoundPlan {
  if (plan.keys.length === 0) throw new ArgumentError('keys', 'name at least one column to group by');
  const repeated = plan.keys.find((key, i) => plan.keys.indexOf(key) !== i);
  if (repeated !== undefined) throw new ArgumentError('keys', `${repeated} is named twice`);
  const keys = plan.keys.map((name) => bindKey(fieldOf(schema, name)));
  for (const output of plan.outputs) checkOutput(output, fieldOf(schema, output.column));
  const names = [...plan.keys, ...plan.outputs.map((output) => output.name)];
  const collision = names.find((name, i) => names.indexOf(name) !== i);
  if (collision !== undefined) throw new ArgumentError('aggregations', `two columns of the answer would be called ${collision}`);
  const needsTime = plan.range !== undefined || plan.tile !== undefined || plan.moments !== undefined;
  if (needsTime && plan.timestamp === undefined) throw new ArgumentError('timestamp', 'a range of time needs the event time column');
  const byTime = plan.outputs.find(isByTime);
  if (byTime !== undefined && plan.timestamp === undefined) {
    throw new ArgumentError('timestamp', `the ${byTime.aggregation} of ${byTime.column} goes by event time; name the event time column`);
  }
  const time = plan.timestamp === undefined ? undefined : bindTime(fieldOf(schema, plan.timestamp));
  const arrival = plan.arrival && bindTime(fieldOf(schema, plan.arrival.column), 'the time of arrival');
  const named = plan.moments === undefined ? keys : [stretchKey];
  return { plan, keys, named, values: valueColumns(plan, schema), time, arrival, tile: plan.tile && bindTile(plan.tile, time!.type) };
}

/** The type in whose unit the moments of a plan are: that of the event time, or of the arrival where that is finer. */
export function momentType(time: DataType, arrival: DataType | undefined): DataType {
  return arrival !== undefined && unitNs(arrival) < unitNs(time) ? arrival : time;
}

export function fieldOf(schema: Schema, name: string): Field {
  const field = schema.fields.find((candidate) => candidate.name === name);
  if (field !== undefined) return field;
  const names = schema.fields.map((candidate) => candidate.name);
  throw new SchemaMismatchError('the source', name, `there is no such column; there is ${names.join(', ') || 'none'}${didYouMean(name, names)}`);
}

function bindKey(field: Field): KeyColumn {
  const type = plainType(field.type);
  const layout = layoutOf(type);
  if (layout.kind === 'float' || layout.kind === 'other') {
    throw new SchemaMismatchError('the source', field.name, `${type} cannot be a key; keys are integers, strings, binary, booleans, dates, timestamps and decimals`);
  }
  return { name: field.name, type, layout };
}

function checkOutput(output: OutputColumn, field: Field): void {
  if (!aggregationNames.includes(output.aggregation)) {
    throw new ArgumentError('aggregations', `'${output.aggregation}' is not an aggregation; there is ${aggregationNames.join(', ')}${didYouMean(String(output.aggregation), aggregationNames)}`);
  }
  const type = plainType(field.type);
  const allowed = aggregationsOf(type);
  if (allowed.includes(output.aggregation)) return;
  throw new SchemaMismatchError('the source', field.name, `${type} has no ${output.aggregation}; it has ${allowed.join(', ')}`);
}

function bindTie(field: Field): TieColumn {
  const type = plainType(field.type);
  const layout = layoutOf(type);
  if (layout.kind === 'int') return { name: field.name, type, layout };
  throw new SchemaMismatchError('the source', field.name, `${type} cannot break ties; a tie breaker is an integer, a date or a timestamp`);
}

function valueColumns(plan: GroupByPlan, schema: Schema): ValueColumn[] {
  const tie = plan.tieBreaker === undefined || !plan.outputs.some(isByTime) ? undefined : bindTie(fieldOf(schema, plan.tieBreaker));
  const names = [...new Set(plan.outputs.map((output) => output.column))];
  return names.map((name) => {
    const wanted = plan.outputs.filter((output) => output.column === name).map((output) => output.aggregation);
    const type = plainType(fieldOf(schema, name).type);
    const has = (...some: Agg[]): boolean => some.some((aggregation) => wanted.includes(aggregation));
    return {
      name,
      type,
      layout: layoutOf(type),
      sum: has('sum', 'mean', 'std', 'var'),
      squares: has('std', 'var'),
      min: has('min', 'all'),
      max: has('max', 'any'),
      first: has('first'),
      last: has('last'),
      distinct: has('count_distinct'),
      approx: has('approx_distinct'),
      tie: has('first', 'last') ? tie : undefined,
    };
  });
}

/** The event time column of a schema. Throws SchemaMismatchError when it is neither date nor timestamp. */
export function bindTime(field: Field, what = 'event time'): TimeColumn {
  if (!DataType.isDate(field.type) && !DataType.isTimestamp(field.type)) {
    throw new SchemaMismatchError('the source', field.name, `${what} must be a date or a timestamp; this is ${plainType(field.type)}`);
  }
  return { name: field.name, type: field.type, bytes: DataType.isDate(field.type) && field.type.unit === 0 ? 4 : 8 };
}

/** One unit of a time column in nanoseconds. */
export function unitNs(type: DataType): bigint {
  if (DataType.isDate(type)) return type.unit === 0 ? dayUs * 1_000n : 1_000_000n;
  return [1_000_000_000n, 1_000_000n, 1_000n, 1n][(type as Timestamp).unit as ArrowTimeUnit]!;
}

export const int64Min = -(1n << 63n);
export const int64Max = (1n << 63n) - 1n;

/** A range of time, [start, end), in the unit of a column. */
export interface RangeInUnits {
  readonly start: bigint;
  readonly end: bigint;
}

/**
 * A range in the unit of a time column: t · unit ≥ start exactly when t ≥ ⌈start / unit⌉, and so for the end. Undefined
 * when no value of the column can lie in it.
 */
export function rangeInUnits(range: TimeRange, type: DataType): RangeInUnits | undefined {
  const unit = unitNs(type);
  const start = range.startUs === undefined ? int64Min : ceilDivide(range.startUs * 1_000n, unit);
  const end = range.endUs === undefined ? int64Max : ceilDivide(range.endUs * 1_000n, unit);
  const clamped = { start: start < int64Min ? int64Min : start, end: end > int64Max ? int64Max : end };
  return clamped.start < clamped.end ? clamped : undefined;
}

function bindTile(tile: { readonly widthUs: bigint; readonly name: string }, type: DataType): TileKey {
  const [unit, width] = [unitNs(type), tile.widthUs * 1_000n];
  const divisor = greatestCommonDivisor(unit, width);
  const [numerator, denominator] = [unit / divisor, width / divisor];
  if (numerator !== 1n && !(DataType.isDate(type) && type.unit === 0)) {
    throw new ArgumentError('tile', `a tile of ${tile.widthUs} µs is not a whole number of units of ${type}`);
  }
  return { ...tile, numerator, denominator };
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : greatestCommonDivisor(b, a % b);
}

export const tileType = new TimestampMicrosecond('UTC');

/** The type of an output. */
export function outputType(aggregation: Agg, type: DataType): DataType {
  if (countsValues(aggregation)) return new Int64();
  if (aggregation === 'mean' || aggregation === 'std' || aggregation === 'var') return new Float64();
  if (aggregation !== 'sum') return type;
  if (DataType.isDecimal(type)) return new Decimal(type.scale, 38, 128);
  return layoutOf(type).kind === 'float' ? new Float64() : (type as { isSigned?: boolean }).isSigned ? new Int64() : new Uint64();
}

/** Whether an aggregation of no values is 0 rather than null. */
export function countsValues(aggregation: Agg): boolean {
  return aggregation === 'count' || aggregation === 'count_distinct' || aggregation === 'approx_distinct';
}

/** The schema of the answer: the keys, then the outputs. */
export function resultSchema(bound: BoundPlan): Schema {
  const typeOf = (column: string): DataType => bound.values.find((value) => value.name === column)!.type;
  return new Schema([
    ...bound.named.map((key) => new Field(key.name, key.type, false)),
    ...bound.plan.outputs.map(
      ({ column, aggregation, name }) => new Field(name, outputType(aggregation, typeOf(column)), !countsValues(aggregation)),
    ),
  ]);
}

/** Whether a type is one that the C-like names below stand for; used to say what a batch has instead. */
export function sameType(a: DataType, b: DataType): boolean {
  return String(plainType(a)) === String(plainType(b)) && plainType(a).typeId !== Type.NONE;
}

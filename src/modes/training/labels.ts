/**
 * The labels' side of a training set: their moments, and their keys in the types that a source has. What does not fit is an
 * error that names the column before a row of the source is read; an integer that the source's type cannot hold is of no entity.
 */
import { type Data, DataType, makeData, type Schema, type Table, type Timestamp } from '../../arrow/arrow.ts';
import { plainType } from '../../arrow/canonical.ts';
import { SchemaMismatchError } from '../../base/errors.ts';
import type { Labels } from '../../engine/as-of/moments.ts';
import { bindTime, layoutOf } from '../../engine/types.ts';
import type { FeatureSetDefinition } from '../../config/definition.ts';
import { type TrainingRequest, thereIs } from './request.ts';

const where = 'the labels';

/** The labels as the engine takes them for one set. `table` is canonical. */
export function labelsFor(definition: FeatureSetDefinition, table: Table, source: Schema, request: TrainingRequest): Labels {
  const time = columnOf(table, request.timestamp, 'the time of the labels');
  const keys = definition.entityKeys.map((name) => {
    const data = columnOf(table, name, `an entity key of feature set ${definition.name}`);
    const wanted = source.fields.find((field) => field.name === name);
    if (wanted === undefined) throw new SchemaMismatchError(`the source of ${definition.name}`, name, `the entity key is missing; ${thereIs(name, source.fields.map((field) => field.name))}`);
    const type = plainType(wanted.type);
    return { column: { name, type, layout: layoutOf(type) }, data: inType(data, type, name, definition.name) };
  });
  checkTime(time, definition, source, request);
  return { rows: table.numRows, keys, time: { column: bindLabelTime(request.timestamp, time), data: time } };
}

function columnOf(table: Table, name: string, what: string): Data {
  const names = table.schema.fields.map((field) => field.name);
  const index = names.indexOf(name);
  if (index < 0) throw new SchemaMismatchError(where, name, `${what} is missing; ${thereIs(name, names)}`);
  return table.batches[0]!.data.children[index]!;
}

function bindLabelTime(name: string, { type }: Data): Labels['time']['column'] {
  if (DataType.isDate(type) || DataType.isTimestamp(type)) return bindTime({ name, type } as Parameters<typeof bindTime>[0]);
  throw new SchemaMismatchError(where, name, `the time of labels must be a date or a timestamp; this is ${type}`);
}

/** Where the source's times are instants, label times without a zone could be the clock of any place. */
function checkTime({ type }: Data, { timestamp, arrival, name }: FeatureSetDefinition, source: Schema, request: TrainingRequest): void {
  const zoneOf = (candidate: DataType | undefined): string | null | undefined => (candidate !== undefined && DataType.isTimestamp(candidate) ? (candidate as Timestamp).timezone : undefined);
  const zones = [timestamp, arrival].map((column) => zoneOf(source.fields.find((field) => field.name === column)?.type));
  const zone = zones.find((each) => each);
  if (!DataType.isTimestamp(type) || zoneOf(type) || !zone || request.timeZone !== undefined) return;
  throw new SchemaMismatchError(where, request.timestamp, `these times name no zone, and the ${zones[0] ? 'events' : 'arrivals'} of ${name} do (${zone}); give timeZone: 'UTC' if they are UTC, or cast the column to a timestamp with a zone`);
}

/** The same keys in the type of the source's column, where both are of one kind. */
function inType(data: Data, type: DataType, name: string, featureSet: string): Data {
  const own = data.type as DataType;
  if (String(own) === String(type)) return data;
  if (DataType.isInt(own) && DataType.isInt(type)) return integersIn(data, type);
  const isText = (each: DataType): boolean => DataType.isUtf8(each) || DataType.isLargeUtf8(each);
  const isBytes = (each: DataType): boolean => DataType.isBinary(each) || DataType.isLargeBinary(each);
  const isSameScale = DataType.isDecimal(own) && DataType.isDecimal(type) && own.scale === type.scale && own.bitWidth === type.bitWidth;
  const isSameUnit = DataType.isTimestamp(own) && DataType.isTimestamp(type) && own.unit === type.unit;
  if ((isText(own) && isText(type)) || (isBytes(own) && isBytes(type)) || isSameScale || isSameUnit) return relabeled(data, type);
  if (DataType.isNull(own)) return makeData({ type, length: data.length, nullCount: data.length, nullBitmap: new Uint8Array((data.length + 7) >> 3) } as never);
  throw new SchemaMismatchError(where, name, `it is ${own}, and the key of feature set ${featureSet} is ${type}; cast one of them`);
}

/** The same bytes under another type; offsets stay as wide as they were, which the engine does not mind. */
function relabeled(data: Data, type: DataType): Data {
  const { length, nullCount, nullBitmap, valueOffsets, values } = data;
  return makeData({ type, length, nullCount, ...(nullCount > 0 && { nullBitmap }), ...(valueOffsets !== undefined && { valueOffsets }), data: values } as never);
}

/** Integers of another width or sign; what does not fit is null. */
function integersIn(data: Data, type: DataType & { readonly bitWidth?: number; readonly isSigned?: boolean }): Data {
  const rows = data.length;
  const values = new (type.ArrayType as new (length: number) => BigInt64Array)(rows);
  const source = data.values as BigInt64Array | Int32Array;
  const isBig = (array: unknown): boolean => array instanceof BigInt64Array || array instanceof BigUint64Array;
  const nullBitmap = new Uint8Array((rows + 7) >> 3);
  let nullCount = 0;
  for (let row = 0; row < rows; row++) {
    const value = source[row]!;
    // A typed array wraps what it cannot hold; then reading it back gives something else.
    values[row] = (isBig(values) ? BigInt(value) : Number(value)) as bigint;
    const fits = BigInt(values[row]!) === BigInt(value);
    if (fits && data.getValid(row)) nullBitmap[row >> 3]! |= 1 << (row & 7);
    else nullCount++;
  }
  return makeData({ type, length: rows, nullCount, data: values, ...(nullCount > 0 && { nullBitmap }) } as never);
}

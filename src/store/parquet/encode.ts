/**
 * Writing Parquet: Arrow batches to the bytes of one file.
 *
 *   plain columns → Arrow IPC → encoder → the caller's own schema into the footer
 *
 * What Parquet has no type for is stored as the nearest that other engines read, and the embedded Arrow schema brings it
 * back: seconds as milliseconds, Date64 as a timestamp in milliseconds, dictionaries as what they stand for.
 * Law: what is read back has the same types and values. Only text may come back as a dictionary, or no longer as one:
 * that depends on how many distinct values there are.
 */
import { plainData } from '../../arrow/build.ts';
import type { Data, DataType, Field, RecordBatch, Schema } from '../../arrow/arrow.ts';
import { arrow } from '../../arrow/late.ts';
import { ArrowTimeUnit, isDate, isLargeUtf8, isTimestamp, isUtf8, plainType } from '../../arrow/types.ts';
import { ArgumentError, invariant, InvariantError, MemoryLimitError, OverflowError } from '../../base/errors.ts';
import type { ParquetCompression } from '../file-format.ts';
import { checkWritable } from '../writable-schema.ts';
import { embeddedSchema } from './arrow-schema.ts';
import { CodecError, encode } from './codec.ts';
import { magic, ourName } from './marks.ts';
import { readThrift, ThriftStruct, thriftType, writeThrift } from './thrift.ts';

export interface EncodeOptions {
  /** Absent: as many as make about 64 MB, between 128 Ki and 1 Mi. */
  readonly rowGroupRows?: number | undefined;
  readonly compression?: ParquetCompression | undefined;
}

const rowGroupRowsMin = 131_072;
const rowGroupRowsMax = 1_048_576;
const rowGroupBytes = 64 * 1024 * 1024;

/** The encoder holds its input about three times over, in 4 GB. */
const inputBytesMax = 1024 * 1024 * 1024;

/** One Parquet file; the columns of each batch are those of `schema`, in its order. */
export function encodeParquet(schema: Schema, batches: readonly RecordBatch[], options: EncodeOptions = {}): Uint8Array {
  checkWritable(schema, 'Parquet');
  if (options.rowGroupRows !== undefined && !(Number.isSafeInteger(options.rowGroupRows) && options.rowGroupRows > 0)) {
    throw new ArgumentError('rowGroupRows', `expected a whole number above zero, found ${options.rowGroupRows}`);
  }
  const stored = batches.filter((batch) => batch.numRows > 0).map((batch) => schema.fields.map((field, i) => storedData(field, batch.data.children[i])));
  const rows = batches.reduce((sum, batch) => sum + batch.numRows, 0);
  const bytes = stored.reduce((sum, columns) => sum + columns.reduce((part, data) => part + byteSize(data), 0), 0);
  if (bytes > inputBytesMax) {
    throw new MemoryLimitError('encoding a Parquet file', inputBytesMax, `${rows} rows of ${bytes} bytes are too much for one file; write them as several`);
  }
  const { Field, Schema, Table, tableToIPC } = arrow();
  const fields = schema.fields.map((field, i) => {
    const isNullable = field.nullable || stored.some((columns) => columns[i]!.nullCount > 0);
    return new Field(field.name, storedType(plainType(field.type)), isNullable);
  });
  const storedSchema = new Schema(fields);
  const table = new Table(storedSchema, stored.map((columns) => batchOf(storedSchema, columns)));
  const dictionaryColumns = fields.filter((_, i) => isWorthDictionary(stored.map((columns) => columns[i]!))).map(({ name }) => name);
  let file: Uint8Array;
  try {
    file = encode(tableToIPC(table, 'stream'), {
      compression: options.compression ?? 'snappy',
      rowGroupRows: options.rowGroupRows ?? Math.min(rowGroupRowsMax, Math.max(rowGroupRowsMin, Math.ceil((rows * rowGroupBytes) / Math.max(1, bytes)))),
      createdBy: ourName,
      dictionaryColumns,
    });
  } catch (thrown) {
    if (!(thrown instanceof CodecError)) throw thrown;
    throw new InvariantError(`the Parquet encoder refused ${rows} rows of ${schema}: ${thrown.message}`, thrown);
  }
  return withEmbeddedSchema(file, schema);
}

function storedType(type: DataType): DataType {
  if (isDate(type) && type.unit === 1) return new (arrow().TimestampMillisecond)();
  if (isTimestamp(type) && type.unit === ArrowTimeUnit.SECOND) return new (arrow().Timestamp)(ArrowTimeUnit.MILLISECOND, type.timezone);
  return type;
}

function storedData(field: Field, column: Data | undefined): Data {
  invariant(column !== undefined, `a batch lacks column ${field.name}`);
  const data = plainData(column);
  const type = plainType(field.type);
  invariant(data.type.typeId === type.typeId, `column ${field.name} is ${data.type} in a batch, and ${type} in the schema`);
  const target = storedType(type);
  if (target.typeId === data.type.typeId && !isTimestamp(target)) return data;
  const { length, nullCount, nullBitmap } = data;
  const values = data.values as BigInt64Array;
  const isSeconds = isTimestamp(type) && type.unit === ArrowTimeUnit.SECOND;
  const common = { type: target as never, length, nullCount, ...(nullCount > 0 && { nullBitmap }) };
  return arrow().makeData({ ...common, data: isSeconds ? milliseconds(field.name, data, values) : values } as never);
}

function milliseconds(column: string, data: Data, seconds: BigInt64Array): BigInt64Array {
  const scaled = new BigInt64Array(data.length);
  for (let i = 0; i < data.length; i++) {
    if (!data.getValid(i)) continue;
    scaled[i] = seconds[i]! * 1_000n;
    if (scaled[i]! / 1_000n !== seconds[i]!) throw new OverflowError(column, `row ${i}`, `${seconds[i]} s does not fit milliseconds, in which Parquet stores it`);
  }
  return scaled;
}

function byteSize({ values, valueOffsets, nullBitmap }: Data): number {
  return [values, valueOffsets, nullBitmap].reduce((sum, part: ArrayBufferView | undefined) => sum + (part?.byteLength ?? 0), 0);
}

const sampleMax = 4_096;

/**
 * Whether a column of text has few distinct values, by a sample spread over its rows. For others a dictionary makes the
 * writing about five times slower and the file larger, and for numbers the reading slower too.
 */
function isWorthDictionary(parts: readonly Data[]): boolean {
  const type = parts[0]?.type;
  if (type === undefined || !(isUtf8(type) || isLargeUtf8(type))) return false;
  const rows = parts.reduce((sum, part) => sum + part.length, 0);
  const step = Math.max(1, Math.floor(rows / sampleMax));
  const distinct = new Set<string>();
  let sampled = 0;
  for (const { length, valueOffsets, values } of parts) {
    const offsets = valueOffsets as unknown as ArrayLike<number | bigint>;
    const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    for (let row = 0; row < length; row += step, sampled++) distinct.add(bytes.toString('latin1', Number(offsets[row]!), Number(offsets[row + 1]!)));
  }
  return distinct.size * 4 <= sampled;
}

function batchOf(schema: Schema, children: Data[]): RecordBatch {
  const { makeData, RecordBatch, Struct } = arrow();
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: children[0]!.length, nullCount: 0, children }));
}

/** The file with `schema` in the place of the one that the encoder saw. */
function withEmbeddedSchema(file: Uint8Array, schema: Schema): Uint8Array {
  const footerBytes = new DataView(file.buffer, file.byteOffset, file.byteLength).getUint32(file.length - 8, true);
  const footerStart = file.length - 8 - footerBytes;
  const meta = readThrift(file.subarray(footerStart, file.length - 8)).value;
  const kept = (meta.structs(5) ?? []).filter((pair) => pair.string(1) !== 'ARROW:schema');
  const pair = new ThriftStruct()
    .set(1, thriftType.binary, Buffer.from('ARROW:schema'))
    .set(2, thriftType.binary, Buffer.from(embeddedSchema(schema)));
  meta.set(5, thriftType.list, { elementType: thriftType.struct, elements: [...kept, pair] });
  const footer = writeThrift(meta);
  const changed = new Uint8Array(footerStart + footer.length + 8);
  changed.set(file.subarray(0, footerStart));
  changed.set(footer, footerStart);
  new DataView(changed.buffer).setUint32(changed.length - 8, footer.length, true);
  changed.set(magic, changed.length - 4);
  return changed;
}

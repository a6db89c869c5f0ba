/**
 * The one place where apache-arrow is imported (late.ts is for what must not load it). Its classes are the currency of the public surface; its builders and
 * vectors' getters are not used on hot paths (they go through numbers and milliseconds), the buffers of `Data` are.
 *
 * How `Data` lays out a slice, since every kernel depends on it:
 *
 *   values, valueOffsets   already start at the slice: element i is values[i]
 *   nullBitmap, and the    start at the parent: element i is bit `data.offset + i`
 *   values of a Bool
 */
import * as arrow from 'apache-arrow';
import { arrowIsThere } from './late.ts';

export {
  Binary, Bool, Data, DataType, Date_, DateDay, DateMillisecond, Decimal, Dictionary, Field, FixedSizeBinary, Float, Float16, Float32, Float64,
  Int, Int8, Int16, Int32, Int64, LargeBinary, LargeUtf8, List, Map_, MapRow, Null, RecordBatch, RecordBatchReader, RecordBatchStreamWriter, Schema, Struct, StructRow, Table,
  TimeUnit as ArrowTimeUnit, Timestamp, TimestampMicrosecond, TimestampMillisecond, TimestampNanosecond, TimestampSecond,
  Type, Uint8, Uint16, Uint32, Uint64, Utf8, Vector, makeData, tableFromIPC, tableToIPC, vectorFromArray, tableFromArrays, makeVector,
} from 'apache-arrow';

arrowIsThere(arrow);

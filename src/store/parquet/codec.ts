/**
 * The one place where parquet-wasm is used: whole Parquet files in memory to Arrow columns, and back.
 *
 * Only its synchronous calls are used: the asynchronous ones turn errors into promises that never settle. Its instances
 * are disposable. A panic leaves one in a state that nobody vouches for, and a memory that has grown never shrinks, so in
 * both cases the next call gets a new one (about 10 ms). Every object is freed before a call returns; what comes back is
 * copied and aliases nothing.
 */
import { createRequire } from 'node:module';
import type * as ParquetWasm from 'parquet-wasm';
import type { Data } from '../../arrow/arrow.ts';
import type { copyStructChildren, DictionaryCache } from '../../arrow/c-data.ts';
import { reasonOf } from '../../base/errors.ts';
import type { ParquetCompression } from '../file-format.ts';

/** The decoder or encoder refused, or broke. The caller knows which file it was about. */
export class CodecError extends Error {}

export interface DecodeHints {
  /** Rows per batch at most. */
  readonly batchRows: number;
  /** Which rows; absent: all. */
  readonly window?: { readonly start: number; readonly rows: number };
}

export interface EncodeHints {
  readonly compression: ParquetCompression;
  readonly rowGroupRows: number;
  readonly createdBy: string;
  /** Names of the columns whose values are worth a dictionary. */
  readonly dictionaryColumns: readonly string[];
}

/** The columns of each batch, in file order, copied by `copy`. Throws CodecError. */
export function decode(file: Uint8Array, hints: DecodeHints, copy: typeof copyStructChildren): Data[][] {
  return withInstance((wasm) => {
    const { batchRows, window } = hints;
    const table = wasm.readParquet(file, { batchSize: batchRows, ...(window && { offset: window.start, limit: window.rows }) });
    const batches = table.recordBatches();
    table.free();
    const dictionaries: DictionaryCache = new Map();
    // All batches stay until the last is copied: the cache goes by addresses, which a freed one would give to another.
    const copied = batches.map((batch) => {
      const ffi = batch.toFFI();
      const columns = copy(wasm.wasmMemory().buffer as ArrayBuffer, ffi.arrayAddr(), ffi.schemaAddr(), dictionaries);
      ffi.free();
      return columns;
    });
    for (const batch of batches) batch.free();
    return copied;
  });
}

/** All columns, nested ones too, as an Arrow IPC stream: slower, for small files. Throws CodecError. */
export function decodeNested(file: Uint8Array): Uint8Array {
  return withInstance((wasm) => wasm.readParquet(file).intoIPCStream());
}

/** The Parquet file of an Arrow IPC stream. Throws CodecError. */
export function encode(stream: Uint8Array, hints: EncodeHints): Uint8Array {
  return withInstance((wasm) => {
    const { Compression, EnabledStatistics } = wasm;
    const compression = {
      snappy: Compression.SNAPPY, lz4_raw: Compression.LZ4_RAW, zstd: Compression.ZSTD, gzip: Compression.GZIP, brotli: Compression.BROTLI, uncompressed: Compression.UNCOMPRESSED,
    }[hints.compression];
    // Each setter consumes the builder, and writing consumes the properties and the table.
    let builder = new wasm.WriterPropertiesBuilder()
      .setCompression(compression)
      .setCreatedBy(hints.createdBy)
      .setMaxRowGroupSize(hints.rowGroupRows)
      .setStatisticsEnabled(EnabledStatistics.Page)
      .setDictionaryEnabled(false);
    for (const column of hints.dictionaryColumns) builder = builder.setColumnDictionaryEnabled(column, true);
    return wasm.writeParquet(wasm.Table.fromIPCStream(stream), builder.build());
  });
}

type Wasm = typeof ParquetWasm;

const memoryBytesMax = 1024 * 1024 * 1024;

let instance: Wasm | undefined;

/** Objects that `work` made when it throws are not freed one by one: after a trap no call is safe, so the instance goes. */
function withInstance<Result>(work: (wasm: Wasm) => Result): Result {
  const wasm = (instance ??= newInstance());
  try {
    const result = work(wasm);
    if (wasm.wasmMemory().buffer.byteLength > memoryBytesMax) instance = undefined;
    return result;
  } catch (thrown) {
    // Only a plain Error is a refusal of its own, made before there is any object, with nothing left behind. A panic is a
    // trap, memory that cannot be had a RangeError, and what else there may be is nobody's promise.
    const isRefusal = thrown instanceof Error && thrown.constructor === Error;
    if (!isRefusal || wasm.wasmMemory().buffer.byteLength > memoryBytesMax) instance = undefined;
    const isPanic = thrown instanceof WebAssembly.RuntimeError;
    throw new CodecError(isPanic ? `the decoder gave up (${thrown.message})` : reasonOf(thrown), { cause: thrown });
  }
}

/** Loads the CommonJS build afresh: it is an instance and its glue in one module, and nothing keeps the old one. */
function newInstance(): Wasm {
  const require = createRequire(import.meta.url);
  const path = require.resolve('parquet-wasm');
  delete require.cache[path];
  const wasm = require(path) as Wasm;
  delete require.cache[path];
  return wasm;
}

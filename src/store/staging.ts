/**
 * Rows into files of bounded size, in their order: what writers of all tables share. With partition columns each partition
 * has files of its own, without these columns.
 *
 * Law: a file holds no more rows than told, and not many more bytes of Arrow data; none is empty.
 */
import { type Data, DataType, type RecordBatch, Schema } from '../arrow/arrow.ts';
import { SchemaMismatchError, throwIfCancelled } from '../base/errors.ts';
import { sameType } from './conform.ts';
import { checkCount, type Partition, type PartitionValues, splitByPartition } from './partition-values.ts';
import type { StagedFile } from './table.ts';

export interface FileLimits {
  readonly fileRowsMax?: number;
  readonly fileBytesMax?: number;
  /** Of a row group, or stripe. */
  readonly partRows?: number;
}

export const defaultLimits = { fileRowsMax: 4_000_000, fileBytesMax: 128 * 1024 * 1024 } as const;

export interface StageOptions {
  readonly signal?: AbortSignal;
  /** Told the rows of all files that are written. */
  readonly onProgress?: (rows: number) => void;
}

export interface FileWriter {
  /** The table's name, for messages. */
  readonly table: string;
  readonly limits: FileLimits;
  readonly partitionBy: readonly string[];
  write(batches: readonly RecordBatch[], index: number, values: PartitionValues): Promise<StagedFile>;
  /** Called with every file that was written, when a later one fails. */
  discard(file: StagedFile): Promise<unknown>;
}

/** Rows that wait until they make a file. */
interface Pending {
  readonly values: PartitionValues;
  batches: RecordBatch[];
  rows: number;
  bytes: number;
}

export async function stageFiles(
  writer: FileWriter, schema: Schema, batches: AsyncIterable<RecordBatch> | Iterable<RecordBatch>, options: StageOptions = {},
): Promise<StagedFile[]> {
  const staged: StagedFile[] = [];
  const { fileRowsMax, fileBytesMax } = { ...defaultLimits, ...writer.limits };
  const partitions = new Map<string, Pending>();
  let [rowsDone, bytesPending] = [0, 0];
  const flush = async (pending: Pending): Promise<void> => {
    if (pending.rows === 0) return;
    throwIfCancelled(options.signal, `writing ${writer.table}`);
    staged.push(await writer.write(pending.batches, staged.length, pending.values));
    rowsDone += pending.rows;
    bytesPending -= pending.bytes;
    [pending.batches, pending.rows, pending.bytes] = [[], 0, 0];
    options.onProgress?.(rowsDone);
  };
  const add = async ({ values, rows }: Partition): Promise<void> => {
    const key = JSON.stringify(Object.values(values));
    const pending = partitions.get(key) ?? { values, batches: [], rows: 0, bytes: 0 };
    if (!partitions.has(key)) partitions.set(key, pending);
    checkCount(writer.table, writer.partitionBy, partitions.size);
    for (const piece of piecesOf(rows, fileRowsMax, fileBytesMax)) {
      const size = sizeOf(piece.data);
      if (pending.rows + piece.numRows > fileRowsMax || pending.bytes + size > fileBytesMax) await flush(pending);
      pending.batches.push(piece);
      pending.rows += piece.numRows;
      pending.bytes += size;
      bytesPending += size;
    }
  };
  try {
    for await (const batch of batches) {
      throwIfCancelled(options.signal, `writing ${writer.table}`);
      checkColumns(writer.table, schema, batch.schema);
      const parts = writer.partitionBy.length === 0 ? [{ values: {}, rows: batch }] : splitByPartition(writer.table, batch, writer.partitionBy);
      for (const part of parts) await add(part);
      // Many partitions share the memory of two files; the largest go first.
      while (bytesPending > 2 * fileBytesMax) await flush([...partitions.values()].reduce((most, each) => (each.bytes > most.bytes ? each : most)));
    }
    for (const pending of partitions.values()) await flush(pending);
    return staged;
  } catch (thrown) {
    // Nobody knows of these files, so they may go at once. If even that fails, vacuum finds them.
    for (const file of staged) await writer.discard(file).catch(() => undefined);
    throw thrown;
  }
}

/** The columns that files have: not those that their folders tell. */
export function storedSchema(schema: Schema, partitionBy: readonly string[]): Schema {
  return partitionBy.length === 0 ? schema : new Schema(schema.fields.filter(({ name }) => !partitionBy.includes(name)), schema.metadata);
}

/** Throws SchemaMismatchError unless both have the same columns in the same order; nulls do not matter. */
export function checkColumns(table: string, expected: Schema, found: Schema): void {
  if (expected === found) return;
  expected.fields.forEach((field, column) => {
    const other = found.fields[column];
    if (other?.name === field.name && sameType(other.type, field.type)) return;
    throw new SchemaMismatchError(table, field.name, `column ${column} is expected to be ${field.type}; found ${other === undefined ? 'none' : `${other.name}: ${other.type}`}`);
  });
  const extra = found.fields[expected.fields.length];
  if (extra !== undefined) throw new SchemaMismatchError(table, extra.name, 'the table has no such column; write the table anew (overwrite) to change its columns');
}

/** Cuts a batch so that no piece is larger than a file may be. The pieces alias it. */
function piecesOf(batch: RecordBatch, rowsMax: number, bytesMax: number): RecordBatch[] {
  const rowsByBytes = Math.ceil(batch.numRows / Math.max(1, Math.ceil(sizeOf(batch.data) / bytesMax)));
  const rows = Math.max(1, Math.min(rowsMax, rowsByBytes));
  if (batch.numRows <= rows) return [batch];
  const pieces: RecordBatch[] = [];
  for (let start = 0; start < batch.numRows; start += rows) pieces.push(batch.slice(start, Math.min(start + rows, batch.numRows)));
  return pieces;
}

/** The bytes that the rows of a slice take; `byteLength` would count all of the buffers that it shares with others. */
function sizeOf(data: Data): number {
  if (data.valueOffsets) {
    const offsets = data.valueOffsets as unknown as ArrayLike<number | bigint>;
    return data.length * 4 + Number(offsets[data.length] ?? 0) - Number(offsets[0] ?? 0);
  }
  const ownBytes = (data.values as { BYTES_PER_ELEMENT?: number } | undefined)?.BYTES_PER_ELEMENT ?? 0;
  const stride = DataType.isDecimal(data.type) ? data.type.bitWidth / 32 : 1;
  return data.children.reduce((sum, child) => sum + sizeOf(child), data.length * ownBytes * stride);
}

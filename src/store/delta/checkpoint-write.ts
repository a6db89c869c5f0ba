/**
 * Classic checkpoints (V1): a Parquet file with a row for each action that makes up a version, and a column for each kind.
 *
 *   | metaData | protocol | txn | add | remove |        one of them is there, the others are null
 *
 * By Delta's PROTOCOL.md. Law: whoever reads the checkpoint and the entries behind it sees the table that the entries alone
 * make. The order of the files is kept.
 */
import {
  Bool, type Data, type DataType, Field, Int32, Int64, List, makeData, Map_, RecordBatch, Schema, Struct, Table, tableToIPC, Utf8, vectorFromArray,
} from '../../arrow/arrow.ts';
import { type Bytes, joinPath } from '../bytes.ts';
import { encode } from '../parquet/codec.ts';
import { ourName } from '../parquet/marks.ts';
import { replacePointer } from './checkpoint-pointer.ts';
import { parsedStats } from './checkpoint-stats.ts';
import type { DeletionVector } from './deletion-vector.ts';
import { type DeltaLog, logFolder } from './write-log.ts';
import { checkpointInterval, type CheckpointStats, checkpointStats, deletedFileRetentionMs } from './write-properties.ts';
import { arrowSchemaOf } from './write-schema.ts';
import type { AddFile, Metadata, Protocol, RemoveFile, Strings, Transaction } from './write-actions.ts';

export interface CheckpointContent {
  readonly protocol: Protocol;
  readonly metaData: Metadata;
  readonly transactions: readonly Transaction[];
  /** In the order of their rows; paths are as in the log. */
  readonly add: readonly AddFile[];
  /** Those that a vacuum has to know of still. */
  readonly remove: readonly RemoveFile[];
}

export interface EncodedCheckpoint {
  readonly file: Uint8Array;
  readonly actions: number;
}

const strings = new Map_(new Field('entries', new Struct([new Field('key', new Utf8(), false), new Field('value', new Utf8(), true)]), false) as never);
const list = new List(new Field('element', new Utf8(), true));
const struct = (fields: Readonly<Record<string, DataType>>): Struct => new Struct(Object.entries(fields).map(([name, type]) => new Field(name, type, true)));

const deletionVector = struct({ storageType: new Utf8(), pathOrInlineDv: new Utf8(), offset: new Int32(), sizeInBytes: new Int32(), cardinality: new Int64() });

const columns = {
  metaData: struct({
    id: new Utf8(), name: new Utf8(), description: new Utf8(), format: struct({ provider: new Utf8(), options: strings }), schemaString: new Utf8(),
    partitionColumns: list, configuration: strings, createdTime: new Int64(),
  }),
  protocol: struct({ minReaderVersion: new Int32(), minWriterVersion: new Int32(), readerFeatures: list, writerFeatures: list }),
  txn: struct({ appId: new Utf8(), version: new Int64(), lastUpdated: new Int64() }),
  add: struct({
    path: new Utf8(), partitionValues: strings, size: new Int64(), modificationTime: new Int64(), dataChange: new Bool(), stats: new Utf8(), tags: strings, deletionVector,
  }),
  remove: struct({
    path: new Utf8(), deletionTimestamp: new Int64(), dataChange: new Bool(), extendedFileMetadata: new Bool(), partitionValues: strings, size: new Int64(), deletionVector,
  }),
} as const;

type Row = { readonly [Column in keyof typeof columns]?: object };

/** Statistics as the table's properties say. */
export function encodeCheckpoint({ protocol, metaData, transactions, add, remove }: CheckpointContent, stats: CheckpointStats): EncodedCheckpoint {
  const rows: Row[] = [
    { protocol: { ...protocol, readerFeatures: protocol.readerFeatures ?? null, writerFeatures: protocol.writerFeatures ?? null } },
    { metaData: metadataRow(metaData) },
    ...transactions.map((txn) => ({ txn: { appId: txn.appId, version: BigInt(txn.version), lastUpdated: optional(txn.lastUpdated) } })),
    ...add.map((file) => ({ add: addRow(file, stats.asJson) })),
    ...remove.map((file) => ({ remove: removeRow(file) })),
  ];
  const children = Object.entries(columns).map(([name, type]) => vectorFromArray(rows.map((row) => row[name as keyof Row] ?? null), type as never).data[0]! as Data);
  const names = Object.keys(columns);
  if (stats.asStruct) {
    const texts = new Map(add.map((file, i) => [2 + transactions.length + i, file.stats]));
    const index = names.indexOf('add');
    children[index] = withChild(children[index]! as Data<Struct>, 'stats_parsed', parsedStats(columnsInFiles(metaData), rows.map((_, row) => texts.get(row))));
  }
  const schema = new Schema(children.map(({ type }, i) => new Field(names[i]!, type, true)));
  const batch = new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: rows.length, nullCount: 0, children }));
  const file = encode(tableToIPC(new Table(schema, [batch]), 'stream'), {
    compression: 'snappy', rowGroupRows: 1 << 20, createdBy: ourName, dictionaryColumns: [],
  });
  return { file, actions: rows.length };
}

function columnsInFiles(metaData: Metadata): Schema {
  const { fields } = arrowSchemaOf(metaData.id, metaData);
  return new Schema(fields.filter(({ name }) => !metaData.partitionColumns.includes(name)));
}

function withChild({ type, length, nullCount, nullBitmap, children }: Data<Struct>, name: string, child: Data): Data<Struct> {
  return makeData({ type: new Struct([...type.children, new Field(name, child.type, true)]), length, nullCount, nullBitmap, children: [...children, child] });
}

/** Writes a checkpoint of a version that was just made, where the table's interval asks for one. */
export async function writeCheckpointIfDue(
  bytes: Bytes, folder: string, log: DeltaLog, { version, nowMs }: { readonly version: number; readonly nowMs: number },
): Promise<void> {
  const newest = await log.newest();
  if (newest === undefined || version === 0 || version % checkpointInterval(newest.metaData.configuration) !== 0) return;
  const { protocol, metaData, transactions, files, tombstones } = newest.version === version ? newest : await log.at(version);
  const { configuration } = metaData;
  const sinceMs = nowMs - deletedFileRetentionMs(configuration);
  const remove = [...tombstones.values()].filter(({ deletionTimestamp = 0 }) => deletionTimestamp >= sinceMs);
  const { file, actions } = encodeCheckpoint({ protocol, metaData, transactions: [...transactions.values()], add: [...files.values()], remove }, checkpointStats(configuration));
  const path = joinPath(folder, logFolder, `${String(version).padStart(20, '0')}.checkpoint.parquet`);
  await bytes.putIfAbsent(path, file);
  await replacePointer(bytes, joinPath(folder, logFolder), { version, file, actions, files: files.size });
}

function metadataRow(metaData: Metadata): object {
  const { name = null, description = null, createdTime, format } = metaData;
  return {
    ...metaData, name, description, createdTime: optional(createdTime), configuration: mapOf(metaData.configuration),
    format: { provider: format.provider, options: mapOf(format.options) },
  };
}

/** Files of a checkpoint are those of the table; whether they changed it was for the entries to say. */
function addRow({ path, partitionValues, size, modificationTime, stats, tags, deletionVector: vector }: AddFile, withStats: boolean): object {
  return {
    path, partitionValues: mapOf(partitionValues), size: BigInt(size), modificationTime: BigInt(modificationTime), dataChange: false,
    stats: withStats ? (stats ?? null) : null, tags: tags === undefined ? null : mapOf(tags), deletionVector: vectorRow(vector),
  };
}

function removeRow({ path, deletionTimestamp, partitionValues, size, deletionVector: vector }: RemoveFile): object {
  const isExtended = partitionValues !== undefined && size !== undefined;
  return {
    path, deletionTimestamp: optional(deletionTimestamp), dataChange: false, extendedFileMetadata: isExtended, partitionValues: isExtended ? mapOf(partitionValues) : null,
    size: isExtended ? BigInt(size) : null, deletionVector: vectorRow(vector),
  };
}

function vectorRow(vector: DeletionVector | undefined): object | null {
  return vector === undefined ? null : { ...vector, offset: vector.offset ?? null, cardinality: BigInt(vector.cardinality) };
}

function mapOf(entries: Strings): Map<string, string | null> {
  return new Map(Object.entries(entries));
}

function optional(value: number | undefined): bigint | null {
  return value === undefined ? null : BigInt(value);
}

/** A Delta table as another engine might write it: its log by hand, action by action, without anything of ours in it. */
import type { Table } from '../../../src/arrow/arrow.ts';
import type { Bytes } from '../../../src/store/bytes.ts';
import { encodeCheckpoint } from '../../../src/store/delta/checkpoint-write.ts';
import type { DeletionVector } from '../../../src/store/delta/deletion-vector.ts';
import type { AddFile, Metadata, Protocol, RemoveFile } from '../../../src/store/delta/write-actions.ts';
import { parquetBytes } from '../../support/store.ts';

export const pad = (version: number, digits = 20): string => String(version).padStart(digits, '0');

const fields = [['id', 'long'], ['at', 'timestamp_ntz'], ['name', 'string']].map(([name, type]) => ({ name, type, nullable: true, metadata: {} }));

export const protocol: Protocol = { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['timestampNtz', 'deletionVectors'], writerFeatures: ['timestampNtz', 'deletionVectors'] };
/** Of the rows that `events` makes. */
export const metaData: Metadata = {
  id: 'd7e5', format: { provider: 'parquet', options: {} }, schemaString: JSON.stringify({ type: 'struct', fields }), partitionColumns: [], configuration: {},
};

export type Action = { readonly add?: AddFile; readonly remove?: RemoveFile } & Readonly<Record<string, unknown>>;

export function logPath(name: string): string {
  return `t/_delta_log/${name}`;
}

export async function writeLines(bytes: Bytes, path: string, actions: readonly object[]): Promise<void> {
  await bytes.writeNew(path, Buffer.from(actions.map((action) => JSON.stringify(action)).join('\n')));
}

/** The commit of a version; the first begins the table. */
export async function commit(bytes: Bytes, version: number, actions: readonly Action[]): Promise<void> {
  const start = version === 0 && !actions.some((action) => 'metaData' in action) ? [{ protocol }, { metaData }] : [];
  await writeLines(bytes, logPath(`${pad(version)}.json`), [...start, ...actions]);
}

/** Writes a data file; what the log is to say of it. */
export async function addFile(bytes: Bytes, path: string, rows: Table, more: Partial<AddFile> = {}): Promise<AddFile> {
  const content = parquetBytes(rows);
  await bytes.writeNew(`t/${path}`, content);
  return { path: encodeURI(path), partitionValues: {}, size: content.length, modificationTime: 0, dataChange: true, ...more };
}

export function removeOf({ path, deletionVector }: AddFile): RemoveFile {
  return { path, dataChange: true, ...(deletionVector !== undefined && { deletionVector }) };
}

export const checkpointKinds = ['classic', 'in parts', 'V2 JSON', 'none'] as const;

/** A checkpoint of these files, in one of the ways there are. */
export async function writeCheckpoint(bytes: Bytes, kind: (typeof checkpointKinds)[number], version: number, add: readonly AddFile[], remove: readonly RemoveFile[]): Promise<void> {
  const encoded = (files: readonly AddFile[], removed: readonly RemoveFile[]): Uint8Array =>
    encodeCheckpoint({ protocol, metaData, transactions: [], add: files, remove: removed }, { asJson: true, asStruct: false }).file;
  const middle = add.length >> 1;
  if (kind === 'classic') await bytes.writeNew(logPath(`${pad(version)}.checkpoint.parquet`), encoded(add, remove));
  if (kind === 'in parts') {
    const part = (index: number): string => logPath(`${pad(version)}.checkpoint.${pad(index, 10)}.${pad(2, 10)}.parquet`);
    await bytes.writeNew(part(2), encoded(add.slice(middle), remove));
    await bytes.writeNew(part(1), encoded(add.slice(0, middle), []));
  }
  if (kind === 'V2 JSON') {
    const sidecars = [add.slice(0, middle), add.slice(middle)].map((files, i) => ({ path: `${version}-${i}.parquet`, content: encoded(files, i === 0 ? remove : []) }));
    for (const { path, content } of sidecars) await bytes.writeNew(logPath(`_sidecars/${path}`), content);
    await writeLines(bytes, logPath(`${pad(version)}.checkpoint.3a0d65cd-4056-49b8-937b-95f9e3ee90e5.json`), [
      { checkpointMetadata: { version } }, { protocol }, { metaData },
      ...sidecars.map(({ path, content }) => ({ sidecar: { path, sizeInBytes: content.length, modificationTime: 0 } })),
    ]);
  }
}

/** The rows at these positions, all below 65,536, as a vector in the log. */
export function inlineVector(positions: readonly number[]): DeletionVector {
  const size = 32 + 2 * positions.length;
  const bitmap = Buffer.alloc(Math.ceil(size / 4) * 4);
  for (const [i, word] of [1_681_511_377, 1, 0, 0, 12_346, 1].entries()) bitmap.writeUInt32LE(word, 4 * i);
  bitmap.writeUInt16LE(positions.length - 1, 26);
  bitmap.writeUInt32LE(16, 28);
  for (const [i, position] of [...positions].sort((a, b) => a - b).entries()) bitmap.writeUInt16LE(position, 32 + 2 * i);
  return { storageType: 'i', pathOrInlineDv: z85(bitmap), sizeInBytes: size, cardinality: positions.length };
}

function z85(content: Buffer): string {
  const digits = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#';
  const group = (value: number): string => [4, 3, 2, 1, 0].map((power) => digits[Math.floor(value / 85 ** power) % 85]).join('');
  return Array.from({ length: content.length / 4 }, (_, i) => group(content.readUInt32BE(4 * i))).join('');
}

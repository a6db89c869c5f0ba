/** What the tests of the store share: small tables, folders that vanish, and bytes that fail when told to. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  Field, Int64, makeData, type RecordBatch, Schema, type Table, TimestampMicrosecond, Utf8, vectorFromArray,
} from '../../src/arrow/arrow.ts';
import { canonicalTable, tableOfColumns } from '../../src/arrow/canonical.ts';
import type { Bytes } from '../../src/store/bytes.ts';
import type { FileFormatName } from '../../src/store/file-format.ts';
import { formatNamed } from '../../src/store/file-formats.ts';
import { localBytes } from '../../src/store/local-bytes.ts';
import { memoryBytes } from '../../src/store/memory-bytes.ts';
import { encodeParquet } from '../../src/store/parquet/encode.ts';
import type { CommitResult, OwnTable, ScanOptions, Snapshot } from '../../src/store/table.ts';
import type { TableFormat } from '../../src/store/tables.ts';

export const eventSchema = new Schema([
  new Field('id', new Int64(), false),
  new Field('at', new TimestampMicrosecond(), true),
  new Field('name', new Utf8(), true),
]);

/** Rows `first` to `first + count - 1`: id i, at i days after the epoch, a name that repeats. */
export function events(first: number, count: number): Table {
  const ids = BigInt64Array.from({ length: count }, (_, i) => BigInt(first + i));
  const at = ids.map((id) => id * 86_400_000_000n);
  const names = vectorFromArray(Array.from({ length: count }, (_, i) => `name ${(first + i) % 7}`), new Utf8()).data[0]!;
  return tableOfColumns(
    eventSchema,
    [
      makeData({ type: new Int64(), length: count, nullCount: 0, data: ids }),
      makeData({ type: new TimestampMicrosecond(), length: count, nullCount: 0, data: at }),
      makeData({ type: new Utf8(), length: count, nullCount: 0, valueOffsets: names.valueOffsets, data: names.values }),
    ],
    count,
  );
}

/** Every format of data files and of tables, and all bytes that are at hand: what suites are run over. */
export const fileFormats: readonly FileFormatName[] = ['parquet', 'orc'];
export const tableFormats: readonly TableFormat[] = [...fileFormats, 'delta'];
export const places: readonly (readonly [string, (test: TestContext) => Bytes])[] = [
  ['memory', () => memoryBytes()],
  ['local files', (test) => localBytes(temporaryFolder(test))],
];

/** The bytes of one file. */
export function fileBytes(table: Table, format: FileFormatName): Uint8Array {
  return formatNamed(format).encode(table.schema, table.batches, {});
}

export function parquetBytes(table: Table): Uint8Array {
  return encodeParquet(table.schema, table.batches);
}

/** All rows of a snapshot, in the canonical layout. */
export async function readTable(snapshot: Snapshot, options: ScanOptions = {}): Promise<Table> {
  const batches: RecordBatch[] = [];
  for await (const batch of snapshot.scan(options)) batches.push(batch);
  const fieldOf = (column: string): Field => snapshot.schema.fields.find(({ name }) => name === column)!;
  return canonicalTable(options.columns === undefined ? snapshot.schema : new Schema(options.columns.map(fieldOf)), batches);
}

/** The ids of all rows, in order. */
export async function readIds(snapshot: Snapshot, options: ScanOptions = {}): Promise<number[]> {
  const table = await readTable(snapshot, { ...options, columns: ['id'] });
  return Array.from(table.getChild('id')!, Number);
}

/** The ids of the newest version; none when there is no table. */
export async function currentIds(table: OwnTable): Promise<number[]> {
  const snapshot = await table.trySnapshot();
  return snapshot === undefined ? [] : readIds(snapshot);
}

/** Stages and commits rows on top of the newest version. */
export async function write(
  table: OwnTable, kind: 'append' | 'overwrite', rows: Table, info: Record<string, unknown> = {},
): Promise<CommitResult> {
  const readVersion = (await table.trySnapshot())?.versionNumber ?? -1;
  const add = await table.stage(rows.schema, rows.batches);
  return table.commit({ readVersion, kind, schema: rows.schema, add, info });
}

/** A folder that is removed when the test ends. */
export function temporaryFolder(test: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tauro-store-'));
  test.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

export class InjectedFault extends Error {}

/** When the n-th call fails (from 1), and how: before or after it took effect; once, or for good as if the process had died. */
export interface Fault {
  readonly call: number;
  readonly effect: 'before' | 'after';
  readonly lasting: boolean;
}

/** Counts every call, those of open files too, and fails as told. */
export function faultyBytes(bytes: Bytes, fault: Fault | undefined): { bytes: Bytes; calls: () => number } {
  let calls = 0;
  const through = <Arguments extends unknown[], Result>(work: (...args: Arguments) => Promise<Result>) =>
    async (...args: Arguments): Promise<Result> => {
      const call = ++calls;
      if (fault === undefined || call < fault.call || (call > fault.call && !fault.lasting)) return work(...args);
      if (call === fault.call && fault.effect === 'after') await work(...args);
      throw new InjectedFault(`call ${call} fails`);
    };
  const open = through(bytes.open);
  return {
    calls: () => calls,
    bytes: {
      locate: bytes.locate,
      kind: through(bytes.kind),
      stat: through(bytes.stat),
      names: through(bytes.names),
      list: through(bytes.list),
      writeNew: through(bytes.writeNew),
      putIfAbsent: through(bytes.putIfAbsent),
      move: through(bytes.move),
      delete: through(bytes.delete),
      open: async (path) => {
        const file = await open(path);
        return file && { ...file, read: through(file.read), stat: through(file.stat) };
      },
    },
  };
}

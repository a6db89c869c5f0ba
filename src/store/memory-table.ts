/** An Arrow table in memory as a source. Its version is a digest of what it holds, so that it survives restarts. */
import { createHash, type Hash } from 'node:crypto';
import { type Data, DataType, type Field, makeData, RecordBatch, Schema, Struct, type Table } from '../arrow/arrow.ts';
import { canonicalTable } from '../arrow/canonical.ts';
import { throwIfCancelled } from '../base/errors.ts';
import { isNested } from './conform.ts';
import { requestedSchema } from './data-files.ts';
import type { ReadableTable, ScanOptions, ScanPlan, Snapshot } from './table.ts';

export function memoryTable(name: string, table: Table): ReadableTable {
  return { name, snapshot: async () => snapshotOf(name, table) };
}

function snapshotOf(name: string, table: Table): Snapshot {
  const passedOver = table.schema.fields
    .filter(({ type }) => isNested(type))
    .map((field) => ({ column: field.name, why: `columns of type ${field.type} are not read` }));
  const schema = new Schema(table.schema.fields.filter(({ type }) => !isNested(type)));
  const target = { name, schema, passedOver };
  return {
    name,
    format: 'memory',
    table,
    get version() {
      return versionOf(table);
    },
    schema,
    async plan(options: ScanOptions = {}): Promise<ScanPlan> {
      const columns = requestedSchema(target, options).fields.map((field) => field.name);
      const bytes = table.batches.flatMap((batch) => projected(batch, columns)).reduce((sum, data) => sum + data.byteLength, 0);
      const units = table.batches.length;
      return { columns, files: 1, filesTotal: 1, units, unitsTotal: units, rows: table.numRows, rowsTotal: table.numRows, bytes };
    },
    async *scan(options: ScanOptions = {}): AsyncGenerator<RecordBatch, void, void> {
      const wanted = requestedSchema(target, options);
      const columns = wanted.fields.map((field) => field.name);
      for (const batch of table.batches) {
        throwIfCancelled(options.signal, `reading ${name}`);
        const children = projected(batch, columns);
        yield new RecordBatch(wanted, makeData({ type: new Struct(wanted.fields), length: batch.numRows, nullCount: 0, children }));
      }
    },
  };
}

/** The columns alias the batch. */
function projected(batch: RecordBatch, columns: readonly string[]): Data[] {
  return columns.map((column) => batch.data.children[batch.schema.fields.findIndex((field) => field.name === column)]!);
}

const versions = new WeakMap<Table, string>();

/** SHA-256 over the canonical layout, so batches, slices and dictionaries do not matter. Tables are taken as frozen. */
function versionOf(table: Table): string {
  let version = versions.get(table);
  if (version === undefined) {
    const hash = createHash('sha256');
    const flat = new Schema(table.schema.fields.filter(({ type }) => !isNested(type)));
    hash.update(JSON.stringify(flat.fields.map((field) => [field.name, field.type.toString()])));
    hash.update(String(table.numRows));
    for (const field of flat.fields) {
      if (hashWords(hash, field, table)) continue;
      // A column at a time, so that the copy is never larger than one column.
      const single = canonicalTable(new Schema([field]), table.batches).batches[0]!.data.children[0]!;
      for (const buffer of [single.nullBitmap, single.valueOffsets, single.values] as (ArrayBufferView | undefined)[]) {
        hash.update(`|${buffer?.byteLength ?? 0}|`);
        if (buffer) hash.update(new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength));
      }
    }
    version = hash.digest('hex').slice(0, 32);
    versions.set(table, version);
  }
  return version;
}

/** What is hashed at a time of a column that is nothing but its values: to copy all of a large one would double what it takes. */
const hashedAtOnce = 2 ** 20;

/** Hashes a column of numbers without nulls as if it were canonical; false where it is another. */
function hashWords(hash: Hash, { name, type }: Field, table: Table): boolean {
  const parts = table.getChild(name)!.data;
  if (!(DataType.isInt(type) || DataType.isFloat(type) || DataType.isDate(type) || DataType.isTimestamp(type)) || parts.some(({ nullCount }) => nullCount > 0)) return false;
  const views = parts.map((data) => (data.values as Uint8Array).subarray(0, data.length));
  hash.update('|0||0|');
  hash.update(`|${views.reduce((sum, { byteLength }) => sum + byteLength, 0)}|`);
  // Of what threads share a hash takes only copies.
  const copy = new Uint8Array(hashedAtOnce);
  for (const { buffer, byteOffset, byteLength } of views) {
    for (let start = 0; start < byteLength; start += hashedAtOnce) {
      const some = new Uint8Array(buffer, byteOffset + start, Math.min(hashedAtOnce, byteLength - start));
      copy.set(some);
      hash.update(copy.subarray(0, some.length));
    }
  }
  return true;
}

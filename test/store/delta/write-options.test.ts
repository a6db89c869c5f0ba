/** What Delta tables do beyond the contract: grow by columns, replace partitions, commit once, and keep types that Delta lacks. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Dictionary, Field, Int32, Null, Schema, Table, Utf8, vectorFromArray } from '../../../src/arrow/arrow.ts';
import { tablesEqual } from '../../../src/arrow/canonical.ts';
import { toRows } from '../../../src/arrow/values.ts';
import { ArgumentError, OverflowError, SchemaMismatchError, UnsupportedError } from '../../../src/base/errors.ts';
import { openTable, writeTable, type WriteTableOptions } from '../../../src/store/open-table.ts';
import { events, temporaryFolder } from '../../support/store.ts';
import { batchFrom, type Cell, writable } from '../parquet/support.ts';

const delta = { format: 'delta' } as const;

const tableOf = (columns: Readonly<Record<string, readonly [type: string, ...cells: Cell[]]>>): Table =>
  new Table([batchFrom(Object.fromEntries(Object.entries(columns).map(([name, [type, ...cells]]) => [name, { type: writable[type]!, cells }])))]);

async function rowsOf(path: string): Promise<Record<string, unknown>[]> {
  return toRows(await (await openTable(path)).read());
}

/** The actions of an entry, by kind. */
function entryOf(path: string, version: number): Record<string, never>[] {
  const text = readFileSync(join(path, '_delta_log', `${String(version).padStart(20, '0')}.json`), 'utf8');
  return text.trim().split('\n').map((line) => JSON.parse(line));
}

it('a schema grows by the columns of what is appended', async (t) => {
  const path = join(temporaryFolder(t), 't');
  await writeTable(path, tableOf({ id: ['int64', 1n], name: ['utf8', 'a'] }), delta);
  await writeTable(path, tableOf({ id: ['int64', 2n], size: ['uint8', 7] }), { mode: 'append', mergeSchema: true });
  assert.deepEqual(await rowsOf(path), [{ id: 1, name: 'a', size: null }, { id: 2, name: null, size: 7 }]);
  assert.equal(String((await openTable(path)).schema.fields[2]!.type), 'Uint8');
  // Who knew the table before goes on as if nothing had happened.
  await writeTable(path, tableOf({ id: ['int64', 3n], name: ['utf8', 'c'] }), { mode: 'append', mergeSchema: true });
  assert.equal(entryOf(path, 2).some((action) => 'metaData' in action), false);
});

describe('a schema that grows', () => {
  it('refuses other types, required columns, and names that differ by case only', async (t) => {
    const path = join(temporaryFolder(t), 't');
    await writeTable(path, tableOf({ id: ['int64', 1n] }), delta);
    const grow = (rows: Table): Promise<unknown> => writeTable(path, rows, { mode: 'append', mergeSchema: true });
    await assert.rejects(grow(tableOf({ id: ['utf8', 'x'] })), SchemaMismatchError);
    await assert.rejects(grow(tableOf({ id: ['int64', 1n], ID: ['int64', 1n] })), /does not tell upper from lower case/);
    const required = new Table(new Schema([new Field('id', writable.int64!, true), new Field('x', new Int32(), false)]));
    await assert.rejects(grow(required), /only be added as a column that can be null/);
    await assert.rejects(writeTable(path, tableOf({ id: ['int64', 1n], x: ['int32', 1] }), { mode: 'append' }), /no such column/);
    assert.deepEqual(await rowsOf(path), [{ id: 1 }]);
  });

  it('gets the protocol that its columns need', async (t) => {
    const path = join(temporaryFolder(t), 't');
    await writeTable(path, tableOf({ id: ['int64', 1n], at: ['usZone', 5n] }), delta);
    const protocolOf = (version: number): unknown => entryOf(path, version).find((action) => 'protocol' in action)?.protocol;
    assert.deepEqual(protocolOf(0), { minReaderVersion: 1, minWriterVersion: 2 });
    await writeTable(path, tableOf({ id: ['int64', 2n], local: ['us', 6n] }), { mode: 'append', mergeSchema: true });
    const features = { readerFeatures: ['timestampNtz'], writerFeatures: ['appendOnly', 'invariants', 'timestampNtz'] };
    assert.deepEqual(protocolOf(1), { minReaderVersion: 3, minWriterVersion: 7, ...features });
    await writeTable(path, tableOf({ id: ['int64', 3n], local: ['us', 7n] }), { mode: 'append', mergeSchema: true });
    assert.equal(protocolOf(2), undefined);
  });
});

it('partitions are replaced, and the others stay', async (t) => {
  const path = join(temporaryFolder(t), 't');
  const day = (n: number, ...ids: bigint[]): Table => tableOf({ day: ['day', ...ids.map(() => n)], shop: ['utf8', ...ids.map((id) => (id % 2n === 0n ? 'even' : null))], id: ['int64', ...ids] });
  await writeTable(path, day(1, 1n, 2n), { ...delta, partitionBy: ['day', 'shop'] });
  await writeTable(path, day(2, 3n, 4n), { mode: 'append' });
  const ids = async (): Promise<number[]> => (await rowsOf(path)).map(({ id }) => Number(id)).sort((a, b) => a - b);
  await writeTable(path, day(1, 10n, 11n, 12n), { mode: 'overwrite', replaceWhere: { day: new Date('1970-01-02') } });
  assert.deepEqual(await ids(), [3, 4, 10, 11, 12]);
  await writeTable(path, day(2, 5n), { mode: 'overwrite', replaceWhere: { day: '1970-01-03', shop: null } });
  assert.deepEqual(await ids(), [4, 5, 10, 11, 12]);
  await writeTable(path, day(9), { mode: 'overwrite', replaceWhere: { shop: 'even' } });
  assert.deepEqual(await ids(), [5, 11]);

  const refused = async (rows: Table, options: WriteTableOptions, wanted: RegExp): Promise<void> => assert.rejects(writeTable(path, rows, options), (thrown) => thrown instanceof ArgumentError && wanted.test(thrown.message));
  await refused(day(1, 1n), { mode: 'overwrite', replaceWhere: { day: '1970-01-03' } }, /lie in none of the partitions/);
  await refused(day(1, 1n), { mode: 'overwrite', replaceWhere: {} }, /names no column/);
  await refused(day(1, 1n), { mode: 'overwrite', replaceWhere: { id: 1 } }, /partitioned by day, shop, so what has a certain id cannot be replaced/);
  await refused(day(1, 1n), { mode: 'append', replaceWhere: { day: '1970-01-02' } }, /goes with mode: 'overwrite'/);
  assert.deepEqual(await ids(), [5, 11]);
});

it('a write with a transaction is done once', async (t) => {
  const path = join(temporaryFolder(t), 't');
  const append = (version: number, application = 'job'): Promise<unknown> => writeTable(path, events(version, 1), { ...delta, mode: 'append', transaction: { application, version } });
  for (const version of [1, 1, 2, 1, 2, 3]) await append(version);
  await append(1, 'another');
  assert.deepEqual((await rowsOf(path)).map(({ id }) => id), [1, 2, 3, 1]);
  // What was staged for nothing is gone.
  assert.equal(readdirSync(path).filter((name) => name.endsWith('.parquet')).length, 4);
  await assert.rejects(writeTable(path, events(0, 1), { mode: 'append', transaction: { application: 'job', version: 1.5 } }), ArgumentError);
  await assert.rejects(writeTable(join(path, '..', 'own'), events(0, 1), { transaction: { application: 'job', version: 1 } }), /only Delta tables have it/);
});

describe('types that Delta lacks', () => {
  it('come back as they were, and others read what stands for them', async (t) => {
    const path = join(temporaryFolder(t), 't');
    const rows = tableOf({
      u8: ['uint8', 255, null], u16: ['uint16', 65_535, null], u32: ['uint32', 2 ** 32 - 1, null], u64: ['uint64', 2n ** 64n - 1n, null],
      half: ['half', 0x3c00, null], seconds: ['s', -1n, null], millis: ['msZone', 1n, null], nanos: ['ns', 1_000n, null], day64: ['date64', 86_400_001n, null],
      large: ['largeUtf8', 'x', null], bytes: ['largeBinary', 'b:00ff', null], zoned: ['sZone', 7n, null], nothing: ['int8', 1, null],
    });
    const dictionary = vectorFromArray(['a', null], new Dictionary(new Utf8(), new Int32()));
    const withDictionary = rows.assign(new Table({ shop: dictionary }));
    await writeTable(path, withDictionary, delta);
    const back = await (await openTable(path)).read();
    assert.deepEqual(back.schema.fields.map(String), withDictionary.schema.fields.map(String));
    assert.ok(tablesEqual(back, withDictionary));
    const { schemaString } = (entryOf(path, 0).find((action) => 'metaData' in action) as never as { metaData: { schemaString: string } }).metaData;
    const types = JSON.parse(schemaString).fields.map(({ type }: { type: string }) => type);
    assert.deepEqual(types, [
      'short', 'integer', 'long', 'decimal(20,0)', 'float', 'timestamp_ntz', 'timestamp', 'timestamp_ntz', 'timestamp_ntz', 'string', 'binary', 'timestamp', 'byte', 'string',
    ]);
    await writeTable(path, withDictionary, { mode: 'append' });
    assert.ok(tablesEqual(await (await openTable(path)).read(), new Table([...withDictionary.batches, ...withDictionary.batches])));
  });

  it('hold no value that would change', async (t) => {
    const path = join(temporaryFolder(t), 't');
    await assert.rejects(writeTable(path, tableOf({ at: ['ns', 1n] }), delta), (thrown) => thrown instanceof OverflowError && /column at.*finer than a microsecond/.test(thrown.message));
    await assert.rejects(writeTable(path, tableOf({ at: ['s', 2n ** 60n] }), delta), OverflowError);
  });

  it('of nothing but nulls are kept in no file', async (t) => {
    const path = join(temporaryFolder(t), 't');
    const nothing = new Table({ id: vectorFromArray([1, 2], new Int32()), none: vectorFromArray([null, null], new Null()) });
    await writeTable(path, nothing, delta);
    assert.deepEqual(await rowsOf(path), [{ id: 1, none: null }, { id: 2, none: null }]);
    await assert.rejects(writeTable(join(path, '..', 'u'), nothing.select(['none']), delta), UnsupportedError);
  });
});

it('the empty string is no partition of a Delta table', async (t) => {
  const path = join(temporaryFolder(t), 't');
  const rows = tableOf({ shop: ['utf8', ''], id: ['int64', 1n] });
  await assert.rejects(writeTable(path, rows, { ...delta, partitionBy: 'shop' }), /cannot tell from null/);
  await writeTable(path, rows, delta);
  assert.deepEqual(await rowsOf(path), [{ shop: '', id: 1 }]);
});

/** Tables in memory, and tables by path. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { type Dictionary, Field, Float64, Int32, makeVector, Schema, Struct, Table, Utf8, vectorFromArray } from '../../src/arrow/arrow.ts';
import { tableOfColumns, tablesEqual } from '../../src/arrow/canonical.ts';
import { ArgumentError, NotFoundError, SchemaMismatchError, StorageError, UnsupportedError } from '../../src/base/errors.ts';
import { localBytes } from '../../src/store/local-bytes.ts';
import { memoryTable } from '../../src/store/memory-table.ts';
import { openTable, type OpenTableOptions, writeTable } from '../../src/store/open-table.ts';
import { eventSchema, events, fileBytes, fileFormats, parquetBytes, range, readIds, readTable, temporaryFolder } from '../support/store.ts';

it('a table written and opened by its path', async (t) => {
  const path = join(temporaryFolder(t), 'silver', 'transactions');
  await writeTable(path, events(0, 3));
  await writeTable(path, events(3, 2), { mode: 'append' });
  const table = await openTable(path);
  assert.ok(tablesEqual(await table.read(), events(0, 5)));
  assert.deepEqual((await table.read({ columns: ['name', 'id'] })).schema.names, ['name', 'id']);
});

describe('tables by path', () => {
  it('are written as told, or not at all', async (t) => {
    const path = join(temporaryFolder(t), 't');
    await writeTable(path, events(0, 3));
    await assert.rejects(writeTable(path, events(9, 1)), /is a table already/);
    await writeTable(path, events(9, 1), { mode: 'overwrite' });
    assert.equal((await (await openTable(path)).read()).numRows, 1);
    assert.equal((await (await openTable(path, { version: 0 })).read()).numRows, 3);
    await assert.rejects(writeTable(path, events(9, 1), { mode: 'append', format: 'delta' }), /of this library's own format, which is not written as delta/);
    await assert.rejects(writeTable(path, events(9, 1), { format: 'xlsx' as 'delta' }), UnsupportedError);
    await assert.rejects(writeTable(path, events(9, 1), { mode: 'append', partitionBy: 'name' }), /partitioned by nothing, not by name/);
    await assert.rejects(writeTable(path, events(9, 1), { mode: 'appendd' as 'append' }), /did you mean 'append'/);
    await assert.rejects(writeTable('gs://bucket/t', events(9, 1)), UnsupportedError);
    await assert.rejects(writeTable(path, [{ id: 1 }] as never, { mode: 'append' }), /table: expected an Arrow table/);
    await assert.rejects(writeTable(path, events(9, 1), { mode: 'append', partitionBy: 7 as never }), /partitionBy: expected the name/);
    for (const none of ['', 'a\0b', undefined, 7]) await assert.rejects(openTable(none as string), /path: .* is not a path/);
    const other = new Table(new Schema([new Field('id', new Int32(), true)]));
    await assert.rejects(writeTable(path, other, { mode: 'append' }), SchemaMismatchError);
    assert.deepEqual((await localBytes(path).names('_staged')) ?? [], []);
  });

  for (const format of fileFormats) {
    it(`of ${format} files, in key=value folders`, async (t) => {
      const path = join(temporaryFolder(t), 't');
      await writeTable(path, events(0, 10), { format, partitionBy: 'name' });
      await writeTable(path, events(10, 10), { mode: 'append' });
      const table = await openTable(path);
      assert.equal(table.format, format);
      const ids = Array.from((await table.read({ columns: ['id'] })).getChild('id')!, Number);
      assert.deepEqual(ids.sort((a, b) => a - b), range(0, 20));
      assert.deepEqual((await table.read()).schema.fields.map(String), eventSchema.fields.map(String));
      // Who knows nothing of the log finds the same rows by the names of the folders.
      await rm(join(path, '_log'), { recursive: true });
      const found = await openTable(path);
      assert.deepEqual([found.schema.names, (await found.read()).numRows], [['id', 'at', 'name'], 20]);
    });
  }

  it('are files whose names need not say what they are', async (t) => {
    for (const format of fileFormats) {
      const path = join(temporaryFolder(t), `events-of-${format}`);
      writeFileSync(path, fileBytes(events(0, 3), format));
      assert.deepEqual([(await openTable(path)).format, (await (await openTable(path)).read()).numRows], [format, 3]);
    }
    const path = join(temporaryFolder(t), 'note');
    for (const text of ['', 'OR', 'a note']) {
      writeFileSync(path, text);
      await assert.rejects(openTable(path), /not a Parquet file, or truncated/);
    }
  });

  it('are opened as they were', async (t) => {
    const path = join(temporaryFolder(t), 't');
    await writeTable(path, events(0, 1));
    await setTimeout(20);
    const between = new Date();
    await setTimeout(20);
    await writeTable(path, events(1, 1), { mode: 'append' });
    const rows = async (options: OpenTableOptions): Promise<number> => (await (await openTable(path, options)).read()).numRows;
    assert.deepEqual([await rows({}), await rows({ version: 0 }), await rows({ timestamp: between }), await rows({ timestamp: between.toISOString() }), await rows({ timestamp: new Date() })], [2, 1, 1, 1, 2]);
    await assert.rejects(rows({ timestamp: '2001-01-01' }), /version at 2001-01-01T00:00:00Z.*was first written at/);
    await assert.rejects(rows({ version: 2 }), NotFoundError);
    await assert.rejects(rows({ version: 0, timestamp: between }), ArgumentError);
    await writeFile(join(path, '..', 'f.parquet'), parquetBytes(events(0, 1)));
    await assert.rejects(openTable(join(path, '..', 'f.parquet'), { timestamp: between }), /has no log/);
  });

  it('may be empty', async (t) => {
    const path = join(temporaryFolder(t), 't');
    await writeTable(path, new Table(eventSchema));
    const back = await (await openTable(path)).read({ columns: ['at'] });
    assert.deepEqual([back.numRows, back.schema.names], [0, ['at']]);
  });

  it('leave what others put there alone', async (t) => {
    const folder = temporaryFolder(t);
    await localBytes(folder).writeNew('theirs/a.parquet', parquetBytes(events(0, 1)));
    for (const mode of ['append', 'overwrite', 'error'] as const) {
      await assert.rejects(writeTable(join(folder, 'theirs'), events(1, 1), { mode }), /no table of this library, and not empty/);
    }
    await assert.rejects(writeTable(join(folder, 'theirs', 'a.parquet'), events(1, 1)), ArgumentError);
    assert.equal((await (await openTable(join(folder, 'theirs'))).read()).numRows, 1);
    assert.equal((await (await openTable(join(folder, 'theirs', 'a.parquet'))).read()).numRows, 1);
    await assert.rejects(openTable(join(folder, 'theirs'), { version: 1 }), /has no log/);
    await assert.rejects(openTable(join(folder, 'nothing')), NotFoundError);
  });

  it('cannot be written where the system does not let them', async (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, 'file'), 'x');
    await assert.rejects(writeTable(join(folder, 'file', 'below'), events(0, 1)), (thrown) => thrown instanceof StorageError && /a file where a folder should be/.test(thrown.message));
    await assert.rejects(writeTable('/proc/tauro/t', events(0, 1)), StorageError);
  });
});

describe('a table in memory', () => {
  it('reads as it is', async () => {
    const table = memoryTable('events', new Table([...events(0, 3).batches, ...events(3, 2).batches]));
    const snapshot = await table.snapshot();
    assert.deepEqual(await readIds(snapshot), range(0, 5));
    const plan = await snapshot.plan({ columns: ['id'] });
    assert.deepEqual([plan.rows, plan.units, plan.bytes], [5, 2, 40]);
    await assert.rejects(snapshot.plan({ columns: ['di'] }), SchemaMismatchError);
    await assert.rejects(readIds(snapshot, { signal: AbortSignal.abort() }), /cancelled/);
  });

  it('has a version that tells its rows, however they are laid out', async () => {
    const version = async (table: Table): Promise<string> => (await memoryTable('t', table).snapshot()).version;
    const whole = await version(events(0, 10));
    assert.match(whole, /^[0-9a-f]{32}$/);
    assert.equal(await version(new Table([...events(0, 4).batches, ...events(4, 6).batches])), whole);
    assert.equal(await version(new Table(events(-3, 20).slice(3, 13).batches)), whole);
    assert.notEqual(await version(events(0, 9)), whole);
    assert.notEqual(await version(events(1, 10)), whole);
    const strings = (values: string[], type: Utf8 | Dictionary): Table => {
      const vector = vectorFromArray(values, type as Utf8);
      return tableOfColumns(new Schema([new Field('s', vector.type, true)]), [vector.data[0]!], values.length);
    };
    assert.notEqual(await version(strings(['ab', 'c'], new Utf8())), await version(strings(['a', 'bc'], new Utf8())));
    // More than is hashed at a time, of numbers as they are and of those that are made canonical first.
    const many = Float64Array.from({ length: 300_000 }, (_, i) => i / 3);
    const numbers = (values: Float64Array | (number | null)[]): Table => new Table({ n: values instanceof Float64Array ? makeVector(values) : vectorFromArray(values, new Float64()) });
    const batches = numbers(many.subarray(0, 140_000)).concat(numbers(many.subarray(140_000)));
    assert.equal(await version(batches), await version(numbers(many)));
    assert.equal(await version(numbers([...many, null]).slice(0, 300_000)), await version(numbers(many)));
    assert.notEqual(await version(numbers(many.with(299_999, 0))), await version(numbers(many)));
  });

  it('passes over nested columns, and says why when they are asked for', async () => {
    const struct = vectorFromArray([{ a: 1 }], new Struct([new Field('a', new Int32(), true)]));
    const schema = new Schema([new Field('s', struct.type, true), new Field('i', new Int32(), true)]);
    const table = memoryTable('t', tableOfColumns(schema, [struct.data[0]!, vectorFromArray([1], new Int32()).data[0]!], 1));
    const snapshot = await table.snapshot();
    assert.deepEqual((await readTable(snapshot)).schema.names, ['i']);
    await assert.rejects(snapshot.plan({ columns: ['s'] }), /cannot be read/);
  });
});

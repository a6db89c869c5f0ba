/** What holds for every table that can be written, whatever its log and its files: the suite that each kind calls. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  Bool, DateDay, Decimal, Dictionary, Field, Float64, Int16, Int32, Int8, makeData, RecordBatch, Schema, Struct, Table, Timestamp, Uint64, Utf8, vectorFromArray,
} from '../../src/arrow/arrow.ts';
import { tableOfColumns, tablesEqual } from '../../src/arrow/canonical.ts';
import { toRows } from '../../src/arrow/values.ts';
import { ArgumentError, CancelledError, NotFoundError, SchemaMismatchError } from '../../src/base/errors.ts';
import { dayUs } from '../../src/base/time.ts';
import type { Bytes } from '../../src/store/bytes.ts';
import type { OwnTable } from '../../src/store/table.ts';
import { currentIds, eventSchema, events, range, readIds, readTable, write } from '../support/store.ts';

export interface Kind {
  makeBytes(test: TestContext): Bytes;
  /** What files hold that others do not: unsigned integers above 2^63 − 1, fractions of the last second before 1970, nanoseconds, partitions of ''. */
  readonly lacks?: readonly ('large unsigned' | 'late 1969' | 'nanoseconds' | 'empty partitions')[];
  open(bytes: Bytes, folder: string, options?: { readonly fileRowsMax?: number; readonly fileBytesMax?: number; readonly partitionBy?: readonly string[] }): OwnTable;
}

export function ownTableContract(name: string, { makeBytes, open, lacks = [] }: Kind): void {
  describe(`${name}: the contract of tables that can be written`, () => {
    it('is not there before the first commit', async (t) => {
      const table = open(makeBytes(t), 'deep/in/folders');
      assert.equal(await table.trySnapshot(), undefined);
      await assert.rejects(table.snapshot(), NotFoundError);
    });

    it('appends and overwrites; every version can be read while its files are kept', async (t) => {
      const bytes = makeBytes(t);
      const table = open(bytes, 't');
      await write(table, 'append', events(0, 2));
      await write(table, 'append', events(2, 2));
      await write(table, 'overwrite', events(100, 1));
      await write(table, 'append', events(101, 1));
      const ids = async (version: number): Promise<number[]> => readIds(await table.snapshot({ version }));
      assert.deepEqual(await Promise.all(range(0, 4).map(ids)), [[0, 1], [0, 1, 2, 3], [100], [100, 101]]);
      await assert.rejects(table.snapshot({ version: 4 }), /versions 0 to 3/);
      await assert.rejects(table.snapshot({ version: -1 }), NotFoundError);
      // Another instance, that has read nothing before, sees the same.
      const anew = await open(bytes, 't').snapshot();
      assert.deepEqual([anew.version, await readIds(anew)], [(await table.snapshot()).version, [100, 101]]);
    });

    it('keeps an empty table, and its schema exactly', async (t) => {
      const bytes = makeBytes(t);
      const fields = [
        new Field('day', new DateDay(), false, new Map([['unit', 'day']])),
        new Field('zoned', new Timestamp(1, 'Europe/Berlin'), true),
        new Field('seconds', new Timestamp(0), true),
        new Field('price', new Decimal(2, 20), true),
        new Field('id', new Uint64(), true),
        new Field('shop', new Dictionary(new Utf8(), new Int32(), 7), true),
        new Field('flag', new Bool(), true),
      ];
      const schema = new Schema(fields, new Map([['made by', 'a test']]));
      await open(bytes, 't').commit({ readVersion: -1, kind: 'overwrite', schema, add: [], info: {} });
      const snapshot = await open(bytes, 't').snapshot();
      assert.deepEqual(snapshot.schema.fields.map(String), fields.map(String));
      assert.deepEqual(snapshot.schema.fields.map((field) => field.nullable), fields.map((field) => field.nullable));
      assert.deepEqual([snapshot.schema.metadata, snapshot.schema.fields[0]!.metadata], [schema.metadata, fields[0]!.metadata]);
      assert.deepEqual([snapshot.rows, (await readTable(snapshot)).numRows], [0, 0]);
      assert.deepEqual(await open(bytes, 't').stage(schema, []), []);
    });

    it('gives back every value as it was written', async (t) => {
      const rows = oddValues(lacks);
      const table = open(makeBytes(t), 't');
      await write(table, 'overwrite', rows);
      const snapshot = await table.snapshot();
      const back = await readTable(snapshot);
      assert.ok(tablesEqual(back, rows), `${back}\n${rows}`);
      for await (const batch of snapshot.scan()) assert.deepEqual(batch.schema.fields.map(String), rows.schema.fields.map(String));
    });

    it('lets appends pass each other, and tells an overwrite that it was overtaken', async (t) => {
      const bytes = makeBytes(t);
      const [one, two] = [open(bytes, 't'), open(bytes, 't')];
      await write(one, 'append', events(0, 1));
      const stage = (id: number) => two.stage(eventSchema, events(id, 1).batches);
      const [first, second, third] = [await stage(1), await stage(2), await stage(3)];
      assert.deepEqual(await one.commit({ readVersion: 0, kind: 'append', schema: eventSchema, add: first, info: {} }), { kind: 'committed', version: 1 });
      assert.deepEqual(await two.commit({ readVersion: 0, kind: 'append', schema: eventSchema, add: second, info: {} }), { kind: 'committed', version: 2 });
      assert.deepEqual(await two.commit({ readVersion: 1, kind: 'overwrite', schema: eventSchema, add: third, info: {} }), { kind: 'conflict', winner: 2 });
      assert.deepEqual(await two.commit({ readVersion: 2, kind: 'overwrite', schema: eventSchema, add: third, info: {} }), { kind: 'committed', version: 3 });
      const late = await two.stage(eventSchema, events(4, 1).batches);
      assert.deepEqual(await one.commit({ readVersion: 2, kind: 'append', schema: eventSchema, add: late, info: {} }), { kind: 'conflict', winner: 3 });
      assert.deepEqual(await currentIds(one), [3]);
      await assert.rejects(one.commit({ readVersion: 7, kind: 'append', schema: eventSchema, add: late, info: {} }), ArgumentError);
      await two.discard(late);
      assert.deepEqual((await dataFilesIn(bytes)).filter((path) => path.endsWith(late[0]!.path)), []);
    });

    it('takes twelve appends at once', async (t) => {
      const bytes = makeBytes(t);
      const results = await Promise.all(range(0, 12).map((id) => write(open(bytes, 't'), 'append', events(id, 1))));
      assert.deepEqual(results.map((result) => (result.kind === 'committed' ? result.version : -1)).sort((a, b) => a - b), range(0, 12));
      assert.deepEqual((await currentIds(open(bytes, 't'))).sort((a, b) => a - b), range(0, 12));
    });

    it('recognises a commit that is tried again', async (t) => {
      const table = open(makeBytes(t), 't');
      const add = await table.stage(eventSchema, events(0, 2).batches);
      const request = { readVersion: -1, kind: 'append', schema: eventSchema, add, info: {} } as const;
      assert.deepEqual(await table.commit(request), await table.commit(request));
      assert.deepEqual(await currentIds(table), [0, 1]);
      await table.discard(add);
      assert.deepEqual(await currentIds(table), [0, 1]);
    });

    it('refuses rows of another shape', async (t) => {
      const table = open(makeBytes(t), 't');
      await write(table, 'append', events(0, 2));
      const other = new Schema([eventSchema.fields[0]!, new Field('at', new DateDay(), true), eventSchema.fields[2]!]);
      await assert.rejects(table.stage(other, events(0, 2).batches), SchemaMismatchError);
      await assert.rejects(table.commit({ readVersion: 0, kind: 'append', schema: other, add: [], info: {} }), (thrown) => thrown instanceof SchemaMismatchError && thrown.column === 'at');
      const more = new Schema([...eventSchema.fields, new Field('x', new Int32(), true)]);
      await assert.rejects(table.commit({ readVersion: 0, kind: 'append', schema: more, add: [], info: {} }), (thrown) => thrown instanceof SchemaMismatchError && thrown.column === 'x');
      const nullable = new Schema([new Field('id', eventSchema.fields[0]!.type, true), ...eventSchema.fields.slice(1)]);
      const nothing = tableOfColumns(nullable, [makeData({ type: nullable.fields[0]!.type as never, length: 1, nullCount: 1, nullBitmap: new Uint8Array(1), data: new BigInt64Array(1) } as never), ...events(0, 1).batches[0]!.data.children.slice(1)], 1);
      await assert.rejects(write(table, 'append', nothing), SchemaMismatchError);
      assert.deepEqual(await currentIds(table), [0, 1]);
    });

    it('splits what it stages into files of bounded size, in order', async (t) => {
      const byRows = open(makeBytes(t), 'rows', { fileRowsMax: 10 });
      const rows = events(0, 95);
      const seen: number[] = [];
      const slices = [rows.batches[0]!.slice(0, 33), rows.batches[0]!.slice(33, 34), rows.batches[0]!.slice(34, 95)];
      const add = await byRows.stage(eventSchema, slices, { onProgress: (count) => seen.push(count) });
      assert.ok(add.every((file) => file.rows <= 10));
      assert.equal(seen.at(-1), 95);
      await byRows.commit({ readVersion: -1, kind: 'append', schema: eventSchema, add, info: {} });
      assert.deepEqual(await currentIds(byRows), range(0, 95));
      // A row takes 8 + 8 + 4 + 6 bytes.
      const byBytes = open(makeBytes(t), 'bytes', { fileBytesMax: 26 * 20 });
      const files = await byBytes.stage(eventSchema, slices);
      assert.ok(files.length >= 5 && files.length <= 8, `${files.length} files`);
      assert.equal(files.reduce((sum, file) => sum + file.rows, 0), 95);
    });

    it('leaves nothing when staging fails or is cancelled', async (t) => {
      const bytes = makeBytes(t);
      const table = open(bytes, 't', { fileRowsMax: 10 });
      const controller = new AbortController();
      const cancelled = table.stage(eventSchema, events(0, 95).batches, { signal: controller.signal, onProgress: () => controller.abort() });
      await assert.rejects(cancelled, CancelledError);
      const failing = function* (): Generator<RecordBatch> {
        yield events(0, 50).batches[0]!;
        throw new RangeError('the rows ran out');
      };
      await assert.rejects(table.stage(eventSchema, failing()), /the rows ran out/);
      assert.deepEqual(await dataFilesIn(bytes), []);
      await assert.rejects(table.trySnapshot({ signal: AbortSignal.abort() }), CancelledError);
    });

    it('prunes by time, and never a row that counts', async (t) => {
      const table = open(makeBytes(t), 't', { fileRowsMax: 10 });
      await write(table, 'append', events(0, 100));
      const snapshot = await table.snapshot();
      const of = (first: number, end: number) => ({ column: 'at', range: { startUs: BigInt(first) * dayUs, endUs: BigInt(end) * dayUs } });
      const plan = await snapshot.plan({ timeRange: of(20, 30) });
      assert.deepEqual([plan.files, plan.filesTotal, plan.rows, plan.rowsTotal], [1, 10, 10, 100]);
      assert.ok(plan.bytes < (await snapshot.plan()).bytes / 5);
      for (const [first, end] of [[0, 0], [5, 6], [19, 21], [-5, 3], [97, 200], [0, 100]] as const) {
        const ids = await readIds(snapshot, { timeRange: of(first, end) });
        const wanted = range(0, 100).filter((id) => id >= first && id < end);
        assert.deepEqual(ids.filter((id) => id >= first && id < end), wanted);
      }
      assert.equal((await snapshot.plan({ timeRange: of(200, 300) })).files, 0);
      await assert.rejects(snapshot.plan({ columns: ['nmae'] }), /did you mean 'name'/);
      await assert.rejects(readIds(snapshot, { timeRange: { column: 'name', range: {} } }), /event time is a timestamp or a date/);
    });

    it('reads no columns, some columns, in the order asked for', async (t) => {
      const table = open(makeBytes(t), 't');
      await write(table, 'append', events(0, 5));
      const snapshot = await table.snapshot();
      assert.deepEqual((await readTable(snapshot, { columns: ['name', 'id'] })).schema.names, ['name', 'id']);
      let rows = 0;
      for await (const batch of snapshot.scan({ columns: [] })) rows += batch.numRows;
      assert.equal(rows, 5);
    });

    it('lets a reader in mid-scan finish with the version it began', async (t) => {
      const bytes = makeBytes(t);
      const table = open(bytes, 't', { fileRowsMax: 10 });
      await write(table, 'append', events(0, 50));
      const snapshot = await table.snapshot();
      const scan = snapshot.scan({ columns: ['id'] });
      const ids = Array.from((await scan.next()).value!.getChild('id')!, Number);
      await write(open(bytes, 't'), 'overwrite', events(1000, 5));
      await write(open(bytes, 't'), 'overwrite', events(2000, 5));
      await table.vacuum({ nowMs: Date.now() });
      for await (const batch of scan) ids.push(...Array.from(batch.getChild('id')!, Number));
      assert.deepEqual(ids, range(0, 50));
      assert.deepEqual(await currentIds(table), range(2000, 5));
    });

    it('stops early without harm, and when it is told to', async (t) => {
      const table = open(makeBytes(t), 't', { fileRowsMax: 10 });
      await write(table, 'append', events(0, 50));
      const snapshot = await table.snapshot();
      for await (const batch of snapshot.scan()) {
        assert.equal(batch.numRows, 10);
        break;
      }
      const controller = new AbortController();
      const scan = snapshot.scan({ signal: controller.signal });
      await scan.next();
      controller.abort();
      await assert.rejects(async () => {
        for await (const _ of scan);
      }, CancelledError);
    });

    it('notices that the table was deleted and made anew', async (t) => {
      const bytes = makeBytes(t);
      const table = open(bytes, 't');
      await write(table, 'append', events(0, 1));
      const before = await table.snapshot();
      for (const { path } of await bytes.list('t')) await bytes.delete(path);
      assert.equal(await table.trySnapshot(), undefined);
      await write(open(bytes, 't'), 'append', events(7, 1));
      const after = await table.snapshot();
      assert.deepEqual([after.versionNumber, await readIds(after)], [before.versionNumber, [7]]);
      assert.notEqual(after.version, before.version);
    });

    it('puts small files together: fewer files, the same version of the same rows in their order', async (t) => {
      const bytes = makeBytes(t);
      const table = open(bytes, 't', { fileRowsMax: 10 });
      assert.equal(await table.compact(), undefined);
      const counts = [3, 2, 9, 1, 1, 1, 7, 8, 2, 3];
      let first = 0;
      for (const count of counts) {
        await write(table, 'append', events(first, count), { upTo: first + count });
        first += count;
      }
      const before = await table.snapshot();
      const result = (await table.compact())!;
      const after = await open(bytes, 't').snapshot();
      assert.deepEqual(await readIds(after), range(0, first));
      assert.ok(tablesEqual(await readTable(after), await readTable(before)));
      assert.deepEqual([after.version, after.info, after.committedAtMs, after.rows], [before.version, before.info, before.committedAtMs, before.rows]);
      assert.deepEqual([result.version, after.versionNumber], [counts.length, counts.length]);
      assert.deepEqual([result.filesBefore, result.filesAfter, after.files!.length], [7, 3, counts.length - 4]);
      assert.equal(await table.compact(), undefined);
      // Who reads an older version, or appends to it, is not disturbed.
      assert.deepEqual(await readIds(await table.snapshot({ version: 2 })), range(0, 14));
      const add = await table.stage(eventSchema, events(first, 1).batches);
      assert.equal((await table.commit({ readVersion: counts.length - 1, kind: 'append', schema: eventSchema, add, info: {} })).kind, 'committed');
      assert.deepEqual(await currentIds(table), range(0, first + 1));
      await assert.rejects(table.compact({ signal: AbortSignal.abort() }), CancelledError);
      assert.deepEqual(await currentIds(table), range(0, first + 1));
    });

    it('gives way when a table is overwritten while its files are put together, and overwrites what was put together', async (t) => {
      const bytes = makeBytes(t);
      for (const id of range(0, 4)) await write(open(bytes, 't'), 'append', events(id, 1));
      const overwriting = open(bytes, 't');
      const add = await overwriting.stage(eventSchema, events(50, 1).batches);
      await open(bytes, 't').compact();
      assert.equal((await overwriting.commit({ readVersion: 3, kind: 'overwrite', schema: eventSchema, add, info: {} })).kind, 'committed');
      assert.deepEqual(await currentIds(open(bytes, 't')), [50]);

      for (const id of range(51, 3)) await write(open(bytes, 't'), 'append', events(id, 1));
      let raced = false;
      const racing: Bytes = {
        ...bytes,
        async putIfAbsent(path, content) {
          if (!raced) {
            raced = true;
            await write(open(bytes, 't'), 'overwrite', events(90, 2));
          }
          return bytes.putIfAbsent(path, content);
        },
      };
      assert.equal(await open(racing, 't').compact(), undefined);
      assert.deepEqual([raced, await currentIds(open(bytes, 't'))], [true, [90, 91]]);
    });

    it('keeps rows in a folder for each value of the columns it is partitioned by', async (t) => {
      const bytes = makeBytes(t);
      const rows = partitionedRows(lacks.includes('empty partitions') ? 'empty' : '');
      const table = open(bytes, 't', { partitionBy: ['shop', 'open', 'day'] });
      await write(table, 'overwrite', rows);
      const snapshot = await open(bytes, 't').snapshot();
      assert.deepEqual(snapshot.schema.fields.map(String), rows.schema.fields.map(String));
      const sorted = (all: Table): Record<string, unknown>[] => toRows(all).sort((a, b) => Number(a.n) - Number(b.n));
      assert.deepEqual(sorted(await readTable(snapshot)), sorted(rows));
      assert.deepEqual(toRows(await readTable(snapshot, { columns: ['shop'] })).length, rows.numRows);
      const folders = new Set((await dataFilesIn(bytes)).map((path) => path.slice(0, path.lastIndexOf('/'))));
      assert.ok(['München', 'M%C3%BCnchen'].some((city) => folders.has(`t/shop=${city}%2FOst/open=true/day=2024-02-29`)) && folders.has('t/shop=__HIVE_DEFAULT_PARTITION__/open=false/day=1969-12-31'), [...folders].join(' '));

      // Appends keep the folders; pruning looks at them.
      await write(open(bytes, 't'), 'append', rows);
      const timeRange = { column: 'day', range: { startUs: 0n } };
      const twice = await open(bytes, 't').snapshot();
      const [all, plan] = [await twice.plan(), await twice.plan({ timeRange })];
      assert.ok(plan.files > 0 && plan.files < all.files, `${plan.files} of ${all.files} files`);
      assert.deepEqual(sorted(await readTable(twice)), sorted(new Table([...rows.batches, ...rows.batches])));
      const compacted = (await open(bytes, 't').compact())!;
      assert.equal(compacted.filesAfter * 2, compacted.filesBefore);
      assert.deepEqual(sorted(await readTable(await open(bytes, 't').snapshot())), sorted(new Table([...rows.batches, ...rows.batches])));
    });

    it('holds no more rows of many partitions in memory than two files have', async (t) => {
      const bytes = makeBytes(t);
      // Seven names of some 60 rows each; a row takes 16 bytes and lies in one of 40 batches.
      const stage = (fileBytesMax: number) => open(bytes, 't', { fileBytesMax, partitionBy: ['name'] }).stage(eventSchema, range(0, 40).flatMap((i) => events(i * 10, 10).batches));
      assert.equal((await stage(100_000)).length, 7);
      const files = await stage(2_000);
      assert.ok(files.length > 7 && files.length < 20, `${files.length} files`);
      assert.equal(files.reduce((sum, file) => sum + file.rows, 0), 400);
    });

    it('is not partitioned by what cannot be folders, nor otherwise than it is', async (t) => {
      const bytes = makeBytes(t);
      const stage = (partitionBy: string[]) => open(bytes, 't', { partitionBy }).stage(eventSchema, events(0, 3).batches);
      await assert.rejects(stage(['nmae']), (thrown) => thrown instanceof SchemaMismatchError && /did you mean 'name'/.test(thrown.message));
      await assert.rejects(stage(['at']), SchemaMismatchError);
      await assert.rejects(stage(['name', 'name']), ArgumentError);
      const one = new Schema([eventSchema.fields[0]!]);
      await assert.rejects(open(bytes, 't', { partitionBy: ['id'] }).stage(one, []), ArgumentError);
      await write(open(bytes, 't', { partitionBy: ['name'] }), 'overwrite', events(0, 3));
      await assert.rejects(write(open(bytes, 't', { partitionBy: ['id'] }), 'append', events(3, 1)), /partitioned by name, not by id/);
      await assert.rejects(write(open(bytes, 't', { partitionBy: [] }), 'append', events(3, 1)), ArgumentError);
      assert.deepEqual(await currentIds(open(bytes, 't')), [0, 1, 2]);
      await write(open(bytes, 't', { partitionBy: [] }), 'overwrite', events(3, 1));
      assert.deepEqual(await currentIds(open(bytes, 't')), [3]);
    });
  });
}

/** Rows in seven folders, whose names need care; `n` tells them apart. */
function partitionedRows(empty: string): Table {
  const shops = ['München/Ost', null, empty, 'a=b', '..', 'München/Ost', 'x%41', null];
  const columns = {
    shop: vectorFromArray(shops, new Utf8()).data[0]!,
    n: vectorFromArray(range(0, 8), new Int32()).data[0]!,
    open: vectorFromArray([true, false, null, true, false, true, true, false], new Bool()).data[0]!,
    day: vectorFromArray(['2024-02-29', '1969-12-31', '2024-01-01', '1970-01-01', '0001-01-01', '2024-02-29', '9999-12-31', '1969-12-31'].map((day) => new Date(`${day}T00:00:00Z`)), new DateDay()).data[0]!,
  };
  const schema = new Schema(Object.entries(columns).map(([name, data]) => new Field(name, data.type, true)));
  return tableOfColumns(schema, Object.values(columns), 8);
}

/** Data files that stand below the folder, wherever. */
async function dataFilesIn(bytes: Bytes): Promise<string[]> {
  return (await bytes.list('t')).map(({ path }) => path).filter((path) => /\.(parquet|orc)$/.test(path) && !/_log\//.test(path));
}

/** Nulls, NaN, −0, numbers beyond 2^53, and names that quote. */
function oddValues(lacks: NonNullable<Kind['lacks']>): Table {
  const beforeEpoch = lacks.includes('late 1969') ? -1_000_000_000n : lacks.includes('nanoseconds') ? -1_000n : -1n;
  const nanos = lacks.includes('nanoseconds') ? [1_000n, beforeEpoch, 2n ** 62n - 904n] : [1n, beforeEpoch, 2n ** 62n];
  const columns = {
    'a "quoted" name': vectorFromArray([1, null, -3], new Int32()).data[0]!,
    id: vectorFromArray([0n, 2n ** (lacks.includes('large unsigned') ? 63n : 64n) - 1n, null], new Uint64()).data[0]!,
    value: vectorFromArray([Number.NaN, -0, null], new Float64()).data[0]!,
    flag: vectorFromArray([true, null, false], new Bool()).data[0]!,
    day: vectorFromArray([new Date('1969-12-31'), null, new Date('2038-01-19')], new DateDay()).data[0]!,
    seconds: vectorFromArray([1n, null, -1n].map((v) => (v === null ? null : Number(v) * 1000)), new Timestamp(0)).data[0]!,
    nanos: makeData({ type: new Timestamp(3), length: 3, nullCount: 0, data: BigInt64Array.from(nanos) } as never),
    text: vectorFromArray(['', null, 'ÄÖ\u{1F600}'], new Utf8()).data[0]!,
    shop: vectorFromArray(['b', 'a', 'b'], new Dictionary(new Utf8(), new Int32())).data[0]!,
    size: vectorFromArray(['x', null, 'y'], new Dictionary(new Utf8(), new Int8())).data[0]!,
    grade: vectorFromArray([7, null, 7], new Dictionary(new Int32(), new Int16())).data[0]!,
  };
  const schema = new Schema(Object.entries(columns).map(([name, data]) => new Field(name, data.type, true)));
  const struct = makeData({ type: new Struct(schema.fields), length: 3, nullCount: 0, children: Object.values(columns) });
  return new Table(schema, [new RecordBatch(schema, struct)]);
}

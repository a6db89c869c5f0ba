import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type DataType, DateDay, Dictionary, Field, Float32, Float64, Int16, Int32, Int64, makeData, type RecordBatch, Schema, Table, TimestampMillisecond,
  TimestampMicrosecond, Utf8, vectorFromArray,
} from '../../src/arrow/arrow.ts';
import { plainSchema, tableOfColumns } from '../../src/arrow/canonical.ts';
import {
  ArgumentError, DamagedFileError, FeatureStoreError, NotFoundError, SchemaMismatchError, StorageError,
} from '../../src/base/errors.ts';
import { dayUs } from '../../src/base/time.ts';
import type { Bytes } from '../../src/store/bytes.ts';
import type { FileFormat } from '../../src/store/file-format.ts';
import { decodeBatch } from '../../src/store/conform.ts';
import { formatNamed } from '../../src/store/file-formats.ts';
import { localBytes } from '../../src/store/local-bytes.ts';
import { memoryBytes } from '../../src/store/memory-bytes.ts';
import { openOwnTable } from '../../src/store/own-table.ts';
import { openSource } from '../../src/store/source.ts';
import { events, faultyBytes, fileBytes, fileFormats, range, readIds, readTable, temporaryFolder, write } from '../support/store.ts';

for (const name of fileFormats) {
  describe(`sources of ${name} files`, () => sourcesOf(formatNamed(name)));
}

function sourcesOf(format: FileFormat): void {
  const { ending } = format;
  const encode = (rows: Table): Uint8Array => fileBytes(rows, format.name);

  it('a source: a folder of files in a layer', async () => {
    const layer = memoryBytes();
    await layer.writeNew(`transactions/2024/b${ending}`, encode(events(3, 2)));
    await layer.writeNew(`transactions/2023/a${ending}`, encode(events(0, 3)));
    const snapshot = await openSource(layer, 'transactions').snapshot();
    assert.deepEqual(await readIds(snapshot), [0, 1, 2, 3, 4]);
    assert.deepEqual(snapshot.files!.map(({ path }) => path), [`transactions/2023/a${ending}`, `transactions/2024/b${ending}`]);
  });

  it('the schema stays the same object while the files do, so that it is written for threads once', async () => {
    const layer = memoryBytes();
    const put = (name: string, column: string): Promise<void> => layer.writeNew(`t/${name}${ending}`, encode(tableOfColumns(new Schema([new Field(column, new Int64(), true)]), [makeData({ type: new Int64(), data: new BigInt64Array(2) })], 2)));
    await put('a', 'x');
    const source = openSource(layer, 't');
    const { schema } = await source.snapshot();
    assert.equal((await source.snapshot()).schema, schema);
    await put('b', 'y');
    const more = (await source.snapshot()).schema;
    assert.deepEqual(more.names, ['x', 'y']);
    await layer.delete(`t/a${ending}`);
    assert.deepEqual((await source.snapshot()).schema.names, ['y']);
  });

  describe('what stands under a name', () => {
    it('a file, a folder of that name, a folder with an ending, a table of our own', async (t) => {
      const layer = localBytes(temporaryFolder(t));
      await layer.writeNew(`file${ending}`, encode(events(0, 2)));
      await layer.writeNew(`folder/x${ending.toUpperCase()}`, encode(events(2, 1)));
      await layer.writeNew(`spark${ending}/part-0.snappy${ending}`, encode(events(3, 1)));
      await write(openOwnTable(layer, 'own', { format: format.name }), 'append', events(4, 1));
      const ids = async (name: string): Promise<number[]> => readIds(await openSource(layer, name).snapshot());
      assert.deepEqual([await ids('file'), await ids('folder'), await ids('spark'), await ids('own')], [[0, 1], [2], [3], [4]]);
      // A path will do for a layer of local files.
      assert.deepEqual(await readIds(await openSource(layer.locate(''), 'file').snapshot()), [0, 1]);
    });

    it('two of them at once are refused', async () => {
      const layer = memoryBytes();
      await layer.writeNew(`sales${ending}`, encode(events(0, 1)));
      await layer.writeNew(`sales/a${ending}`, encode(events(0, 1)));
      await assert.rejects(openSource(layer, 'sales').snapshot(), /could be memory:\/sales or memory:\/sales\.(parquet|orc)/);
    });

    it('nothing: says where it looked, and what is there', async () => {
      const layer = memoryBytes();
      await layer.writeNew(`transactions/a${ending}`, encode(events(0, 1)));
      await layer.writeNew(`customers${ending}`, encode(events(0, 1)));
      await assert.rejects(
        openSource(layer, 'transaction').snapshot(),
        (thrown) => thrown instanceof NotFoundError && /memory:\/transaction\.parquet.*customers, transactions.*did you mean 'transactions'/.test(thrown.message),
      );
      await assert.rejects(openSource('/no/such/layer', 'x').snapshot(), /folder \/no\/such\/layer does not exist/);
    });

    it('Delta is recognised by its log, and files that are none say so', async () => {
      const layer = memoryBytes();
      await layer.writeNew('delta/_delta_log/00000000000000000000.json', new Uint8Array(1));
      await layer.writeNew(`delta/a${ending}`, encode(events(0, 1)));
      await layer.writeNew('orc/a.orc', new Uint8Array(9));
      await layer.writeNew('single.orc', new Uint8Array(9));
      await assert.rejects(openSource(layer, 'delta').snapshot(), /_delta_log\/0{20}\.json/);
      for (const name of ['orc', 'single']) await assert.rejects(openSource(layer, name).snapshot(), DamagedFileError, name);
    });

    it('hidden files and folders are no data', async () => {
      const layer = memoryBytes();
      await layer.writeNew(`t/a${ending}`, encode(events(0, 1)));
      for (const hidden of [`_temporary/b${ending}`, `.a${ending}.crc`, '_SUCCESS', `.hidden/c${ending}`, `_d${ending}`, 'notes.txt']) {
        await layer.writeNew(`t/${hidden}`, new Uint8Array(3));
      }
      assert.deepEqual(await readIds(await openSource(layer, 't').snapshot()), [0]);
    });

    it('a folder without files to read', async (t) => {
      const folder = temporaryFolder(t);
      mkdirSync(join(folder, 'empty'));
      await localBytes(folder).writeNew('csv/data.csv', new Uint8Array(1));
      await assert.rejects(openSource(folder, 'empty').snapshot(), (thrown) => thrown instanceof NotFoundError && /no Parquet or ORC files/.test(thrown.message));
      await assert.rejects(openSource(folder, 'csv').snapshot(), /no Parquet or ORC files.*data\.csv/);
    });

    it('hostile names never reach a path', () => {
      for (const name of ['../etc', '..', 'a/b', 'a\\b', '', 'a\0b', '/etc/passwd', '.hidden', 'con', 'x'.repeat(200), 'a..b']) {
        assert.throws(() => openSource(memoryBytes(), name), ArgumentError, JSON.stringify(name));
      }
    });

    it('a layer that is a file, and folders that lead into themselves', async (t) => {
      const folder = temporaryFolder(t);
      await localBytes(folder).writeNew('layer', new Uint8Array(1));
      await assert.rejects(openSource(join(folder, 'layer'), 'x').snapshot(), StorageError);
      await localBytes(folder).writeNew(`loop/a${ending}`, encode(events(0, 1)));
      symlinkSync('.', join(folder, 'loop', 'again'));
      await assert.rejects(openSource(folder, 'loop').snapshot(), /link that leads back|links lead in a circle/);
    });
  });

  describe('damage', () => {
    it('truncated and foreign files are named', async () => {
      const sound = encode(events(0, 100));
      const contents: Record<string, Uint8Array> = {
        nothing: new Uint8Array(0),
        short: new Uint8Array(3),
        text: Buffer.from('id,amount\n1,2\n'.repeat(20)),
        cut: sound.subarray(0, sound.length - 5),
        half: sound.subarray(0, sound.length >> 1),
      };
      for (const [name, content] of Object.entries(contents)) {
        const layer = memoryBytes();
        await layer.writeNew(`t/a${ending}`, encode(events(0, 1)));
        await layer.writeNew(`t/${name}${ending}`, content);
        await assert.rejects(
          async () => readIds(await openSource(layer, 't').snapshot()),
          (thrown) => thrown instanceof DamagedFileError && thrown.message.includes(`${name}${ending}`), name,
        );
      }
    });

    it('a file that changes between snapshot and read is noticed', async (t) => {
      for (const layer of [memoryBytes(), localBytes(temporaryFolder(t))]) {
        await layer.writeNew(`t/a${ending}`, encode(events(0, 5)));
        const snapshot = await openSource(layer, 't').snapshot();
        await layer.delete(`t/a${ending}`);
        await assert.rejects(readIds(snapshot), /a\.(parquet|orc): changed while it was read/);
        await layer.writeNew(`t/a${ending}`, encode(events(1, 5)));
        await assert.rejects(readIds(snapshot), /a\.(parquet|orc): changed while it was read/);
        const now = await openSource(layer, 't').snapshot();
        assert.notEqual(now.version, snapshot.version);
        assert.deepEqual(await readIds(now), range(1, 5));
      }
    });
  });

  describe('versions', () => {
    it('are the same if and only if the files are', async () => {
      const layer = memoryBytes();
      await layer.writeNew(`t/a${ending}`, encode(events(0, 1)));
      const source = openSource(layer, 't');
      const first = await source.snapshot();
      assert.match(first.version, /^[0-9a-f]{32}$/);
      assert.equal((await openSource(layer, 't').snapshot()).version, first.version);
      await layer.writeNew(`t/b${ending}`, encode(events(1, 1)));
      const second = await source.snapshot();
      await layer.move(`t/b${ending}`, `t/c${ending}`);
      const third = await source.snapshot();
      assert.equal(new Set([first.version, second.version, third.version]).size, 3);
      assert.deepEqual(await readIds(first), [0]);
    });

    it('cost only the footers of new files', async () => {
      const layer = memoryBytes();
      for (const i of range(0, 20)) await layer.writeNew(`t/${i}${ending}`, encode(events(i, 1)));
      const counted = faultyBytes(layer, undefined);
      const source = openSource(counted.bytes, 't');
      await source.snapshot();
      const first = counted.calls();
      await source.snapshot();
      assert.ok(counted.calls() - first < 12, `${counted.calls() - first} calls after ${first}`);
    });
  });

  describe('key=value folders', () => {
    async function hive(folders: readonly string[]): Promise<Bytes> {
      const layer = memoryBytes();
      for (const [i, folder] of folders.entries()) await layer.writeNew(`t/${folder}/a${ending}`, encode(events(i, 1)));
      return layer;
    }
    async function valuesOf(folders: readonly string[], column: string): Promise<[string, unknown[]]> {
      const snapshot = await openSource(await hive(folders), 't').snapshot();
      const table = await readTable(snapshot);
      const sorted = Array.from(table.getChild('id')!, Number).map((id, row): [number, unknown] => [id, table.getChild(column)!.get(row)]).sort((a, b) => a[0] - b[0]);
      return [snapshot.schema.fields.find(({ name }) => name === column)!.type.toString(), sorted.map(([, value]) => value)];
    }

    it('become columns of the type that all values have', async () => {
      assert.deepEqual(await valuesOf(['n=1', 'n=-20', 'n=9223372036854775807'], 'n'), ['Int64', [1n, -20n, 2n ** 63n - 1n]]);
      assert.deepEqual(await valuesOf(['n=1', 'n=9223372036854775808'], 'n'), ['Dictionary<Int32, Utf8>', ['1', '9223372036854775808']]);
      assert.deepEqual(await valuesOf(['n=01', 'n=2'], 'n'), ['Dictionary<Int32, Utf8>', ['01', '2']]);
      assert.deepEqual(await valuesOf(['n=-0', 'n=0'], 'n'), ['Dictionary<Int32, Utf8>', ['-0', '0']]);
      assert.deepEqual(
        await valuesOf(['d=2024-02-29', 'd=1969-12-31', 'd=__HIVE_DEFAULT_PARTITION__'], 'd'),
        ['Date32<DAY>', [Date.UTC(2024, 1, 29), -86_400_000, null]],
      );
      assert.deepEqual(await valuesOf(['d=2023-02-29', 'd=2024-01-01'], 'd'), ['Dictionary<Int32, Utf8>', ['2023-02-29', '2024-01-01']]);
      assert.deepEqual(
        await valuesOf(['shop=M%C3%BCnchen', 'shop=a%2Fb', 'shop=100%', 'shop=', '_k=1/shop=x'].slice(0, 4), 'shop'),
        ['Dictionary<Int32, Utf8>', ['München', 'a/b', '100%', '']],
      );
      assert.deepEqual(await valuesOf(['x=__HIVE_DEFAULT_PARTITION__'], 'x'), ['Dictionary<Int32, Utf8>', [null]]);
    });

    it('nest, come after the columns of the files, and go before one of the same name', async () => {
      const snapshot = await openSource(await hive(['year=2024/name=x', 'year=2025/name=y']), 't').snapshot();
      assert.deepEqual(snapshot.schema.names, ['id', 'at', 'year', 'name']);
      const table = await readTable(snapshot, { columns: ['name', 'year'] });
      assert.deepEqual(table.toArray().map((row) => [row!.name, row!.year]), [['x', 2024n], ['y', 2025n]]);
    });

    it('at different levels are refused', async () => {
      const layer = await hive(['year=2024']);
      await layer.writeNew(`t/b${ending}`, encode(events(0, 1)));
      await assert.rejects(openSource(layer, 't').snapshot(), /column year: only one of b\.(parquet|orc) and year=2024\/a\.(parquet|orc)/);
    });

    it('are pruned by time when they are the event time', async () => {
      const layer = await hive(['day=2024-05-01', 'day=2024-05-02', 'day=2024-05-03', 'day=__HIVE_DEFAULT_PARTITION__']);
      const snapshot = await openSource(layer, 't').snapshot();
      const day = BigInt(Date.UTC(2024, 4, 2)) * 1000n;
      const timeRange = { column: 'day', range: { startUs: day, endUs: day + dayUs } };
      const plan = await snapshot.plan({ timeRange });
      assert.deepEqual([plan.files, plan.filesTotal, plan.rows, plan.rowsTotal], [1, 4, 1, 4]);
      assert.equal((await readIds(snapshot, { timeRange })).length, 1);
      assert.equal((await snapshot.plan({ timeRange: { column: 'day', range: {} } })).files, 3);
    });
  });

  describe('files of one folder that differ', () => {
    async function union(...tables: Table[]): Promise<Table> {
      const layer = memoryBytes();
      for (const [i, table] of tables.entries()) await layer.writeNew(`t/${i}${ending}`, encode(table));
      const snapshot = await openSource(layer, 't').snapshot();
      const batches: RecordBatch[] = [];
      for await (const batch of snapshot.scan()) {
        // Text may stay a dictionary.
        assert.deepEqual(plainSchema(batch.schema).fields.map(String), snapshot.schema.fields.map(String));
        batches.push(decodeBatch(batch, snapshot.schema));
      }
      return new Table(snapshot.schema, batches);
    }
    const of = (name: string, type: DataType, values: readonly unknown[]): Table => columnTable({ [name]: vectorFromArray(values, type as never) });
    const values = (table: Table, column: string): unknown[] => Array.from(table.getChild(column)!);

    it('are joined by name; what a file lacks is null', async () => {
      const both = await union(of('a', new Int32(), [1, 2]), of('b', new Utf8(), ['x']), of('a', new Int32(), [3]));
      assert.deepEqual([values(both, 'a'), values(both, 'b')], [[1, 2, null, 3], [null, null, 'x', null]]);
    });

    it('are widened where nothing is lost', async () => {
      assert.deepEqual(values(await union(of('a', new Int16(), [1, null, -3]), of('a', new Int64(), [2n ** 60n])), 'a'), [1n, null, -3n, 2n ** 60n]);
      assert.deepEqual(values(await union(of('a', new Float32(), [0.5]), of('a', new Float64(), [0.1, null])), 'a'), [0.5, 0.1, null]);
      const times = await union(of('a', new TimestampMillisecond(), [5, null]), of('a', new TimestampMicrosecond(), [7]));
      assert.deepEqual(times.batches.map((batch) => batch.data.children[0]!.values[0]), [5000n, 7000n]);
      const shops = await union(of('a', new Dictionary(new Utf8(), new Int32()), ['x', null, 'x']), of('a', new Utf8(), ['y']));
      assert.deepEqual(values(shops, 'a'), ['x', null, 'x', 'y']);
    });

    it('are refused where the types do not meet, naming both', async () => {
      const meet = union(of('a', new Int32(), [1]), of('a', new Utf8(), ['x']));
      await assert.rejects(meet, (thrown) => thrown instanceof SchemaMismatchError && /column a: .*0\.(parquet|orc) has it as Int32, .*1\.(parquet|orc) as /.test(thrown.message));
      await assert.rejects(union(of('a', new DateDay(), [new Date(0)]), of('a', new TimestampMicrosecond(), [0])), SchemaMismatchError);
    });
  });

  it('pruning changes what is read, never what is returned', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.option(fc.integer({ min: -50, max: 50 }), { nil: null }), { maxLength: 8 }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: -60, max: 60 }),
        fc.integer({ min: 0, max: 40 }),
        fc.boolean(),
        async (files, first, length, own) => {
          const tables = files.map((days) => timedTable(days));
          const bytes = memoryBytes();
          if (own) for (const table of tables) await write(openOwnTable(bytes, 't', { format: format.name }), 'append', table);
          else for (const [i, table] of tables.entries()) await bytes.writeNew(`t/${i}${ending}`, encode(table));
          const snapshot = await openSource(bytes, 't').snapshot();
          const range = { startUs: BigInt(first) * dayUs, endUs: BigInt(first + length) * dayUs };
          const days = async (pruned: boolean): Promise<(number | null)[]> => {
            const table = await readTable(snapshot, pruned ? { timeRange: { column: 'at', range } } : {});
            return Array.from(table.getChild('at')!, (ms) => (ms === null ? null : Number(ms) / 86_400_000));
          };
          const within = (all: (number | null)[]): (number | null)[] => all.filter((day) => day !== null && day >= first && day < first + length);
          assert.deepEqual(within(await days(true)), within(await days(false)));
          const plan = await snapshot.plan({ timeRange: { column: 'at', range } });
          assert.ok((await days(true)).length <= plan.rows);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('every call fails once: an error of ours or of the world, and the next read is whole', async () => {
    const layer = memoryBytes();
    for (const i of range(0, 3)) await layer.writeNew(`t/k=${i}/a${ending}`, encode(events(i, 1)));
    const probe = faultyBytes(layer, undefined);
    await readIds(await openSource(probe.bytes, 't').snapshot());
    for (let call = 1; call <= probe.calls(); call++) {
      const source = openSource(faultyBytes(layer, { call, effect: 'before', lasting: false }).bytes, 't');
      await assert.rejects(async () => readIds(await source.snapshot()), (thrown) => thrown instanceof Error && (/fails/.test(thrown.message) || thrown instanceof FeatureStoreError), `call ${call}`);
      assert.deepEqual(await readIds(await source.snapshot()), [0, 1, 2]);
    }
  });
}

function columnTable(columns: Record<string, ReturnType<typeof vectorFromArray>>): Table {
  const entries = Object.entries(columns);
  const schema = new Schema(entries.map(([name, vector]) => new Field(name, vector.type, true)));
  return tableOfColumns(schema, entries.map(([, vector]) => vector.data[0]!), entries[0]![1].length);
}

function timedTable(days: readonly (number | null)[]): Table {
  const schema = new Schema([new Field('at', new TimestampMicrosecond(), true)]);
  const bitmap = new Uint8Array((days.length + 7) >> 3);
  days.forEach((day, i) => {
    if (day !== null) bitmap[i >> 3]! |= 1 << (i & 7);
  });
  const data = BigInt64Array.from(days, (day) => BigInt(day ?? 0) * dayUs);
  const nullCount = days.filter((day) => day === null).length;
  return tableOfColumns(schema, [makeData({ type: new TimestampMicrosecond(), length: days.length, nullCount, nullBitmap: bitmap, data })], days.length);
}

/**
 * Delta tables and delta-rs, through the Python package deltalake: ours are read by it, its are appended to by us.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { Table } from '../../src/arrow/arrow.ts';
import { tablesEqual } from '../../src/arrow/canonical.ts';
import { toRows } from '../../src/arrow/values.ts';
import { localBytes } from '../../src/store/local-bytes.ts';
import { openTable, writeTable } from '../../src/store/open-table.ts';
import { openWritable } from '../../src/store/tables.ts';
import { events, range, temporaryFolder } from '../support/store.ts';
import { batchFrom, type Cell, writable } from '../store/parquet/support.ts';
import { type Columns, floatText, foundText, python, runPython, skipWithout } from './python.ts';

const skip = skipWithout('deltalake', 'pyarrow');

/** Runs a script that has the tables' paths as `paths`; what it sets `result` to comes back. */
function run<Result>(script: string, ...paths: readonly string[]): Result {
  return runPython(`import deltalake\nfrom deltalake import DeltaTable, write_deltalake\n${script}`, ...paths);
}

/** Rows by `n`. */
const reading = `def rows(path, version=None): return columns(DeltaTable(path, version=version).to_pyarrow_table().sort_by('n'))`;

const int = (bits: number): fc.Arbitrary<bigint> => fc.bigInt({ min: -(2n ** BigInt(bits - 1)), max: 2n ** BigInt(bits - 1) - 1n });
const whole = (bits: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: 2 ** bits - 1 });
const times = (factor: bigint) => (cell: bigint): string => String(cell * factor);
const hex = fc.uint8Array({ maxLength: 20 }).map((bytes) => `b:${Buffer.from(bytes).toString('hex')}`);
const text = fc.string({ unit: 'grapheme', maxLength: 40 });

/** Of each type: its values, the type that delta-rs shall see, and its values as that. */
const types: Readonly<Record<string, readonly [fc.Arbitrary<Cell>, string, ((cell: never) => string | boolean)?]>> = {
  bool: [fc.boolean(), 'bool', (cell: boolean) => cell],
  int8: [fc.integer({ min: -128, max: 127 }), 'int8'], int16: [fc.integer({ min: -32_768, max: 32_767 }), 'int16'],
  int32: [fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), 'int32'], int64: [int(64), 'int64'],
  uint8: [whole(8), 'int16'], uint16: [whole(16), 'int32'], uint32: [whole(32), 'int64'], uint64: [int(64).map((value) => value + 2n ** 63n), 'decimal128(20, 0)'],
  half: [fc.constantFrom(0x3c00, 0xc000), 'float', (cell: number) => (cell === 0x3c00 ? '1' : '-2')],
  float: [fc.float({ noNaN: true }), 'float', floatText], double: [fc.double({ noNaN: true }), 'double', floatText],
  utf8: [text, 'string'], largeUtf8: [text, 'string'], binary: [hex, 'binary'], largeBinary: [hex, 'binary'],
  day: [fc.integer({ min: -700_000, max: 2_900_000 }), 'date32[day]'], date64: [int(52), 'timestamp[us]', times(1_000n)],
  s: [int(43), 'timestamp[us]', times(1_000_000n)], ms: [int(52), 'timestamp[us]', times(1_000n)], us: [int(62), 'timestamp[us]'],
  ns: [int(50).map((value) => value * 1_000n), 'timestamp[us]', (cell: bigint) => String(cell / 1_000n)],
  sZone: [int(43), 'timestamp[us, tz=UTC]', times(1_000_000n)], msZone: [int(52), 'timestamp[us, tz=UTC]', times(1_000n)], usZone: [int(62), 'timestamp[us, tz=UTC]'],
  decimal: [fc.bigInt({ min: 1n - 10n ** 38n, max: 10n ** 38n - 1n }), 'decimal128(38, 2)'],
  smallDecimal: [fc.bigInt({ min: 1n - 10n ** 9n, max: 10n ** 9n - 1n }), 'decimal128(9, 3)'],
};

test('delta-rs reads every type, with nulls', { skip }, async (t) => {
  const folder = temporaryFolder(t);
  const rows = 300;
  const made = [1, 0.5, 0].map((nullWeight, i) => {
    const columns = Object.fromEntries(
      Object.entries(types).map(([name, [cells]], seed) => {
        const some = fc.sample(cells, { numRuns: rows, seed: 100 * i + seed });
        return [name, { type: writable[name]!, cells: some.map((cell, row) => ((row * 7) % 10 < 10 * nullWeight ? null : cell)) }];
      }),
    );
    return { ...columns, n: { type: writable.int32!, cells: range(0, rows) } };
  });
  const paths = made.map((_, i) => join(folder, String(i)));
  for (const [i, path] of paths.entries()) await writeTable(path, new Table([batchFrom(made[i]!)]), { format: 'delta' });
  const read = run<Columns[]>(`${reading}\nresult = [rows(path) for path in paths]`, ...paths);
  for (const [i, columns] of read.entries()) {
    for (const [name, [, type, shown = String]] of Object.entries(types)) {
      const found = columns[name]!;
      assert.equal(found.type, type, name);
      assert.deepEqual(foundText(found), made[i]![name as 'n'].cells.map((cell) => (cell === null ? null : shown(cell as never))), `${name}, table ${i}`);
    }
  }
});

const numbered = (first: number, count: number): Table =>
  new Table([batchFrom({ n: { type: writable.int32!, cells: range(first, count) }, shop: { type: writable.utf8!, cells: range(first, count).map((n) => ['a b', 'ü/%', null][n % 3]!) } })]);

test('delta-rs reads the same versions, behind checkpoints, compactions and overwrites', { skip }, async (t) => {
  const path = join(temporaryFolder(t), 't');
  for (let i = 0; i < 12; i++) await writeTable(path, numbered(10 * i, 10), { format: 'delta', mode: 'append', partitionBy: 'shop', transaction: { application: 'a', version: i } });
  const table = openWritable(localBytes(path), '', 'delta', { partitionBy: ['shop'] });
  assert.equal((await table.compact())!.filesAfter, 3);
  const percent = new Table([batchFrom({ n: { type: writable.int32!, cells: [400, 401] }, shop: { type: writable.utf8!, cells: ['ü/%', 'ü/%'] } })]);
  await writeTable(path, percent, { mode: 'overwrite', replaceWhere: { shop: 'ü/%' } });
  await writeTable(path, numbered(500, 30), { mode: 'overwrite' });
  for (let i = 0; i < 8; i++) await writeTable(path, numbered(600 + i, 1), { mode: 'append' });
  const newest = (await table.snapshot()).versionNumber;
  const read = run<{ version: number; rows: Columns[]; files: number; transaction: number }>(
    `${reading}
newest = DeltaTable(paths[0])
result = {'version': newest.version(), 'rows': [rows(paths[0], version) for version in range(newest.version() + 1)], 'files': len(newest.file_uris()), 'transaction': newest.transaction_version('a')}`,
    path,
  );
  assert.deepEqual([read.version, read.transaction], [newest, 11]);
  assert.equal(read.files, (await table.snapshot()).files!.length);
  for (const [version, columns] of read.rows.entries()) {
    const ours = toRows(await (await openTable(path, { version })).read()).sort((a, b) => Number(a.n) - Number(b.n));
    assert.deepEqual([columns.n!.cells, columns.shop!.cells], [ours.map(({ n }) => String(n)), ours.map(({ shop }) => shop)], `version ${version}`);
  }
});

test('tables of delta-rs are appended to, put together and overwritten by us, and read by it', { skip }, async (t) => {
  const path = join(temporaryFolder(t), 't');
  run(`table = pa.table({'id': pa.array([0, 1, 2], pa.int64()), 'at': pa.array([0, 1, None], pa.timestamp('us')), 'name': pa.array(['x', None, 'z'])})
write_deltalake(paths[0], table)
write_deltalake(paths[0], table.slice(0, 1), mode='append')`, path);
  const schema = (await openTable(path)).schema;
  assert.deepEqual(schema.fields.map(String), events(0, 1).schema.fields.map(String));
  await writeTable(path, events(10, 5), { mode: 'append' });
  const count = (): { version: number; ids: number[]; names: (string | null)[] } =>
    run(`table = DeltaTable(paths[0])\nrows = table.to_pyarrow_table().sort_by('id')\nresult = {'version': table.version(), 'ids': rows['id'].to_pylist(), 'names': rows['name'].to_pylist()}`, path);
  assert.deepEqual(count(), { version: 2, ids: [0, 0, 1, 2, ...range(10, 5)], names: ['x', 'x', null, 'z', ...range(10, 5).map((i) => `name ${i % 7}`)] });
  const table = openWritable(localBytes(path), '', 'delta');
  const before = await (await openTable(path)).read();
  assert.equal((await table.compact())!.filesBefore, 3);
  assert.ok(tablesEqual(await (await openTable(path)).read(), before));
  assert.deepEqual(count().ids, [0, 0, 1, 2, ...range(10, 5)]);
  // It goes on where we stopped, and the other way round.
  run(`DeltaTable(paths[0]).delete('id < 11')`, path);
  assert.deepEqual(toRows(await (await openTable(path)).read({ columns: ['id'] })).map(({ id }) => id), range(11, 4));
  await writeTable(path, events(0, 2), { mode: 'overwrite' });
  assert.deepEqual(count().ids, [0, 1]);
  run(`DeltaTable(paths[0]).create_checkpoint()\nDeltaTable(paths[0]).vacuum(0, dry_run=False, enforce_retention_duration=False)`, path);
  assert.deepEqual(toRows(await (await openTable(path)).read()), toRows(events(0, 2)));
  assert.ok((await table.vacuum({ nowMs: Date.now() + 9 * 86_400_000 })).files === 0, 'its vacuum left nothing');
});

test('delta-rs finds the files of partitions whatever they are called, and takes away what it has changed', { skip }, async (t) => {
  const path = join(temporaryFolder(t), 't');
  const shops = ['a b', 'ü/%', '+', '#?', '=&', '[x]', `'"`, '😀', '~', '(1)', '$', '@:', '\\', '^`{|}', '!*', '%41', '%', ' lead', 'trail ', '.', '..', 'x;y,z', '<>', '*'];
  await writeTable(path, new Table([batchFrom({ n: { type: writable.int32!, cells: range(0, shops.length) }, shop: { type: writable.utf8!, cells: shops } })]), { format: 'delta', partitionBy: 'shop' });
  const found = run(`DeltaTable(paths[0]).update(predicate='n >= 0', updates={'n': 'n + 100'})\nresult = sorted(DeltaTable(paths[0]).to_pyarrow_table()['n'].to_pylist())`, path);
  const ours = toRows(await (await openTable(path)).read()).map(({ n, shop }) => [n, shop]);
  assert.deepEqual(found, range(100, shops.length));
  assert.deepEqual(ours.sort((a, b) => Number(a[0]) - Number(b[0])), shops.map((shop, n) => [n + 100, shop]));
});

test('a schema that grew here grows there, and the other way round', { skip }, async (t) => {
  const path = join(temporaryFolder(t), 't');
  await writeTable(path, numbered(0, 2), { format: 'delta' });
  const more = new Table([batchFrom({ n: { type: writable.int32!, cells: [2] }, size: { type: writable.uint16!, cells: [7] } })]);
  await writeTable(path, more, { mode: 'append', mergeSchema: true });
  run(`write_deltalake(paths[0], pa.table({'n': pa.array([3], pa.int32()), 'size': pa.array([8], pa.int32()), 'weight': pa.array([1.5])}), mode='append', schema_mode='merge')`, path);
  const wanted = [
    { n: 0, shop: 'a b', size: null, weight: null }, { n: 1, shop: 'ü/%', size: null, weight: null }, { n: 2, shop: null, size: 7, weight: null }, { n: 3, shop: null, size: 8, weight: 1.5 },
  ];
  const opened = await openTable(path);
  assert.deepEqual(toRows(await opened.read()).sort((a, b) => Number(a.n) - Number(b.n)), wanted);
  assert.equal(String(opened.schema.fields[2]!.type), 'Uint16');
  assert.deepEqual(run(`result = DeltaTable(paths[0]).to_pyarrow_table().sort_by('n').to_pylist()`, path), wanted);
});

test('delta-rs reads a table behind a checkpoint of ours with statistics in columns, when its log was cleaned up', { skip }, async (t) => {
  const path = join(temporaryFolder(t), 't');
  run(`write_deltalake(paths[0], pa.table({'n': pa.array([0], pa.int32()), 'at': pa.array([-1], pa.timestamp('us')), 'name': ['x']}), configuration={'delta.checkpointInterval': '2', 'delta.checkpoint.writeStatsAsStruct': 'true',
    'delta.checkpoint.writeStatsAsJson': 'false', 'delta.logRetentionDuration': 'interval 0 days'})`, path);
  const rows = (first: number): Table => new Table([batchFrom({ n: { type: writable.int32!, cells: range(first, 10) }, at: { type: writable.us!, cells: range(first, 10).map((n) => BigInt(n) * 1_000_003n) }, name: { type: writable.utf8!, cells: range(first, 10).map((n) => `name ${n}`) } })]);
  for (let i = 0; i < 5; i++) await writeTable(path, rows(100 * (i + 1)), { mode: 'append' });
  await openWritable(localBytes(path), '', 'delta').vacuum({ nowMs: Date.now() + 2 * 86_400_000 });
  const log = readdirSync(join(path, '_delta_log')).filter((name) => /^\d/.test(name)).map((name) => name.slice(18));
  assert.deepEqual(log.sort(), ['04.checkpoint.parquet', '04.json', '05.json']);
  const wanted = [0, ...range(0, 5).flatMap((i) => range(100 * (i + 1), 10))];
  const read = run<{ n: number[]; pruned: number[] }>(
    `import pyarrow.dataset as ds
newest = DeltaTable(paths[0])
result = {'n': newest.to_pyarrow_table().sort_by('n')['n'].to_pylist(), 'pruned': newest.to_pyarrow_dataset().to_table(filter=ds.field('n') >= 405).sort_by('n')['n'].to_pylist()}`, path);
  assert.deepEqual(read, { n: wanted, pruned: wanted.filter((n) => n >= 405) });
  const { files } = await (await openTable(path)).plan({ timeRange: { column: 'at', range: { startUs: 400n * 1_000_003n } } });
  assert.equal(files, 2);
});

test('delta-rs and we append at the same time, and nothing is lost', { skip }, async (t: TestContext) => {
  const path = join(temporaryFolder(t), 't');
  await writeTable(path, numbered(0, 1), { format: 'delta' });
  const script = `import pyarrow as pa, sys\nfrom deltalake import write_deltalake\nfor i in range(10): write_deltalake(sys.argv[1], pa.table({'n': pa.array([1000 + i], pa.int32()), 'shop': pa.array(['x'])}), mode='append')`;
  const { spawn } = await import('node:child_process');
  const other = spawn(python, ['-c', script, path], { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = new Promise((resolve) => other.on('close', resolve));
  let appended = 1;
  while (other.exitCode === null && appended < 300) await writeTable(path, numbered(appended++, 1), { mode: 'append' });
  assert.equal(await ended, 0);
  const ids = toRows(await (await openTable(path)).read()).map(({ n }) => Number(n)).sort((a, b) => a - b);
  assert.deepEqual(ids, [...range(0, appended), ...range(1_000, 10)]);
});

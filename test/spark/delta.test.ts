/** Delta tables that Spark writes, with every feature that we read, read by us; ours read, changed and written on by Spark. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Table } from '../../src/arrow/arrow.ts';
import { toRows } from '../../src/arrow/values.ts';
import { localBytes } from '../../src/store/local-bytes.ts';
import { openTable, writeTable } from '../../src/store/open-table.ts';
import { openWritable } from '../../src/store/tables.ts';
import { range, temporaryFolder } from '../support/store.ts';
import { batchFrom, writable } from '../store/parquet/support.ts';
import type { Columns } from '../interop/python.ts';
import { checkOurs } from './ours.ts';
import { checkColumns, skip, Spark } from './spark.ts';

/** `versions` of a table in `paths[0]` as Spark sees them. */
const versions = `
def versions(path, every=1):
    newest = DeltaTable.forPath(spark, path).history(1).select('version').head()[0]
    return {str(version): columns(spark.read.format('delta').option('versionAsOf', version).load(path)) for version in range(0, newest + 1, every)}
`;

describe('Spark and Delta', { skip }, () => {
  let spark: Spark;
  before(async () => {
    spark = await Spark.start();
  });
  after(() => spark.stop());

  /** What Spark sees of each version is what we do. */
  async function checkVersions(path: string, script: string): Promise<Readonly<Record<string, Columns>>> {
    const found = await spark.run<Record<string, Columns>>(`${versions}\nt = f"delta.\`{paths[0]}\`"\n${script}\nresult = versions(paths[0])`, path);
    for (const [version, columns] of Object.entries(found)) checkColumns(await (await openTable(path, { version: Number(version) })).read(), columns, `version ${version}`);
    return found;
  }

  it('every type, with nulls', async (t) => {
    const folder = temporaryFolder(t);
    for (const [i, nulls] of [0, 0.3, 1].entries()) await checkVersions(join(folder, String(i)), `frame(500, ${nulls}).write.format('delta').save(paths[0])`);
  });

  it('partitions of every type that can be one', async (t) => {
    const path = join(temporaryFolder(t), 't');
    await checkVersions(path, `rows = spark.range(48).selectExpr('id as n', "element_at(array('red', 'a b', 'ü/%', '', null), int(1 + id % 5)) as shop", "if(id % 3 = 0, null, date_from_unix_date(int(id % 4 * 7000 - 10000))) as day", 'cast(id % 3 as byte) as b',
    'id % 2 = 0 as flag', 'cast(id % 4 / 8 as decimal(10,3)) as amount', 'double(id % 3) / 8 as x', 'timestamp_micros(id % 3 * 1234567890123 - 1000000) as at', 'cast(timestamp_micros(id % 2 * 1234567890123) as timestamp_ntz) as local', 'binary(string(id % 3)) as bytes')
rows.write.format('delta').partitionBy('shop', 'day', 'b', 'flag', 'amount', 'x', 'at', 'local', 'bytes').save(paths[0])`);
  });

  it('deletion vectors, merges and updates, behind classic checkpoints', async (t) => {
    const path = join(temporaryFolder(t), 't');
    const found = await checkVersions(path, `spark.sql(f"create table {t} (n bigint, name string, x double) using delta tblproperties ('delta.enableDeletionVectors' = true, 'delta.checkpointInterval' = 3)")
spark.range(0, 3000, 1, 3).selectExpr('id as n', "concat('name ', id % 7) as name", 'id / 7 as x').write.format('delta').mode('append').save(paths[0])
spark.sql(f"delete from {t} where n % 5 = 0")
spark.sql(f"delete from {t} where n between 1000 and 1100")
spark.sql(f"update {t} set x = -x where n % 11 = 1")
spark.range(2500, 3500).selectExpr('id as n', "'merged' as name", 'double(1) as x').createOrReplaceTempView('more')
spark.sql(f"merge into {t} t using more m on t.n = m.n when matched then update set * when not matched then insert *")
spark.sql(f"optimize {t}")
spark.sql(f"delete from {t} where n < 100")
spark.sql(f"restore table {t} to version as of 4")`);
    assert.ok(Object.keys(found).length >= 9);
    // The commits behind a checkpoint may be gone.
    const log = join(path, '_delta_log');
    assert.ok(readdirSync(log).some((name) => name.endsWith('6.checkpoint.parquet')), readdirSync(log).join(' '));
    for (const version of range(0, 6)) rmSync(join(log, `${String(version).padStart(20, '0')}.json`));
    checkColumns(await (await openTable(path)).read(), Object.values(found).at(-1)!, 'behind the checkpoint');
    await assert.rejects(openTable(path, { version: 2 }), /is missing/);
  });

  it('V2 checkpoints with sidecars, in-commit timestamps, row tracking, liquid clusters', async (t) => {
    const path = join(temporaryFolder(t), 't');
    const found = await checkVersions(path, `spark.sql(f"""create table {t} (n bigint, name string, at timestamp) using delta cluster by (n) tblproperties ('delta.checkpointPolicy' = 'v2', 'delta.checkpointInterval' = 2, 'delta.enableInCommitTimestamps' = true,
    'delta.enableRowTracking' = true)""")
for i in range(5): spark.range(i * 100, i * 100 + 100).selectExpr('id as n', "concat('name ', id) as name", 'timestamp_micros(id * 1000003) as at').write.format('delta').mode('append').save(paths[0])
spark.sql(f"optimize {t}")`);
    const log = join(path, '_delta_log');
    assert.ok(readdirSync(log).some((name) => /checkpoint\.[0-9a-f-]{36}\./.test(name)) && readdirSync(join(log, '_sidecars')).length > 0);
    for (const version of range(0, 4)) rmSync(join(log, `${String(version).padStart(20, '0')}.json`));
    checkColumns(await (await openTable(path)).read(), Object.values(found).at(-1)!, 'behind the checkpoint');
  });

  it('statistics prune, behind a checkpoint too', async (t) => {
    const path = join(temporaryFolder(t), 't');
    const found = await checkVersions(path, `spark.sql(f"create table {t} (n bigint, name string, at timestamp, amount decimal(20, 3), day date) using delta tblproperties ('delta.checkpointInterval' = 4)")
for i in range(4): spark.range(i * 100, i * 100 + 100, 1, 1).selectExpr('id as n', "concat('name ', id) as name", 'timestamp_micros(id * 1000003) as at', 'cast(id / 8 as decimal(20,3)) as amount', 'date_from_unix_date(int(id)) as day').write.format('delta').mode('append').save(paths[0])`);
    const timeRange = { column: 'at', range: { startUs: 350n * 1_000_003n } };
    const files = async (): Promise<number> => (await (await openTable(path)).plan({ timeRange })).files;
    assert.equal(await files(), 1);
    for (const version of range(0, 4)) rmSync(join(path, '_delta_log', `${String(version).padStart(20, '0')}.json`));
    assert.equal(await files(), 1, 'behind the checkpoint');
    checkColumns(await (await openTable(path)).read(), Object.values(found).at(-1)!, 'behind the checkpoint');
  });

  it('column mapping by name and by id: renamed, dropped, added again, nested in names of every letter', async (t) => {
    const folder = temporaryFolder(t);
    for (const mode of ['name', 'id']) {
      await checkVersions(join(folder, mode), `spark.sql(f"create table {t} (n bigint, \`a b,;{{}}()=\` string, x double, shop string) using delta partitioned by (shop) tblproperties ('delta.columnMapping.mode' = '${mode}', 'delta.minReaderVersion' = 2, 'delta.minWriterVersion' = 5)")
spark.range(20).selectExpr('id as n', "string(id) as \`a b,;{}()=\`", 'id / 7 as x', "element_at(array('p', 'q'), int(1 + id % 2)) as shop").write.format('delta').mode('append').save(paths[0])
spark.sql(f"alter table {t} rename column x to y")
spark.sql(f"alter table {t} drop column \`a b,;{{}}()=\`")
spark.sql(f"alter table {t} add column x int")
spark.sql(f"alter table {t} rename column shop to store")
spark.range(20, 30).selectExpr('id as n', 'double(id) as y', "'r' as store", 'int(id) as x').write.format('delta').mode('append').save(paths[0])`);
    }
  });

  it('types that were widened', async (t) => {
    const path = join(temporaryFolder(t), 't');
    await checkVersions(path, `spark.sql(f"create table {t} (n int, a byte, b short, c float, e decimal(5,2), f date, g decimal(5,2), h byte, i short, j int, k int, l bigint) using delta tblproperties ('delta.enableTypeWidening' = true, 'delta.feature.timestampNtz' = 'supported')")
spark.sql(f"insert into {t} values (0, 1, 2, 0.1, 1.25, date'2024-02-29', -999.99, -128, 32767, 2147483647, -2147483648, -9223372036854775808), (1, null, -3, null, null, date'1969-12-31', 0.01, null, -1, 0, 7, 9223372036854775807), (2, null, 0, 0, 0, null, null, 3, null, null, null, null)")
for column, kind in [('n', 'bigint'), ('a', 'int'), ('b', 'bigint'), ('c', 'double'), ('e', 'decimal(12,2)'), ('f', 'timestamp_ntz'), ('g', 'decimal(12,5)'), ('h', 'double'), ('i', 'double'), ('j', 'double'), ('k', 'decimal(14,4)'), ('l', 'decimal(38,18)')]:
    spark.sql(f"alter table {t} alter column {column} type {kind}")
spark.sql(f"insert into {t} values (20000000000, 100000, 5000000000, 0.1, 1234567.12, timestamp_ntz'2024-03-01 12:34:56.789', 1234567.12345, 0.5, 0.25, 1e100, 0.0001, -0.000000000000000001)")`);
  });

  it('what we do not read is refused by its name', async (t) => {
    const path = join(temporaryFolder(t), 't');
    await spark.run(`spark.sql(f"create table delta.\`{paths[0]}\` (n bigint, v variant) using delta")`, path);
    await assert.rejects(openTable(path), /variantType/);
  });

  it('features that bind writers are kept, or the write is refused by the name of the feature', async (t) => {
    const folder = temporaryFolder(t);
    const rows = (first: number, count: number): Table => new Table([batchFrom({ n: { type: writable.int64!, cells: range(first, count).map(BigInt) }, x: { type: writable.double!, cells: range(first, count).map((i) => i / 7) } })]);
    const refusals: Readonly<Record<string, readonly [string, RegExp]>> = {
      constraint: ["spark.sql(f'alter table {t} add constraint low check (n < 5)')", /checkConstraints/], mapped: ["spark.sql(f\"alter table {t} set tblproperties ('delta.columnMapping.mode' = 'name', 'delta.minReaderVersion' = 2, 'delta.minWriterVersion' = 5)\")", /columnMapping/],
      inCommit: ["spark.sql(f\"alter table {t} set tblproperties ('delta.enableInCommitTimestamps' = true)\")", /inCommitTimestamp/], tracked: ["spark.sql(f\"alter table {t} set tblproperties ('delta.enableRowTracking' = true)\")", /rowTracking|domainMetadata/],
    };
    for (const [name, [script, refusal]] of Object.entries(refusals)) {
      const path = join(folder, name);
      await spark.run(`t = f"delta.\`{paths[0]}\`"\nspark.range(5).selectExpr('id as n', 'id / 7 as x').write.format('delta').save(paths[0])\n${script}`, path);
      await assert.rejects(writeTable(path, rows(5, 5), { mode: 'append' }), refusal, name);
    }
    // Whom deletion vectors and change feeds do not bind when rows are appended.
    const path = join(folder, 'kept');
    await spark.run(`t = f"delta.\`{paths[0]}\`"\nspark.sql(f"create table {t} (n bigint, x double) using delta tblproperties ('delta.enableDeletionVectors' = true, 'delta.enableChangeDataFeed' = true)")
spark.range(5).selectExpr('id as n', 'id / 7 as x').write.format('delta').mode('append').save(paths[0])\nspark.sql(f"delete from {t} where n = 3")`, path);
    await writeTable(path, rows(5, 5), { mode: 'append' });
    const found = await spark.run<{ rows: Columns; changes: [number, string][] }>(`result = {'rows': columns(spark.read.format('delta').load(paths[0])),
    'changes': [list(row) for row in spark.read.format('delta').option('readChangeFeed', 'true').option('startingVersion', 3).load(paths[0]).orderBy('n').select('n', '_change_type').collect()]}`, path);
    assert.deepEqual(found.rows.n!.cells, [0, 1, 2, 4, 5, 6, 7, 8, 9].map(String));
    assert.deepEqual(found.changes, range(5, 5).map((n) => [n, 'insert']));
  });

  it('ours is read: every type, with nulls, partitions and no rows', (t) => checkOurs(t, spark, 'delta'));

  it('ours is changed by Spark, and written on by both in turn', async (t) => {
    const path = join(temporaryFolder(t), 't');
    const rows = (first: number, count: number): Table => new Table([batchFrom({
      n: { type: writable.int64!, cells: range(first, count).map(BigInt) }, shop: { type: writable.utf8!, cells: range(first, count).map((n) => ['red', 'a b', 'ü/%', null][n % 4]!) }, x: { type: writable.double!, cells: range(first, count).map((n) => n / 7) },
    })]);
    for (let i = 0; i < 12; i++) await writeTable(path, rows(10 * i, 10), { format: 'delta', mode: 'append', partitionBy: 'shop' });
    await openWritable(localBytes(path), '', 'delta', { partitionBy: ['shop'] }).compact();
    await spark.run(`t = f"delta.\`{paths[0]}\`"
spark.sql(f"update {t} set x = -1 where n % 10 = 3")
spark.sql(f"delete from {t} where shop = 'ü/%'")
spark.range(100, 130).selectExpr('id as n', "'new' as shop", 'double(0) as x').createOrReplaceTempView('more')
spark.sql(f"merge into {t} t using more m on t.n = m.n when matched then update set * when not matched then insert *")
spark.sql(f"optimize {t}")`, path);
    await writeTable(path, rows(200, 20), { mode: 'append' });
    const red = new Table([batchFrom({ n: { type: writable.int64!, cells: [300n] }, shop: { type: writable.utf8!, cells: ['red'] }, x: { type: writable.double!, cells: [0.5] } })]);
    await writeTable(path, red, { mode: 'overwrite', replaceWhere: { shop: 'red' } });
    const found = await checkVersions(path, 'pass');
    const newest = toRows(await (await openTable(path)).read());
    assert.deepEqual(newest.filter(({ shop }) => shop === 'red').map(({ n }) => n), [300]);
    // Its checkpoint, its clean-up and its vacuum are as good as ours.
    await spark.run("t = f'delta.`{paths[0]}`'\nfor i in range(12): spark.sql(f\"insert into {t} values ({400 + i}, 'late', 0)\")\nspark.sql(f'vacuum {t} retain 0 hours')", path);
    assert.equal((await (await openTable(path)).read()).numRows, newest.length + 12);
    assert.ok(Object.keys(found).length > 14);
  });

  it('our checkpoints with statistics in columns, our codec and our clean-up of the log are as good as its own', async (t) => {
    const path = join(temporaryFolder(t), 't');
    await spark.run(`spark.sql(f"create table delta.\`{paths[0]}\` (n bigint, at timestamp, name string) using delta tblproperties ('delta.checkpointInterval' = 2, 'delta.checkpoint.writeStatsAsStruct' = true, 'delta.checkpoint.writeStatsAsJson' = false, 'delta.parquet.compression.codec' = 'zstd', 'delta.logRetentionDuration' = 'interval 1 days')")`, path);
    const rows = (first: number): Table => new Table([batchFrom({ n: { type: writable.int64!, cells: range(first, 10).map(BigInt) }, at: { type: writable.usZone!, cells: range(first, 10).map((n) => BigInt(n) * 1_000_003n) }, name: { type: writable.utf8!, cells: range(first, 10).map((n) => `name ${n}`) } })]);
    for (let i = 0; i < 5; i++) await writeTable(path, rows(100 * i), { mode: 'append' });
    await openWritable(localBytes(path), '', 'delta').vacuum({ nowMs: Date.now() + 3 * 86_400_000 });
    assert.equal(readdirSync(join(path, '_delta_log')).filter((name) => /^\d{20}\.json$/.test(name)).length, 2);
    const read = await spark.run<{ all: Columns; late: number }>("df = spark.read.format('delta').load(paths[0])\nresult = {'all': columns(df), 'late': df.where('n >= 405').count()}", path);
    checkColumns(await (await openTable(path)).read(), read.all, 'behind the checkpoint');
    assert.deepEqual([read.all.n!.cells.length, read.late], [50, 5]);
    await spark.run("spark.sql(f'insert into delta.`{paths[0]}` values (1000, null, null)')", path);
    assert.equal((await (await openTable(path)).read()).numRows, 51);
  });

  it('what grew and what was replaced here is the same there, by version', async (t) => {
    const path = join(temporaryFolder(t), 't');
    const first = new Table([batchFrom({ n: { type: writable.int32!, cells: range(0, 4) }, day: { type: writable.day!, cells: [0, -1, null, 19_782] } })]);
    const second = new Table([batchFrom({ n: { type: writable.int32!, cells: range(4, 4) }, at: { type: writable.us!, cells: [1n, -62_000_000_000_000_000n, null, 253_000_000_000_000_000n] } })]);
    const third = new Table([batchFrom({ n: { type: writable.int32!, cells: range(8, 4) }, amount: { type: writable.decimal!, cells: [1n, -1n, 10n ** 38n - 1n, null] } })]);
    await writeTable(path, first, { format: 'delta' });
    await writeTable(path, second, { mode: 'append', mergeSchema: true });
    await writeTable(path, third, { mode: 'overwrite' });
    const found = await checkVersions(path, 'pass');
    assert.deepEqual(Object.values(found).map((columns) => Object.keys(columns)), [['n', 'day'], ['n', 'day', 'at'], ['n', 'amount']]);
  });
});

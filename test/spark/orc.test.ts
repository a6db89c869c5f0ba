/** ORC that Spark writes, in every codec, read by us; and ours read by Spark. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { Table } from '../../src/arrow/arrow.ts';
import { openTable, writeTable } from '../../src/store/open-table.ts';
import { temporaryFolder } from '../support/store.ts';
import { batchFrom, writable } from '../store/parquet/support.ts';
import { type Columns, foundText } from '../interop/python.ts';
import { checkOurs } from './ours.ts';
import { checkColumns, skip, Spark } from './spark.ts';

describe('Spark and ORC', { skip }, () => {
  let spark: Spark;
  before(async () => {
    spark = await Spark.start();
  });
  after(() => spark.stop());

  it('every type in every codec, with bloom filters, is read', async (t) => {
    const folder = temporaryFolder(t);
    const written = await spark.run<{ columns: Columns; names: string[] }[]>(
      `result = []
for rows, nulls in [(0, 0), (1500, 0), (1500, 0.3), (1500, 1)]:
    df = frame(rows, nulls).cache()
    names = []
    for codec in ['none', 'zlib', 'snappy', 'zstd', 'lz4']:
        for form in ['plain', 'bloom']:
            names.append(f'{rows}-{nulls}-{codec}-{form}')
            writer = df.write.option('compression', codec).option('orc.stripe.size', 20000).option('orc.row.index.stride', 1000)
            if form == 'bloom': writer = writer.option('orc.bloom.filter.columns', 'n,big,text,day,decimal9').option('orc.dictionary.key.threshold', '1.0')
            writer.orc(f'{paths[0]}/{names[-1]}')
    result.append({'columns': columns(df), 'names': names})`,
      folder,
    );
    for (const { columns, names } of written) {
      for (const name of names) {
        const table = await (await openTable(join(folder, name))).read();
        // Nanoseconds, where 64 bits hold them; microseconds as Spark has them otherwise.
        const isNano = `${table.schema.fields.find((field) => field.name === 'at')!.type}` === 'Timestamp<NANOSECOND>';
        checkColumns(table, columns, name, (column, found) => foundText(found).map((cell) => (cell !== null && column === 'at' && isNano ? `${cell}000`.replace(/^0+$/, '0') : cell)));
      }
    }
  });

  it('char and varchar are text; nested columns are passed over and refused by name', async (t) => {
    const path = join(temporaryFolder(t), 't');
    const columns = await spark.run<Columns>(
      `spark.sql(f"create table chars (n bigint, c char(5), v varchar(7), l array<int>, s struct<a: int>, m map<string, int>) using orc location '{paths[0]}'")
spark.sql("insert into chars values (0, 'ab', 'ab', array(1), struct(1), map('k', 1)), (1, null, null, null, null, null), (2, 'abcde', 'abcdefg', array(), struct(null), map())")
result = columns(spark.table('chars').select('n', 'c', 'v'))
spark.sql('drop table chars')`,
      path,
    );
    const table = await openTable(path);
    const read = await table.read();
    assert.deepEqual(read.schema.fields.map(({ name }) => name), ['n', 'c', 'v']);
    checkColumns(read, columns, 'chars');
    for (const column of ['l', 's', 'm']) await assert.rejects(table.read({ columns: [column] }), new RegExp(`column ${column}\\b`));
  });

  it('by another clock: what Spark shows is what we read, and our instants are the same', async (t) => {
    const folder = temporaryFolder(t);
    const far = await Spark.start('America/Los_Angeles');
    try {
      // Wall clocks, from the year 1 on.
      const shown = await far.run<Columns>(
        `df = spark.range(3000).selectExpr('id as n', "date_add(date'0001-01-01', cast(id * 251 as int)) as day", "cast(timestamp_ntz'0001-01-03 00:00:00.123456' + make_dt_interval(cast(id * 251 as int), cast(id % 24 as int), 0, id % 7) as timestamp) as at")
df.coalesce(1).write.orc(paths[0] + '/theirs')
walls = df.selectExpr('n', 'day', 'cast(at as timestamp_ntz) as at')
spark.conf.set('spark.sql.session.timeZone', 'UTC')
result = columns(walls)
spark.conf.unset('spark.sql.session.timeZone')`,
        folder,
      );
      const table = await (await openTable(join(folder, 'theirs'))).read();
      checkColumns(table, shown, 'theirs');
      // Before 1900 Spark itself takes instants for others where it does not live in UTC.
      const instants = fc.sample(fc.bigInt({ min: -2_000_000_000_000_000n, max: 253_000_000_000_000_000n }).filter((us) => us <= -1_000_000n || us >= 0n), { numRuns: 2_000, seed: 5 });
      await writeTable(join(folder, 'ours'), new Table([batchFrom({ n: { type: writable.int64!, cells: instants.map((_, n) => BigInt(n)) }, at: { type: writable.usZone!, cells: instants } })]), { format: 'orc' });
      for (const vectorized of [true, false]) {
        const { at } = await far.run<Columns>(`spark.conf.set('spark.sql.orc.enableVectorizedReader', ${vectorized ? 'True' : 'False'})
result = columns(spark.read.orc(paths[0] + '/ours'))`, folder);
        assert.deepEqual(at!.cells, instants.map(String));
      }
    } finally {
      await far.stop();
    }
  });

  it('ours is read: every type, with nulls, partitions and no rows', (t) => checkOurs(t, spark, 'orc'));
});

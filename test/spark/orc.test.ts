/** ORC that Spark writes, in every codec, read by us; and ours read by Spark. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openTable } from '../../src/store/open-table.ts';
import { temporaryFolder } from '../support/store.ts';
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
        // ORC counts nanoseconds.
        checkColumns(table, columns, name, (column, found) => foundText(found).map((cell) => (cell !== null && (column === 'at' || column === 'local') ? `${cell}000`.replace(/^0+$/, '0') : cell)));
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

  it('ours is read: every type, with nulls, partitions and no rows', (t) => checkOurs(t, spark, 'orc'));
});

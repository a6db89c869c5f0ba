/** Parquet that Spark writes, in every form that it has, read by us; and ours read by Spark. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { floorDivide } from '../../src/base/time.ts';
import { openTable } from '../../src/store/open-table.ts';
import { temporaryFolder } from '../support/store.ts';
import { type Columns, foundText } from '../interop/python.ts';
import { checkOurs } from './ours.ts';
import { checkColumns, skip, Spark } from './spark.ts';

describe('Spark and Parquet', { skip }, () => {
  let spark: Spark;
  before(async () => {
    spark = await Spark.start();
  });
  after(() => spark.stop());

  it('every type in every codec, in pages of both versions, is read', async (t) => {
    const folder = temporaryFolder(t);
    const written = await spark.run<{ columns: Columns; names: string[] }[]>(
      `result = []
for rows, nulls in [(0, 0), (1500, 0), (1500, 0.3), (1500, 1)]:
    df = frame(rows, nulls).cache()
    names = []
    for codec in ['none', 'snappy', 'gzip', 'lz4', 'lz4_raw', 'zstd']:
        for version in ['v1', 'v2']:
            names.append(f'{rows}-{nulls}-{codec}-{version}')
            (df.write.option('compression', codec).option('parquet.writer.version', version).option('parquet.block.size', 40000).option('parquet.page.size', 2000)
                .option('parquet.bloom.filter.enabled#big', 'true').parquet(f'{paths[0]}/{names[-1]}'))
    result.append({'columns': columns(df), 'names': names})`,
      folder,
    );
    for (const { columns, names } of written) for (const name of names) checkColumns(await (await openTable(join(folder, name))).read(), columns, name);
  });

  it('instants as INT96, milliseconds and microseconds, decimals as old writers have them, are read', async (t) => {
    const folder = temporaryFolder(t);
    const forms = ['INT96', 'TIMESTAMP_MICROS', 'TIMESTAMP_MILLIS'].flatMap((instants) => [true, false].map((legacy) => ({ instants, name: `${instants}-${legacy}` })));
    const columns = await spark.run<Columns>(
      `df = frame(1500, 0.3).drop('local').cache()
for name in ${JSON.stringify(forms.map(({ name }) => name))}:
    instants, legacy = name.split('-')
    spark.conf.set('spark.sql.parquet.outputTimestampType', instants)
    spark.conf.set('spark.sql.parquet.writeLegacyFormat', legacy)
    df.write.parquet(paths[0] + '/' + name)
for key in ['spark.sql.parquet.outputTimestampType', 'spark.sql.parquet.writeLegacyFormat']: spark.conf.unset(key)
result = columns(df)`,
      folder,
    );
    for (const { instants, name } of forms) {
      const table = await (await openTable(join(folder, name))).read();
      checkColumns(table, columns, name, (column, found) => {
        const isMillis = instants === 'TIMESTAMP_MILLIS' && column === 'at';
        return foundText(found).map((cell) => (isMillis && cell !== null ? String(floorDivide(BigInt(cell as string), 1_000n)) : cell));
      });
    }
  });

  it('lists, structs and maps, as new and old writers have them, are passed over and refused by name', async (t) => {
    const folder = temporaryFolder(t);
    await spark.run(
      `df = spark.range(10).selectExpr('id as n', 'array(id, null) as l', 'struct(id, id as b) as s', 'map(id, id) as m', 'array(struct(id)) as ls', "interval '1' day as v")
for legacy in ['true', 'false']:
    spark.conf.set('spark.sql.parquet.writeLegacyFormat', legacy)
    df.write.parquet(f'{paths[0]}/{legacy}')
spark.conf.unset('spark.sql.parquet.writeLegacyFormat')`,
      folder,
    );
    for (const legacy of ['true', 'false']) {
      const table = await openTable(join(folder, legacy));
      assert.equal((await table.read({ columns: ['n'] })).numRows, 10);
      for (const column of ['l', 's', 'm', 'ls']) await assert.rejects(table.read({ columns: [column] }), new RegExp(`column ${column}\\b`));
    }
  });

  it('folders of partitions are one table', async (t) => {
    const path = join(temporaryFolder(t), 't');
    const columns = await spark.run<Columns>(
      `df = spark.range(60).selectExpr('id as n', "element_at(array('red', 'a b', 'ü/%', null), int(1 + id % 4)) as shop", 'int(id % 2) as half')
df.write.partitionBy('shop', 'half').parquet(paths[0])
result = columns(df.select('n', 'shop', df['half'].cast('string')))`,
      path,
    );
    checkColumns(await (await openTable(path)).read(), columns, 'partitions');
  });

  it('ours is read: every type, with nulls, partitions and no rows', (t) => checkOurs(t, spark, 'parquet'));
});

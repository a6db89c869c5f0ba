/** DuckDB knows nothing of our log: it finds the rows of a table by the names of files and folders. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { writeTable } from '../../src/store/open-table.ts';
import { localBytes } from '../../src/store/local-bytes.ts';
import { openOwnTable } from '../../src/store/own-table.ts';
import { events, temporaryFolder } from '../support/store.ts';

it('DuckDB reads a table in key=value folders, and one whose files were put together', async (t) => {
  const folder = temporaryFolder(t);
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const query = async (sql: string): Promise<unknown[][]> => (await connection.runAndReadAll(sql)).getRowsJson() as unknown[][];
  try {
    await writeTable(join(folder, 'hive'), events(0, 20), { partitionBy: 'name' });
    await writeTable(join(folder, 'hive'), events(100, 14), { partitionBy: 'name', mode: 'overwrite' });
    const hive = `read_parquet('${join(folder, 'hive')}/*=*/*.parquet', hive_partitioning = true)`;
    assert.deepEqual(await query(`SELECT name, sum(id)::INT, count("at")::INT FROM ${hive} GROUP BY name ORDER BY name LIMIT 2`), [['name 0', 105 + 112, 2], ['name 1', 106 + 113, 2]]);
    assert.deepEqual(await query(`SELECT count(*)::INT FROM ${hive}`), [[14]]);

    for (let first = 0; first < 30; first += 10) await writeTable(join(folder, 'plain'), events(first, 10), { mode: 'append' });
    await openOwnTable(localBytes(folder), 'plain').compact();
    assert.deepEqual(await query(`SELECT count(*)::INT, sum(id)::INT, count(DISTINCT filename)::INT FROM read_parquet('${join(folder, 'plain')}/*.parquet', filename = true)`), [[30, 435, 1]]);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
});

/** DuckDB reads what is written here, and what DuckDB writes is read here. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { encodeParquet } from '../../../src/store/parquet/encode.ts';
import { columnBounds, openParquet } from '../../../src/store/parquet/file.ts';
import { batchFrom, cellsOf, MemoryFile, readAll, writable } from './support.ts';

async function withDuckDB(work: (query: (sql: string) => Promise<unknown[][]>, folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'parquet-'));
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    await work(async (sql) => (await connection.runAndReadAll(sql)).getRowsJson() as unknown[][], folder);
  } finally {
    connection.closeSync();
    instance.closeSync();
    rmSync(folder, { recursive: true });
  }
}

test('DuckDB reads every type that is written here', async () => {
  const rows = 5_000;
  const kinds = Object.keys(writable).filter((kind) => kind !== 'half');
  const cell = (kind: string, row: number): bigint | number | boolean | string | null =>
    row % 7 === 0 ? null : kind === 'bool' ? row % 2 === 0 : /utf8/i.test(kind) ? `v${row % 9}` : /binary/i.test(kind) ? 'b:61' : /^(u?int(8|16|32)|float|double|day)$/.test(kind) ? row % 100 : BigInt(row) * 86_400_000n;
  const batch = batchFrom(Object.fromEntries(kinds.map((kind) => [kind, { type: writable[kind]!, cells: Array.from({ length: rows }, (_, row) => (kind === 'smallDecimal' && row % 7 ? BigInt(row) : cell(kind, row))) }])));
  await withDuckDB(async (query, folder) => {
    for (const compression of ['snappy', 'lz4_raw', 'zstd', 'uncompressed'] as const) {
      const path = join(folder, `${compression}.parquet`);
      writeFileSync(path, encodeParquet(batch.schema, [batch], { compression, rowGroupRows: 2_048 }));
      const types = Object.fromEntries((await query(`DESCRIBE SELECT * FROM '${path}'`)).map(([name, type]) => [name, type]));
      const { largeUtf8, day, date64, s, us, usZone, uint64, decimal } = types;
      assert.deepEqual({ largeUtf8, day, date64, s, us, usZone, uint64, decimal }, {
        largeUtf8: 'VARCHAR', day: 'DATE', date64: 'TIMESTAMP', s: 'TIMESTAMP', us: 'TIMESTAMP', usZone: 'TIMESTAMP WITH TIME ZONE', uint64: 'UBIGINT', decimal: 'DECIMAL(38,2)',
      });
      const counts = await query(`SELECT ${kinds.map((kind) => `count("${kind}")`).join(', ')} FROM '${path}'`);
      assert.deepEqual(counts[0]!.map(String), kinds.map(() => String(rows - Math.ceil(rows / 7))));
      const [values] = await query(`SELECT sum(int64), sum(double), min(utf8), max(largeUtf8), epoch_us(max(us)), epoch_us(max(s)), epoch_us(max(date64)), max(decimal), bool_or(bool) FROM '${path}'`);
      const valid = Array.from({ length: rows }, (_, row) => row).filter((row) => row % 7 !== 0);
      assert.deepEqual(values!.map(String), [
        String(valid.reduce((sum, row) => sum + BigInt(row) * 86_400_000n, 0n)), String(valid.reduce((sum, row) => sum + (row % 100), 0)), 'v0', 'v8',
        String(4_999n * 86_400_000n), String(4_999n * 86_400_000n * 1_000_000n), String(4_999n * 86_400_000n * 1_000n), '4319136000.00', 'true',
      ]);
      // A filter on the statistics leaves out what it should and nothing else.
      assert.deepEqual(await query(`SELECT count(*)::int FROM '${path}' WHERE int64 >= ${4_900n * 86_400_000n}`), [[valid.filter((row) => row >= 4_900).length]]);
    }
  });
});

test('what DuckDB writes is read here', async () => {
  await withDuckDB(async (query, folder) => {
    for (const options of ['', ', COMPRESSION zstd', ', COMPRESSION lz4_raw, PARQUET_VERSION v2', ', COMPRESSION gzip', ', COMPRESSION brotli']) {
      const path = join(folder, 'duck.parquet');
      await query(`COPY (
        SELECT i::BIGINT AS id, (i % 3)::UTINYINT AS tiny, 'city ' || (i % 5) AS city, i::DOUBLE / 4 AS amount, TIMESTAMP '2001-01-01' + INTERVAL (i) HOUR AS at,
          TIMESTAMPTZ '2001-01-01 00:00:00+00' + INTERVAL (i) HOUR AS atz, DATE '2001-01-01' + i::INT AS day, i::DECIMAL(9, 2) AS small, i::DECIMAL(38, 4) AS large,
          uuid() AS id128, i % 2 = 0 AS even, TIME '12:00:00' AS noon, [i] AS list, {'a': i} AS struct, CASE WHEN i % 10 = 0 THEN NULL ELSE i END::INTEGER AS gaps
        FROM range(10000) t(i)) TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE 4096${options})`);
      const source = new MemoryFile(path, readFileSync(path));
      const file = await openParquet(source);
      assert.deepEqual(file.schema.fields.map(({ name, type }) => `${name} ${type}`), [
        'id Int64', 'tiny Uint8', 'city Utf8', 'amount Float64', 'at Timestamp<MICROSECOND>', 'atz Timestamp<MICROSECOND, UTC>', 'day Date32<DAY>',
        'small Decimal[9e+2]', 'large Decimal[38e+4]', 'id128 Binary', 'even Bool', 'noon Int64', 'gaps Int32',
      ]);
      assert.deepEqual(file.passedOver.map(({ column }) => column), ['list', 'struct']);
      const { batches, rows } = await readAll(source);
      assert.equal(rows, 10_000);
      const start = BigInt(Date.UTC(2001, 0, 1)) * 1_000n;
      const last = (column: string): unknown => cellsOf(batches, column)[9_999];
      assert.deepEqual([last('id'), last('tiny'), last('city'), last('amount'), last('at'), last('atz'), last('day'), last('small'), last('large'), last('even'), last('noon'), last('gaps')], [
        9_999n, 0, 'city 4', 2_499.75, start + 9_999n * 3_600_000_000n, start + 9_999n * 3_600_000_000n, Date.UTC(2001, 0, 1) / 86_400_000 + 9_999, 999_900n, 99_990_000n, false, 43_200_000_000n, 9_999,
      ]);
      assert.equal(cellsOf(batches, 'gaps').filter((cell) => cell === null).length, 1_000);
      assert.deepEqual([columnBounds(file, 0, 'id')!.min, columnBounds(file, 0, 'at')!.min], [0n, start]);
    }
  });
});

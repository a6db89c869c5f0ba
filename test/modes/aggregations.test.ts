/** Every aggregation of every type of value, in the three modes, through tiles and features in Parquet. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { FeatureStore, featureSet, type StorageFormat, tablesEqual, writeTable } from '../../src/index.ts';
import { dayUs } from '../../src/base/time.ts';
import { storageFormats } from '../../src/config/definition.ts';
import type { Agg } from '../../src/engine/plan.ts';
import { groupByOracle, type Row } from '../oracle/group-by.ts';
import { batchesOf, type Cell, cellsOf, type TestColumn, types } from '../support/arrow.ts';
import { projectFolder, randomOf } from './support.ts';

const ordered: readonly Agg[] = ['count', 'min', 'max', 'first', 'last', 'count_distinct', 'approx_distinct'];
const numeric: readonly Agg[] = ['sum', 'mean', 'std', 'var', ...ordered];
const rowCount = 3_000;

function tableOfEvents(): Readonly<Record<string, TestColumn>> {
  const random = randomOf(7);
  const column = (type: TestColumn['type'], cell: () => Cell, nulls = 0.1): TestColumn => ({
    type,
    values: Array.from({ length: rowCount }, () => (random() < nulls ? null : cell())),
  });
  const whole = (below: number): number => Math.floor(random() * below);
  return {
    account: column(types.decimal, () => BigInt(whole(12)) * 10n ** 30n, 0.02),
    at: column(types.millis, () => BigInt(whole(60 * 24)) * 3_600_000n, 0.02),
    amount: column(types.double, () => (random() < 0.02 ? 10 ** (whole(600) - 300) : whole(10_000) / 100)),
    price: column(types.money, () => BigInt(whole(200_000) - 50_000)),
    visits: column(types.uint64, () => BigInt(whole(50)) << 40n),
    city: column(types.utf8, () => ['Kraków', 'Łódź', '', 'a city of a longer name', 'z'][whole(5)]!),
    code: column(types.binary, () => `code ${whole(30)}`),
    paid: column(types.bool, () => random() < 0.9),
    due: column(types.date, () => BigInt(whole(400))),
  };
}

const aggregations = {
  amount: numeric, price: numeric, visits: numeric, city: ordered, code: ordered, paid: [...ordered, 'any', 'all'], due: ordered,
} as const satisfies Readonly<Record<string, readonly Agg[]>>;

for (const format of storageFormats) {
  test(`every aggregation gives the same bits in the three modes, and what the oracle gives, stored as ${format}`, (t) => agree(t, format));
}

async function agree(t: TestContext, format: StorageFormat): Promise<void> {
  const columns = tableOfEvents();
  const folder = projectFolder(t, { 'config/global.yaml': `feature_store:\n  mode: hybrid\n  storage_format: ${format}\n` });
  const table = batchesOf(columns, [1_000, 1_700]);
  await writeTable(join(folder, 'data/silver/events'), table, { format: 'parquet', mode: 'error' });
  const store = await FeatureStore.open(folder, { now: () => new Date(Number((100n * dayUs) / 1_000n)) });
  store.define(featureSet({ name: 'everything', entityKeys: 'account', source: 'events', timestamp: 'at', aggregations, windows: ['30d'] }));
  await store.materialize('everything');
  const ask = (mode: 'materialized' | 'virtualized' | 'hybrid', asOf?: bigint) =>
    store.getFeatures('everything', { mode, ...(asOf !== undefined && { asOf: { value: asOf, unit: 'us' as const } }) });
  const [materialized, virtualized, hybrid] = [await ask('materialized'), await ask('virtualized'), await ask('hybrid')];
  assert.ok(tablesEqual(materialized.table, virtualized.table), 'materialized');
  assert.ok(tablesEqual(hybrid.table, virtualized.table), 'hybrid');
  // Tiles are merged for an instant in the past.
  const [earlier, again] = [await ask('hybrid', 40n * dayUs), await ask('virtualized', 40n * dayUs)];
  assert.ok(tablesEqual(earlier.table, again.table), 'hybrid, from tiles');
  assert.match(earlier.reasons.join('; '), /tiles/);

  const rows = Array.from({ length: rowCount }, (_, i): Row => Object.fromEntries(Object.entries(columns).map(([name, { values }]) => [name, values[i]!])));
  const outputs = Object.entries(aggregations).flatMap(([column, wanted]) =>
    wanted.map((aggregation) => ({ column, aggregation, name: `${column}_${aggregation}` })),
  );
  const expected = groupByOracle(rows, { keys: ['account'], outputs, timestamp: 'at', scales: { price: 2 } });
  for (const { name } of outputs) {
    const cells = cellsOf(virtualized.table, name);
    expected.forEach((row, i) => {
      const [cell, wanted] = [cells[i]!, row[name]!];
      assert.ok(Object.is(typeof wanted === 'bigint' && cell !== null ? BigInt(cell as number) : cell, wanted), `${name}, row ${i}: ${String(cell)}, expected ${String(wanted)}`);
    });
  }
  await store.close();
}

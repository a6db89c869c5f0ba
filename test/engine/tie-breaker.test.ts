/** Tie breakers: of several values at one event time, which is the first and which the last. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { tablesEqual } from '../../src/arrow/canonical.ts';
import { Aggregation } from '../../src/engine/aggregation.ts';
import { groupBy } from '../../src/engine/group-by.ts';
import type { GroupByPlan } from '../../src/engine/plan.ts';
import { createAggregation } from '../../src/engine/run.ts';
import { groupByOracle, type Row } from '../oracle/group-by.ts';
import { batchesOf, type Cell, cellsOf, tableOf, type TestColumn, types } from '../support/arrow.ts';

test('of several plans at one time, the one that was written last is the last', async () => {
  const plans = tableOf({
    customer: { type: types.int32, values: [1, 1, 1, 2, 2, 3, 3] },
    since: { type: types.date, values: [5n, 5n, 4n, 5n, 5n, 5n, 5n] },
    created: { type: types.micros, values: [10n, 20n, 99n, null, -7n, 10n, 10n] },
    plan: { type: types.utf8, values: ['pro', 'free', 'team', 'zero', 'free', 'a', 'b'] },
  });
  const answer = await groupBy(plans, 'customer').agg({ plan: ['first', 'last'] }, { timestamp: 'since', tieBreaker: 'created' });
  // Customer 1 by `created`; 2: one without comes behind all others; 3: what it does not tell apart, the greatest value.
  assert.deepEqual(cellsOf(answer, 'plan_last'), ['free', 'free', 'b']);
  assert.deepEqual(cellsOf(answer, 'plan_first'), ['team', 'free', 'b']);
});

test('a tie breaker is an integer, a date or a timestamp', async () => {
  const table = tableOf({ k: { type: types.int8, values: [1] }, t: { type: types.date, values: [1n] }, v: { type: types.double, values: [1] }, name: { type: types.utf8, values: ['x'] } });
  const ask = (tieBreaker: string) => groupBy(table, 'k').agg({ v: 'last' }, { timestamp: 't', tieBreaker });
  await assert.rejects(ask('name'), /column name: Utf8 cannot break ties; a tie breaker is an integer, a date or a timestamp/);
  await assert.rejects(ask('nam'), /column nam: there is no such column; .*did you mean 'name'/);
});

const ties: Readonly<Record<string, readonly [TestColumn['type'], readonly Cell[]]>> = {
  int8: [types.int8, [-128n, -1n, 0n, 127n]],
  int64: [types.int64, [-(1n << 63n), -1n, 0n, (1n << 63n) - 1n]],
  uint64: [types.uint64, [0n, 1n, 1n << 63n, (1n << 64n) - 1n]],
  uint32: [types.uint32, [0n, 5n, (1n << 32n) - 1n]],
  date: [types.date, [-3n, 0n, 9n]],
  nanos: [types.nanos, [-3n, 0n, 9n]],
};
const values: Readonly<Record<string, readonly [TestColumn['type'], readonly Cell[]]>> = {
  double: [types.double, [-1, 0, 2.5, Number.NaN]],
  utf8: [types.utf8, ['a', 'b', '', 'a value of some length']],
  decimal: [types.decimal, [-5n, 0n, 10n ** 30n]],
  bool: [types.bool, [true, false]],
  dictionary: [types.dictionary, ['x', 'y', 'zz']],
};

test('property: whatever the types, batches, threads and merges, it is what the oracle says', async () => {
  const row = fc.record({ k: fc.option(fc.integer({ min: 0, max: 2 }), { freq: 12 }), t: fc.option(fc.integer({ min: 0, max: 2 }), { freq: 8 }), tie: fc.option(fc.nat(3), { freq: 4 }), v: fc.option(fc.nat(3), { freq: 6 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(row, { maxLength: 40 }), fc.constantFrom(...Object.keys(ties)), fc.constantFrom(...Object.keys(values)), fc.nat(40), fc.constantFrom(1, 3), async (rows, tie, value, cut, threads) => {
      const [[tieType, tieCells], [valueType, valueCells]] = [ties[tie]!, values[value]!];
      const pick = (cells: readonly Cell[], i: number | null): Cell => (i === null ? null : cells[i % cells.length]!);
      const columns = {
        k: { type: types.int32, values: rows.map(({ k }) => k) },
        t: { type: types.date, values: rows.map(({ t }) => (t === null ? null : BigInt(t))) },
        tie: { type: tieType, values: rows.map((each) => pick(tieCells, each.tie)) },
        v: { type: valueType, values: rows.map(({ v }) => pick(valueCells, v)) },
      };
      const table = batchesOf(columns, [cut, cut >> 1]);
      const outputs = (['first', 'last', 'count'] as const).map((aggregation) => ({ column: 'v', aggregation, name: aggregation }));
      const plan: GroupByPlan = { keys: ['k'], outputs, timestamp: 't', tieBreaker: 'tie' };
      const run = createAggregation(plan, table.schema, { threads, ...(threads > 1 && { rare: { stretchRows: 3 } }) });
      for (const batch of table.batches) await run.add(batch);
      const [states, answer] = [await run.states(), await run.finish()];
      await run.close();
      const cells = (name: string): readonly Cell[] => columns[name as keyof typeof columns].values;
      const oracle = groupByOracle(rows.map((_, i): Row => Object.fromEntries(Object.keys(columns).map((name) => [name, cells(name)[i]!]))), { keys: ['k'], outputs, timestamp: 't', tieBreaker: 'tie' });
      for (const { name } of outputs) assert.deepEqual(cellsOf(answer, name), oracle.map((group) => group[name]), `${name} of ${value} by ${tie}`);

      const merged = Aggregation.create(plan, table.schema);
      for (const batch of [...table.batches].reverse()) {
        const part = Aggregation.create(plan, table.schema);
        part.add(batch);
        for (const each of part.states().batches) merged.addStates(each);
        part.close();
      }
      assert.ok(tablesEqual(merged.states(), states), 'states');
      assert.ok(tablesEqual(merged.finish(), answer), 'answers');
      merged.close();
    }),
    { numRuns: 150 },
  );
});

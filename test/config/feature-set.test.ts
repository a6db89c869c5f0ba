import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { col } from '../../src/arrow/expression.ts';
import { dayUs } from '../../src/base/time.ts';
import { resultColumns, windowedOutputs } from '../../src/config/definition.ts';
import { type FeatureColumns, featureSet, type FeatureSetInput } from '../../src/config/feature-set.ts';
import type { Frame } from '../../src/config/frame.ts';
import { aggregationNames } from '../../src/engine/plan.ts';
import { configurationErrorOf } from './support.ts';

test('a feature set in code, typed by its columns', () => {
  const spend = featureSet({
    name: 'spend',
    entityKeys: 'customer_id',
    source: 'gold.transactions',
    timestamp: 'date',
    aggregations: { amount: ['sum', 'mean'], date: 'max' },
    windows: ['7d', '4w', '7d'],
    filter: col('amount').gt(0),
  });
  // Each line is checked by the compiler: the names are exactly these.
  const columns: Record<FeatureColumns<typeof spend>, true> = {
    amount_sum: true, amount_mean: true, date_max: true,
    amount_sum_7d: true, amount_mean_7d: true, date_max_7d: true,
    amount_sum_4w: true, amount_mean_4w: true, date_max_4w: true,
  };
  assert.deepEqual(resultColumns(spend), ['customer_id', ...Object.keys(columns)]);
  assert.deepEqual(spend.outputs.map(({ name }) => name), ['amount_sum', 'amount_mean', 'date_max']);
  assert.deepEqual(windowedOutputs(spend, spend.windows[1]!)[0], { column: 'amount', aggregation: 'sum', name: 'amount_sum_4w' });
  assert.deepEqual(
    { source: spend.source, tileUs: spend.tileUs, windows: spend.windows, kind: spend.kind, filter: spend.filter, tags: spend.tags, where: spend.where },
    {
      source: { layer: 'gold', table: 'transactions' },
      tileUs: dayUs,
      windows: [{ text: '7d', lengthUs: 7n * dayUs }, { text: '4w', lengthUs: 28n * dayUs }],
      kind: 'aggregated',
      filter: { kind: 'compare', column: 'amount', operator: '>', value: 0 },
      tags: {},
      where: 'code',
    },
  );
});

test('a compute function types the set as well', () => {
  const computeFeatures = (df: Frame) => df.groupBy('customer_id').agg({ amount: ['sum', 'mean', 'count'], date: 'max' });
  const set = featureSet({ name: 'spend', source: 'transactions', compute: computeFeatures });
  const columns: Record<FeatureColumns<typeof set>, true> = { amount_sum: true, amount_mean: true, amount_count: true, date_max: true };
  assert.deepEqual(resultColumns(set), ['customer_id', ...Object.keys(columns)]);
  assert.equal(set.kind, 'aggregated');
  assert.equal(set.compute, undefined);
});

test('a set of no known columns has any', () => {
  const written = featureSet({ name: 'scores', entityKeys: ['a', 'b'] });
  const column: FeatureColumns<typeof written> = 'whatever';
  assert.deepEqual([written.kind, written.entityKeys, written.source, column], ['written', ['a', 'b'], { table: '' }, 'whatever']);
});

test('space around a window is not part of its name', () => {
  assert.deepEqual(featureSet({ ...good, windows: [' 7d ', '7d'] }).windows, [{ text: '7d', lengthUs: 7n * dayUs }]);
});

test('its filter and that of its compute function both count', () => {
  const compute = (df: Frame) => df.filter(col('country').eq('ES')).groupBy('id').agg({ amount: 'sum' });
  const set = featureSet({ name: 'spend', source: 't', compute, filter: col('amount').gt(0) });
  assert.deepEqual(set.filter, { kind: 'and', operands: [col('amount').gt(0).expression, col('country').eq('ES').expression] });
});

const good = { name: 'spend', entityKeys: 'id', source: 't', timestamp: 'date', aggregations: { amount: 'sum' } } as const;

const wrongs: readonly (readonly [name: string, change: Readonly<Record<string, unknown>>, ...says: string[]])[] = [
  ['no name', { name: undefined }, 'feature set', "'name' is missing"],
  ['a hostile name', { name: '../../etc' }, '../../etc', 'cannot be a name'],
  ['the words of YAML', { entity_keys: 'id' }, 'entity_keys', "'entityKeys'?"],
  ['a misspelt key', { agregations: {} }, 'agregations', "'aggregations'?"],
  ['no keys', { entityKeys: undefined }, "'entityKeys' is missing"],
  ['empty keys', { entityKeys: [] }, 'spend.entityKeys', 'at least one'],
  ['repeated keys', { entityKeys: ['a', 'a'] }, 'spend.entityKeys[1]', 'twice'],
  ['no source', { source: undefined }, "'source' is missing"],
  ['a layer that is none', { source: 'bronze.t' }, 'silver and gold'],
  ['a number for a source', { source: 5 }, 'expected text', 'the number 5'],
  ['a misspelt aggregation', { aggregations: { amount: 'summ' } }, 'spend.aggregations.amount', "'sum'?"],
  ['a last value of no time', { timestamp: undefined, aggregations: { amount: 'last' } }, 'spend.aggregations.amount', 'goes by event time'],
  ['aggregations of nothing', { aggregations: {} }, 'at least one column'],
  ['a bad tile', { tile: '1 day' }, 'spend.tile', "'1 day'"],
  ['a bad window', { windows: ['7d', '30 parsecs'] }, 'spend.windows[1]', '30 parsecs'],
  ['windows without time', { timestamp: undefined, windows: ['7d'] }, "'timestamp'"],
  ['a compute that is no function', { aggregations: undefined, compute: 'f.js' }, 'spend.compute', "'f.js'"],
  ['both', { compute: () => undefined }, 'not both'],
  ['a filter that is none', { filter: 'amount > 0' }, 'spend.filter', "col('amount')"],
  ['a filter of a written set', { aggregations: undefined, filter: col('a').gt(0) }, 'nothing to filter'],
];

for (const [name, change, ...says] of wrongs) {
  test(`refused in code: ${name}`, async () => {
    const error = await configurationErrorOf(() => featureSet({ ...good, ...change } as unknown as FeatureSetInput));
    assert.equal(error.where, 'code');
    for (const words of says) assert.ok(error.message.includes(words), `${words} in: ${error.message}`);
  });
}

test('several mistakes in code are told together', async () => {
  const error = await configurationErrorOf(() => featureSet({ ...good, tile: 'soon', windows: ['never'] }));
  assert.equal(error.message.split('\n').length, 2);
});

test('law: the columns of an answer have names of their own, or the set is refused', () => {
  // Columns that look like keys, like other columns with an aggregation, and like windows.
  const column = fc.constantFrom('a', 'a_sum', 'a_sum_7d', 'sum', '7d', 'a_sum_sum', 'a_');
  const input = fc.record({
    entityKeys: fc.array(column, { minLength: 1, maxLength: 3 }),
    aggregations: fc.dictionary(column, fc.array(fc.constantFrom(...aggregationNames), { minLength: 1, maxLength: 3 }), { minKeys: 1 }),
    windows: fc.array(fc.constantFrom('7d', '1w', '30d'), { maxLength: 3 }),
  });
  let refused = 0;
  fc.assert(
    fc.property(input, (parts) => {
      const outputs = Object.entries(parts.aggregations).flatMap(([name, wanted]) => wanted.map((each) => `${name}_${each}`));
      const names = [...parts.entityKeys, ...outputs, ...[...new Set(parts.windows)].flatMap((window) => outputs.map((each) => `${each}_${window}`))];
      const collide = new Set(names).size < names.length;
      const define = (): string[] => resultColumns(featureSet({ ...good, ...parts }));
      if (collide) assert.throws(define, { tag: 'Configuration' });
      else assert.deepEqual(define(), names);
      refused += collide ? 1 : 0;
    }),
    { numRuns: 1_000 },
  );
  assert.ok(refused > 50);
});

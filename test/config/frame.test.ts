import assert from 'node:assert/strict';
import test from 'node:test';
import { Table } from '../../src/arrow/arrow.ts';
import { col } from '../../src/arrow/expression.ts';
import { featureSet } from '../../src/config/feature-set.ts';
import { AggregatedFrame, type ComputeFunction, Frame, type FramePlan, tracePlan } from '../../src/config/frame.ts';

const noRows = new Table();

export const computeFeatures = (df: Frame) =>
  df.groupBy('customer_id').agg({ amount: ['sum', 'mean', 'count'], date: 'max' });

test('a compute function of the usual shape is understood without a row', () => {
  const plan = tracePlan(computeFeatures);
  assert.ok(plan instanceof AggregatedFrame);
  assert.deepEqual(plan.keys, ['customer_id']);
  assert.deepEqual(plan.outputs.map(({ name }) => name), ['amount_sum', 'amount_mean', 'amount_count', 'date_max']);
  assert.equal(plan.filter, undefined);
});

test('filters join, select restricts, and no step changes the frame before it', () => {
  let frame: Frame | undefined;
  const plan = tracePlan((df) => {
    frame = df;
    const rows = df.filter(col('country').isIn(['ES', 'PT'])).select('id', ['amount', 'id']).filter(col('amount').gt(0));
    assert.deepEqual(rows.columns, ['id', 'amount']);
    return rows.groupBy(['id']).agg({ amount: 'sum' });
  });
  assert.deepEqual(plan?.filter, { kind: 'and', operands: [col('country').isIn(['ES', 'PT']).expression, col('amount').gt(0).expression] });
  assert.deepEqual(frame?.plan, {});
  assert.equal(frame?.columns, undefined);
});

test('who asks for rows is opaque, however it asks', () => {
  const opaque: readonly ComputeFunction[] = [
    (df) => df.collect(),
    async (df) => df.select('a').collect(),
    (df) => df.collect().then((table) => table),
    async (df) => {
      const rows = await df.collect();
      return rows.numRows > 5 ? rows : noRows;
    },
    (df) => {
      try {
        return df.collect();
      } catch {
        return computeFeatures(df);
      }
    },
    () => noRows,
    () => Promise.resolve(noRows),
    () => Promise.reject(new Error('later')),
  ];
  for (const compute of opaque) assert.equal(tracePlan(compute), undefined, String(compute));
});

test('an opaque function gets the rows of its plan, below the filter of its set', async () => {
  const compute: ComputeFunction = async (df) => df.filter(col('b').isNotNull()).select('a').collect();
  const set = featureSet({ name: 's', entityKeys: 'a', source: 't', compute, filter: col('a').gt(0) });
  assert.equal(set.kind, 'opaque');
  assert.deepEqual(set.filter, col('a').gt(0).expression);
  const asked: FramePlan[] = [];
  const table = await set.compute!(async (plan) => {
    asked.push(plan);
    return noRows;
  });
  assert.equal(table, noRows);
  assert.deepEqual(asked, [{ filter: { kind: 'and', operands: [col('a').gt(0).expression, col('b').isNotNull().expression] }, columns: ['a'] }]);
  assert.equal(String(set.compute), String(compute), 'another function is known as another');
});

test('a plan in a promise is refused when it is run', async () => {
  const compute = (async (df: Frame) => computeFeatures(df)) as unknown as ComputeFunction;
  const set = featureSet({ name: 's', entityKeys: 'customer_id', source: 't', compute });
  await assert.rejects(set.compute!(async () => noRows), /without async/);
});

const wrongs: readonly (readonly [name: string, compute: (df: Frame) => unknown, says: RegExp])[] = [
  ['groupBy without agg', (df) => df.groupBy('a'), /not finished.*groupBy/],
  ['a frame', (df) => df.filter(col('a').gt(1)), /not finished/],
  ['nothing', () => undefined, /returns nothing/],
  ['a number', () => 5, /returns a number/],
  ['no keys', (df) => df.groupBy().agg({ a: 'sum' }), /at least one entity key/],
  ['a key twice', (df) => df.groupBy('a', 'a').agg({ a: 'sum' }), /'a' is named twice/],
  ['no aggregations', (df) => df.groupBy('a').agg({}), /at least one aggregation/],
  ['no aggregation of a column', (df) => df.groupBy('a').agg({ b: [] }), /at least one aggregation of b/],
  ['a misspelt aggregation', (df) => df.groupBy('a').agg({ b: 'meen' as 'mean' }), /'meen' of column 'b'.*'mean'\?/],
  ['aggregations that are none', (df) => df.groupBy('a').agg(null as never), /column → aggregations/],
  ['a column not selected', (df) => df.select('amount', 'id').groupBy('id').agg({ amuont: 'sum' }), /'amuont' is not among.*'amount'\?/],
  ['a key not selected', (df) => df.select('amount').groupBy('id').agg({ amount: 'sum' }), /'id' is not among/],
  ['a filter not selected', (df) => df.select('amount').filter(col('id').gt(1)), /'id' is not among/],
  ['a selection outside the last', (df) => df.select('a').select('a', 'b'), /'b' is not among/],
  ['no selection', (df) => df.select(), /at least one column/],
  ['a condition that is none', (df) => df.filter('a > 1' as never), /expected a condition/],
  ['what it throws itself', () => JSON.parse('{'), /JSON/],
];

for (const [name, compute, says] of wrongs) {
  test(`refused when it is traced: ${name}`, () => {
    assert.throws(() => tracePlan(compute as ComputeFunction), says);
    assert.throws(
      () => featureSet({ name: 's', entityKeys: 'a', source: 't', compute: compute as ComputeFunction }),
      (error: Error & { tag?: string }) => error.tag === 'Configuration' && says.test(error.message) && error.cause instanceof Error,
    );
  });
}

test('entity keys and groups are the same columns, in the order of the entity keys', () => {
  const compute: ComputeFunction = (df) => df.groupBy('a', 'b').agg({ c: 'sum' });
  assert.deepEqual(featureSet({ name: 's', entityKeys: ['b', 'a'], source: 't', compute }).entityKeys, ['b', 'a']);
  assert.throws(() => featureSet({ name: 's', entityKeys: 'a', source: 't', compute }), /groups by a, b, not by a/);
  assert.throws(() => featureSet({ name: 's', entityKeys: ['a', 'c'], source: 't', compute }), /groups by a, b, not by a, c/);
});

test('types: an aggregated frame is at its end', () => {
  const plan = computeFeatures(Frame.over(async () => noRows));
  // @ts-expect-error nothing can be added to a whole plan
  assert.equal(plan.select, undefined);
  // @ts-expect-error 'total' is no aggregation
  assert.throws(() => Frame.over(async () => noRows).groupBy('a').agg({ b: 'total' }));
});

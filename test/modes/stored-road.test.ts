import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { dayUs } from '../../src/base/time.ts';
import type { FeatureSetDefinition } from '../../src/config/definition.ts';
import { planRead } from '../../src/modes/request.ts';
import { planStoredRoad } from '../../src/modes/stored-road.ts';
import type { StoredFacts } from '../../src/modes/storage.ts';
import { Schema } from '../../src/arrow/arrow.ts';

const definition: FeatureSetDefinition = {
  name: 'spend',
  entityKeys: ['customer_id'],
  source: { table: 'transactions' },
  timestamp: 'date',
  kind: 'aggregated',
  outputs: [{ column: 'amount', aggregation: 'sum', name: 'amount_sum' }],
  tileUs: dayUs,
  windows: [],
  tags: {},
  where: 'code',
};

const facts: StoredFacts = {
  sourceVersion: 'v1',
  definition: 'd',
  computedAtMs: undefined,
  asOfUs: 100n * dayUs,
  range: undefined,
  tilesVersion: 0,
  newestEventUs: 99n * dayUs + 5n, arrivals: undefined,
  sourceRows: 1,
  rowsWithNullKey: 0,
  coverage: undefined,
  hasStates: false,
  sourceSchema: new Schema([]),
};

const at = (us: bigint) => ({ value: us, unit: 'us' as const });
const ask = (options: Parameters<typeof planRead>[1]) =>
  planRead(definition, options, { mode: 'materialized', nowUs: 100n * dayUs, maxStalenessUs: undefined });

test('a range on the tile grid is answered exactly from tiles', () => {
  const road = planStoredRoad(ask({ timeRange: '30d', asOf: at(90n * dayUs) }), facts);
  assert.equal(road.kind, 'tiles');
  assert.ok(road.kind === 'tiles' && road.exact);
  assert.deepEqual(road.range, { startUs: 60n * dayUs, endUs: 90n * dayUs });
});

test('no question about time is answered by the features table', () => {
  const road = planStoredRoad(ask({}), facts);
  assert.ok(road.kind === 'features' && road.exact && road.range === undefined);
});

test('a ragged range is moved down to the grid, and says so', () => {
  const road = planStoredRoad(ask({ timeRange: '30d', asOf: at(90n * dayUs + 7n) }), facts);
  assert.ok(road.kind === 'tiles' && !road.exact);
  assert.deepEqual(road.range, { startUs: 60n * dayUs, endUs: 90n * dayUs });
  assert.equal(road.reasons.length, 2);
});

test('an end beyond the newest event needs no moving', () => {
  const asOfUs = 99n * dayUs + 6n;
  const road = planStoredRoad(ask({ timeRange: { end: at(asOfUs) } }), facts);
  assert.ok(road.kind === 'tiles' && road.exact);
  assert.deepEqual(road.range, { endUs: asOfUs });
});

test('an end exactly at the newest event leaves it out, so it is moved', () => {
  const road = planStoredRoad(ask({ timeRange: { end: at(99n * dayUs + 5n) } }), facts);
  assert.ok(road.kind === 'tiles' && !road.exact);
  assert.deepEqual(road.range, { endUs: 99n * dayUs });
});

test('what was stored as of an instant answers nothing after it', () => {
  const limited: StoredFacts = { ...facts, range: { endUs: 50n * dayUs }, newestEventUs: 49n * dayUs };
  const road = planStoredRoad(ask({ timeRange: '30d', asOf: at(90n * dayUs) }), limited);
  assert.ok(road.kind === 'tiles' && !road.exact);
  assert.equal(road.range?.endUs, 60n * dayUs, 'an empty range is reported as it is, at its start');
});

test('law: a bound is never moved up, and never by a whole tile', () => {
  const instant = fc.bigInt({ min: -200n * dayUs, max: 200n * dayUs });
  fc.assert(
    fc.property(instant, instant, (a, b) => {
      const [startUs, endUs] = a <= b ? [a, b] : [b, a];
      const road = planStoredRoad(ask({ timeRange: { start: at(startUs), end: at(endUs) } }), facts);
      assert.ok(road.kind === 'tiles');
      const movedStart = startUs - road.range!.startUs!;
      const movedEnd = endUs - road.range!.endUs!;
      assert.ok(movedStart >= 0n && movedStart < dayUs);
      assert.ok(movedEnd < dayUs && movedEnd >= 0n);
      assert.equal(road.exact, movedStart === 0n && movedEnd === 0n);
    }),
  );
});

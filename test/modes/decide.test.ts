import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { decide, type DecisionFacts, dependsOnCosts, roads } from '../../src/modes/decide.ts';
import type { Work } from '../../src/modes/throughput.ts';

const fits: DecisionFacts = {
  stored: { kind: 'features', parts: [], range: undefined, asOfUs: 0n, exact: true, reasons: ['fits'] },
  sameDefinition: true,
  source: { version: 'a' },
  storedSourceVersion: 'a',
  storedAgeUs: 60_000_000n,
  maxStalenessUs: undefined,
  merged: undefined,
};
const changed: DecisionFacts = { ...fits, source: { version: 'b' } };
const merged = { reasons: ['one new file'] };

const source = (rows: number): readonly Work[] => [{ kind: 'source', rows, bytes: rows * 12, files: 1 }];
const tiles = (rows: number): Work => ({ kind: 'tiles', rows, bytes: rows * 40, files: 1 });
const work = { stored: [tiles(1_000)], merged: [tiles(1_000), ...source(1_000)], source: source(10_000_000) };

test('an unchanged source and a range that fits: what is stored', () => {
  const decision = decide(fits);
  assert.equal(decision.road, 'stored');
  assert.equal(decision.stale, false);
  assert.deepEqual(decision.reasons, ['the source is unchanged since it was materialized', 'fits']);
  assert.deepEqual(decision.roads.map(({ road, open }) => [road, open]), [['stored', true], ['merged', false], ['source', true]]);
});

test('anything that could change the answer leads to the source', () => {
  const ragged = { ...fits.stored!, exact: false } as NonNullable<DecisionFacts['stored']>;
  for (const change of [
    { source: { version: 'b' } },
    { stored: undefined },
    { sameDefinition: false },
    { stored: ragged },
    { stored: { kind: 'none', reasons: ['no tiles'] } as const },
    { damage: 'part-1.parquet: a flipped bit' },
  ]) {
    const decision = decide({ ...fits, ...change });
    assert.equal(decision.road, 'source', JSON.stringify(Object.keys(change)));
    assert.equal(decision.stale, false);
    assert.ok(decision.reasons.length > 0);
  }
});

test('a changed source is overlooked only for as long as the caller allows', () => {
  assert.equal(decide({ ...changed, maxStalenessUs: 60_000_000n }).road, 'stored');
  assert.equal(decide({ ...changed, maxStalenessUs: 60_000_000n }).stale, true);
  assert.equal(decide({ ...changed, maxStalenessUs: 59_999_999n }).road, 'source');
});

test('what is new is merged, where that costs less than the source', () => {
  const cheap = decide({ ...changed, merged, work });
  assert.equal(cheap.road, 'merged');
  assert.equal(cheap.stale, false);
  assert.match(cheap.reasons.join('; '), /one new file; some [\d.]+ ms; source some \d+ ms/);

  const mostIsNew = { ...work, merged: [tiles(10_000_000), ...source(9_000_000)] };
  const dear = decide({ ...changed, merged, work: mostIsNew });
  assert.equal(dear.road, 'source');
  assert.match(dear.reasons.join('; '), /merged some \d+ ms/);
});

test('without a look at the costs, stored goes before merged, and merged before the source', () => {
  assert.equal(decide({ ...fits, merged }).road, 'stored');
  assert.equal(decide({ ...changed, merged }).road, 'merged');
});

test('the cheapest of the roads that are fresh enough', () => {
  const stale: DecisionFacts = { ...changed, merged, maxStalenessUs: 60_000_000n };
  assert.equal(decide({ ...stale, work }).road, 'stored');
  assert.equal(decide({ ...stale, work: { ...work, stored: source(1e6) } }).road, 'merged');
  assert.equal(decide({ ...stale, work: { stored: source(1), merged: source(1), source: source(1) } }).road, 'merged', 'fresh for the same cost');
});

test('costs are asked for only where they matter', () => {
  assert.equal(dependsOnCosts({ ...fits, merged }), false, 'finished rows that are up to date');
  assert.equal(dependsOnCosts({ ...fits, stored: { ...fits.stored!, kind: 'tiles' } as DecisionFacts['stored'], merged }), true);
  assert.equal(dependsOnCosts({ ...changed, merged }), true);
  assert.equal(dependsOnCosts(changed), false, 'one road');
  assert.equal(dependsOnCosts({ ...changed, merged, named: 'source' }), false);
});

test('a named road is taken, whatever it costs and however old it is', () => {
  assert.equal(decide({ ...fits, named: 'source', work }).road, 'source');
  const old = decide({ ...changed, named: 'stored' });
  assert.deepEqual([old.road, old.stale], ['stored', true]);
  assert.match(old.reasons.join('; '), /road stored was asked for; the source has changed/);
});

test('a named road that does not lead to what was asked is refused with the reason', () => {
  const decision = decide({ ...fits, stored: undefined, named: 'stored' });
  assert.deepEqual([decision.road, decision.reasons], ['none', ['road stored was asked for', 'nothing is stored']]);
});

test('an unreachable source is never silent', () => {
  const gone = { ...fits, source: { unreachable: 'no such folder' } };
  assert.equal(decide(gone).road, 'none');
  assert.match(decide(gone).reasons.join(), /no such folder/);
  const allowed = decide({ ...gone, maxStalenessUs: 3_600_000_000n });
  assert.equal(allowed.road, 'stored');
  assert.equal(allowed.stale, true);
  assert.match(allowed.reasons.join(), /no such folder/);
  assert.equal(decide({ ...gone, stored: undefined, maxStalenessUs: 3_600_000_000n }).road, 'none');
});

test('source gone and stored files damaged: both are said', () => {
  const decision = decide({ ...fits, source: { unreachable: 'no such folder' }, damage: 'a flipped bit', maxStalenessUs: 3_600_000_000n });
  assert.equal(decision.road, 'none');
  assert.match(decision.reasons.join('; '), /no such folder.*a flipped bit/);
});

test('a clock that was set back makes nothing young', () => {
  const decision = decide({ ...changed, storedAgeUs: -3_600_000_000n, maxStalenessUs: 3_600_000_000n });
  assert.equal(decision.road, 'source');
  assert.match(decision.reasons.join(), /still to come by this clock/);
  assert.equal(decide({ ...changed, storedAgeUs: -1_000_000n, maxStalenessUs: 1_000_000n }).road, 'stored', 'clocks differ by a second');
});

test('whatever the facts: an open road or none, stale only when said, and always a reason', () => {
  const someWork = fc.record({ kind: fc.constantFrom('features', 'tiles', 'source'), rows: fc.nat(1e9), bytes: fc.nat(1e9), files: fc.nat(100) });
  const works = fc.option(fc.array(someWork, { minLength: 1, maxLength: 2 }), { nil: undefined });
  const facts = fc.record({
    stored: fc.constantFrom(undefined, fits.stored, { ...fits.stored!, exact: false }, { kind: 'none', reasons: ['none'] }),
    merged: fc.constantFrom(undefined, merged, { reason: 'no way' }),
    sameDefinition: fc.boolean(),
    source: fc.constantFrom({ version: 'a' }, { version: 'b' }, { unreachable: 'gone' }),
    storedSourceVersion: fc.constant('a'),
    storedAgeUs: fc.option(fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n }), { nil: undefined }),
    maxStalenessUs: fc.option(fc.bigInt({ min: 1n, max: 10n ** 12n }), { nil: undefined }),
    damage: fc.constantFrom(undefined, 'damaged'),
    named: fc.constantFrom(undefined, ...roads),
    work: fc.record({ stored: works, merged: works, source: works }),
  }) as fc.Arbitrary<DecisionFacts>;
  fc.assert(fc.property(facts, (given) => {
    const decision = decide(given);
    const taken = decision.roads.find(({ road }) => road === decision.road);
    assert.ok(decision.reasons.length > 0);
    if (taken === undefined) return assert.ok(given.named !== undefined || decision.roads.every(({ open }) => !open));
    assert.ok(taken.open);
    assert.equal(decision.stale, taken.stale);
    const changedSince = !('version' in given.source) || given.source.version !== given.storedSourceVersion;
    assert.equal(decision.stale, decision.road === 'stored' && changedSince);
    if (given.damage !== undefined) assert.equal(decision.reasons[0], given.damage);
    const open = decision.roads.filter((road) => road.open);
    if (given.named === undefined && open.every(({ costMs }) => costMs !== undefined)) {
      assert.equal(taken.costMs, Math.min(...open.map(({ costMs }) => costMs!)));
    }
  }));
});

import assert from 'node:assert/strict';
import test from 'node:test';
import { decide, type DecisionFacts } from '../../src/modes/decide.ts';

const fits: DecisionFacts = {
  stored: { kind: 'features', parts: [], range: undefined, asOfUs: 0n, exact: true, reasons: ['fits'] },
  sameDefinition: true,
  source: { version: 'a' },
  storedSourceVersion: 'a',
  storedAgeUs: 60_000_000n,
  maxStalenessUs: undefined,
  merged: undefined,
};

test('an unchanged source and a range that fits: what is stored', () => {
  assert.deepEqual(decide(fits), { road: 'stored', stale: false, reasons: ['the source is unchanged since it was materialized', 'fits'] });
});

test('anything that could change the answer leads to the source', () => {
  const ragged = { ...fits.stored!, exact: false } as NonNullable<DecisionFacts['stored']>;
  for (const change of [
    { source: { version: 'b' } },
    { stored: undefined },
    { sameDefinition: false },
    { stored: ragged },
    { stored: { kind: 'none', reasons: ['no tiles'] } as const },
  ]) {
    const decision = decide({ ...fits, ...change });
    assert.equal(decision.road, 'source', JSON.stringify(Object.keys(change)));
    assert.equal(decision.stale, false);
    assert.ok(decision.reasons.length > 0);
  }
});

test('a changed source is overlooked only for as long as the caller allows', () => {
  const changed = { ...fits, source: { version: 'b' } };
  assert.equal(decide({ ...changed, maxStalenessUs: 60_000_000n }).road, 'stored');
  assert.equal(decide({ ...changed, maxStalenessUs: 60_000_000n }).stale, true);
  assert.equal(decide({ ...changed, maxStalenessUs: 59_999_999n }).road, 'source');
});

test('an unreachable source is never silent', () => {
  const gone = { ...fits, source: { unreachable: 'no such folder' } };
  assert.equal(decide(gone).road, 'none');
  const allowed = decide({ ...gone, maxStalenessUs: 3_600_000_000n });
  assert.equal(allowed.road, 'stored');
  assert.equal(allowed.stale, true);
  assert.match(allowed.reasons.join(), /no such folder/);
  assert.equal(decide({ ...gone, stored: undefined, maxStalenessUs: 3_600_000_000n }).road, 'none');
});

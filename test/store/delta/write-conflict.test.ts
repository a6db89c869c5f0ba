import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Attempt, type CommitFacts, decideConflict } from '../../../src/store/delta/conflict.ts';

const nothing: CommitFacts = { changesProtocol: false, changesMetadata: false, applications: [], add: [], remove: [] };
const added = (partitionValues: Record<string, string | null> = {}, dataChange = true): CommitFacts => ({ ...nothing, add: [{ partitionValues, dataChange }] });
const removed = (path: string, dataChange = true): CommitFacts => ({ ...nothing, remove: [{ path, dataChange }] });
const compacted: CommitFacts = { ...added({}, false), remove: [{ path: 'a', dataChange: false }] };
const kindOf = (attempt: Attempt, winner: CommitFacts): string => decideConflict(attempt, winner).kind;

it('an append goes above an append, and not above a removal', () => {
  assert.deepEqual(decideConflict({ kind: 'append' }, added()), { kind: 'retry' });
  assert.deepEqual(decideConflict({ kind: 'append' }, removed('a')), { kind: 'conflict', reason: 'rows were removed' });
  assert.equal(kindOf({ kind: 'append' }, compacted), 'retry');
});

describe('conflicts', () => {
  const attempts: readonly Attempt[] = [
    { kind: 'append' },
    { kind: 'overwrite' },
    { kind: 'replacePartitions', partitions: [{ day: '1' }], remove: ['a'] },
    { kind: 'rewrite', remove: ['a'] },
  ];

  it('nothing stands above a change of protocol or metadata', () => {
    for (const attempt of attempts) {
      assert.equal(kindOf(attempt, nothing), 'retry');
      assert.equal(kindOf(attempt, { ...nothing, changesProtocol: true }), 'conflict');
      assert.equal(kindOf(attempt, { ...nothing, changesMetadata: true }), 'conflict');
    }
  });

  it('the same application does not commit twice from one version', () => {
    for (const attempt of attempts) {
      const winner = { ...nothing, applications: ['other', 'mine'] };
      assert.equal(kindOf({ ...attempt, application: 'mine' }, winner), 'conflict');
      assert.equal(kindOf({ ...attempt, application: 'third' }, winner), 'retry');
      assert.equal(kindOf(attempt, winner), 'retry');
    }
  });

  it('an overwrite stands above no change of rows', () => {
    for (const winner of [added(), removed('z')]) assert.equal(kindOf({ kind: 'overwrite' }, winner), 'conflict');
    assert.equal(kindOf({ kind: 'overwrite' }, compacted), 'retry');
  });

  it('partitions are replaced beside others', () => {
    const replace: Attempt = { kind: 'replacePartitions', partitions: [{ day: '1' }, { day: null }], remove: ['a'] };
    assert.equal(kindOf(replace, added({ day: '2' })), 'retry');
    assert.equal(kindOf(replace, removed('z')), 'retry');
    for (const winner of [added({ day: '1' }), added({ day: '1', hour: '7' }), added({ day: '' }), added({}), removed('a', false)]) {
      assert.equal(kindOf(replace, winner), 'conflict');
    }
    const known: Attempt = { kind: 'replacePartitions', partitions: [{ day: '1' }], remove: [] };
    assert.equal(kindOf(known, added({ hour: '7' })), 'conflict', 'a file whose day is not known might be of that day');
    const everything: Attempt = { kind: 'replacePartitions', partitions: [{}], remove: [] };
    assert.equal(kindOf(everything, added({ day: '2' })), 'conflict');
  });

  it('a rewrite stands above everything but the loss of its files', () => {
    const rewrite: Attempt = { kind: 'rewrite', remove: ['a', 'b'] };
    assert.equal(kindOf(rewrite, added()), 'retry');
    assert.equal(kindOf(rewrite, removed('z')), 'retry');
    assert.deepEqual(decideConflict(rewrite, removed('b')), { kind: 'conflict', reason: 'b was removed' });
  });

  it('a retry gives the table as if the winner had been first: no partition is left with rows of both, no file goes twice', () => {
    const day = fc.constantFrom('1', '2', '3');
    const file = fc.constantFrom('a', 'b', 'c', 'd');
    fc.assert(fc.property(fc.uniqueArray(day), fc.uniqueArray(file), fc.array(day), fc.uniqueArray(file), (partitions, remove, days, gone) => {
      const winner = { ...nothing, add: days.map((value) => ({ partitionValues: { day: value }, dataChange: true })), remove: gone.map((path) => ({ path, dataChange: true })) };
      const attempt: Attempt = { kind: 'replacePartitions', partitions: partitions.map((value) => ({ day: value })), remove };
      const meets = days.some((value) => partitions.includes(value)) || gone.some((path) => remove.includes(path));
      assert.equal(kindOf(attempt, winner), meets ? 'conflict' : 'retry');
    }));
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UnsupportedError } from '../../../src/base/errors.ts';
import { checkWritable, type WriteKind, type WrittenTable } from '../../../src/store/delta/write-protocol.ts';

const plain: WrittenTable = { name: 't', minReaderVersion: 1, minWriterVersion: 2, configuration: {}, fieldMetadata: [] };
const withFeatures = (...writerFeatures: readonly string[]): WrittenTable => ({ ...plain, minReaderVersion: 3, minWriterVersion: 7, writerFeatures });
const kinds: readonly WriteKind[] = ['append', 'remove', 'rewrite'];

function allowed(table: WrittenTable): WriteKind[] {
  return kinds.filter((kind) => refusalOf(table, kind) === undefined);
}

/** The feature that a refusal names. */
function refusalOf(table: WrittenTable, kind: WriteKind): string | undefined {
  try {
    checkWritable(table, kind);
    return undefined;
  } catch (thrown) {
    assert.ok(thrown instanceof UnsupportedError);
    assert.ok(thrown.message.includes(thrown.feature) && thrown.message.startsWith('t: '));
    return thrown.feature;
  }
}

it('a table that uses nothing can be written, whatever its writer version', () => {
  for (let minWriterVersion = 1; minWriterVersion <= 7; minWriterVersion++) assert.deepEqual(allowed({ ...plain, minWriterVersion }), kinds);
});

describe('a table is refused', () => {
  it('by versions that are not known', () => {
    assert.equal(refusalOf({ ...plain, minWriterVersion: 8 }, 'append'), 'writer version 8');
    assert.equal(refusalOf({ ...plain, minReaderVersion: 4 }, 'append'), 'reader version 4');
    for (const minWriterVersion of [0, -1, 1.5, Number.NaN]) assert.equal(refusalOf({ ...plain, minWriterVersion }, 'append'), `writer version ${minWriterVersion}`);
  });

  it('by features that are not known, even those called like what every object has', () => {
    for (const feature of ['rowTracking', 'icebergCompatV2', 'clustering', 'catalogManaged', 'constructor', 'hasOwnProperty', '']) {
      for (const kind of kinds) assert.equal(refusalOf(withFeatures('appendOnly', feature), kind), feature);
    }
    assert.equal(refusalOf({ ...withFeatures(), readerFeatures: ['variantType'] }, 'append'), 'variantType');
  });

  it('by features in use, from the writer version that brought them', () => {
    const cases: readonly [feature: string, since: number, inUse: Partial<WrittenTable>][] = [
      ['invariants', 2, { fieldMetadata: ['comment', 'delta.invariants'] }],
      ['checkConstraints', 3, { configuration: { 'delta.constraints.positive': 'x > 0' } }],
      ['generatedColumns', 4, { fieldMetadata: ['delta.generationExpression'] }],
      ['columnMapping', 5, { configuration: { 'delta.columnMapping.mode': 'name' } }],
      ['identityColumns', 6, { fieldMetadata: ['delta.identity.start'] }],
    ];
    for (const [feature, since, inUse] of cases) {
      for (let minWriterVersion = 1; minWriterVersion <= 6; minWriterVersion++) {
        assert.equal(refusalOf({ ...plain, ...inUse, minWriterVersion }, 'append'), minWriterVersion < since ? undefined : feature);
      }
      assert.equal(refusalOf({ ...withFeatures(feature), ...inUse }, 'append'), feature);
      assert.equal(refusalOf({ ...withFeatures(), ...inUse }, 'append'), undefined);
    }
    assert.deepEqual(allowed({ ...withFeatures('columnMapping'), configuration: { 'delta.columnMapping.mode': 'none' } }), kinds);
    assert.deepEqual(allowed({ ...withFeatures('inCommitTimestamp'), configuration: { 'delta.enableInCommitTimestamps': 'true' } }), []);
  });
});

it('a table that only grows may be compacted, and one with deletion vectors only appended to', () => {
  assert.deepEqual(allowed({ ...plain, configuration: { 'delta.appendOnly': 'true' } }), ['append', 'rewrite']);
  assert.deepEqual(allowed({ ...plain, configuration: { 'delta.appendOnly': 'false' } }), kinds);
  assert.deepEqual(allowed(withFeatures('deletionVectors')), ['append']);
  assert.deepEqual(allowed(withFeatures('timestampNtz', 'changeDataFeed', 'vacuumProtocolCheck')), kinds);
});

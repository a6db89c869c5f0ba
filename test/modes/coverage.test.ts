/** Law: tiles and rows of a split range are the range, each instant once; and of the rest nothing. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { TimeRange } from '../../src/base/time.ts';
import { changeOf, decodeCoverage, encodeCoverage, splitRange, type Stretch, unionOf } from '../../src/modes/coverage.ts';
import type { Snapshot } from '../../src/store/table.ts';

const tileUs = 4n;
const instant = fc.bigInt({ min: -20n, max: 20n });
const bound = fc.option(instant, { nil: undefined });
const isIn = ({ startUs, endUs }: TimeRange, t: bigint): boolean => (startUs === undefined || t >= startUs) && (endUs === undefined || t < endUs);
const rangeOf = (startUs: bigint | undefined, endUs: bigint | undefined): TimeRange => ({ ...(startUs !== undefined && { startUs }), ...(endUs !== undefined && { endUs }) });
const floor = (t: bigint): bigint => ((t % tileUs) + tileUs) % tileUs;

test('every event of a range comes in once, from a tile or from rows', () => {
  const dirty = fc.array(fc.tuple(fc.bigInt({ min: -5n, max: 4n }), fc.bigInt({ min: 1n, max: 3n })).map(([start, length]): Stretch => ({ startUs: start * tileUs, endUs: (start + length) * tileUs })));
  fc.assert(
    fc.property(bound, bound, dirty, bound, bound, (startUs, endUs, dirtyParts, storedEndUs, newestUs) => {
      fc.pre(startUs === undefined || endUs === undefined || startUs <= endUs);
      const range = rangeOf(startUs, endUs);
      const stored = { tileUs, dirty: unionOf(dirtyParts), endUs: storedEndUs, newestUs };
      const road = splitRange(range, stored)!;
      for (const { startUs: first, endUs: last } of road.rows) assert.ok(last === undefined || first < last, 'no stretch is empty');
      for (let t = -25n; t < 25n; t++) {
        // No covered event is newer than the newest that was stored, or stood before what is stored ends.
        if (newestUs !== undefined && t > newestUs && (storedEndUs === undefined || t < storedEndUs)) continue;
        if (newestUs === undefined && storedEndUs === undefined) continue;
        const tile = t - floor(t);
        const isTiled = (storedEndUs === undefined || t < storedEndUs) && !stored.dirty.some((each) => isIn(each, tile));
        const fromTile = isTiled && road.tiles !== 'none' && (road.tiles === 'all' || isIn(road.tiles, tile));
        const fromRows = road.rows.filter((each) => isIn(each, t)).length;
        const wanted = isIn(range, t) ? 1 : 0;
        // An event that nobody has cannot be counted; one that is stored must be, once.
        if (newestUs === undefined && storedEndUs !== undefined && t < storedEndUs) continue;
        assert.equal((fromTile ? 1 : 0) + fromRows, wanted, `${t}: ${JSON.stringify({ range, road, stored }, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}`);
      }
    }),
    { numRuns: 3_000 },
  );
});

test('every row is all tiles, where all rows are stored', () => {
  const dirty = [{ startUs: 0n, endUs: 4n }];
  assert.deepEqual(splitRange(undefined, { tileUs, dirty, endUs: undefined, newestUs: 9n }), { tiles: 'all', rows: dirty });
  assert.equal(splitRange(undefined, { tileUs, dirty, endUs: 8n, newestUs: 7n }), undefined);
});

test('a union has what its parts have, and its ranges are apart', () => {
  const stretch = fc.tuple(instant, bound).map(([startUs, endUs]): Stretch => ({ startUs, ...(endUs !== undefined && { endUs: endUs < startUs ? startUs : endUs }) }));
  fc.assert(
    fc.property(fc.array(stretch), (parts) => {
      const union = unionOf(parts);
      for (let t = -25n; t < 25n; t++) assert.equal(union.some((each) => isIn(each, t)), parts.some((each) => isIn(each, t)), `${t}`);
      for (let i = 1; i < union.length; i++) assert.ok(union[i - 1]!.endUs! < union[i]!.startUs);
    }),
  );
});

test('what has become of a source', () => {
  const source = (...ids: string[]) => ({ files: ids.map((id) => ({ id, path: id, size: 1, modifiedNs: 0n })) }) as unknown as Snapshot;
  const coverage = new Map([
    ['a', { firstUs: 1n, lastUs: 9n, nulls: 0 }],
    ['b', { firstUs: -3n, lastUs: 2n, nulls: 0 }],
    ['none', { firstUs: undefined, lastUs: undefined, nulls: 0 }],
    ['untimed', { firstUs: 1n, lastUs: 1n, nulls: 1 }],
    ['unknown', undefined],
  ]);
  assert.deepEqual(decodeCoverage(encodeCoverage(coverage)), coverage);
  const kept = ['untimed', 'unknown'];
  assert.deepEqual(changeOf(coverage, source('a', 'b', 'none', ...kept, 'c'), tileUs), { added: new Set(['c']), kept: new Set(['a', 'b', 'none', ...kept]), dirty: [] });
  assert.deepEqual(changeOf(coverage, source('b', ...kept), tileUs)?.dirty, [{ startUs: 0n, endUs: 12n }]);
  assert.deepEqual(changeOf(coverage, source(...kept), tileUs)?.dirty, [{ startUs: -4n, endUs: 12n }]);
  assert.equal(changeOf(coverage, source('a', 'b', 'none', 'unknown'), tileUs)?.dirty, undefined);
  assert.equal(changeOf(coverage, source('a', 'b', 'none', 'untimed'), tileUs)?.dirty, undefined);
  assert.equal(changeOf(coverage, {} as Snapshot, tileUs), undefined);
});

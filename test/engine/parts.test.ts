/** Parts, one after the other, are the whole, wherever it is cut. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Table } from '../../src/arrow/arrow.ts';
import { tablesEqual } from '../../src/arrow/canonical.ts';
import type { Steps } from '../../src/base/steps.ts';
import { Aggregation } from '../../src/engine/aggregation.ts';
import { boundsOf, type Cut, cutStrings } from '../../src/engine/cut.ts';
import { borrowInstance } from '../../src/engine/instance.ts';
import { partOf, PartReader } from '../../src/engine/parts.ts';
import { type GroupByPlan, outputsOf } from '../../src/engine/plan.ts';
import { batchesOf, type TestColumn, types } from '../support/arrow.ts';

const word = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const long = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n });
const name = fc.oneof(fc.constantFrom('', '\0', 'a', 'customer', 'customer-', 'customer-17', 'customer-170000000000', 'customes', 'zz'), fc.string({ maxLength: 20 }));

const columns = (rows: number): fc.Arbitrary<Readonly<Record<string, TestColumn>>> => {
  const many = <T>(values: fc.Arbitrary<T>) => fc.array(fc.option(values, { freq: 8 }), { minLength: rows, maxLength: rows });
  return fc.record({
    key: fc.oneof(
      many(fc.oneof(long, fc.bigInt({ min: 0n, max: 30n }))).map((values) => ({ type: types.int64, values })),
      many(fc.integer({ min: -20, max: 20 })).map((values) => ({ type: types.int32, values })),
      many(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })).map((values) => ({ type: types.uint64, values })),
      many(name).map((values) => ({ type: types.utf8, values })),
    ),
    amount: many(fc.oneof(fc.double(), fc.constantFrom(1e300, -1e300, 5e-324), fc.integer({ min: -99, max: 999 }).map((cents) => cents / 100))).map((values) => ({ type: types.double, values })),
    count: many(long).map((values) => ({ type: types.int64, values })),
  });
};

const plans: readonly GroupByPlan[] = [
  { keys: ['key'], outputs: outputsOf({ amount: ['sum', 'mean', 'min', 'max', 'count'], count: ['min', 'max', 'count'] }) },
  { keys: ['key'], outputs: outputsOf({ amount: ['sum', 'mean', 'count'] }) },
];

/** What each comes to, a step of each in turn. */
function stepByStep<Result>(works: readonly Steps<Result>[]): Result[] {
  const results: Result[] = [];
  while (Object.keys(results).length < works.length) {
    for (const [i, work] of works.entries()) {
      if (i in results) continue;
      const { done, value } = work.next();
      if (done) results[i] = value;
    }
  }
  return results;
}

test('property: the groups of two aggregations, in parts cut anywhere, are those of one', () => {
  const cases = fc.integer({ min: 0, max: 80 }).chain((rows) =>
    fc.record({ plan: fc.constantFrom(...plans), isNarrow: fc.boolean(), columns: columns(rows), half: fc.nat({ max: rows }), bounds: fc.array(word, { maxLength: 9 }), skipped: fc.nat({ max: 8 }), what: fc.constantFrom('finish' as const, 'states' as const) }),
  );
  fc.assert(
    fc.property(cases, ({ plan, isNarrow, columns: made, half, bounds, skipped, what }) => {
      const table = batchesOf(made, [half]);
      const instance = borrowInstance(undefined);
      const [first, second, whole] = [isNarrow, isNarrow, false].map((narrow) => Aggregation.create(plan, table.schema, { rare: { isNarrow: narrow } }, instance));
      table.batches.forEach((batch, i) => {
        (i === 0 ? first! : second!).add(batch);
        whole!.add(batch);
      });
      assert.ok(whole!.isCuttable);
      const prefix = (0x637573746f6d6572n >> BigInt(64 - skipped * 8)) << BigInt(64 - skipped * 8); // 'customer'
      const cut: Cut = { bounds: BigUint64Array.from(bounds).sort(), prefix: skipped === 0 ? 0n : prefix, skipped };
      const split = [first!, second!].map((aggregation) => whole!.split(aggregation.memory, cut));
      const reader = new PartReader(instance, plan, table.schema, {});
      const parts = Array.from({ length: bounds.length + 1 }, (_, part) => reader.read(split.map((groups) => partOf(groups, part)), what));
      const byTwo = new PartReader(instance, plan, table.schema, {});
      for (const [part, alone] of parts.entries()) {
        const groups = split.map((each) => partOf(each, part));
        for (const read of stepByStep([reader.reading(groups, what), byTwo.reading(groups, what)])) assert.ok(tablesEqual(read, alone), 'step by step with another');
      }
      const expected = whole![what]();
      const answer = new Table(expected.schema, parts.flatMap(({ batches }) => batches));
      assert.ok(tablesEqual(expected, answer));
      assert.ok(tablesEqual(expected, whole![what]()), 'what is read in parts is only read');
      instance.giveBack();
    }),
    { numRuns: 300 },
  );
});

test('parts are about as large, also where strings begin alike', () => {
  const words = BigUint64Array.from({ length: 1000 }, (_, i) => BigInt((i * 7_919) % 1000));
  assert.deepEqual([...boundsOf(words, 4)], [250n, 500n, 750n]);
  const heads = Array.from({ length: 900 }, (_, i) => Buffer.from(`customer-${100 + i}\0\0\0\0`)).flatMap((bytes) => [bytes.readBigUInt64BE(0), bytes.readBigUInt64BE(8)]);
  const { bounds, skipped, prefix } = cutStrings(BigUint64Array.from(heads), 3);
  assert.equal(skipped, 8);
  assert.equal(prefix, Buffer.from('customer').readBigUInt64BE());
  assert.deepEqual([...bounds].map((bound) => Buffer.from(bound.toString(16), 'hex').toString().replaceAll('\0', '')), ['-400', '-700']);
});

/** How often others may have their turn until it is done, and what it comes to. */
function countTurns<Result>(work: Steps<Result>): readonly [turns: number, result: Result] {
  for (let turns = 0; ; turns++) {
    const { done, value } = work.next();
    if (done) return [turns, value];
  }
}

test('many groups are read out in several steps, few in one, and both come to the same as all at once', () => {
  for (const [groups, most] of [[100, 0], [40_000, 20]] as const) {
    const key = Array.from({ length: groups }, (_, i) => BigInt(i * 7919));
    const table = batchesOf({ key: { type: types.int64, values: key }, amount: { type: types.double, values: key.map(Number) }, count: { type: types.int64, values: key } }, []);
    for (const what of ['finish', 'states'] as const) {
      const aggregation = Aggregation.create(plans[0]!, table.schema);
      for (const batch of table.batches) aggregation.add(batch);
      const [turns, answer] = countTurns(aggregation.answering(what));
      assert.ok(turns <= most && (most === 0 || turns >= 2), `${turns} turns for ${groups} groups`);
      assert.ok(tablesEqual(answer, aggregation[what]()));
      aggregation.close();
    }
  }
});

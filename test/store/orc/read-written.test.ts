/** What our writer writes comes back: every type, nulls, stripes; runs as the slow decoder has them; damage as an error of ours. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { DataType } from '../../../src/arrow/arrow.ts';
import { FeatureStoreError } from '../../../src/base/errors.ts';
import { decodeBits, decodeIntegers } from '../../../src/store/orc/decode-runs.ts';
import { encodeOrc } from '../../../src/store/orc/encode.ts';
import { decodeIntegers as slowly } from '../../oracle/orc-streams.ts';
import { batchFrom, type Cell, cellsOf, writable } from '../parquet/support.ts';
import { readOrc } from './support.ts';

const name = { file: 't.orc', stream: 'data' };

/** Any value of the type that ORC can hold. */
function cellArbitrary(type: DataType): fc.Arbitrary<Cell> {
  if (DataType.isBool(type)) return fc.boolean();
  if (DataType.isInt(type)) {
    if (type.bitWidth === 64) return fc.bigInt({ min: type.isSigned ? -(2n ** 63n) : 0n, max: 2n ** 63n - 1n });
    const half = 2 ** (type.bitWidth - 1);
    return type.isSigned ? fc.integer({ min: -half, max: half - 1 }) : fc.integer({ min: 0, max: 2 * half - 1 });
  }
  if (DataType.isFloat(type)) {
    if (type.precision === 0) return fc.integer({ min: 0, max: 0x7bff });
    return type.precision === 1 ? fc.float() : fc.double();
  }
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type)) return fc.string({ unit: 'grapheme', maxLength: 12 });
  if (DataType.isBinary(type) || DataType.isLargeBinary(type)) return fc.uint8Array({ maxLength: 12 }).map((bytes) => `b:${Buffer.from(bytes).toString('hex')}`);
  if (DataType.isDate(type) && type.unit === 0) return fc.integer({ min: -700_000, max: 2_900_000 });
  if (DataType.isDecimal(type)) return fc.bigInt({ min: 1n - 10n ** BigInt(type.precision), max: 10n ** BigInt(type.precision) - 1n });
  // Not in the last second before 1970, which ORC cannot tell from the next.
  const perSecond = DataType.isDate(type) ? 1_000n : 1_000n ** BigInt((type as DataType & { unit: number }).unit);
  const second = fc.bigInt({ min: -9_000_000_000n, max: 9_000_000_000n }).map((value) => (value === -1n ? 0n : value));
  return fc.tuple(second, fc.bigInt({ min: 0n, max: perSecond - 1n })).map(([whole, part]) => whole * perSecond + part);
}

test('property: every type comes back, with its nulls and its type', async () => {
  const cases = fc.constantFrom(...Object.keys(writable)).chain((kind) => {
    const cell = cellArbitrary(writable[kind]!);
    const some = fc.oneof(fc.array(cell, { minLength: 1, maxLength: 4 }).map((pool) => fc.constantFrom(...pool)), fc.constant(cell)).chain((values) => fc.array(fc.option(values, { freq: 5 }), { maxLength: 300 }));
    return fc.record({ kind: fc.constant(kind), cells: some, compression: fc.constantFrom('zlib' as const, 'snappy' as const, 'none' as const), stripeRows: fc.constantFrom(undefined, 7, 100) });
  });
  await fc.assert(
    fc.asyncProperty(cases, async ({ kind, cells, compression, stripeRows }) => {
      const batch = batchFrom({ value: { type: writable[kind]!, cells } });
      const { schema, batches, rows } = await readOrc(encodeOrc(batch.schema, [batch], { compression, ...(stripeRows !== undefined && { stripeRows }) }));
      assert.equal(`${schema.fields[0]!.type}`, `${writable[kind]}`);
      assert.equal(rows, cells.length);
      assert.deepEqual(cellsOf(batches, 'value'), cells);
    }),
    { numRuns: 400 },
  );
});

test('times so far from ours as 64 bits hold come back', async () => {
  const [least, greatest] = [-(2n ** 63n), 2n ** 63n - 1n];
  for (const [kind, cells] of Object.entries({ us: [least, greatest, 10n ** 18n, -(10n ** 18n)], ns: [least, greatest], ms: [least + 2_000n, greatest - 2_000n], s: [10n ** 15n, -(10n ** 15n)] })) {
    const batch = batchFrom({ value: { type: writable[kind]!, cells } });
    assert.deepEqual(cellsOf((await readOrc(encodeOrc(batch.schema, [batch]))).batches, 'value'), cells, kind);
  }
});

test('property: bytes that are any runs are the same integers to the slow decoder, or damage', () => {
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.array(fc.constantFrom(0, 1, 0x0a, 0x40, 0x5e, 0x80, 0x8e, 0xc0, 0xc1, 0xff, 0x2b), { maxLength: 40 }).map((list) => Uint8Array.from(list)));
  fc.assert(
    fc.property(bytes, fc.boolean(), fc.nat({ max: 400 }), (stream, isSigned, count) => {
      let found: bigint[] | undefined;
      try {
        found = [...new BigInt64Array(decodeIntegers(name, { bytes: stream, skip: 0 }, count, 2, isSigned).buffer)];
      } catch (thrown) {
        assert.ok(thrown instanceof FeatureStoreError, String(thrown));
      }
      if (found === undefined) return;
      // What was decoded lies within the bytes, so zeros behind them change nothing.
      const wanted = slowly(Uint8Array.from([...stream, ...Array<number>(600).fill(0)]), isSigned, 0, count).slice(0, count);
      assert.deepEqual(found, wanted.map((value) => BigInt.asIntN(64, value)));
    }),
    { numRuns: 2_000 },
  );
});

test('bits come lowest first, and end where they end', () => {
  assert.deepEqual([...decodeBits(name, { bytes: Uint8Array.of(0xfe, 0b1000_0001, 0b1110_0000), skip: 0 }, 11)], [0b1000_0001, 0b0000_0111]);
  assert.deepEqual([...decodeBits(name, { bytes: Uint8Array.of(2, 0xff), skip: 0 }, 33)], [255, 255, 255, 255, 1]);
});

test('a range of time leaves out stripes by their statistics', async () => {
  const day = 86_400_000_000n;
  const cells = Array.from({ length: 100 }, (_, i) => BigInt(i - 20) * day);
  const batch = batchFrom({ at: { type: writable.us!, cells }, day: { type: writable.day!, cells: cells.map((_, i) => i - 20) } });
  const bytes = encodeOrc(batch.schema, [batch], { stripeRows: 10 });
  const range = { startUs: 5n * day, endUs: 20n * day };
  assert.deepEqual(cellsOf((await readOrc(bytes, { columns: ['at'], timeRange: { column: 'at', range } })).batches, 'at'), cells.slice(20, 40));
  assert.deepEqual(cellsOf((await readOrc(bytes, { columns: ['at'], timeRange: { column: 'day', range } })).batches, 'at'), cells.slice(20, 40));
  const before = { startUs: -20n * day, endUs: -10n * day };
  assert.deepEqual(cellsOf((await readOrc(bytes, { columns: ['at'], timeRange: { column: 'at', range: before } })).batches, 'at').slice(0, 10), cells.slice(0, 10));
});

test('property: files that are cut short, or have a bit flipped, are data or an error of ours, soon', async () => {
  const cells = (make: (i: number) => Cell): Cell[] => Array.from({ length: 400 }, (_, i) => (i % 9 === 0 ? null : make(i)));
  const batch = batchFrom({
    id: { type: writable.int64!, cells: cells((i) => BigInt(i * i) << 20n) }, name: { type: writable.utf8!, cells: cells((i) => `name ${i % 5}`) }, text: { type: writable.utf8!, cells: cells((i) => `t${i}`) },
    at: { type: writable.ns!, cells: cells((i) => BigInt(i) * 1_000_000_007n) }, amount: { type: writable.decimal!, cells: cells((i) => BigInt(i) ** 5n) }, flag: { type: writable.bool!, cells: cells((i) => i % 3 === 0) },
  });
  for (const compression of ['zlib', 'snappy', 'none'] as const) {
    const sound = encodeOrc(batch.schema, [batch], { compression, stripeRows: 150 });
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: sound.length - 1 }), fc.integer({ min: 0, max: 7 }), fc.boolean(), async (at, bit, cut) => {
        const bytes = cut ? sound.slice(0, at) : sound.slice();
        if (!cut) bytes[at]! ^= 1 << bit;
        try {
          const { rows } = await readOrc(bytes);
          assert.ok(!cut, `cut to ${at} bytes it was read`);
          assert.equal(rows, 400);
        } catch (thrown) {
          assert.ok(thrown instanceof FeatureStoreError && thrown.tag !== 'Invariant', (thrown as Error).stack);
        }
      }),
      { numRuns: 300 },
    );
  }
});

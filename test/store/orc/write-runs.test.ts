/** The kernels of the ORC writer against a decoder that is slow and obvious: runs of integers, and Snappy. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { withKernelMemory } from '../../../src/store/orc/kernel-memory.ts';
import { borrowPageMemory } from '../../../src/store/parquet/page-memory.ts';
import { decodeIntegers, formOf } from '../../oracle/orc-streams.ts';

function encode(values: readonly bigint[], isSigned: boolean): Uint8Array {
  return withKernelMemory((memory) => {
    const at = memory.put(BigInt64Array.from(values));
    const to = memory.reserve(10 * values.length + 8);
    return memory.copy(to, memory.kernels.encodeIntegers(at, values.length, isSigned, to));
  });
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('the examples of the specification come out byte for byte', () => {
  const patched = [2030, 2000, 2020, 1_000_000, ...Array.from({ length: 16 }, (_, i) => 2040 + 10 * i)];
  const examples: readonly (readonly [readonly number[], string])[] = [
    [[10_000, 10_000, 10_000, 10_000, 10_000], '0a2710'],
    [[23_713, 43_806, 57_005, 48_879], '5e035ca1ab1edeadbeef'],
    [[2, 3, 5, 7, 11, 13, 17, 19, 23, 29], 'c609020222424246'],
    [patched, '8e132b2107d01e00147028323c46505a646e78828c96a0aab4befce8'],
  ];
  for (const [values, bytes] of examples) assert.equal(hex(encode(values.map(BigInt), false)), bytes);
});

test('each form is taken where it is the smallest', () => {
  const row = Array.from({ length: 512 }, (_, i) => BigInt(i));
  const scattered = row.map((i) => (i * 7_919n) % 251n);
  const cases: readonly (readonly [string, readonly bigint[], number])[] = [
    ['short repeat', [5n ** 20n, 5n ** 20n, 5n ** 20n], 8],
    ['delta', row.map(() => 7n), 4],
    ['delta', row.map((i) => 1_000_000n - 3n * i), 6],
    ['delta', row.map((i) => 2n ** 62n + i * i), 2 + 10 + 1 + 510 * 2],
    ['direct', scattered, 2 + 512 * 2],
    ['patched base', scattered.map((value, i) => (i === 9 || i === 500 ? 10n ** 12n : value)), 4 + 2 + 512 + 4 * 7],
  ];
  for (const [form, values, bytesMax] of cases) {
    const bytes = encode(values, true);
    assert.equal(formOf(bytes), form);
    assert.ok(bytes.length <= bytesMax, `${form}: ${bytes.length} bytes, expected at most ${bytesMax}`);
    assert.deepEqual(decodeIntegers(bytes, true), values);
  }
});

const [least, greatest] = [-(2n ** 63n), 2n ** 63n - 1n];

test('the ends of the 64-bit integers, one value, none', () => {
  const row = Array.from({ length: 600 }, (_, i) => BigInt(i));
  const cases = [
    [], [0n], [least], [greatest], [least, greatest], [greatest, least, greatest, least], [least, least, least, least + 1n, 0n],
    row.map((i) => least + i), row.map((i) => greatest - i * i), row.map((i) => (i % 50n === 0n ? least : i)), row.map((i) => (i === 0n || i === 511n ? greatest : i % 3n)),
    row.map((i) => (i === 511n ? 2n ** 54n : -(2n ** 54n) + (i * 31n) % 16n)), row.map((i) => (i * (greatest / 600n)) - greatest / 2n),
  ];
  for (const values of cases) assert.deepEqual(decodeIntegers(encode(values, true), true), values);
});

test('random values of every width, order and number of outliers come back', () => {
  const stretch = fc.record({
    bits: fc.integer({ min: 0, max: 64 }), base: fc.bigInt({ min: least, max: greatest }), length: fc.integer({ min: 1, max: 700 }), seed: fc.bigInt({ min: 1n, max: 2n ** 62n }),
    shape: fc.constantFrom('same', 'random', 'rising', 'falling', 'outliers', 'small'),
  });
  fc.assert(
    fc.property(fc.array(stretch, { minLength: 1, maxLength: 4 }), fc.boolean(), (stretches, isSigned) => {
      const values = stretches.flatMap((each) => stretchOf(each)).map((value) => (isSigned ? BigInt.asIntN(64, value) : BigInt.asUintN(63, value)));
      const bytes = encode(values, isSigned);
      assert.ok(bytes.length <= 10 * values.length + 8);
      assert.deepEqual(decodeIntegers(bytes, isSigned), values);
    }),
    { numRuns: 150 },
  );
});

function stretchOf({ bits, base, length, seed, shape }: { bits: number; base: bigint; length: number; seed: bigint; shape: string }): bigint[] {
  let state = seed;
  const random = (width: number): bigint => {
    state = BigInt.asUintN(64, state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n);
    return width === 0 ? 0n : state >> BigInt(64 - width);
  };
  let value = base;
  return Array.from({ length }, () => {
    if (shape === 'same') return base;
    if (shape === 'random') return base + random(bits);
    if (shape === 'small') return random(bits & 7);
    if (shape === 'outliers') return (base >> 9n) + (random(6) === 0n ? random(bits) : random(bits >> 2));
    return (value += shape === 'rising' ? random(bits >> 1) : -random(bits >> 1));
  });
}

test('Snappy is read back by another decoder, and is small where there is something to find', () => {
  const unsnapped = (bytes: Uint8Array): { size: number; result: Uint8Array } => {
    const compressed = withKernelMemory((memory) => {
      const from = memory.put(bytes);
      const to = memory.reserve(bytes.length + Math.ceil(bytes.length / 6) + 32);
      return memory.copy(to, memory.kernels.snap(from, bytes.length, to));
    });
    const memory = borrowPageMemory();
    const from = memory.fit({ at: 0, bytes: 0 }, compressed.length);
    const out = memory.fit({ at: 0, bytes: 0 }, bytes.length);
    memory.put(compressed, from);
    assert.equal(memory.kernels.unsnap(from, compressed.length, out, bytes.length), 1);
    const result = new Uint8Array(memory.copyForKeeps(out, bytes.length));
    memory.giveBack();
    return { size: compressed.length, result };
  };
  const piece = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.integer({ min: 1, max: 9_000 })).map(([part, times]) => new Uint8Array(Buffer.alloc(part.length * times, part))));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const bytes = new Uint8Array(Buffer.concat(pieces));
      assert.deepEqual(unsnapped(bytes).result, bytes);
    }),
    { numRuns: 150 },
  );
  // What has no repetition is one literal, of which each size has its own tag.
  const noise = Uint8Array.from({ length: 140_000 }, (_, i) => Math.imul(i + 1, 0x9e37_79b1) >>> 13);
  for (const size of [...Array.from({ length: 300 }, (_, i) => i), 65_535, 65_536, 65_537, 140_000]) assert.deepEqual(unsnapped(noise.subarray(0, size)).result, noise.slice(0, size));
  const text = new Uint8Array(Buffer.from('the same words again and again, '.repeat(9_000)));
  assert.ok(unsnapped(text).size < text.length / 15);
});

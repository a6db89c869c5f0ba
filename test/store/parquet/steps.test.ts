/** Integers of 32 bits that are stored as steps: what the encoding says, widths that DuckDB writes, and content that lies. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PageError } from '../../../src/store/parquet/pages.ts';
import { decodeSteps, paddingBytes } from '../../../src/store/parquet/steps.ts';

/** Junk stands behind the content: nothing of it may count. */
function decoded(content: readonly number[], count: number): number[] {
  const out = new Int32Array(count);
  decodeSteps(Uint8Array.from([...content, ...new Array<number>(paddingBytes).fill(0xa5)]), out);
  return [...out];
}

function varint(value: bigint): number[] {
  return value < 128n ? [Number(value)] : [Number(value & 127n) | 128, ...varint(value >> 7n)];
}

const zigzag = (value: bigint): number[] => varint(value < 0n ? -2n * value - 1n : 2n * value);

/** The slow and obvious way to write it: steps as they are, or within 32 bits; the last part whole, or as far as there are values. */
function encoded(values: readonly bigint[], { blockValues, parts, isWrapped, isWhole }: { readonly blockValues: number; readonly parts: number; readonly isWrapped: boolean; readonly isWhole: boolean }): number[] {
  const wrap = (value: bigint): bigint => (isWrapped ? BigInt.asIntN(32, value) : value);
  const bytes = [...varint(BigInt(blockValues)), ...varint(BigInt(parts)), ...varint(BigInt(values.length)), ...zigzag(values[0] ?? 0n)];
  const steps = values.slice(1).map((value, i) => wrap(value - values[i]!));
  for (let start = 0; start < steps.length; start += blockValues) {
    const block = steps.slice(start, start + blockValues);
    const least = block.reduce((a, b) => (b < a ? b : a));
    const above = block.map((step) => (isWrapped ? BigInt.asUintN(32, step - least) : step - least));
    const partValues = blockValues / parts;
    const cut = Array.from({ length: parts }, (_, part) => above.slice(part * partValues, (part + 1) * partValues));
    const widths = cut.map((part) => part.reduce((most, step) => Math.max(most, step === 0n ? 0 : step.toString(2).length), 0));
    bytes.push(...zigzag(least), ...widths);
    for (const [i, part] of cut.entries()) {
      if (part.length === 0) continue;
      const packed = part.reduce((bits, step, at) => bits | (step << BigInt(at * widths[i]!)), 0n);
      const isLast = start + (i + 1) * partValues >= steps.length;
      const size = ((isWhole || !isLast ? partValues : part.length) * widths[i]! + 7) >> 3;
      for (let at = 0; at < size; at++) bytes.push(Number((packed >> BigInt(8 * at)) & 255n));
    }
  }
  return bytes;
}

const one = { blockValues: 128, parts: 4, isWrapped: true, isWhole: true };

describe('integers in steps', () => {
  test('the example of the format: 7, 5, 3, 1, 2, 3, 4, 5', () => {
    assert.deepEqual(decoded(encoded([7n, 5n, 3n, 1n, 2n, 3n, 4n, 5n], one), 8), [7, 5, 3, 1, 2, 3, 4, 5]);
    assert.deepEqual([decoded(encoded([], one), 0), decoded(encoded([-5n], one), 1)], [[], [-5]]);
  });

  test('property: any values, wrapped within 32 bits or in as many as it takes', () => {
    const value = fc.oneof(fc.bigInt({ min: -(2n ** 31n), max: 2n ** 32n - 1n }), fc.constantFrom(0n, 1n, -1n, 2n ** 31n - 1n, -(2n ** 31n), 2n ** 32n - 1n), fc.bigInt({ min: 0n, max: 9n }));
    const layout = fc.record({ blockValues: fc.constantFrom(128, 256, 2048), parts: fc.constantFrom(1, 4, 8), isWrapped: fc.boolean(), isWhole: fc.boolean() });
    fc.assert(fc.property(fc.array(value, { maxLength: 400 }), layout, (values, how) => {
      assert.deepEqual(decoded(encoded(values, how), values.length), values.map((each) => Number(BigInt.asIntN(32, each))));
    }));
  });

  test('property: content that was cut or is none is refused, and nothing hangs', () => {
    const sound = encoded(Array.from({ length: 300 }, (_, i) => BigInt((i * 7_919) % 1_000)), one);
    for (let end = 0; end < sound.length; end++) {
      const cut = Uint8Array.from([...sound.slice(0, end), ...new Array<number>(paddingBytes).fill(0)]);
      // Of the last part, what stands behind its last value is not missed.
      if (end < sound.length - 40) assert.throws(() => decodeSteps(cut, new Int32Array(300)), PageError, `${end}`);
    }
    assert.throws(() => decoded(sound, 299), /has 300 values where its levels say 299/);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat({ max: 300 }), (content, count) => {
      try {
        decoded([...content], count);
      } catch (thrown) {
        assert.ok(thrown instanceof PageError, String(thrown));
      }
    }), { numRuns: 2_000 });
    for (const header of [[0, 4, 2, 0], [128, 1, 0, 2, 0], [128, 1, 3, 2, 0], [128, 1, 200, 1, 2, 0], [255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]]) assert.throws(() => decoded(header, 2), PageError, String(header));
    assert.throws(() => decoded([128, 1, 4, 2, 0, 0, 65, 0, 0, 0, ...new Array<number>(900).fill(0)], 2), /steps of 65 bits/);
  });
});

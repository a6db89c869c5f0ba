/** Every encoding and codec that another engine writes, value for value: golden/encodings-v1 and -v2, made by golden/make.py. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { type Cell, cellsOf, golden, readAll } from './support.ts';

const hex = (...bytes: number[]): string => `b:${Buffer.from(bytes).toString('hex')}`;
const start = BigInt(Date.UTC(2025, 0, 1)) * 1_000n;

/** What stands in row i, as golden/make.py has it. */
const cellAt: Readonly<Record<string, (i: number) => Cell>> = {
  int32: (i) => i * 7_919 - 200_000,
  int64: (i) => BigInt(i - 30) * 1_234_567_890_123n,
  uint32: (i) => 4_294_967_295 - i,
  float: (i) => i / 8 - 3,
  double: (i) => i / 16 - 2,
  at: (i) => start + BigInt(i) * 3_600_000_000n,
  text: (i) => `Łódź ${i % 9}${'.'.repeat(i % 5)}`,
  binary: (i) => hex(i, 255 - i),
  bool: (i) => i % 3 === 0,
  decimal: (i) => BigInt(i - 30) * 10n ** 20n,
  small: (i) => BigInt(i - 30),
};

for (const file of ['encodings-v1', 'encodings-v2']) {
  test(`${file}: integers, floats, text, binary, booleans and decimals in every encoding and codec`, async () => {
    const bytes = new Uint8Array(readFileSync(join(golden, `${file}.parquet`)));
    for (const byPages of [true, false]) {
      const { batches, schema, rows } = await readAll(bytes, { byPages });
      assert.equal(rows, 60);
      for (const { name } of schema.fields) {
        const kind = cellAt[name.split('/')[0]!]!;
        const expected = Array.from({ length: 60 }, (_, i) => (i % 7 === 3 ? null : kind(i)));
        assert.deepEqual(cellsOf(batches, name), expected, name);
      }
      const encodings = new Set(schema.fields.map(({ name }) => name.split('/')[1]!));
      const codecs = new Set(schema.fields.map(({ name }) => name.split('/')[2]!));
      assert.deepEqual([encodings.size, codecs.size], [7, 6], [...encodings, ...codecs].join(' '));
    }
  });
}

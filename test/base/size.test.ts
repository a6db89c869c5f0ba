import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { ArgumentError } from '../../src/base/errors.ts';
import { formatBytes, parseSize, sizePattern } from '../../src/base/size.ts';

test('sizes as people write them', () => {
  assert.equal(parseSize('10GB'), 10_000_000_000);
  assert.equal(parseSize(' 1.5 TB '), 1_500_000_000_000);
  assert.equal(parseSize('10GiB'), 10_737_418_240);
  assert.equal(parseSize('500Mb'), 500_000_000);
  assert.equal(parseSize('1B'), 1);
  assert.equal(parseSize('999999999TB'), 999_999_999e12);
});

test('anything else is refused, and the pattern for editors agrees', () => {
  for (const text of ['', '10', 'GB', '0GB', '0.0001B', '-1GB', '1e3MB', '10 GBs', '10 G', '1,5GB', 'Infinity', '9'.repeat(400)]) {
    assert.throws(() => parseSize(text, 'storage_budget'), (error: unknown) => error instanceof ArgumentError && /storage_budget: .*10GB/.test(error.message), text);
  }
  const pattern = new RegExp(sizePattern);
  fc.assert(fc.property(fc.integer({ min: 1, max: 999_999_999 }), fc.constantFrom('B', 'kB', 'MB', 'GiB', 'TB'), (count, unit) => {
    assert.ok(pattern.test(`${count}${unit}`));
    assert.ok(parseSize(`${count} ${unit}`) >= count);
  }));
});

test('sizes as people read them', () => {
  assert.deepEqual([0, 999, 1000, 13_493_022, 999_999].map(formatBytes), ['0 B', '999 B', '1.00 kB', '13.5 MB', '1.00 MB']);
});

/** Law: whatever is kept in memory, rows are those of the version that is asked; and to find a few of them few are read. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Int32, Int64, type Table, Utf8 } from '../../src/arrow/arrow.ts';
import { tablesEqual } from '../../src/arrow/canonical.ts';
import { entityFilter } from '../../src/modes/entities.ts';
import { FeatureCache } from '../../src/modes/feature-cache.ts';
import type { FeatureSetDefinition } from '../../src/config/definition.ts';
import { filterBatch } from '../../src/engine/filter.ts';
import { canonicalTable } from '../../src/arrow/canonical.ts';
import { memoryBytes } from '../../src/store/memory-bytes.ts';
import { openOwnTable } from '../../src/store/own-table.ts';
import type { OwnSnapshot, ScanOptions } from '../../src/store/table.ts';
import { batchesOf } from '../support/arrow.ts';

/** A features table of the rows, ascending by its keys, in row groups of four; and how many rows were read of it. */
async function stored(keys: Readonly<Record<string, readonly unknown[]>>, types: Readonly<Record<string, Int64 | Int32 | Utf8>>) {
  const rows = Object.values(keys)[0]!.length;
  const table: Table = batchesOf({
    ...Object.fromEntries(Object.entries(keys).map(([name, values]) => [name, { type: types[name]!, values }])),
    n: { type: new Int64(), values: Array.from({ length: rows }, (_, i) => BigInt(i)) },
  } as never, []);
  const own = openOwnTable(memoryBytes(), 't', { partRows: 4 });
  await own.commit({ readVersion: -1, kind: 'overwrite', schema: table.schema, add: await own.stage(table.schema, table.batches), info: {} });
  const snapshot = await own.snapshot();
  const read = { rows: 0 };
  const counted: OwnSnapshot = {
    ...snapshot,
    async *scan(options?: ScanOptions) {
      for await (const batch of snapshot.scan(options)) {
        read.rows += batch.numRows;
        yield batch;
      }
    },
  };
  return { table, snapshot: counted, read };
}

const definitionOf = (...entityKeys: string[]): FeatureSetDefinition => ({
  name: 's', entityKeys, source: { table: 'x' }, kind: 'aggregated', outputs: [], tileUs: 1n, windows: [], tags: {}, where: 'test',
});

const word = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '\u{10348}', '\uffff'), maxLength: 3 });
const order = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

test('some of the rows, rented or bought, are those of a filter', async () => {
  const cases = fc.record({
    numbers: fc.uniqueArray(fc.bigInt({ min: -30n, max: 30n }), { maxLength: 30 }),
    words: fc.uniqueArray(word, { maxLength: 30 }),
    asked: fc.array(fc.record({ numbers: fc.array(fc.option(fc.bigInt({ min: -31n, max: 31n }))), words: fc.array(fc.option(word)) }), { minLength: 1, maxLength: 6 }),
    bytesMax: fc.constantFrom(0, 100, 1e6),
  });
  await fc.assert(
    fc.asyncProperty(cases, async ({ numbers, words, asked, bytesMax }) => {
      const sorted = { number: [...numbers].sort((a, b) => (a < b ? -1 : 1)), word: [...words].sort(order) };
      const sets = [
        { keys: ['number'], ...(await stored({ number: sorted.number }, { number: new Int64() })), of: (ask: (typeof asked)[number]) => ask.numbers },
        { keys: ['word'], ...(await stored({ word: sorted.word }, { word: new Utf8() })), of: (ask: (typeof asked)[number]) => ask.words },
      ];
      for (const { keys, table, snapshot, of } of sets) {
        const cache = new FeatureCache(bytesMax);
        const definition = definitionOf(...keys);
        for (const ask of asked) {
          const filter = entityFilter(of(ask), definition, table.schema);
          const found = await cache.rowsOf(snapshot, ['n', ...keys], keys, filter);
          const expected = canonicalTable(table.schema.select(['n', ...keys] as never), table.batches.map((batch) => filterBatch(batch, filter.expression)));
          assert.deepEqual([...found.getChild('n')!], [...expected.getChild('n')!]);
          assert.deepEqual([...found.getChild(keys[0]!)!], [...expected.getChild(keys[0]!)!]);
        }
        assert.ok(tablesEqual(await cache.columns(snapshot, table.schema.fields.map(({ name }) => name)), table));
      }
    }),
    { numRuns: 60 },
  );
});

test('entities of two keys', async () => {
  const { table, snapshot } = await stored({ a: [1, 1, 2, 2, 9], b: ['x', 'y', 'x', 'z', 'x'] }, { a: new Int32(), b: new Utf8() });
  const cache = new FeatureCache(1e6);
  const filter = entityFilter({ a: [2, 1, 2, 1], b: ['z', 'x', 'z', 'z'] }, definitionOf('a', 'b'), table.schema);
  await cache.columns(snapshot, ['a', 'b', 'n']);
  assert.deepEqual([...(await cache.rowsOf(snapshot, ['n'], ['a', 'b'], filter)).getChild('n')!], [0n, 3n]);
});

test('one entity of many reads one row group, until as many rows were read as there are', async () => {
  const numbers = Array.from({ length: 40 }, (_, i) => BigInt(i));
  for (const keys of [numbers, numbers.map((n) => `k${String(n).padStart(3, '0')}`)]) {
    const { table, snapshot, read } = await stored({ key: keys }, { key: typeof keys[0] === 'bigint' ? new Int64() : new Utf8() });
    const cache = new FeatureCache(1e6);
    const one = (i: number) => cache.rowsOf(snapshot, ['n'], ['key'], entityFilter([keys[i]], definitionOf('key'), table.schema));
    for (let i = 0; i < 10; i++) {
      assert.equal((await one((i * 7) % 40)).getChild('n')!.get(0), BigInt((i * 7) % 40));
      assert.equal(read.rows, 4 * (i + 1));
    }
    await one(3);
    assert.equal(read.rows, 80, 'bought');
    for (let i = 0; i < 40; i++) await one(i);
    assert.equal(read.rows, 80, 'kept');
    cache.clear();
    await one(3);
    assert.equal(read.rows, 84, 'forgotten');
  }
});

test('what takes too much room goes, the longest unasked first', async () => {
  const tables = await Promise.all([0, 1, 2].map(() => stored({ key: Array.from({ length: 40 }, (_, i) => BigInt(i)) }, { key: new Int64() })));
  const cache = new FeatureCache(2 * 40 * 8);
  for (const [i, { snapshot }] of tables.entries()) await cache.columns({ ...snapshot, name: `t${i}` }, ['key']);
  for (const i of [1, 2, 0, 2, 1]) await cache.columns({ ...tables[i]!.snapshot, name: `t${i}` }, ['key']);
  assert.deepEqual(tables.map(({ read }) => read.rows / 40), [2, 2, 1]);
});

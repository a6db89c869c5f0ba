/** Tables that Spark wrote (golden tables of delta-kernel-rs), read value for value as Spark read them. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Table } from '../../../src/arrow/arrow.ts';
import { FeatureStoreError, openTable, toRows } from '../../../src/index.ts';

const root = fileURLToPath(new URL('../../../../../shared/fixtures/delta', import.meta.url));
const skip = existsSync(root) ? false : 'left out: ../shared/fixtures/delta is not beside the project';

/** Tables that cannot be read, and what is said of them. */
const refused: Readonly<Record<string, RegExp>> = {
  'data-reader-absolute-paths-escaped-chars/delta': /has no metaData/,
  'deltalog-commit-info/delta': /expected schemaString to be a string, found none/,
  'deltalog-state-reconstruction-from-checkpoint-missing-protocol/delta': /expected schemaString to be a string, found none/,
  'log-replay-special-characters-b/delta': /special p@#h: is gone/,
};

/** Their one file was removed, under another way to write its path. */
const empty: readonly string[] = ['canonicalized-paths-normal-a/delta', 'canonicalized-paths-normal-b/delta'];

const textOf = (table: Table): string[] =>
  toRows(table).map((row) => JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value))).sort();

test('every table is read right, or refused with the reason', { skip }, async () => {
  const expected = JSON.parse(readFileSync(join(root, 'EXPECTED-rows.json'), 'utf8')) as Record<string, { readonly rows?: number }>;
  let compared = 0;
  for (const [key, { rows }] of Object.entries(expected)) {
    const name = key.replace(/^golden\//, '');
    const path = join(root, name);
    if (refused[name] !== undefined) {
      await assert.rejects(async () => (await openTable(path)).read(), (thrown) => thrown instanceof FeatureStoreError && refused[name]!.test(thrown.message), name);
      continue;
    }
    const table = await openTable(path);
    const found = await table.read();
    assert.equal(found.numRows, empty.includes(name) ? 0 : rows, name);
    const right = path.replace(/\/delta$/, '/expected');
    if (!name.endsWith('/delta') || !existsSync(right)) continue;
    const theirs = await (await openTable(right)).read();
    assert.deepEqual(textOf(found), textOf(theirs), name);
    compared++;
  }
  assert.ok(compared >= 29, `${compared} were compared value for value`);
});

test('columns that are nested are refused by name when they are asked for', { skip }, async () => {
  const table = await openTable(join(root, 'data-reader-map/delta'));
  await assert.rejects(table.read({ columns: ['a'] }), /a.*columns of type map are not read/);
});

test('older versions, by number and by time', { skip }, async () => {
  const path = join(root, 'time-travel-start-start20/delta');
  const newest = await (await openTable(path)).read();
  const first = await (await openTable(path, { version: 0 })).read();
  assert.ok(first.numRows < newest.numRows);
  await assert.rejects(openTable(path, { version: 99 }), /versions 0 to/);
  await assert.rejects(openTable(path, { timestamp: '1999-01-01' }), /was first written at/);
});

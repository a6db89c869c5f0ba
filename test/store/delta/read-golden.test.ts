/** Tables that delta-rs wrote (golden/README.md), and what becomes of them when their logs are damaged. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { toRows, type Value } from '../../../src/arrow/values.ts';
import { DamagedFileError, FeatureStoreError, SchemaMismatchError } from '../../../src/base/errors.ts';
import type { Bytes } from '../../../src/store/bytes.ts';
import { memoryBytes } from '../../../src/store/memory-bytes.ts';
import { type OpenTableOptions, openTable } from '../../../src/store/open-table.ts';
import { openStored } from '../../../src/store/source.ts';
import { readTable } from '../../support/store.ts';

const golden = fileURLToPath(new URL('../../../../test/store/delta/golden', import.meta.url));

async function rowsOf(table: string, options: OpenTableOptions = {}): Promise<Record<string, Value>[]> {
  return toRows(await (await openTable(join(golden, table), options)).read());
}

const byId = (rows: readonly Record<string, Value>[]): Record<string, Value>[] => [...rows].sort((a, b) => Number(a.id) - Number(b.id));

describe('tables of delta-rs', () => {
  it('have every version that their log still tells', async () => {
    const expected = JSON.parse(readFileSync(join(golden, 'history/expected.json'), 'utf8')) as Record<string, Record<string, Value>[]>;
    assert.deepEqual(byId(await rowsOf('history')), expected[5]);
    assert.deepEqual(byId(await rowsOf('history', { version: 4 })), expected[4]);
    for (const version of [0, 3]) await assert.rejects(rowsOf('history', { version }), (thrown) => thrown instanceof DamagedFileError && /this entry of the log is missing/.test(thrown.message));
  });

  it('have values of every flat type', async () => {
    assert.deepEqual(await rowsOf('types'), [
      {
        byte: -128, short: -32768, integer: -2147483648, long: -9223372036854775808n, float: 1.5, double: -0, boolean: true, string: '', binary: Uint8Array.of(0, 255),
        date: '0001-01-01', timestamp: '1969-12-31T23:59:59.999999Z', timestamp_ntz: '1969-12-31T23:59:59.999999Z', decimal: '-99999999999999999999999999999999.999999',
      },
      {
        byte: 127, short: 32767, integer: 2147483647, long: 9223372036854775807n, float: Number.NaN, double: Number.POSITIVE_INFINITY, boolean: false, string: 'Zürich, 東京',
        binary: new Uint8Array(0), date: '9999-12-31', timestamp: '2024-02-29T12:00:00.123456Z', timestamp_ntz: '2024-02-29T12:00:00.123456Z', decimal: '0.000001',
      },
      Object.fromEntries(['byte', 'short', 'integer', 'long', 'float', 'double', 'boolean', 'string', 'binary', 'date', 'timestamp', 'timestamp_ntz', 'decimal'].map((column) => [column, null])),
    ]);
    const table = await openTable(join(golden, 'types'));
    await assert.rejects(table.read({ columns: ['list'] }), (thrown) => thrown instanceof SchemaMismatchError && thrown.column === 'list' && /cannot be read/.test(thrown.message));
  });

  it('are partitioned by values of every kind, which their log tells', async () => {
    assert.deepEqual(byId(await rowsOf('partitioned')), [
      { id: 1, day: '2024-01-01', at: '1969-12-31T23:59:59.999999Z', shop: 'a/b=c%d e', flag: true, price: '1.50' },
      { id: 2, day: '1969-12-31', at: '2024-02-29T12:00:00.123456Z', shop: 'Zürich ?#&', flag: false, price: '12.00' },
      { id: 3, day: null, at: null, shop: null, flag: null, price: null },
    ]);
  });

  it('are read by partition where it is the event time', async () => {
    const table = await openTable(join(golden, 'partitioned'));
    for (const [column, files] of [['day', 1], ['at', 1]] as const) {
      const plan = await table.plan({ timeRange: { column, range: { startUs: BigInt(Date.UTC(2024, 0, 1)) * 1_000n } } });
      assert.equal(plan.files, files, column);
    }
  });
});

/** The golden table in memory, with one file changed. */
async function withChanged(path: string, change: (content: Uint8Array) => Uint8Array): Promise<Bytes> {
  const bytes = memoryBytes();
  for (const { name, content } of history) await bytes.writeNew(`t/${name}`, name === path ? change(content) : content);
  return bytes;
}

const history = readdirSync(join(golden, 'history'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => {
  const path = join(entry.parentPath, entry.name);
  return { name: relative(join(golden, 'history'), path), content: new Uint8Array(readFileSync(path)) };
});

describe('a damaged log', () => {
  const logFiles = history.map(({ name }) => name).filter((name) => name.startsWith('_delta_log/'));

  it('that was cut is the table as it was, or a clear error', async () => {
    const expected = await readRows(await withChanged('', (content) => content));
    await fc.assert(fc.asyncProperty(fc.constantFrom(...logFiles), fc.nat(), async (name, cut) => {
      let kept = 0;
      let whole = '';
      const bytes = await withChanged(name, (content) => {
        kept = cut % content.length;
        whole = Buffer.from(content).toString('latin1');
        return content.slice(0, kept);
      });
      // What ends with a line is a whole commit, as far as its format can tell.
      fc.pre(!(name.endsWith('.json') && (whole[kept] === '\n' || whole[kept - 1] === '\n' || kept === 0)));
      await assertExactOr(bytes, expected);
    }), { numRuns: 300 });
  });

  it('with a bit flipped fails with an error of ours, if at all', async () => {
    await fc.assert(fc.asyncProperty(fc.constantFrom(...logFiles), fc.nat(), fc.nat(7), async (name, at, bit) => {
      const bytes = await withChanged(name, (content) => content.map((byte, i) => (i === at % content.length ? byte ^ (1 << bit) : byte)));
      try {
        // Text of another engine has no checksum: a name in it that is another one now cannot be told from one that was meant.
        await readRows(bytes);
      } catch (thrown) {
        if (!(thrown instanceof FeatureStoreError)) throw thrown;
      }
    }), { numRuns: 300 });
  });
});

async function readRows(bytes: Bytes): Promise<Record<string, Value>[]> {
  return byId(toRows(await readTable(await openStored(bytes, 't').snapshot())));
}

async function assertExactOr(bytes: Bytes, expected: readonly Record<string, Value>[]): Promise<void> {
  let rows: Record<string, Value>[];
  try {
    rows = await readRows(bytes);
  } catch (thrown) {
    if (thrown instanceof FeatureStoreError) return;
    throw thrown;
  }
  assert.deepEqual(rows, expected);
}

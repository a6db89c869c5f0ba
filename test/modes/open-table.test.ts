/** Tables on their own, by the public surface: event time is exact there, whatever the format has left out or not. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Table } from '../../src/arrow/arrow.ts';
import { encodeParquet, type FeatureStoreError, filterTimeRange, openTable, tablesEqual, toRows, writeTable } from '../../src/index.ts';
import { batchFrom, type Cell, writable } from '../store/parquet/support.ts';
import { range, temporaryFolder } from '../support/store.ts';

it('the last 30 days of a table', async (t) => {
  const path = join(temporaryFolder(t), 'sales');
  const days = ['2024-01-01', '2024-02-10', '2024-02-29', '2024-03-01'].map((day) => BigInt(Date.parse(day)) * 1_000n);
  await writeTable(path, new Table([batchFrom({ amount: { type: writable.int32!, cells: range(0, 5) }, sold_at: { type: writable.us!, cells: [...days, null] } })]), { format: 'delta' });
  const sales = await openTable(path);
  const recent = await sales.read({ columns: ['amount'], timeRange: '30d', timestamp: 'sold_at', asOf: '2024-03-01' });
  assert.deepEqual(toRows(recent), [{ amount: 1 }, { amount: 2 }]);
  assert.equal((await sales.read({ timeRange: '30d' })).numRows, 0, 'by default it ends now; the one column of times need not be named');
});

describe('reading a stretch of event time', () => {
  const types: Readonly<Record<string, Cell[]>> = {
    s: [-1n, 0n, 1n, null, 5n], ms: [-1n, 0n, 1n, 999n, 1_000n], us: [-1n, 0n, 1n, null, 1_000_000n], ns: [-1_001n, -1_000n, -1n, 0n, 1n], msZone: [-1n, 0n, 1n, null, 5n], day: [-1, 0, 1, null, 19_000], date64: [-86_400_000n, 0n, 86_400_000n, null, 0n],
  };
  for (const format of ['parquet', 'orc', 'delta'] as const) {
    it(`gives what filterTimeRange gives of the whole, from ${format}`, async (t) => {
      const folder = temporaryFolder(t);
      for (const [name, cells] of Object.entries(types)) {
        if (format === 'delta' && name === 'ns') continue;
        const path = join(folder, name);
        const table = new Table([batchFrom({ id: { type: writable.int32!, cells: range(0, cells.length) }, at: { type: writable[name]!, cells: format === 'orc' ? cells.map((cell) => (typeof cell === 'bigint' && cell < 0n ? cell - 1_000_000_000_000n : cell)) : cells } })]);
        await writeTable(path, table, { format });
        const opened = await openTable(path);
        const bound = fc.option(fc.constantFrom(-1_000_000_000_000n, -86_400_000_000n, -1_001n, -1_000n, -1n, 0n, 1n, 2n, 1_000n, 1_000_001n, 86_400_000_000n), { nil: undefined });
        await fc.assert(fc.asyncProperty(bound, bound, async (startUs, endUs) => {
          if (startUs !== undefined && endUs !== undefined && startUs > endUs) [startUs, endUs] = [endUs, startUs];
          const instant = (value: bigint | undefined) => (value === undefined ? undefined : { value, unit: 'us' as const });
          const timeRange = { ...(startUs !== undefined && { start: instant(startUs)! }), ...(endUs !== undefined && { end: instant(endUs)! }) };
          const expected = await filterTimeRange(await opened.read(), 'at', { ...(startUs !== undefined && { startUs }), ...(endUs !== undefined && { endUs }) });
          assert.ok(tablesEqual(await opened.read({ timeRange, timestamp: 'at' }), expected));
          const ids: unknown[] = [];
          for await (const batch of opened.scan({ columns: ['id'], timeRange })) for (const { id } of toRows(new Table([batch]))) ids.push(id);
          assert.deepEqual(ids, toRows(expected).map(({ id }) => id));
        }), { numRuns: 30 });
      }
    });
  }

  it('reads no more of a file than it has to, and says so', async (t) => {
    const path = join(temporaryFolder(t), 't.parquet');
    const table = new Table([batchFrom({ id: { type: writable.int32!, cells: range(0, 100) }, at: { type: writable.us!, cells: range(0, 100).map((i) => BigInt(i)) } })]);
    writeFileSync(path, encodeParquet(table.schema, table.batches, { rowGroupRows: 10 }));
    const opened = await openTable(path);
    const timeRange = { start: { value: 55n, unit: 'us' as const } };
    const plan = await opened.plan({ columns: ['id'], timeRange });
    assert.deepEqual([plan.units, plan.unitsTotal], [5, 10]);
    assert.equal((await opened.read({ columns: ['id'], timeRange })).numRows, 45);
  });

  it('what cannot be asked is an error of ours', async (t) => {
    const path = join(temporaryFolder(t), 't');
    await writeTable(path, new Table([batchFrom({ id: { type: writable.int32!, cells: [1] }, a: { type: writable.us!, cells: [1n] }, b: { type: writable.day!, cells: [1] } })]));
    const opened = await openTable(path);
    const cases: readonly (readonly [object, RegExp])[] = [
      [{ timeRange: '30d' }, /timestamp: names the column of the event time; there are a, b/], [{ timeRange: '30 days', timestamp: 'a' }, /not a duration/], [{ timeRange: '30d', timestamp: 'id' }, /event time is a timestamp or a date/],
      [{ timeRange: '30d', timestamp: 'A' }, /there is no such column.*did you mean 'a'/], [{ timestamp: 'a' }, /timeRange: without it, timestamp says nothing/], [{ columns: 'id' }, /columns: expected a list/], [{ columns: [3] }, /columns: expected a list/],
      [{ columns: ['id', 'c'] }, /no such column/],
    ];
    for (const [options, message] of cases) await assert.rejects(opened.read(options), (error: FeatureStoreError) => message.test(error.message) && typeof error.tag === 'string', JSON.stringify(options));
  });
});

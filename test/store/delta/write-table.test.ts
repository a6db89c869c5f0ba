import assert from 'node:assert/strict';
import { it } from 'node:test';
import { tablesEqual } from '../../../src/arrow/canonical.ts';
import { openDeltaTable } from '../../../src/store/delta/write.ts';
import { memoryBytes } from '../../../src/store/memory-bytes.ts';
import { events, places, readTable } from '../../support/store.ts';
import { ownTableContract } from '../own-table-contract.ts';

it('a Delta table: stage, commit, read', async () => {
  const table = openDeltaTable(memoryBytes(), 'features');
  const rows = events(0, 3);
  const add = await table.stage(rows.schema, rows.batches);
  const result = await table.commit({ readVersion: -1, kind: 'append', schema: rows.schema, add, info: { asOf: '2001-07-01' } });
  assert.deepEqual(result, { kind: 'committed', version: 0 });

  const snapshot = await table.snapshot();
  assert.deepEqual([snapshot.versionNumber, snapshot.rows, snapshot.info], [0, 3, { asOf: '2001-07-01' }]);
  assert.ok(tablesEqual(await readTable(snapshot), rows));
});

for (const [place, makeBytes] of places) {
  ownTableContract(`a Delta table on ${place}`, { makeBytes, open: openDeltaTable, lacks: ['nanoseconds', 'empty partitions'] });
}

/** Scans in parts: whoever reads the units has the rows of the scan, and meets what the scan would meet. */
import assert from 'node:assert/strict';
import { rmSync, truncateSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type RecordBatch, Schema, Table, tableFromIPC, tableToIPC } from '../../src/arrow/arrow.ts';
import { canonicalTable, tablesEqual } from '../../src/arrow/canonical.ts';
import { pickColumns } from '../../src/arrow/rows.ts';
import { CancelledError, DamagedFileError, SchemaMismatchError } from '../../src/base/errors.ts';
import { dayUs } from '../../src/base/time.ts';
import type { FileFormat } from '../../src/store/file-format.ts';
import { formatNamed } from '../../src/store/file-formats.ts';
import { localBytes } from '../../src/store/local-bytes.ts';
import { memoryBytes } from '../../src/store/memory-bytes.ts';
import { memoryTable } from '../../src/store/memory-table.ts';
import { openOwnTable } from '../../src/store/own-table.ts';
import { rowsOf } from '../../src/store/row-units.ts';
import { openSource } from '../../src/store/source.ts';
import type { RowUnit, ScanOptions, Snapshot } from '../../src/store/table.ts';
import { eventSchema, events, fileBytes, fileFormats, parquetBytes, readTable, temporaryFolder, write } from '../support/store.ts';

/** Reads a unit as another thread would, which gets a clone of the argument. Batches are copied: each is only good until the next. */
async function readUnit({ argument }: RowUnit, signal?: AbortSignal): Promise<RecordBatch[]> {
  const batches: RecordBatch[] = [];
  for await (const batch of rowsOf(structuredClone(argument), signal)) batches.push(...tableFromIPC(tableToIPC(new Table([batch]))).batches);
  return batches;
}

async function readUnits(snapshot: Snapshot, options: ScanOptions = {}): Promise<Table> {
  const units = (await snapshot.units!(options))!;
  const columns = options.columns ?? snapshot.schema.fields.map(({ name }) => name);
  const fields = columns.map((column) => snapshot.schema.fields.find(({ name }) => name === column)!);
  const batches = await Promise.all(units.map((unit) => readUnit(unit)));
  return canonicalTable(new Schema(fields), batches.flat());
}

it('what is in memory has no units', async () => {
  const layer = memoryBytes();
  await layer.writeNew('t.parquet', parquetBytes(events(0, 3)));
  assert.equal(await (await openSource(layer, 't').snapshot()).units!(), undefined);
  assert.equal((await memoryTable('t', events(0, 3)).snapshot()).units, undefined);
});

for (const name of fileFormats) {
  describe(`${name} files`, () => unitsOf(formatNamed(name)));
}

function unitsOf(format: FileFormat): void {
  const { ending } = format;
  const encode = (rows: Table): Uint8Array => fileBytes(rows, format.name);
  const groups = (first: number, rows: number, partRows: number): Uint8Array =>
    format.encode(eventSchema, events(first, rows).batches, { partRows });

  it('the units of a file: its row groups, small neighbours together', async (t) => {
    const layer = localBytes(temporaryFolder(t));
    await layer.writeNew(`large${ending}`, groups(0, 250_000, 100_000));
    await layer.writeNew(`small${ending}`, groups(0, 250_000, 30_000));
    const rowsOfUnits = async (name: string) => (await (await openSource(layer, name).snapshot()).units!())!.map(({ rows }) => rows);
    assert.deepEqual(await rowsOfUnits('large'), [100_000, 100_000, 50_000]);
    assert.deepEqual(await rowsOfUnits('small'), [90_000, 90_000, 70_000]);
    // The fewer rows are left, the smaller.
    await layer.writeNew(`many${ending}`, groups(0, 1_000_000, 10_000));
    assert.deepEqual((await rowsOfUnits('many')).slice(0, 6), [130_000, 110_000, 100_000, 90_000, 80_000, 70_000]);
    const snapshot = await openSource(layer, 'small').snapshot();
    assert.ok(tablesEqual(await readUnits(snapshot), events(0, 250_000)));
  });

  describe('the rows of all units are those of the scan', () => {
    const ranges: readonly ScanOptions[] = [
      {},
      { columns: ['name', 'id'] },
      { columns: ['id'], timeRange: { column: 'at', range: { startUs: 150n * dayUs, endUs: 160n * dayUs } } },
      { columns: ['id'], timeRange: { column: 'at', range: { endUs: 0n } } },
    ];
    const same = async (snapshot: Snapshot, options: ScanOptions): Promise<void> => {
      assert.ok(tablesEqual(await readUnits(snapshot, options), await readTable(snapshot, options)));
      const { rows } = await snapshot.plan(options);
      assert.equal((await snapshot.units!(options))!.reduce((sum, unit) => sum + unit.rows, 0), rows);
    };

    it('of a folder whose path tells columns, with files that lack some', async (t) => {
      const layer = localBytes(temporaryFolder(t));
      await layer.writeNew(`t/day=1970-05-01/n=1/a${ending}`, groups(0, 100, 100));
      await layer.writeNew(`t/day=1970-08-01/n=2/b${ending}`, groups(100, 100, 50));
      await layer.writeNew(`t/day=__HIVE_DEFAULT_PARTITION__/n=3/c${ending}`, encode(pickColumns(events(200, 100), ['id', 'name'])));
      const snapshot = await openSource(layer, 't').snapshot();
      for (const options of [...ranges, { columns: ['day', 'n'] }, { columns: ['at'] }, { columns: ['n', 'name', 'at'] }]) await same(snapshot, options);
      await same(snapshot, { columns: ['id'], timeRange: { column: 'day', range: { startUs: 150n * dayUs } } });
    });

    it('of a table of our own, also of a version whose files were moved away', async (t) => {
      const table = openOwnTable(localBytes(temporaryFolder(t)), 't', { format: format.name });
      await write(table, 'append', events(0, 150));
      await write(table, 'append', events(150, 50));
      const snapshot = await table.snapshot();
      for (const options of ranges) await same(snapshot, options);
      const units = (await snapshot.units!())!;
      await write(table, 'overwrite', events(0, 1));
      const batches = await Promise.all(units.map((unit) => readUnit(unit)));
      assert.equal(batches.flat().reduce((sum, batch) => sum + batch.numRows, 0), 200);
    });
  });

  describe('a unit meets what the scan would meet', () => {
    const meets = async (t: it.TestContext, harm: (file: string) => void): Promise<void> => {
      const folder = temporaryFolder(t);
      await localBytes(folder).writeNew(`t${ending}`, encode(events(0, 3)));
      const snapshot = await openSource(folder, 't').snapshot();
      const [unit] = (await snapshot.units!())!;
      harm(join(folder, `t${ending}`));
      const failure = await readTable(snapshot).then(() => assert.fail('the scan should fail'), (error: unknown) => error as Error);
      assert.ok(failure instanceof DamagedFileError);
      await assert.rejects(readUnit(unit!), { name: failure.name, message: failure.message });
    };

    it('a file that was truncated, replaced or removed', async (t) => {
      await meets(t, (file) => truncateSync(file, 100));
      await meets(t, (file) => utimesSync(file, 1, 1));
      await meets(t, (file) => rmSync(file));
    });

    it('a column that is not there', async (t) => {
      const folder = temporaryFolder(t);
      await localBytes(folder).writeNew(`t${ending}`, encode(events(0, 3)));
      const snapshot = await openSource(folder, 't').snapshot();
      await assert.rejects(snapshot.units!({ columns: ['ids'] }), SchemaMismatchError);
    });

    it('a signal', async (t) => {
      const folder = temporaryFolder(t);
      await localBytes(folder).writeNew(`t${ending}`, encode(events(0, 3)));
      const [unit] = (await (await openSource(folder, 't').snapshot()).units!())!;
      await assert.rejects(readUnit(unit!, AbortSignal.abort()), CancelledError);
    });
  });
}

/** Data files as a table with a log may know them: renamed columns, deleted rows, values that no file holds. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  Binary, Bool, type DataType, DateDay, Decimal, Dictionary, Field, Float64, Int32, Int64, type RecordBatch, Schema, Table, tableFromIPC, tableToIPC, TimestampMicrosecond, Utf8,
} from '../../src/arrow/arrow.ts';
import { canonicalTable, tablesEqual } from '../../src/arrow/canonical.ts';
import { pickRows } from '../../src/arrow/rows.ts';
import { toRows } from '../../src/arrow/values.ts';
import { DamagedFileError, SchemaMismatchError } from '../../src/base/errors.ts';
import { dayUs } from '../../src/base/time.ts';
import type { Bytes } from '../../src/store/bytes.ts';
import type { Constant } from '../../src/store/conform.ts';
import { type DataFile, type DataFiles, metadataOf, planDataFiles, scanDataFiles } from '../../src/store/data-files.ts';
import { deletedWithin, withoutDeleted } from '../../src/store/deleted-rows.ts';
import type { FileFormat } from '../../src/store/file-format.ts';
import { formatNamed } from '../../src/store/file-formats.ts';
import { localBytes } from '../../src/store/local-bytes.ts';
import { memoryBytes } from '../../src/store/memory-bytes.ts';
import type { PlacedFile } from '../../src/store/placed-file.ts';
import { planUnits, rowsOf } from '../../src/store/row-units.ts';
import type { ScanOptions } from '../../src/store/table.ts';
import { golden } from './parquet/support.ts';
import { eventSchema, events, fileFormats, range, temporaryFolder } from '../support/store.ts';

interface Known {
  readonly rename?: DataFile['rename'];
  readonly deleted?: readonly number[];
  readonly constants?: readonly Constant[];
  readonly partRows?: number;
}

async function read({ schema }: DataFiles, batches: AsyncIterable<RecordBatch>, { columns = schema.names as string[] }: ScanOptions = {}): Promise<Table> {
  const all: RecordBatch[] = [];
  for await (const batch of batches) all.push(batch);
  return canonicalTable(new Schema(columns.map((column) => schema.fields.find(({ name }) => name === column)!)), all);
}

it('deleted rows are found however the stretches of a plan are cut into batches', async () => {
  const lengths = fc.array(fc.nat(9), { minLength: 1, maxLength: 8 });
  const property = fc.asyncProperty(lengths, lengths, lengths, fc.array(fc.nat(80), { maxLength: 40 }), async (gaps, sizes, cuts, positions) => {
    let end = 0;
    const stretches = sizes.map((size, i) => {
      const first = end + gaps[i % gaps.length]!;
      end = first + size + 1;
      return { first, rows: size + 1 };
    });
    const all = stretches.flatMap(({ first, rows }) => range(first, rows));
    const deleted = Float64Array.from(new Set(positions)).sort();
    const batches = async function* (): AsyncGenerator<RecordBatch> {
      for (let start = 0, cut = 0; start < all.length; cut++) {
        const rows = Math.min(cuts[cut % cuts.length]! + 1, all.length - start);
        const whole = canonicalTable(eventSchema, all.slice(start, start + rows).flatMap((id) => events(id, 1).batches));
        yield whole.batches[0]!;
        start += rows;
      }
    };
    const left: number[] = [];
    for await (const batch of withoutDeleted(batches(), stretches, deleted)) left.push(...Array.from(batch.getChild('id')!, Number));
    assert.deepEqual(left, all.filter((id) => !deleted.includes(id)));
    assert.deepEqual([...deletedWithin(deleted, stretches)], [...deleted].filter((id) => all.includes(id)));
  });
  await fc.assert(property, { numRuns: 100 });
});

it('rows are deleted by their positions in the file, also where pages would be left out', async () => {
  for (const name of ['pages-ordered', 'pages-mixed']) {
    const content = new Uint8Array(readFileSync(join(golden, `${name}.parquet`)));
    const bytes = memoryBytes();
    await bytes.writeNew('a.parquet', content);
    const file: PlacedFile = { kind: 'immutable', path: 'a.parquet', size: content.length, version: 0 };
    const metadata = await metadataOf({ format: 'parquet', bytes, file });
    const common = { name, format: 'parquet', bytes, file, constants: [], parts: 1, mightContain: () => true, metadata: async () => metadata } as const;
    const whole = { name, schema: metadata.schema, passedOver: [], files: [{ ...common, rows: metadata.rows }] };
    const deleted = Float64Array.from({ length: metadata.rows >> 1 }, (_, i) => 2 * i);
    const halved = { ...whole, files: [{ ...common, rows: metadata.rows - deleted.length, deletedRows: async () => deleted }] };
    const startUs = BigInt(Date.UTC(2025, 0, 30)) * 1_000n;
    const timeRange = { column: 'at', range: { startUs, endUs: startUs + dayUs } };
    const rowsOf = async (table: DataFiles): Promise<number[]> => {
      const all = await read(table, scanDataFiles(table, { timeRange }));
      const at = all.getChildAt(all.schema.fields.findIndex((field) => field.name === 'at'))!.data[0]!;
      const isIn = (row: number): boolean => at.getValid(row) && at.values[row]! >= startUs && at.values[row]! < startUs + dayUs;
      return Array.from(all.getChild('row')!, Number).filter((_, row) => isIn(row));
    };
    const found = await rowsOf(whole);
    assert.ok(found.length > 2 && metadata.rows > 1_000, `${found.length} of ${metadata.rows}`);
    assert.deepEqual(await rowsOf(halved), found.filter((row) => row % 2 === 1));
  }
});

for (const name of fileFormats) {
  describe(`${name} files`, () => dataFiles(formatNamed(name)));
}

function dataFiles(format: FileFormat): void {
  const { ending } = format;

  /** Events in a file of their own, as a log would name it. */
  async function dataFile(bytes: Bytes, path: string, rows: Table, { rename, deleted, constants = [], partRows = 10 }: Known = {}): Promise<DataFile> {
    const content = format.encode(rows.schema, rows.batches, { partRows });
    await bytes.writeNew(path, content);
    const file: PlacedFile = { kind: 'immutable', path, size: content.length, version: 0 };
    const metadata = await metadataOf({ format: format.name, bytes, file });
    return {
      name: bytes.locate(path), format: format.name, bytes, file, constants, rows: rows.numRows - (deleted?.length ?? 0), parts: format.partsOf(metadata),
      ...(rename && { rename }), ...(deleted && { deletedRows: async () => Float64Array.from(deleted) }),
      mightContain: () => true,
      metadata: async () => metadata,
    };
  }

  const tableOf = (files: readonly DataFile[], schema = eventSchema): DataFiles => ({ name: 't', schema, files, passedOver: [] });

  /** By the scan, and where there are units by these too: both give the same. */
  async function rowsIn(table: DataFiles, options: ScanOptions = {}): Promise<Table> {
    const scanned = await read(table, scanDataFiles(table, options), options);
    const plan = await planDataFiles(table, options);
    // Pages are pruned as they are read: of those row groups fewer rows may come than planned.
    assert.ok(options.timeRange === undefined ? plan.rows === scanned.numRows : plan.rows >= scanned.numRows);
    const units = await planUnits(table, options);
    if (units === undefined) return scanned;
    const ofUnits = async function* (): AsyncGenerator<RecordBatch> {
      for (const { argument, rows } of units) {
        let count = 0;
        for await (const batch of rowsOf(structuredClone(argument))) {
          count += batch.numRows;
          // A batch of a unit is only good until the next.
          yield* tableFromIPC(tableToIPC(new Table([batch]))).batches;
        }
        assert.ok(options.timeRange === undefined ? count === rows : count <= rows);
      }
    };
    assert.ok(tablesEqual(await read(table, ofUnits(), options), scanned));
    return scanned;
  }

  const idsOf = (table: Table): number[] => Array.from(table.getChild('id')!, Number);

  it('a file with deleted rows and a column of another name', async (t) => {
    const bytes = localBytes(temporaryFolder(t));
    const file = await dataFile(bytes, `a${ending}`, events(0, 5), { deleted: [0, 3], rename: new Map([['number', 'id']]) });
    const table = tableOf([file], new Schema([new Field('number', new Int64(), true), new Field('name', new Utf8(), true)]));
    assert.deepEqual(toRows(await rowsIn(table)), [1, 2, 4].map((id) => ({ number: id, name: `name ${id}` })));
  });

  describe('deleted rows', () => {
    it('are left out whichever parts are read, and whatever columns', async (t) => {
      const bytes = localBytes(temporaryFolder(t));
      const deleted = [0, 9, 10, ...range(20, 10), 31, 49];
      const table = tableOf([await dataFile(bytes, `a${ending}`, events(0, 50), { deleted }), await dataFile(bytes, `b${ending}`, events(50, 5))]);
      const left = range(0, 55).filter((id) => !deleted.includes(id));
      assert.deepEqual(idsOf(await rowsIn(table)), left);
      assert.equal((await planDataFiles(table)).rowsTotal, left.length);
      const timeRange = { column: 'at', range: { startUs: 15n * dayUs, endUs: 35n * dayUs } };
      assert.deepEqual(idsOf(await rowsIn(table, { columns: ['id'], timeRange })), left.filter((id) => id >= 10 && id < 40));
      assert.deepEqual((await rowsIn(table, { columns: ['name', 'id'] })).schema.names, ['name', 'id']);
      const onlyConstants = tableOf([{ ...table.files[0]!, constants: [{ field: new Field('k', new Int64(), false), value: 7n }] }], new Schema([new Field('k', new Int64(), false)]));
      assert.equal((await rowsIn(onlyConstants)).numRows, 50 - deleted.length);
    });

    it('may be all rows of a part, or of the file', async () => {
      const bytes = memoryBytes();
      const table = tableOf([await dataFile(bytes, `a${ending}`, events(0, 20), { deleted: range(0, 20) }), await dataFile(bytes, `b${ending}`, events(20, 2), { deleted: [] })]);
      assert.deepEqual(idsOf(await rowsIn(table)), [20, 21]);
      assert.equal((await planDataFiles(table)).files, 1);
    });

    it('at random: what is left is what the model keeps', async (t) => {
      const bytes = localBytes(temporaryFolder(t));
      let files = 0;
      const property = fc.asyncProperty(fc.uniqueArray(fc.nat(99), { maxLength: 100 }), fc.integer({ min: 1, max: 40 }), fc.nat(100), fc.nat(100), async (positions, partRows, first, end) => {
        const deleted = positions.sort((a, b) => a - b);
        const table = tableOf([await dataFile(bytes, `${files++}${ending}`, events(0, 100), { deleted, partRows })]);
        const kept = range(0, 100).filter((id) => !deleted.includes(id));
        assert.ok(tablesEqual(await rowsIn(table), pickRows(events(0, 100), Int32Array.from(kept))));
        const timeRange = { column: 'at', range: { startUs: BigInt(first) * dayUs, endUs: BigInt(end) * dayUs } };
        const within = (ids: number[]): number[] => ids.filter((id) => id >= first && id < end);
        assert.deepEqual(within(idsOf(await rowsIn(table, { timeRange }))), within(kept));
      });
      await fc.assert(property, { numRuns: 40 });
    });
  });

  describe('columns under other names', () => {
    it('are pruned and read by these; two may have each other’s', async (t) => {
      const bytes = localBytes(temporaryFolder(t));
      const schema = new Schema([new Field('id', new TimestampMicrosecond(), true), new Field('at', new Int64(), true), new Field('none', new Int32(), true)]);
      const table = tableOf([await dataFile(bytes, `a${ending}`, events(0, 30), { rename: new Map([['id', 'at'], ['at', 'id'], ['none', 'gone']]) })], schema);
      const timeRange = { column: 'id', range: { endUs: 10n * dayUs } };
      assert.deepEqual(Array.from((await rowsIn(table, { columns: ['at', 'none'], timeRange })).getChild('at')!, Number), range(0, 10));
      const all = await rowsIn(table);
      assert.deepEqual([all.schema.names, all.getChild('none')!.nullCount], [['id', 'at', 'none'], 30]);
    });

    it('that the file lacks by its id are null', async () => {
      const file = await dataFile(memoryBytes(), `a${ending}`, events(0, 3), { rename: new Map<string, string | number>([['id', 5], ['name', 'name']]) });
      const table = await rowsIn(tableOf([file]), { columns: ['id', 'name'] });
      assert.deepEqual([table.getChild('id')!.nullCount, table.getChild('name')!.nullCount], [3, 0]);
      const metadata = { ...(await file.metadata()), fieldIds: new Map([[5, 'id']]) };
      const withId = tableOf([{ ...file, metadata: async () => metadata }]);
      assert.deepEqual(idsOf(await rowsIn(withId)), [0, 1, 2]);
    });
  });

  it('values that no file holds have every type', async (t) => {
    const values: readonly [DataType, Constant['value'], unknown][] = [
      [new Utf8(), 'Zürich', 'Zürich'],
      [new Dictionary(new Utf8(), new Int32()), 'x', 'x'],
      [new Binary(), Uint8Array.of(1, 2), Uint8Array.of(1, 2)],
      [new Bool(), true, true],
      [new Bool(), false, false],
      [new Int32(), -7, -7],
      [new Int64(), 2n ** 60n, 2n ** 60n],
      [new Float64(), 0.1, 0.1],
      [new Decimal(2, 20, 128), -(10n ** 19n), '-100000000000000000.00'],
      [new DateDay(), 1, '1970-01-02'],
      [new TimestampMicrosecond('UTC'), 1n, '1970-01-01T00:00:00.000001Z'],
      [new Utf8(), '', ''],
      [new Utf8(), null, null],
      [new Decimal(2, 20, 128), null, null],
    ];
    const fields = values.map(([type], i) => new Field(`c${i}`, type, true));
    const constants = values.map(([, value], i) => ({ field: fields[i]!, value }));
    const bytes = localBytes(temporaryFolder(t));
    for (const rows of [1, 12]) {
      const table = tableOf([await dataFile(bytes, `${rows}${ending}`, events(0, rows), { constants })], new Schema([...fields, eventSchema.fields[0]!]));
      const expected = Object.fromEntries(values.map(([, , value], i) => [`c${i}`, value]));
      assert.deepEqual(toRows(await rowsIn(table)), range(0, rows).map((id) => ({ ...expected, id })));
    }
  });

  describe('a file that is not what the log says', () => {
    it('has a column of another type, or one that cannot be read', async () => {
      const file = await dataFile(memoryBytes(), `a${ending}`, events(0, 3));
      const table = tableOf([file], new Schema([new Field('id', new Utf8(), true)]));
      await assert.rejects(rowsIn(table), (thrown) => thrown instanceof SchemaMismatchError && /a\.(parquet|orc), column id: it is Utf8 in the table, but Int64 in this file/.test(thrown.message));
      const metadata = { ...(await file.metadata()), schema: new Schema([]), passedOver: [{ column: 'id', why: 'it is nested' }] };
      await assert.rejects(rowsIn(tableOf([{ ...file, metadata: async () => metadata }])), /cannot be read in this file: it is nested/);
    });

    it('has another size, or is gone', async () => {
      const bytes = memoryBytes();
      const table = tableOf([await dataFile(bytes, `a${ending}`, events(0, 3))]);
      await bytes.delete(`a${ending}`);
      await assert.rejects(rowsIn(table), (thrown) => thrown instanceof DamagedFileError && /a\.(parquet|orc): is gone/.test(thrown.message));
      await bytes.writeNew(`a${ending}`, new Uint8Array(100));
      await assert.rejects(rowsIn(table), /has 100 bytes, but \d+ were committed/);
    });

    it('may hold narrower numbers, and instants without a zone', async (t) => {
      const schema = new Schema([new Field('id', new Int64(), true), new Field('at', new TimestampMicrosecond('UTC'), true)]);
      const table = tableOf([await dataFile(localBytes(temporaryFolder(t)), `a${ending}`, events(0, 3))], schema);
      assert.deepEqual(toRows(await rowsIn(table)).map((row) => row.at), range(1, 3).map((day) => `1970-01-0${day}T00:00:00Z`));
    });
  });
}

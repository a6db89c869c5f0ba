/** Files of other engines (apache/parquet-testing), read value for value as pyarrow read them. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { gunzipSync } from 'node:zlib';
import { DataType } from '../../../src/arrow/arrow.ts';
import { plainType } from '../../../src/arrow/canonical.ts';
import { FeatureStoreError } from '../../../src/base/errors.ts';
import { openParquet } from '../../../src/store/parquet/file.ts';
import { type Cell, cellsOf, fixtures, flights, MemoryFile, readAll } from './support.ts';

const absent = fixtures === undefined ? 'left out: ../shared/fixtures/parquet is not beside the project' : false;

/** A cell as EXPECTED-values.json writes it. */
function expectedForm(type: DataType, cell: Cell): unknown {
  if (cell === null || typeof cell === 'boolean') return cell;
  if (DataType.isFloat(type)) {
    const value = type.precision === 0 ? halfOf(cell as number) : (cell as number);
    return Number.isNaN(value) ? 'nan' : value;
  }
  if (DataType.isBinary(type)) return `b:${Buffer.from(String(cell).slice(2), 'hex').toString('base64')}`;
  return typeof cell === 'string' ? cell : String(cell);
}

function halfOf(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

test('every flat column of every fixture is right, and every other one is refused by name', { skip: absent }, async () => {
  const expectedRows = JSON.parse(readFileSync(join(fixtures!, 'EXPECTED-rows.json'), 'utf8'));
  const expectedValues = JSON.parse(gunzipSync(readFileSync(join(fixtures!, 'EXPECTED-values.json.gz'))).toString());
  let [compared, refused] = [0, 0];
  for (const name of readdirSync(join(fixtures!, 'data'))) {
    const source = new MemoryFile(name, readFileSync(join(fixtures!, 'data', name)));
    const file = await openParquet(source);
    assert.equal(file.rows, expectedRows[`data/${name}`].rows, name);
    const { batches, rows } = await readAll(source);
    assert.equal(rows, file.rows, name);
    for (const [key, expected] of Object.entries<unknown[]>(expectedValues[`data/${name}`])) {
      const column = key.slice(key.indexOf(':') + 1);
      const field = file.schema.fields.find((candidate) => candidate.name === column);
      if (field === undefined) {
        assert.ok(file.passedOver.some((passed) => passed.column === column && /nested/.test(passed.why)), `${name}: ${column}`);
        await assert.rejects(readAll(source, { columns: [column] }), (thrown) => thrown instanceof FeatureStoreError && thrown.tag === 'Unsupported' && thrown.message.includes(column));
        refused++;
        continue;
      }
      const type = plainType(field.type);
      const alone = await readAll(source, { columns: [column] });
      const spliced = await readAll(source, { columns: [column], byPages: false });
      for (const read of [batches, alone.batches, spliced.batches]) {
        assert.deepEqual(cellsOf(read, column, expected.length).map((cell) => expectedForm(type, cell)), expected, `${name}: ${column}`);
      }
      compared++;
    }
  }
  assert.ok(compared > 100 && refused > 40, `${compared} compared, ${refused} refused`);
});

test('INT96 timestamps come in microseconds', { skip: absent }, async () => {
  const { batches } = await readAll(readFileSync(join(fixtures!, 'data/alltypes_plain.snappy.parquet')));
  const april = BigInt(Date.UTC(2009, 3, 1)) * 1_000n;
  assert.deepEqual(cellsOf(batches, 'timestamp_col'), [april, april + 60_000_000n]);
});

test('broken files are named as such, or refuse the column that is broken', { skip: absent }, async () => {
  const bad = (name: string): MemoryFile => new MemoryFile(name, readFileSync(join(fixtures!, 'bad_data', name)));
  await assert.rejects(readAll(bad('ARROW-RS-GH-6229-DICTHEADER.parquet')), { tag: 'DamagedFile', message: /DICTHEADER\.parquet: .*column name in row group 0/ });
  await assert.rejects(readAll(bad('ARROW-RS-GH-6229-LEVELS.parquet'), { columns: ['outer'] }), { tag: 'Unsupported', message: /LEVELS\.parquet: column outer .*nested/ });
});

test('three million flights', async () => {
  const { rows, batches, schema } = await readAll(flights());
  assert.equal(rows, 3_000_000);
  assert.deepEqual(schema.fields.map(({ name, type }) => `${name}: ${type}`), [
    'date: Timestamp<MICROSECOND>', 'delay: Int64', 'distance: Int64', 'origin: Utf8', 'destination: Utf8',
  ]);
  assert.deepEqual(batches[0]!.schema.fields.slice(3).map(({ type }) => String(type)), ['Dictionary<Int32, Utf8>', 'Dictionary<Int32, Utf8>']);
  let delay = 0n;
  for (const batch of batches) for (const value of batch.data.children[1]!.values as BigInt64Array) delay += value;
  assert.equal(delay, 20_003_603n);
});

test('checksums of pages are checked where there are any', { skip: absent }, async () => {
  for (const name of ['datapage_v1-uncompressed-checksum.parquet', 'rle-dict-snappy-checksum.parquet']) {
    const bytes = new Uint8Array(readFileSync(join(fixtures!, 'data', name)));
    const [chunk] = (await openParquet(new MemoryFile(name, bytes))).rowGroups[0]!.columns.values();
    bytes[chunk!.start + 100]! ^= 1;
    await assert.rejects(readAll(bytes), { tag: 'DamagedFile', message: /checksum/ }, name);
  }
});

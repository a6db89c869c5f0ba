/** Logs of any writer: what their names say, checkpoints of every kind, and what happens when something is damaged or gone. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { tablesEqual } from '../../../src/arrow/canonical.ts';
import type { Table } from '../../../src/arrow/arrow.ts';
import { DamagedFileError, FeatureStoreError } from '../../../src/base/errors.ts';
import type { Bytes } from '../../../src/store/bytes.ts';
import { encodeCheckpoint } from '../../../src/store/delta/checkpoint-write.ts';
import { segmentsOf } from '../../../src/store/delta/read-segments.ts';
import { openDeltaTable } from '../../../src/store/delta/write.ts';
import { DeltaLog } from '../../../src/store/delta/write-log.ts';
import { memoryBytes } from '../../../src/store/memory-bytes.ts';
import { events, readTable } from '../../support/store.ts';

const pad = (version: number): string => String(version).padStart(20, '0');

/** A table of so many commits, of a row each but for an overwrite in the middle. */
async function tableOf(commits: number, bytes = memoryBytes()): Promise<Bytes> {
  const table = openDeltaTable(bytes, 't');
  for (let version = 0; version < commits; version++) {
    const rows = events(version, 2);
    const kind = version === 3 ? 'overwrite' : 'append';
    await table.commit({ readVersion: version - 1, kind, schema: rows.schema, add: await table.stage(rows.schema, rows.batches), info: { version } });
  }
  return bytes;
}

const read = async (bytes: Bytes, version?: number): Promise<Table> => readTable(await openDeltaTable(bytes, 't').snapshot(version === undefined ? {} : { version }));

async function contentOf(bytes: Bytes, path: string): Promise<Uint8Array> {
  const file = (await bytes.open(path))!;
  const content = await file.read(0, file.size);
  await file.close();
  return content;
}

async function replace(bytes: Bytes, path: string, content: Uint8Array): Promise<void> {
  await bytes.delete(path);
  await bytes.writeNew(path, content);
}

test('what names of the log say', () => {
  const uuid = '0a8d73ee-aa83-49d0-9583-c99db75b89b2';
  const { lastCommit, checkpoints, compacted } = segmentsOf([
    `${pad(3)}.json`, `${pad(12)}.json`, `.${pad(20)}.json.tmp`, `${pad(1)}.crc`, '_last_checkpoint', `${pad(4)}.checkpoint.json`,
    `${pad(10)}.checkpoint.parquet`, `${pad(10)}.checkpoint.${uuid}.json`, `${pad(5)}.${pad(9)}.compacted.json`,
    `${pad(11)}.checkpoint.${'1'.padStart(10, '0')}.${'2'.padStart(10, '0')}.parquet`,
    `${pad(8)}.checkpoint.${'2'.padStart(10, '0')}.${'2'.padStart(10, '0')}.parquet`, `${pad(8)}.checkpoint.${'1'.padStart(10, '0')}.${'2'.padStart(10, '0')}.parquet`,
  ]);
  assert.equal(lastCommit, 12);
  assert.deepEqual(checkpoints.map(({ version, names }) => [version, names.length]), [[10, 1], [10, 1], [8, 2]], 'a part alone is none');
  assert.equal(checkpoints[0]!.names[0], `${pad(10)}.checkpoint.parquet`);
  assert.deepEqual(compacted.map(({ first, last }) => [first, last]), [[5, 9]]);
});

test('a log whose first commits were cleaned up is read from its checkpoint', async () => {
  const bytes = await tableOf(13);
  const expected = await read(bytes);
  const eleventh = await read(bytes, 11);
  for (let version = 0; version < 10; version++) await bytes.delete(`t/_delta_log/${pad(version)}.json`);
  assert.ok(tablesEqual(await read(bytes), expected));
  assert.ok(tablesEqual(await read(bytes, 11), eleventh));
  await assert.rejects(read(bytes, 9), DamagedFileError);
  // The commit of the checkpoint may be gone, too.
  for (let version = 10; version < 13; version++) await bytes.delete(`t/_delta_log/${pad(version)}.json`);
  assert.equal((await openDeltaTable(bytes, 't').snapshot()).versionNumber, 10);
});

test('a hint that lies, or is none, is no harm', async () => {
  const bytes = await tableOf(12);
  const expected = await read(bytes);
  for (const hint of ['', '{', 'null', '{"version":99,"size":1}', '{"version":2,"size":1,"parts":7}', '[]']) {
    await replace(bytes, 't/_delta_log/_last_checkpoint', Buffer.from(hint));
    assert.ok(tablesEqual(await read(bytes), expected), hint);
  }
});

test('a damaged checkpoint: the commits before it do; without them it is said', async () => {
  const bytes = await tableOf(12);
  const expected = await read(bytes);
  const path = `t/_delta_log/${pad(10)}.checkpoint.parquet`;
  const whole = await contentOf(bytes, path);
  await replace(bytes, path, whole.subarray(0, whole.length >> 1));
  assert.ok(tablesEqual(await read(bytes), expected));
  await bytes.delete(`t/_delta_log/${pad(4)}.json`);
  await assert.rejects(read(bytes), (thrown) => thrown instanceof DamagedFileError && /checkpoint/.test(thrown.message));
});

test('a commit that is missing is named', async () => {
  const bytes = await tableOf(6);
  await bytes.delete(`t/_delta_log/${pad(2)}.json`);
  await assert.rejects(read(bytes), new RegExp(`${pad(2)}.json.*is missing`));
});

test('checkpoints in parts, in JSON with a sidecar, and compacted commits', async () => {
  const whole = await tableOf(9);
  const { protocol, metaData, transactions } = (await new DeltaLog(whole, 't', 't').newest())!;
  const content = { protocol, metaData, transactions: [...transactions.values()], remove: [] };
  const cleaned = async (write: (bytes: Bytes) => Promise<unknown>): Promise<Table> => {
    const bytes = await tableOf(9);
    await write(bytes);
    for (let version = 0; version < 9; version++) await bytes.delete(`t/_delta_log/${pad(version)}.json`);
    return read(bytes);
  };
  // Each writer of these makes the same rows, in files of other names: ids tell the rows.
  const idsOf = (table: Table): unknown[] => [...table.getChild('id')!].sort();

  const inParts = await tableOf(9);
  const parts = async (bytes: Bytes): Promise<void> => {
    const state = (await new DeltaLog(bytes, 't', 't').newest())!;
    const all = [...state.files.values()];
    for (const [i, part] of [all.slice(0, 4), all.slice(4)].entries()) {
      const { file } = encodeCheckpoint({ ...content, metaData: state.metaData, add: part }, { asJson: true, asStruct: false });
      await bytes.writeNew(`t/_delta_log/${pad(8)}.checkpoint.${String(i + 1).padStart(10, '0')}.${'2'.padStart(10, '0')}.parquet`, file);
    }
  };
  assert.deepEqual(idsOf(await cleaned(parts)), idsOf(await read(inParts)));

  const withSidecar = async (bytes: Bytes): Promise<void> => {
    const state = (await new DeltaLog(bytes, 't', 't').newest())!;
    const { file } = encodeCheckpoint({ ...content, metaData: state.metaData, add: [...state.files.values()] }, { asJson: true, asStruct: false });
    await bytes.writeNew('t/_delta_log/_sidecars/one.parquet', file);
    const lines = [{ checkpointMetadata: { version: 8 } }, { protocol }, { metaData: state.metaData }, { sidecar: { path: 'one.parquet', sizeInBytes: file.length, modificationTime: 0 } }];
    await bytes.writeNew(`t/_delta_log/${pad(8)}.checkpoint.0a8d73ee-aa83-49d0-9583-c99db75b89b2.json`, Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join('')));
  };
  assert.deepEqual(idsOf(await cleaned(withSidecar)), idsOf(await read(inParts)));

  const compacted = await tableOf(9);
  const lines = await Promise.all([4, 5, 6].map(async (version) => Buffer.from(await contentOf(compacted, `t/_delta_log/${pad(version)}.json`)).toString()));
  const adds = lines.flatMap((text) => text.split('\n').filter((line) => line.startsWith('{"add"')));
  await compacted.writeNew(`t/_delta_log/${pad(4)}.${pad(6)}.compacted.json`, Buffer.from(`${adds.join('\n')}\n`));
  for (const version of [4, 5, 6]) await compacted.delete(`t/_delta_log/${pad(version)}.json`);
  assert.deepEqual(idsOf(await read(compacted)), idsOf(await read(inParts)));
});

test('a log that is cut or changed is the table as it was, or a clear error', async () => {
  const bytes = await tableOf(12);
  const expected = await read(bytes);
  const files = [`${pad(11)}.json`, `${pad(3)}.json`, `${pad(10)}.checkpoint.parquet`, '_last_checkpoint'].map((name) => `t/_delta_log/${name}`);
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...files), fc.nat(), fc.integer({ min: 0, max: 8 }), async (path, at, bit) => {
      const whole = await contentOf(bytes, path);
      const place = at % whole.length;
      const changed = bit === 8 ? whole.slice(0, place) : whole.slice();
      if (bit < 8) changed[place]! ^= 1 << bit;
      await replace(bytes, path, changed);
      try {
        assert.ok(tablesEqual(await read(bytes), expected), `${path}, byte ${place}, ${bit === 8 ? 'cut' : `bit ${bit}`}`);
      } catch (thrown) {
        if (!(thrown instanceof FeatureStoreError)) throw thrown;
      } finally {
        await replace(bytes, path, whole);
      }
    }),
    { numRuns: 400 },
  );
});

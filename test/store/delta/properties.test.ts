/** Properties of a table that bind who writes it: the codec of its files, and how long its log reaches back. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DamagedFileError } from '../../../src/base/errors.ts';
import { type Bytes, readWhole } from '../../../src/store/bytes.ts';
import { openDeltaTable } from '../../../src/store/delta/write.ts';
import { memoryBytes } from '../../../src/store/memory-bytes.ts';
import { readThrift } from '../../../src/store/parquet/thrift.ts';
import { currentIds, events, faultyBytes, range, readIds, write } from '../../support/store.ts';
import { chunkMeta } from '../parquet/support.ts';
import { addFile, checkpointKinds, commit, logPath, metaData, pad, writeCheckpoint, writeLines } from './foreign.ts';

const dayMs = 86_400_000;
/** Noon, so that days begin elsewhere. */
const firstMs = 100 * dayMs + dayMs / 2;

const protocol = { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['timestampNtz'], writerFeatures: ['timestampNtz'] };

/** The first commit of a table with such properties. */
async function begin(bytes: Bytes, configuration: Readonly<Record<string, string>>): Promise<void> {
  await writeLines(bytes, logPath(`${pad(0)}.json`), [{ protocol }, { metaData: { ...metaData, configuration } }]);
}

async function codecOf(bytes: Bytes, path: string): Promise<number> {
  const content = (await readWhole(bytes, path))!;
  const size = new DataView(content.buffer, content.byteOffset, content.byteLength).getUint32(content.length - 8, true);
  return chunkMeta(readThrift(content.subarray(content.length - 8 - size, content.length - 8)).value).int(4)!;
}

describe('delta.parquet.compression.codec', () => {
  it('is that of what we append and put together; what is not known is Snappy', async () => {
    // By the numbers of Parquet.
    const codecs = { uncompressed: 0, none: 0, SNAPPY: 1, gzip: 2, brotli: 4, zstd: 6, lz4: 7, lz4_raw: 7, lzo: 1, '': 1 };
    for (const [name, number] of Object.entries(codecs)) {
      const bytes = memoryBytes();
      await begin(bytes, { 'delta.parquet.compression.codec': name });
      const table = openDeltaTable(bytes, 't');
      await write(table, 'append', events(0, 50));
      await write(table, 'append', events(50, 50));
      const paths = async (): Promise<string[]> => (await bytes.list('t')).map(({ path }) => path).filter((path) => path.endsWith('.parquet'));
      for (const path of await paths()) assert.equal(await codecOf(bytes, path), number, `${name}: ${path}`);
      await table.compact();
      for (const path of await paths()) assert.equal(await codecOf(bytes, path), number, `${name}: ${path}`);
      assert.deepEqual(await currentIds(openDeltaTable(bytes, 't')), range(0, 100));
    }
  });
});

/** A table of one commit a day, each with a checkpoint where told. */
async function daily(configuration: Readonly<Record<string, string>>, commits: number, interval = 5): Promise<{ bytes: Bytes; nowMs: number }> {
  const bytes = memoryBytes();
  await begin(bytes, { 'delta.checkpointInterval': String(interval), ...configuration });
  let nowMs = firstMs;
  const table = openDeltaTable(bytes, 't', { now: () => nowMs });
  for (let i = 1; i < commits; i++, nowMs += dayMs) await write(table, 'append', events(i, 1));
  return { bytes, nowMs };
}

async function logNames(bytes: Bytes): Promise<string[]> {
  return ((await bytes.names('t/_delta_log')) ?? []).filter((name) => /^\d/.test(name));
}

describe('delta.logRetentionDuration', () => {
  it('vacuum takes the entries before the newest checkpoint that is as old, and every version behind it is read as before', async () => {
    const { bytes, nowMs } = await daily({ 'delta.logRetentionDuration': 'interval 7 days' }, 24);
    const before = new Map<number, number[]>();
    for (const version of range(0, 24)) before.set(version, await readIds(await openDeltaTable(bytes, 't').snapshot({ version })));
    await bytes.writeNew(logPath(`${pad(3)}.crc`), new Uint8Array(1));
    await bytes.writeNew(logPath(`${pad(20)}.crc`), new Uint8Array(1));
    await bytes.writeNew(logPath(`_staged_commits/${pad(4)}.1b4e.json`), new Uint8Array(1));
    await openDeltaTable(bytes, 't').vacuum({ nowMs });
    // Version 23 is a day old, so 16 is just old enough: 15 is the checkpoint before.
    const names = await logNames(bytes);
    assert.deepEqual(names.filter((name) => /^\d{20}\.json$/.test(name)), range(15, 9).map((version) => `${pad(version)}.json`));
    assert.deepEqual(names.filter((name) => !name.endsWith('.json')), [`${pad(15)}.checkpoint.parquet`, `${pad(20)}.checkpoint.parquet`, `${pad(20)}.crc`]);
    assert.deepEqual(await bytes.names('t/_delta_log/_staged_commits'), undefined);
    for (const version of range(15, 9)) assert.deepEqual(await readIds(await openDeltaTable(bytes, 't').snapshot({ version })), before.get(version), `version ${version}`);
    await assert.rejects(openDeltaTable(bytes, 't').snapshot({ version: 14 }), DamagedFileError);
    const table = openDeltaTable(bytes, 't', { now: () => nowMs });
    await write(table, 'append', events(24, 1));
    assert.deepEqual(await currentIds(openDeltaTable(bytes, 't')), range(1, 24));
    assert.equal((await table.vacuum({ nowMs })).files, 0);
  });

  it('leaves everything where there is no such checkpoint, where it is damaged, where it is turned off, and for a version that is kept', async () => {
    const week = { 'delta.logRetentionDuration': 'interval 1 week' };
    const untouched = async ({ bytes, nowMs }: { bytes: Bytes; nowMs: number }, keepVersion?: number): Promise<void> => {
      const before = await logNames(bytes);
      await openDeltaTable(bytes, 't').vacuum({ nowMs, ...(keepVersion !== undefined && { keepVersion }) });
      assert.deepEqual(await logNames(bytes), before);
    };
    await untouched(await daily(week, 24, 100));
    await untouched(await daily({}, 24));
    await untouched(await daily({ ...week, 'delta.enableExpiredLogCleanup': 'false' }, 24));
    await untouched(await daily(week, 24), 4);
    const damaged = await daily(week, 12);
    const path = logPath(`${pad(5)}.checkpoint.parquet`);
    const content = (await readWhole(damaged.bytes, path))!;
    await damaged.bytes.delete(path);
    await damaged.bytes.writeNew(path, content.slice(0, content.length - 9));
    await untouched({ ...damaged, nowMs: damaged.nowMs + dayMs });
    // A version that is kept is told by the checkpoint before it.
    const kept = await daily(week, 24);
    await openDeltaTable(kept.bytes, 't').vacuum({ nowMs: kept.nowMs, keepVersion: 11 });
    assert.equal((await logNames(kept.bytes))[0], `${pad(10)}.checkpoint.parquet`);
    assert.equal((await readIds(await openDeltaTable(kept.bytes, 't').snapshot({ version: 11 }))).length, 11);
  });

  it('goes by checkpoints of any kind, and takes the sidecars that none names any more', async () => {
    for (const kind of checkpointKinds) {
      const bytes = memoryBytes();
      const config = { 'delta.logRetentionDuration': 'interval 2 days', 'delta.checkpointInterval': '1000' };
      await begin(bytes, config);
      const files = [];
      for (const version of range(1, 6)) {
        files.push(await addFile(bytes, `${version}.parquet`, events(version, 1)));
        await commit(bytes, version, [{ add: files.at(-1)! }]);
        if (version === 2 || version === 4) await writeCheckpoint(bytes, kind, version, files, []);
      }
      await bytes.writeNew(logPath('_sidecars/forgotten.parquet'), new Uint8Array(1));
      // These files are of today.
      await openDeltaTable(bytes, 't').vacuum({ nowMs: Date.now() + 9 * dayMs });
      const kept = (await logNames(bytes)).filter((name) => /^\d{20}\.json$/.test(name)).map((name) => Number(name.slice(0, 20)));
      assert.deepEqual(kept, kind === 'none' ? range(0, 7) : range(4, 3), kind);
      const sidecars = await bytes.names('t/_delta_log/_sidecars');
      assert.deepEqual(sidecars, kind === 'V2 JSON' ? ['4-0.parquet', '4-1.parquet'] : kind === 'none' ? ['forgotten.parquet'] : undefined, kind);
      assert.deepEqual((await currentIds(openDeltaTable(bytes, 't'))).sort(), range(1, 6), kind);
    }
  });

  it('whatever history, retention and day, no version that is young enough is lost, and every call may fail', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 18 }), fc.integer({ min: 2, max: 6 }), fc.integer({ min: 0, max: 20 }), fc.option(fc.integer({ min: 1, max: 80 })), async (commits, interval, days, call) => {
        const { bytes, nowMs } = await daily({ 'delta.logRetentionDuration': `interval ${days} days` }, commits, interval);
        const cutOffMs = nowMs - days * dayMs;
        const fault = call === null ? undefined : ({ call, effect: 'before', lasting: true } as const);
        await openDeltaTable(faultyBytes(bytes, fault).bytes, 't').vacuum({ nowMs }).catch(() => undefined);
        // Version v was committed v − 1 days after the first, and the version of the cut-off itself is young enough.
        const young = Math.min(commits - 1, Math.max(1, Math.floor((cutOffMs - firstMs) / dayMs) + 1));
        for (let version = young; version < commits; version++) {
          assert.deepEqual(await readIds(await openDeltaTable(bytes, 't').snapshot({ version })), range(1, version), `version ${version}`);
        }
        await openDeltaTable(bytes, 't').vacuum({ nowMs });
        assert.deepEqual(await currentIds(openDeltaTable(bytes, 't')), range(1, commits - 1));
      }),
      { numRuns: 40 },
    );
  });
});

/** Properties of a table that bind who writes it: the codec of its files, and how long its log reaches back. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Table } from '../../../src/arrow/arrow.ts';
import { canonicalTable, tablesEqual } from '../../../src/arrow/canonical.ts';
import { DamagedFileError } from '../../../src/base/errors.ts';
import { parseInstant } from '../../../src/base/time.ts';
import { type Bytes, readWhole } from '../../../src/store/bytes.ts';
import { decodeCheckpoint } from '../../../src/store/delta/read-checkpoint.ts';
import { openDeltaTable } from '../../../src/store/delta/write.ts';
import { memoryBytes } from '../../../src/store/memory-bytes.ts';
import { type FileStats, parseStats } from '../../../src/store/stats.ts';
import { readThrift, type ThriftStruct } from '../../../src/store/parquet/thrift.ts';
import { currentIds, events, faultyBytes, range, readIds, readTable, write } from '../../support/store.ts';
import { batchFrom, type Cell, chunkMeta, writable } from '../parquet/support.ts';
import { addFile, checkpointKinds, commit, logPath, metaData, pad, writeCheckpoint, writeLines } from './foreign.ts';

const dayMs = 86_400_000;
/** Noon, so that days begin elsewhere. */
const firstMs = 100 * dayMs + dayMs / 2;

const protocol = { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['timestampNtz'], writerFeatures: ['timestampNtz'] };

/** The first commit of a table with such properties. */
async function begin(bytes: Bytes, configuration: Readonly<Record<string, string>>): Promise<void> {
  await writeLines(bytes, logPath(`${pad(0)}.json`), [{ protocol }, { metaData: { ...metaData, configuration } }]);
}

async function footerOf(bytes: Bytes, path: string): Promise<ThriftStruct> {
  const content = (await readWhole(bytes, path))!;
  const size = new DataView(content.buffer, content.byteOffset, content.byteLength).getUint32(content.length - 8, true);
  return readThrift(content.subarray(content.length - 8 - size, content.length - 8)).value;
}

async function codecOf(bytes: Bytes, path: string): Promise<number> {
  return chunkMeta(await footerOf(bytes, path)).int(4)!;
}

/** The columns of a Parquet file under this one, by their names down to the leaves. */
async function leavesOf(bytes: Bytes, path: string, under: string): Promise<string[]> {
  const chunks = (await footerOf(bytes, path)).structs(4)![0]!.structs(1)!.map((chunk) => chunk.struct(3)!.binaries(3)!.map((part) => Buffer.from(part).toString()).join('.'));
  return chunks.filter((name) => name.startsWith(`${under}.`)).map((name) => name.slice(under.length + 1));
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

/** The files of a version, as a checkpoint of it lists them. */
async function checkpointOf(bytes: Bytes, version: number): Promise<{ readonly actions: readonly object[] }> {
  const lines = await Promise.all(range(1, version).map(async (each) => Buffer.from((await readWhole(bytes, logPath(`${pad(each)}.json`)))!).toString().split('\n')));
  return { actions: lines.flat().filter((line) => line.startsWith('{"add"')).map((line) => JSON.parse(line) as object) };
}

async function logNames(bytes: Bytes): Promise<string[]> {
  return ((await bytes.names('t/_delta_log')) ?? []).filter((name) => /^\d/.test(name));
}

describe('delta.logRetentionDuration', () => {
  it('vacuum takes the entries before the newest checkpoint that is as old, and every version behind it is read as before', async () => {
    const { bytes, nowMs } = await daily({ 'delta.logRetentionDuration': 'interval 9 days' }, 24);
    const before = new Map<number, number[]>();
    for (const version of range(0, 24)) before.set(version, await readIds(await openDeltaTable(bytes, 't').snapshot({ version })));
    await bytes.writeNew(logPath(`${pad(3)}.crc`), new Uint8Array(1));
    await bytes.writeNew(logPath(`${pad(20)}.crc`), new Uint8Array(1));
    await bytes.writeNew(logPath(`_staged_commits/${pad(4)}.1b4e.json`), new Uint8Array(1));
    await openDeltaTable(bytes, 't').vacuum({ nowMs });
    // Version 15 is nine days old at noon, but days are counted from midnight: 10 is the checkpoint before.
    const names = await logNames(bytes);
    assert.deepEqual(names.filter((name) => /^\d{20}\.json$/.test(name)), range(10, 14).map((version) => `${pad(version)}.json`));
    assert.deepEqual(names.filter((name) => !name.endsWith('.json')), [`${pad(10)}.checkpoint.parquet`, `${pad(15)}.checkpoint.parquet`, `${pad(20)}.checkpoint.parquet`, `${pad(20)}.crc`]);
    assert.deepEqual(await bytes.names('t/_delta_log/_staged_commits'), undefined);
    for (const version of range(10, 14)) assert.deepEqual(await readIds(await openDeltaTable(bytes, 't').snapshot({ version })), before.get(version), `version ${version}`);
    await assert.rejects(openDeltaTable(bytes, 't').snapshot({ version: 9 }), DamagedFileError);
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
    // What says nothing of the protocol or the schema is no start, whole as it may look.
    for (const said of [[{ metaData }], [{ protocol }], []]) {
      const { bytes, nowMs } = await daily(week, 12, 100);
      const { actions } = await checkpointOf(bytes, 5);
      await writeLines(bytes, logPath(`${pad(5)}.checkpoint.3a0d65cd-4056-49b8-937b-95f9e3ee90e5.json`), [{ checkpointMetadata: { version: 5 } }, ...said, ...actions]);
      await untouched({ bytes, nowMs: nowMs + dayMs });
    }
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

describe('delta.checkpoint.writeStatsAsStruct', () => {
  const asStruct = { 'delta.checkpoint.writeStatsAsStruct': 'true', 'delta.checkpoint.writeStatsAsJson': 'false', 'delta.checkpointInterval': '2' };
  const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  /** Of every type that statistics have bounds for, and one that they have none for. */
  const cells: Readonly<Record<string, fc.Arbitrary<Cell>>> = {
    n: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), big: int64, small: fc.integer({ min: -128, max: 127 }), x: fc.double({ noNaN: true }), f: fc.float({ noNaN: true }),
    text: fc.string({ unit: 'grapheme', maxLength: 50 }), day: fc.integer({ min: -700_000, max: 2_900_000 }), at: fc.bigInt({ min: -(10n ** 16n), max: 2n * 10n ** 17n }), zoned: fc.bigInt({ min: -(10n ** 7n), max: 10n ** 7n }), blob: fc.constant('b:00ff'),
  };
  const typeOf: Readonly<Record<string, string>> = { n: 'int32', big: 'int64', small: 'int8', x: 'double', f: 'float', text: 'utf8', day: 'day', at: 'us', zoned: 'usZone', blob: 'binary' };

  it('statistics come back from its columns as they were, but for instants, which may be wider by a little', async () => {
    const row = fc.record(Object.fromEntries(Object.entries(cells).map(([name, cell]) => [name, fc.option(cell, { freq: 4 })])));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(row, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 2 }), fc.boolean(), async (files, alsoJson) => {
        const bytes = memoryBytes();
        const tables = files.map((rows) => new Table([batchFrom(Object.fromEntries(Object.entries(typeOf).map(([name, type]) => [name, { type: writable[type]!, cells: rows.map((each) => each[name] ?? null) }])))]));
        await write(openDeltaTable(bytes, 't'), 'append', tables[0]!.slice(0, 0));
        const path = logPath(`${pad(0)}.json`);
        const first = Buffer.from((await readWhole(bytes, path))!).toString().split('\n').filter((line) => line !== '').map((line) => JSON.parse(line));
        await bytes.delete(path);
        const configuration = { ...asStruct, 'delta.checkpoint.writeStatsAsJson': String(alsoJson) };
        await writeLines(bytes, path, first.flatMap(({ commitInfo, metaData: begun, ...others }) => (commitInfo ? [] : [begun ? { metaData: { ...begun, configuration } } : others])));
        for (const table of tables) await write(openDeltaTable(bytes, 't'), 'append', table);
        const written = [];
        for (const version of [1, 2]) written.push(...Buffer.from((await readWhole(bytes, logPath(`${pad(version)}.json`)))!).toString().split('\n').flatMap((line) => (line.startsWith('{"add"') ? [JSON.parse(line).add.stats as string] : [])));
        const { actions } = await decodeCheckpoint('c', (await readWhole(bytes, logPath(`${pad(2)}.checkpoint.parquet`)))!);
        assert.equal(actions.add.length, 2);
        for (const [i, { stats }] of actions.add.entries()) {
          const ours: FileStats = parseStats(written[i]!);
          const found: FileStats = parseStats(stats!);
          if (alsoJson) assert.equal(stats, written[i]);
          assert.deepEqual([found.rows, Object.entries(found.nullCount)], [ours.rows, Object.entries(ours.nullCount)]);
          for (const [side, sign] of [['minValues', -1n], ['maxValues', 1n]] as const) {
            assert.deepEqual(Object.keys(found[side]), Object.keys(ours[side]), side);
            for (const [name, bound] of Object.entries(ours[side])) {
              if (alsoJson || !['at', 'zoned'].includes(name)) {
                // JSON has one zero, and no digits behind the point of a whole number.
                assert.ok(found[side][name] === bound || Number(found[side][name]) === Number(bound), `${side} of ${name}: ${found[side][name]} for ${bound}`);
                continue;
              }
              const wider = (parseInstant(found[side][name] as string, name) - parseInstant(bound as string, name)) * sign;
              assert.ok(wider >= 0n && wider <= 2_000n, `${side} of ${name}: ${found[side][name]} for ${bound}`);
            }
          }
        }
        for (const version of range(0, 3)) await bytes.delete(logPath(`${pad(version)}.json`));
        const snapshot = await openDeltaTable(bytes, 't').snapshot();
        assert.ok(tablesEqual(await readTable(snapshot), canonicalTable(snapshot.schema, tables.flatMap(({ batches }) => batches))));
      }),
      { numRuns: 60 },
    );
  });

  it('partitions have no statistics, and a table of columns without bounds has a checkpoint too', async () => {
    const bytes = memoryBytes();
    const open = () => openDeltaTable(bytes, 't', { partitionBy: ['day'] });
    const rows = new Table([batchFrom({ blob: { type: writable.binary!, cells: ['b:00', null] }, day: { type: writable.day!, cells: [1, null] } })]);
    await writeLines(bytes, logPath(`${pad(0)}.json`), [{ protocol }, { metaData: { ...metaData, configuration: asStruct, partitionColumns: ['day'], schemaString: JSON.stringify({ type: 'struct', fields: [['blob', 'binary'], ['day', 'date']].map(([name, type]) => ({ name, type, nullable: true, metadata: {} })) }) } }]);
    for (let i = 0; i < 2; i++) await write(open(), 'append', rows);
    // Not even empty ones, which would be no columns of the files.
    assert.deepEqual(await leavesOf(bytes, logPath(`${pad(2)}.checkpoint.parquet`), 'add.stats_parsed'), ['numRecords', 'nullCount.blob']);
    const { actions } = await decodeCheckpoint('c', (await readWhole(bytes, logPath(`${pad(2)}.checkpoint.parquet`)))!);
    assert.deepEqual(actions.add.map(({ stats }) => [parseStats(stats!).rows, Object.keys(parseStats(stats!).minValues), Object.keys(parseStats(stats!).nullCount)]), range(0, 4).map(() => [1, [], ['blob']]));
  });
});

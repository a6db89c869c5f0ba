/** Tables that another engine keeps, against a plain model of them: whatever its log looks like, every version has the rows it had. */
import assert from 'node:assert/strict';
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { DamagedFileError, NotFoundError, UnsupportedError } from '../../../src/base/errors.ts';
import type { Bytes } from '../../../src/store/bytes.ts';
import type { AddFile, RemoveFile } from '../../../src/store/delta/write-actions.ts';
import { localBytes } from '../../../src/store/local-bytes.ts';
import { memoryBytes } from '../../../src/store/memory-bytes.ts';
import { openStored } from '../../../src/store/source.ts';
import type { Snapshot, SnapshotOptions } from '../../../src/store/table.ts';
import { events, parquetBytes, readIds, temporaryFolder } from '../../support/store.ts';
import { type Action, addFile, checkpointKinds, commit, inlineVector, logPath, metaData, pad, protocol, removeOf, writeCheckpoint, writeLines } from './foreign.ts';

const open = (bytes: Bytes, options: SnapshotOptions = {}): Promise<Snapshot> => openStored(bytes, 't').snapshot(options);

async function sortedIds(bytes: Bytes, options: SnapshotOptions = {}): Promise<number[]> {
  return (await readIds(await open(bytes, options))).sort((a, b) => a - b);
}

it('a table that another engine wrote is read by its log', async () => {
  const bytes = memoryBytes();
  await commit(bytes, 0, [{ add: await addFile(bytes, 'a.parquet', events(0, 3)) }]);
  const old = await addFile(bytes, 'day=1/b c.parquet', events(10, 2));
  await commit(bytes, 1, [{ add: old }]);
  await commit(bytes, 2, [{ remove: removeOf(old) }, { add: { ...old, deletionVector: inlineVector([0]) } }]);
  assert.deepEqual(await readIds(await open(bytes)), [0, 1, 2, 11]);
  assert.deepEqual(await readIds(await open(bytes, { version: 1 })), [0, 1, 2, 10, 11]);
  assert.equal((await open(bytes)).format, 'delta');
});

it('a file with other rows deleted is another file: what removes the one leaves the other', async () => {
  const bytes = memoryBytes();
  const add = await addFile(bytes, 'a.parquet', events(0, 3));
  await commit(bytes, 0, [{ add }]);
  await commit(bytes, 1, [{ remove: removeOf(add) }, { add: { ...add, deletionVector: inlineVector([1]) } }]);
  await commit(bytes, 2, [{ remove: removeOf(add) }]);
  assert.deepEqual(await readIds(await open(bytes)), [0, 2]);
});

// ---- random histories

const fileRows = 4;
const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('append' as const), files: fc.integer({ min: 0, max: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete rows' as const), file: fc.nat(), row: fc.nat(fileRows - 1) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), file: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('overwrite' as const) }) },
);
const history = fc.array(fc.record({ operation, checkpoint: fc.constantFrom(...checkpointKinds), compactFrom: fc.option(fc.integer({ min: 1, max: 4 })) }), { minLength: 1, maxLength: 14 });

/** A live file, and which of its rows are deleted. */
interface Live {
  readonly add: AddFile;
  readonly first: number;
  readonly deleted: readonly number[];
}

const idsOf = (live: Iterable<Live>): number[] =>
  Array.from(live).flatMap(({ first, deleted }) => Array.from({ length: fileRows }, (_, row) => row).filter((row) => !deleted.includes(row)).map((row) => first + row)).sort((a, b) => a - b);

const keyOf = ({ path, deletionVector }: AddFile | RemoveFile): string => `${path} ${deletionVector?.pathOrInlineDv ?? ''}`;

/** The actions of several commits, of which the last one of each file counts. */
function reconciled(commits: readonly (readonly Action[])[]): Action[] {
  const last = new Map<string, Action>();
  for (const action of commits.flatMap((actions) => [...actions].sort((a, b) => Number('add' in a) - Number('add' in b)))) {
    const file = action.add ?? action.remove;
    if (file !== undefined) last.set(keyOf(file), action);
  }
  return [...last.values()];
}

it('a random history reads as its model at every version, from any checkpoint, compacted and cleaned up', async () => {
  await fc.assert(fc.asyncProperty(history, fc.boolean(), async (steps, isCleanedUp) => {
    const bytes = memoryBytes();
    const live = new Map<string, Live>();
    const [commits, expected, removed]: [Action[][], number[][], Map<string, RemoveFile>] = [[], [], new Map()];
    let [lastCheckpoint, next] = [-1, 0];
    for (const [version, { operation: step, checkpoint, compactFrom }] of steps.entries()) {
      const actions: Action[] = [{ commitInfo: { timestamp: version, operation: step.kind } }];
      const remove = ({ add }: Live): void => {
        actions.push({ remove: removeOf(add) });
        live.delete(add.path);
        removed.set(keyOf(add), removeOf(add));
      };
      const put = (file: Live): void => {
        actions.push({ add: file.add });
        live.set(file.add.path, file);
      };
      const append = async (): Promise<void> => put({ add: await addFile(bytes, `part ${next}.parquet`, events(next, fileRows)), first: (next += fileRows) - fileRows, deleted: [] });
      const chosen = 'file' in step && live.size > 0 ? [...live.values()][step.file % live.size] : undefined;
      if (step.kind === 'append') for (let i = 0; i < step.files; i++) await append();
      if (step.kind === 'overwrite') {
        for (const file of [...live.values()]) remove(file);
        await append();
      }
      if (step.kind === 'remove' && chosen !== undefined) remove(chosen);
      if (step.kind === 'delete rows' && chosen !== undefined && !chosen.deleted.includes(step.row)) {
        const deleted = [...chosen.deleted, step.row];
        remove(chosen);
        put({ ...chosen, deleted, add: { ...chosen.add, deletionVector: inlineVector(deleted) } });
      }
      await commit(bytes, version, actions);
      commits.push(actions);
      expected.push(idsOf(live.values()));
      if (checkpoint !== 'none') {
        await writeCheckpoint(bytes, checkpoint, version, [...live.values()].map(({ add }) => add), [...removed.values()]);
        lastCheckpoint = version;
      }
      const first = version - (compactFrom ?? 0);
      if (compactFrom !== null && first >= 0) {
        const start = first === 0 ? [{ protocol }, { metaData }] : [];
        await writeLines(bytes, logPath(`${pad(first)}.${pad(version)}.compacted.json`), [...start, ...reconciled(commits.slice(first, version + 1))]);
      }
    }
    if (isCleanedUp) for (let version = 0; version < lastCheckpoint; version++) await bytes.delete(logPath(`${pad(version)}.json`));
    for (const [version, ids] of expected.entries()) {
      if (isCleanedUp && version < lastCheckpoint) continue;
      assert.deepEqual(await sortedIds(bytes, { version }), ids, `version ${version}`);
    }
    assert.deepEqual(await sortedIds(bytes), expected.at(-1));
  }), { numRuns: 60 });
});

describe('files that are left out by what the log says', () => {
  /** Rows on days 0 to 2 and 10 to 12; the first file says `stats` of itself. */
  async function planned(stats: string | undefined, startUs: bigint, endUs?: bigint): Promise<{ files: number; ids: number[] }> {
    const bytes = memoryBytes();
    const add = await addFile(bytes, 'a.parquet', events(0, 3), stats === undefined ? {} : { stats });
    await commit(bytes, 0, [{ add }, { add: await addFile(bytes, 'b.parquet', events(10, 3)) }]);
    const snapshot = await open(bytes);
    const timeRange = { column: 'at', range: { startUs, ...(endUs !== undefined && { endUs }) } };
    return { files: (await snapshot.plan({ timeRange })).files, ids: await readIds(snapshot, { timeRange }) };
  }
  const dayUs = 86_400_000_000n;
  const stats = (last: string): string => `{"numRecords":3,"minValues":{"at":"1970-01-01T00:00:00.000"},"maxValues":{"at":"${last}"},"nullCount":{"at":0}}`;

  it('have no row in the range', async () => {
    assert.deepEqual(await planned(stats('1970-01-03T00:00:00.000'), 3n * dayUs), { files: 1, ids: [10, 11, 12] });
  });

  it('are read where their last time may have been cut to milliseconds', async () => {
    const { files } = await planned(stats('1970-01-02T23:59:59.999'), 2n * dayUs - 1n);
    assert.equal(files, 2);
  });

  it('are read where the log says nothing that can be understood', async () => {
    for (const said of [undefined, '', '{', 'null', '[]', '{"numRecords":3}', '{"numRecords":"3","maxValues":7}', stats('soon'), '{"numRecords":3,"maxValues":{"at":17},"nullCount":null}']) {
      const { ids } = await planned(said, 2n * dayUs, 3n * dayUs);
      assert.ok(ids.includes(2), String(said));
    }
  });
});

describe('time travel', () => {
  const ms = Date.UTC(2024, 0, 1);
  const at = (timestampMs: number): SnapshotOptions => ({ timestampUs: BigInt(timestampMs) * 1_000n });

  it('goes by the times that commits say of themselves, where the table keeps them', async () => {
    const bytes = memoryBytes();
    for (const version of [0, 1, 2]) {
      await commit(bytes, version, [{ commitInfo: { inCommitTimestamp: ms + 1_000 * version, timestamp: 5 } }, { add: await addFile(bytes, `${version}.parquet`, events(version, 1)) }]);
    }
    assert.deepEqual(await sortedIds(bytes, at(ms)), [0]);
    assert.deepEqual(await sortedIds(bytes, at(ms + 1_999)), [0, 1]);
    assert.deepEqual(await sortedIds(bytes, at(ms + 99_999)), [0, 1, 2]);
    await assert.rejects(open(bytes, at(ms - 1)), NotFoundError);
  });

  it('goes by the times of their files elsewhere', async (test) => {
    const folder = temporaryFolder(test);
    const bytes = localBytes(folder);
    for (const version of [0, 1, 2]) {
      await commit(bytes, version, [{ add: await addFile(bytes, `${version}.parquet`, events(version, 1)) }]);
      utimesSync(join(folder, logPath(`${pad(version)}.json`)), ms / 1_000 + version, ms / 1_000 + version);
    }
    assert.deepEqual(await sortedIds(bytes, at(ms + 1_000)), [0, 1]);
    assert.deepEqual(await sortedIds(bytes, at(ms + 2_500)), [0, 1, 2]);
    await assert.rejects(open(bytes, at(ms - 1)), NotFoundError);
    await assert.rejects(open(bytes, { version: 3 }), NotFoundError);
  });
});

describe('a snapshot', () => {
  it('stays as it was while the table goes on', async () => {
    const bytes = memoryBytes();
    const add = await addFile(bytes, 'a.parquet', events(0, 3));
    await commit(bytes, 0, [{ add }, { add: await addFile(bytes, 'b.parquet', events(3, 3)) }]);
    const snapshot = await open(bytes);
    const rows = snapshot.scan({ columns: ['id'] });
    await rows.next();
    await commit(bytes, 1, [{ remove: removeOf(add) }]);
    let left = 0;
    for await (const { numRows } of rows) left += numRows;
    assert.equal(left, 3);
    assert.deepEqual(await readIds(snapshot), [0, 1, 2, 3, 4, 5]);
    assert.deepEqual(await sortedIds(bytes), [3, 4, 5]);
  });

  it('of a table that was made anew has another version, and the same one has the same', async () => {
    const versionOf = async (id: string, timestamp: number): Promise<string> => {
      const bytes = memoryBytes();
      await commit(bytes, 0, [{ commitInfo: { timestamp } }, { protocol }, { metaData: { ...metaData, id } }, { add: await addFile(bytes, 'a.parquet', events(0, 1)) }]);
      return (await open(bytes)).version;
    };
    const ms = Date.UTC(2024, 0, 1);
    assert.equal(await versionOf('a', ms), await versionOf('a', ms));
    assert.notEqual(await versionOf('a', ms), await versionOf('b', ms));
    assert.notEqual(await versionOf('a', ms), await versionOf('a', ms + 60_000));
  });
});

it('files stand outside of the table, by their path or their URL', async (test) => {
  const folder = temporaryFolder(test);
  const bytes = localBytes(folder);
  const elsewhere = join(folder, 'some where', '100%');
  mkdirSync(elsewhere, { recursive: true });
  const content = parquetBytes(events(5, 2));
  writeFileSync(join(elsewhere, 'a b.parquet'), content);
  const url = pathToFileURL(join(elsewhere, 'a b.parquet')).href;
  const add = { partitionValues: {}, size: content.length, modificationTime: 0, dataChange: true };
  await commit(bytes, 0, [{ add: { ...add, path: url } }]);
  await commit(bytes, 1, [{ add: await addFile(bytes, 'c.parquet', events(0, 2)) }]);
  await commit(bytes, 2, [{ remove: { path: new URL(url).pathname, dataChange: true } }]);
  await commit(bytes, 3, [{ add: { ...add, path: new URL(url).pathname } }]);
  assert.deepEqual(await sortedIds(bytes, { version: 1 }), [0, 1, 5, 6]);
  assert.deepEqual(await sortedIds(bytes, { version: 2 }), [0, 1]);
  assert.deepEqual(await sortedIds(bytes), [0, 1, 5, 6]);
  for (const path of ['../c.parquet', 'x/../../c.parquet', 's3://bucket/c.parquet', 'abfss://a@b/c.parquet', 'file://host/c.parquet']) {
    await bytes.delete(logPath(`${pad(4)}.json`));
    await commit(bytes, 4, [{ add: { ...add, path } }]);
    await assert.rejects(sortedIds(bytes), (thrown) => thrown instanceof UnsupportedError && thrown.message.includes(path), path);
  }
});

it('threads read the same rows: with rows deleted, and from files elsewhere', async (test) => {
  const folder = temporaryFolder(test);
  const bytes = localBytes(folder);
  const inside = await addFile(bytes, 'a b.parquet', events(0, 9));
  const outside = await addFile(bytes, 'elsewhere.parquet', events(100, 4));
  await commit(bytes, 0, [{ add: { ...inside, deletionVector: inlineVector([0, 4, 8]) } }, { add: { ...outside, path: pathToFileURL(join(folder, 't/elsewhere.parquet')).href } }]);
  const snapshot = await open(bytes);
  const ids: number[] = [];
  for (const unit of (await snapshot.units!({ columns: ['id'] }))!) {
    const { rowsOf } = (await import(unit.module)) as typeof import('../../../src/store/row-units.ts');
    for await (const batch of rowsOf(structuredClone(unit.argument))) ids.push(...Array.from(batch.getChild('id')!, Number));
  }
  assert.deepEqual(ids, [1, 2, 3, 5, 6, 7, 100, 101, 102, 103]);
  assert.deepEqual(await readIds(snapshot), ids);
});

describe('tables that are refused', () => {
  const refusal = async (begin: { readonly protocol?: object; readonly metaData?: object }, feature: RegExp): Promise<void> => {
    const bytes = memoryBytes();
    await commit(bytes, 0, [{ protocol: begin.protocol ?? protocol }, { metaData: begin.metaData ?? metaData }]);
    await assert.rejects(open(bytes), (thrown) => thrown instanceof UnsupportedError && feature.test(thrown.message), String(feature));
  };

  it('ask for what is not read, by its name', async () => {
    for (const feature of ['catalogManaged', 'catalogOwned-preview', 'variantType', 'variantShredding-preview', 'geospatial', 'somethingOfTomorrow']) {
      await refusal({ protocol: { ...protocol, readerFeatures: ['timestampNtz', feature] } }, new RegExp(feature));
    }
    await refusal({ protocol: { minReaderVersion: 4, minWriterVersion: 7 } }, /reader version 4/);
    await refusal({ metaData: { ...metaData, format: { provider: 'orc', options: {} } } }, /orc/);
    const typed = (type: unknown): object => ({ ...metaData, schemaString: JSON.stringify({ type: 'struct', fields: [{ name: 'v', type, nullable: true, metadata: {} }] }) });
    for (const type of ['variant', 'geometry(OGC:CRS84)', 'decimal(39,2)', 'decimal(5,6)', 'interval day']) await refusal({ metaData: typed(type) }, /column v/);
  });

  it('say in their log what no engine writes', async () => {
    const bytes = memoryBytes();
    const twice = [{ name: 'a', type: 'long', nullable: true, metadata: {} }, { name: 'A', type: 'long', nullable: true, metadata: {} }];
    await commit(bytes, 0, [{ protocol }, { metaData: { ...metaData, schemaString: JSON.stringify({ type: 'struct', fields: twice }) } }]);
    await assert.rejects(open(bytes), (thrown) => thrown instanceof DamagedFileError && /two columns a and A/.test(thrown.message));
    const odd = memoryBytes();
    await commit(odd, 0, []);
    await writeLines(odd, logPath(`${pad(0)}.checkpoint.3a0d65cd-4056-49b8-937b-95f9e3ee90e5.json`), [{ protocol, sidecar: null }, { metaData, sidecar: null }]);
    assert.deepEqual(await sortedIds(odd), []);
  });
});

/** The log of a Delta table: checkpoints, damage, tables of others, vacuum, and random histories against a plain model. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Field, Schema, Uint8 } from '../../../src/arrow/arrow.ts';
import { ArgumentError, DamagedFileError, FeatureStoreError, UnsupportedError } from '../../../src/base/errors.ts';
import { type Bytes, readWhole } from '../../../src/store/bytes.ts';
import { type DeltaTable, type DeltaTableOptions, openDeltaTable } from '../../../src/store/delta/write.ts';
import { uriOfPath } from '../../../src/store/delta/write-entry.ts';
import { localBytes } from '../../../src/store/local-bytes.ts';
import { memoryBytes } from '../../../src/store/memory-bytes.ts';
import { currentIds, eventSchema, events, type Fault, faultyBytes, InjectedFault, range, readIds, readTable, temporaryFolder, write } from '../../support/store.ts';
import { addFile, commit, metaData } from './foreign.ts';

const dayMs = 86_400_000;

const entryPath = (version: number): string => `t/_delta_log/${String(version).padStart(20, '0')}.json`;
const checkpointPath = (version: number): string => entryPath(version).replace('.json', '.checkpoint.parquet');
const pointerPath = 't/_delta_log/_last_checkpoint';

const open = (bytes: Bytes, options: DeltaTableOptions = {}): DeltaTable => openDeltaTable(bytes, 't', options);

/** A table of `count` versions, of one row each. */
async function tableOf(count: number): Promise<Bytes> {
  const bytes = memoryBytes();
  const table = open(bytes);
  for (let id = 0; id < count; id++) await write(table, 'append', events(id, 1), { id });
  return bytes;
}

async function copyOf(bytes: Bytes): Promise<Bytes> {
  const copy = memoryBytes();
  for (const { path } of await bytes.list('')) await copy.writeNew(path, (await readWhole(bytes, path))!);
  return copy;
}

async function replace(bytes: Bytes, path: string, content: Uint8Array | string): Promise<void> {
  await bytes.delete(path);
  await bytes.writeNew(path, Buffer.from(content));
}

it('every ten commits there is a checkpoint, and the entries before it are needed no more', async () => {
  const bytes = await tableOf(24);
  assert.deepEqual(JSON.parse(Buffer.from((await readWhole(bytes, pointerPath))!).toString()).version, 20);
  for (const version of range(0, 20)) await bytes.delete(entryPath(version));
  const snapshot = await open(bytes).snapshot();
  assert.deepEqual([await readIds(snapshot), snapshot.info, snapshot.versionNumber], [range(0, 24), { id: 23 }, 23]);
  assert.deepEqual((await open(bytes).snapshot({ version: 20 })).info, { id: 20 });
  await assert.rejects(open(bytes).snapshot({ version: 19 }), (thrown) => thrown instanceof DamagedFileError && /0{18}11\.json: this entry of the log is missing/.test(thrown.message));
  await write(open(bytes), 'append', events(24, 1));
  assert.deepEqual(await currentIds(open(bytes)), range(0, 25));
});

describe('checkpoints', () => {
  it('are a help only: without them, or with damaged ones, the entries tell the same', async () => {
    const bytes = await tableOf(23);
    const sound = (await readWhole(bytes, checkpointPath(20)))!;
    for (let at = 0; at < sound.length; at += 97) {
      const damaged = sound.slice();
      damaged[at]! ^= 1 << (at % 8);
      await replace(bytes, checkpointPath(20), damaged);
      assert.deepEqual(await currentIds(open(bytes)), range(0, 23), `byte ${at}`);
    }
    // Where the entries do not reach back, the checkpoint before it is the next to begin with.
    const first = (await readWhole(bytes, entryPath(0)))!;
    await bytes.delete(entryPath(0));
    for (let at = 4; at < sound.length; at += 61) {
      const damaged = sound.slice();
      damaged[at]! ^= 1 << (at % 8);
      await replace(bytes, checkpointPath(20), damaged);
      assert.deepEqual(await currentIds(open(bytes)), range(0, 23), `byte ${at}`);
    }
    await bytes.writeNew(entryPath(0), first);
    for (const pointer of ['', '{', 'null', '{"version":20}', '{"version":10,"size":1}', '{"version":4000,"size":1}', '{"version":"x","tags":3}']) {
      await replace(bytes, pointerPath, pointer);
      assert.deepEqual(await currentIds(open(bytes)), range(0, 23), pointer);
    }
    await bytes.delete(checkpointPath(20));
    assert.deepEqual(await currentIds(open(bytes)), range(0, 23));
  });

  it('hold what a version is made of: transactions, tombstones within the retention, schema and order', async () => {
    const bytes = memoryBytes();
    let nowMs = Date.now();
    const table = open(bytes, { now: () => nowMs });
    const commit = async (kind: 'append' | 'overwrite', id: number): Promise<void> => {
      const add = await table.stage(eventSchema, events(id, 1).batches);
      await table.commit({ readVersion: id - 1, kind, schema: eventSchema, add, info: {}, transaction: { application: 'a', version: id } });
    };
    await commit('append', 0);
    await commit('overwrite', 1);
    nowMs += 8 * dayMs;
    for (let id = 2; id < 9; id++) await commit('append', id);
    await table.compact();
    await commit('append', 10);
    for (const version of range(0, 10)) await bytes.delete(entryPath(version));
    const found = await open(bytes).snapshot();
    assert.deepEqual(await readIds(found), [...range(1, 8), 10]);
    assert.deepEqual(found.schema.fields.map((field) => [String(field), field.nullable]), eventSchema.fields.map((field) => [String(field), field.nullable]));
    const again = await open(bytes).commit({ readVersion: 10, kind: 'append', schema: eventSchema, add: await table.stage(eventSchema, events(9, 1).batches), info: {}, transaction: { application: 'a', version: 10 } });
    assert.deepEqual([again, await readIds(found)], [{ kind: 'committed', version: 10 }, await currentIds(open(bytes))]);
    // The file that was overwritten eight days ago is named by nothing any more, and by its age nobody is writing it.
    assert.equal((await open(bytes).vacuum({ nowMs })).files, 1);
    assert.deepEqual(await currentIds(open(bytes)), [...range(1, 8), 10]);
  });

  it('are written or not, and the commit stands: every call fails once', async () => {
    const before = await tableOf(10);
    const probe = faultyBytes(await copyOf(before), undefined);
    await write(open(probe.bytes), 'append', events(10, 1));
    for (const effect of ['before', 'after'] as const) {
      for (let call = 1; call <= probe.calls(); call++) {
        const fault: Fault = { call, effect, lasting: true };
        const bytes = await copyOf(before);
        const failed = await write(open(faultyBytes(bytes, fault).bytes), 'append', events(10, 1)).then(() => false, (thrown: unknown) => {
          assert.ok(thrown instanceof InjectedFault || thrown instanceof FeatureStoreError);
          return true;
        });
        const found = await currentIds(open(bytes));
        assert.ok(found.length === 11 || (failed && found.length === 10), JSON.stringify(fault));
        await write(open(bytes), 'append', events(900, 1));
        assert.deepEqual(await currentIds(open(bytes)), [...found, 900], JSON.stringify(fault));
        await open(bytes).vacuum({ nowMs: Date.now() + 30 * dayMs, retentionMs: 0 });
        assert.deepEqual((await bytes.names('t/_delta_log'))!.filter((name) => name.endsWith('.tmp')), []);
        assert.equal((await bytes.names('t'))!.length, found.length + 2, JSON.stringify(fault));
      }
    }
  });
});

it('a commit without files whose answer is lost counts once', async () => {
  const before = await tableOf(2);
  const commit = (bytes: Bytes): Promise<unknown> => open(bytes).commit({ readVersion: 1, kind: 'overwrite', schema: eventSchema, add: [], info: {} });
  const probe = faultyBytes(await copyOf(before), undefined);
  await commit(probe.bytes);
  for (let call = 1; call <= probe.calls(); call++) {
    const bytes = await copyOf(before);
    const result = await commit(faultyBytes(bytes, { call, effect: 'after', lasting: false }).bytes).catch(() => undefined);
    const { versionNumber } = await open(bytes).snapshot();
    assert.ok(result === undefined ? versionNumber <= 2 : versionNumber === 2, `call ${call}`);
    if (result !== undefined) assert.deepEqual(result, { kind: 'committed', version: 2 });
  }
});

describe('damage', () => {
  it('of an entry is said: every flipped bit but in the place of its checksum, and every truncation', async () => {
    const bytes = await tableOf(3);
    const sound = (await readWhole(bytes, entryPath(1)))!;
    // Where what names the checksum is hit nobody looks at it, but then all the rest is sound.
    const naming = '"tauro":{"crc32":"00000000"';
    const named = Buffer.from(sound).indexOf('"tauro":{"crc32":"');
    for (let at = 0; at < sound.length; at++) {
      const damaged = sound.slice();
      damaged[at]! ^= 1 << (at % 8);
      await replace(bytes, entryPath(1), damaged);
      const found = await currentIds(open(bytes)).catch((thrown: unknown) => {
        assert.ok(thrown instanceof DamagedFileError && thrown.file.includes('00001.json'), `byte ${at}: ${thrown}`);
        return undefined;
      });
      if (found === undefined) continue;
      assert.ok(at < '{"commitInfo":'.length || (at >= named && at < named + naming.length), `byte ${at} is read as if it were sound`);
      assert.deepEqual(found, range(0, 3), `byte ${at}`);
    }
    for (let length = 0; length < sound.length - 1; length += 7) {
      await replace(bytes, entryPath(1), sound.subarray(0, length));
      await assert.rejects(currentIds(open(bytes)), DamagedFileError, `${length} bytes`);
    }
    await bytes.delete(entryPath(1));
    await assert.rejects(currentIds(open(bytes)), /is missing, and later ones build on it/);
  });

  it('of a data file is said', async () => {
    const bytes = await tableOf(1);
    const { path } = (await open(bytes).snapshot()).files![0]!;
    const sound = (await readWhole(bytes, `t/${path}`))!;
    for (let at = 0; at < sound.length; at += 13) {
      const damaged = sound.slice();
      damaged[at]! ^= 1 << (at % 8);
      await replace(bytes, `t/${path}`, damaged);
      await assert.rejects(currentIds(open(bytes)), (thrown) => thrown instanceof DamagedFileError && thrown.file.includes(path), `byte ${at}`);
    }
    await bytes.delete(`t/${path}`);
    await assert.rejects(currentIds(open(bytes)), /is gone, but version 0 of the table needs it/);
  });

  it('or malice in entries of others gets an error of ours', async () => {
    const sound = Buffer.from((await readWhole(await tableOf(1), entryPath(0)))!).toString().trim().split('\n').slice(1);
    const junk = fc.oneof(fc.constantFrom<unknown>(null, 1e300, -1, '', 'x', [], {}, true, '../../etc/passwd', '/etc/passwd', 'file:///etc/passwd', '%', { path: 3 }), fc.jsonValue());
    await fc.assert(
      fc.asyncProperty(fc.nat(sound.length - 1), fc.nat(30), junk, async (line, field, value) => {
        const actions = sound.map((each) => JSON.parse(each));
        const [kind] = Object.keys(actions[line]);
        const keys = Object.keys(actions[line][kind!]);
        if (field === 30) actions[line][kind!] = value;
        else actions[line][kind!][keys[field % keys.length]!] = value;
        const bytes = memoryBytes();
        await bytes.writeNew(entryPath(0), Buffer.from(actions.map((action) => JSON.stringify(action)).join('\n')));
        const table = open(bytes);
        for (const work of [async () => readTable(await table.snapshot()), () => write(table, 'append', events(1, 1)), () => table.compact(), () => table.vacuum({ nowMs: 0 })]) {
          await work().catch((thrown: unknown) => assert.ok(thrown instanceof FeatureStoreError, String((thrown as Error).stack)));
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('tables of others', () => {
  const foreign = async (change: (actions: Record<string, Record<string, unknown>>[]) => void): Promise<Bytes> => {
    const bytes = await tableOf(1);
    const actions = Buffer.from((await readWhole(bytes, entryPath(0)))!).toString().trim().split('\n').slice(1).map((line) => JSON.parse(line));
    change(actions);
    await replace(bytes, entryPath(0), actions.map((action) => JSON.stringify(action)).join('\n'));
    return bytes;
  };
  const protocolOf = (actions: Record<string, Record<string, unknown>>[]): Record<string, unknown> => actions.find((action) => action.protocol)!.protocol!;
  const metaDataOf = (actions: Record<string, Record<string, unknown>>[]): Record<string, unknown> => actions.find((action) => action.metaData)!.metaData!;

  it('are written without checksums, commitInfo or tags', async () => {
    const bytes = await foreign((actions) => {
      for (const { add } of actions) if (add) delete add.tags;
    });
    await write(open(bytes), 'append', events(1, 1));
    assert.deepEqual(await currentIds(open(bytes)), [0, 1]);
    assert.equal((await open(bytes).compact())!.filesAfter, 1);
    assert.deepEqual(await currentIds(open(bytes)), [0, 1]);
  });

  it('are not touched where they use what we do not keep: not by writes, nor by compaction, nor by vacuum', async () => {
    const bytes = await foreign((actions) => {
      (protocolOf(actions).writerFeatures as string[]).push('rowTracking');
    });
    const before = await bytes.list('');
    const table = open(bytes);
    await assert.rejects(write(table, 'overwrite', events(5, 1)), (thrown) => thrown instanceof UnsupportedError && thrown.feature === 'rowTracking');
    await assert.rejects(table.compact(), UnsupportedError);
    await assert.rejects(table.vacuum({ nowMs: Date.now() + 99 * dayMs, retentionMs: 0 }), UnsupportedError);
    assert.deepEqual(await currentIds(open(bytes)), [0]);
    const after = await bytes.list('');
    assert.ok(before.every(({ path }) => after.some((file) => file.path === path)));
  });

  it('that only grow are not overwritten', async () => {
    const bytes = await foreign((actions) => {
      metaDataOf(actions).configuration = { 'delta.appendOnly': 'true' };
      (protocolOf(actions).writerFeatures as string[]).push('appendOnly');
    });
    await write(open(bytes), 'append', events(1, 1));
    await assert.rejects(write(open(bytes), 'overwrite', events(5, 1)), (thrown) => thrown instanceof UnsupportedError && thrown.feature === 'appendOnly');
    assert.equal((await open(bytes).compact())!.filesBefore, 2);
    assert.deepEqual(await currentIds(open(bytes)), [0, 1]);
  });

  it('keep what their columns are said to be when columns are added', async () => {
    const bytes = await foreign((actions) => {
      const metaData = metaDataOf(actions);
      const schema = JSON.parse(String(metaData.schemaString));
      schema.fields[2].metadata = { comment: 'who' };
      Object.assign(metaData, { schemaString: JSON.stringify(schema), name: 'events', description: 'all of them', configuration: { 'delta.checkpointInterval': '2', owner: 'x' } });
    });
    const table = open(bytes);
    await write(table, 'append', events(1, 1));
    const grown = new Schema([...eventSchema.fields, new Field('size', new Uint8(), true)]);
    await table.commit({ readVersion: 1, kind: 'append', schema: grown, add: [], info: {}, mayAddColumns: true });
    // The table asks for a checkpoint every two commits.
    for (const version of [0, 1]) await bytes.delete(entryPath(version));
    const found = await open(bytes).snapshot();
    assert.deepEqual([await readIds(found), String(found.schema.fields[3]!.type)], [[0, 1], 'Uint8']);
    const metaData = JSON.parse(Buffer.from((await readWhole(bytes, entryPath(2)))!).toString().split('\n').find((line) => line.includes('metaData'))!).metaData;
    assert.deepEqual([metaData.name, metaData.description, metaData.configuration.owner], ['events', 'all of them', 'x']);
    assert.deepEqual(JSON.parse(metaData.schemaString).fields.map(({ metadata }: { metadata: unknown }) => metadata), [{}, {}, { comment: 'who' }, {}]);
  });
});

describe('vacuum', () => {
  it('deletes what no retained version uses, and nothing else', async () => {
    const bytes = memoryBytes();
    let nowMs = Date.now();
    const table = open(bytes, { now: () => nowMs });
    await write(table, 'append', events(0, 1));
    nowMs += 10 * dayMs;
    await write(table, 'overwrite', events(1, 1));
    nowMs += 2 * dayMs;
    await write(table, 'overwrite', events(2, 1));
    const staged = await table.stage(eventSchema, events(3, 1).batches);
    await bytes.writeNew('t/_theirs/a.parquet', new Uint8Array(1));
    await bytes.writeNew('t/.hidden', new Uint8Array(1));

    // The staged file is old by this clock: older than a writer works, and than the retention.
    assert.deepEqual(await table.vacuum({ nowMs, retentionMs: 3 * dayMs }), { files: 1, bytes: staged[0]!.bytes });
    assert.deepEqual(await readIds(await table.snapshot({ version: 0 })), [0]);
    assert.equal((await table.vacuum({ nowMs: nowMs + dayMs, retentionMs: 2 * dayMs, keepVersion: 0 })).files, 0);
    assert.equal((await table.vacuum({ nowMs: nowMs + dayMs, retentionMs: 2 * dayMs })).files, 1);
    await assert.rejects(async () => readIds(await table.snapshot({ version: 0 })), /vacuum took it/);
    assert.deepEqual(await readIds(await table.snapshot({ version: 1 })), [1]);
    assert.equal((await table.vacuum({ nowMs: nowMs + 30 * dayMs })).files, 1);
    assert.deepEqual(await currentIds(table), [2]);
    assert.ok((await bytes.stat('t/_theirs/a.parquet')) !== undefined && (await bytes.stat('t/.hidden')) !== undefined);
    await assert.rejects(table.vacuum({ nowMs, retentionMs: -1 }), ArgumentError);
  });

  it('keeps a file of the table that its log names from the root on, by another way, or by no URI', async (t) => {
    const folder = temporaryFolder(t);
    const names: Readonly<Record<string, string>> = { 'a b.parquet': `file://${folder}/t/a%20b.parquet`, 'b.parquet': `${folder}/t/b.parquet`, 'c.parquet': './c.parquet', 'd%e.parquet': 'd%e.parquet' };
    for (const [path, uri] of Object.entries(names)) {
      const bytes = localBytes(folder);
      const table = open(bytes);
      const { size } = await addFile(bytes, path, events(0, 1));
      const plain = { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['timestampNtz'], writerFeatures: ['timestampNtz'] };
      await commit(bytes, 0, [{ protocol: plain }, { metaData }, { add: { path: uri, partitionValues: {}, size, modificationTime: 0, dataChange: true } }]);
      const nowMs = Date.now() + 30 * dayMs;
      assert.equal((await table.vacuum({ nowMs })).files, 0, uri);
      if (!uri.startsWith('.')) assert.deepEqual(await currentIds(table), [0], uri);
      await commit(bytes, 1, [{ remove: { path: uri, dataChange: true, deletionTimestamp: Date.now() } }]);
      assert.deepEqual([(await table.vacuum({ nowMs: Date.now() + dayMs })).files, (await table.vacuum({ nowMs })).files], [0, 1], uri);
      rmSync(join(folder, 't'), { recursive: true });
    }
  });

  it('leaves the staged files of a live writer, and a folder that is no Delta table', async () => {
    const bytes = memoryBytes();
    await bytes.writeNew('t/theirs.parquet', new Uint8Array(1));
    const table = open(bytes);
    assert.deepEqual(await table.vacuum({ nowMs: Date.now() + 99 * dayMs, retentionMs: 0 }), { files: 0, bytes: 0 });
    const add = await table.stage(eventSchema, events(3, 1).batches);
    await table.commit({ readVersion: -1, kind: 'append', schema: eventSchema, add: [], info: {} });
    await table.vacuum({ nowMs: Date.now() + dayMs / 2, retentionMs: 0 });
    await table.commit({ readVersion: 0, kind: 'append', schema: eventSchema, add, info: {} });
    assert.deepEqual(await currentIds(table), [3]);
    const late = await table.stage(eventSchema, events(4, 1).batches);
    await table.vacuum({ nowMs: Date.now() + 2 * dayMs, retentionMs: 0 });
    await assert.rejects(table.commit({ readVersion: 1, kind: 'append', schema: eventSchema, add: late, info: {} }), /a staged file is gone/);
  });
});

it('a random history is that of a plain model, whoever looks, and at every version', async () => {
  type Step = { readonly kind: 'append' | 'overwrite' | 'replace' | 'compact' | 'vacuum'; readonly rows: number; readonly name: number };
  const step: fc.Arbitrary<Step> = fc.record({ kind: fc.constantFrom('append', 'append', 'append', 'overwrite', 'replace', 'compact', 'vacuum'), rows: fc.integer({ min: 0, max: 9 }), name: fc.nat(6) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 26 }), fc.boolean(), async (steps, isPartitioned) => {
      const bytes = memoryBytes();
      const partitionBy = isPartitioned ? ['name'] : [];
      const reopened = (): DeltaTable => open(bytes, { fileRowsMax: 20, partitionBy });
      let kept = reopened();
      const versions: number[][] = [];
      let next = 0;
      for (const { kind, rows, name } of steps) {
        const model = versions.at(-1) ?? [];
        if (kind === 'compact') {
          if ((await kept.compact()) !== undefined) versions.push(model);
        } else if (kind === 'vacuum') await kept.vacuum({ nowMs: Date.now() });
        else if (kind !== 'replace' || (isPartitioned && versions.length > 0)) {
          const ids = range(next, rows).filter((id) => kind !== 'replace' || id % 7 === name);
          next += rows;
          const add = await kept.stage(eventSchema, ids.flatMap((id) => events(id, 1).batches));
          const special = kind === 'replace' ? { replace: [{ name: `name ${name}` }] } : {};
          const result = await kept.commit({ ...special, readVersion: versions.length - 1, kind: kind === 'append' ? 'append' : 'overwrite', schema: eventSchema, add, info: { next } });
          assert.deepEqual(result, { kind: 'committed', version: versions.length });
          versions.push([...(kind === 'overwrite' ? [] : kind === 'replace' ? model.filter((id) => id % 7 !== name) : model), ...ids]);
        }
        if (rows % 2 === 0) kept = reopened();
        // The order is kept too where rows are not spread over partitions.
        const ordered = (ids: readonly number[]): readonly number[] => (isPartitioned ? [...ids].sort((a, b) => a - b) : ids);
        assert.deepEqual(ordered(await currentIds(kept)), ordered(versions.at(-1) ?? []));
      }
      for (const [version, ids] of versions.entries()) {
        const found = await readIds(await reopened().snapshot({ version }));
        assert.deepEqual(found.sort((a, b) => a - b), [...ids].sort((a, b) => a - b), `version ${version}`);
      }
    }),
    { numRuns: 25 },
  );
});

it('paths of the log are URIs', () => {
  assert.equal(uriOfPath('a=x%2Fy z/ü?#.parquet'), 'a=x%252Fy%20z/%C3%BC%3F%23.parquet');
  assert.equal(decodeURIComponent(uriOfPath('100%/a b')), '100%/a b');
});

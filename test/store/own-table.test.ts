import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { tablesEqual } from '../../src/arrow/canonical.ts';
import { ArgumentError, DamagedFileError, StorageError, UnsupportedError } from '../../src/base/errors.ts';
import { type Bytes, joinPath, readWhole } from '../../src/store/bytes.ts';
import type { FileFormatName } from '../../src/store/file-format.ts';
import { formatNamed } from '../../src/store/file-formats.ts';
import { memoryBytes } from '../../src/store/memory-bytes.ts';
import { openOwnTable, type OwnTableOptions } from '../../src/store/own-table.ts';
import type { OwnTable } from '../../src/store/table.ts';
import { currentIds, eventSchema, events, faultyBytes, fileFormats, places, readIds, readTable, write } from '../support/store.ts';
import { ownTableContract } from './own-table-contract.ts';

const dayMs = 86_400_000;

it('a table of our own: stage, commit, read', async () => {
  const table = openOwnTable(memoryBytes(), 'features');
  const rows = events(0, 3);
  const add = await table.stage(rows.schema, rows.batches);
  const result = await table.commit({ readVersion: -1, kind: 'append', schema: rows.schema, add, info: { asOf: '2001-07-01' } });
  assert.deepEqual(result, { kind: 'committed', version: 0 });

  const snapshot = await table.snapshot();
  assert.deepEqual([snapshot.versionNumber, snapshot.rows, snapshot.info], [0, 3, { asOf: '2001-07-01' }]);
  assert.ok(tablesEqual(await readTable(snapshot), rows));
});

/** What only tables of our own have: places of files, checksums, and a log that is read once. */
function ownLayout(name: string, format: FileFormatName, makeBytes: (test: TestContext) => Bytes): void {
  const { ending } = formatNamed(format);
  const open = (bytes: Bytes, folder: string, options: OwnTableOptions = {}): OwnTable => openOwnTable(bytes, folder, { format, ...options });
  describe(`${name}: files and log`, () => {
    it('shows who lists the folder exactly the live files', async (t) => {
      const bytes = makeBytes(t);
      const table = open(bytes, 't');
      await write(table, 'append', events(0, 2));
      await write(table, 'append', events(2, 2));
      const parquet = async (folder: string): Promise<number> => ((await bytes.names(folder)) ?? []).filter((file) => file.endsWith(ending)).length;
      assert.deepEqual([await parquet('t'), await parquet('t/_staged'), await parquet('t/_superseded')], [2, 0, 0]);
      await write(table, 'overwrite', events(9, 1));
      assert.deepEqual([await parquet('t'), await parquet('t/_staged'), await parquet('t/_superseded')], [1, 0, 2]);
    });

    it('shows who lists the key=value folders exactly the live files', async (t) => {
      const bytes = makeBytes(t);
      const table = open(bytes, 't', { partitionBy: ['name'] });
      await write(table, 'append', events(0, 9));
      await write(table, 'append', events(9, 5));
      const inPlace = async (): Promise<string[]> => (await bytes.list('t', (name) => name.startsWith('_'))).map(({ path }) => path);
      const live = async (): Promise<string[]> => (await table.snapshot()).files!.map(({ path }) => `t/${path}`).sort();
      assert.deepEqual([await inPlace(), (await live()).length], [await live(), 12]);
      await table.compact();
      assert.deepEqual([await inPlace(), (await live()).length], [await live(), 7]);
      await write(table, 'overwrite', events(0, 2));
      assert.deepEqual([await inPlace(), (await live()).length], [await live(), 2]);
      assert.equal((await table.vacuum({ nowMs: Date.now() + 1, retentionMs: 0 })).files, 17);
      assert.deepEqual(await readIds(await table.snapshot()), [0, 1]);
    });

    it('vacuums what no retained version uses, and nothing else', async (t) => {
      const bytes = makeBytes(t);
      let nowMs = Date.now();
      const table = open(bytes, 't', { now: () => nowMs });
      await write(table, 'append', events(0, 1)); // superseded by the next version
      nowMs += 10 * dayMs;
      await write(table, 'overwrite', events(1, 1));
      nowMs += 2 * dayMs;
      await write(table, 'overwrite', events(2, 1));
      const forgotten = await table.stage(eventSchema, events(3, 1).batches);

      // Version 0 was the newest two days ago; the staged file is old by this clock.
      const first = await table.vacuum({ nowMs, retentionMs: 3 * dayMs });
      assert.deepEqual(first, { files: 1, bytes: forgotten[0]!.bytes });
      assert.deepEqual(await readIds(await table.snapshot({ version: 0 })), [0]);
      const second = await table.vacuum({ nowMs: nowMs + dayMs, retentionMs: 2 * dayMs });
      assert.equal(second.files, 1);
      assert.deepEqual(await readIds(await table.snapshot({ version: 1 })), [1]);
      await table.vacuum({ nowMs: nowMs + 30 * dayMs });
      assert.deepEqual(await currentIds(table), [2]);
      assert.deepEqual([await bytes.names('t/_staged') ?? [], await bytes.names('t/_superseded') ?? []], [[], []]);
      await assert.rejects(async () => readIds(await table.snapshot({ version: 0 })), /vacuum took it/);
      await assert.rejects(async () => readIds(await table.snapshot({ version: 1 })), /vacuum took it/);
      await assert.rejects(table.vacuum({ nowMs, retentionMs: -1 }), ArgumentError);
    });

    it('leaves the staged files of a live writer alone', async (t) => {
      const table = open(makeBytes(t), 't');
      const add = await table.stage(eventSchema, events(3, 1).batches);
      await table.vacuum({ nowMs: Date.now() + dayMs / 2, retentionMs: 0 });
      await table.commit({ readVersion: -1, kind: 'append', schema: eventSchema, add, info: {} });
      assert.deepEqual(await currentIds(table), [3]);
      const late = await table.stage(eventSchema, events(4, 1).batches);
      await table.vacuum({ nowMs: Date.now() + 2 * dayMs });
      await assert.rejects(table.commit({ readVersion: 0, kind: 'append', schema: eventSchema, add: late, info: {} }), /a staged file is gone/);
      assert.deepEqual(await currentIds(table), [3]);
    });

    it('reads the log once', async (t) => {
      const counted = faultyBytes(makeBytes(t), undefined);
      const table = open(counted.bytes, 't');
      for (let i = 0; i < 30; i++) await write(table, 'append', events(i, 1));
      await table.snapshot();
      const before = counted.calls();
      await table.snapshot();
      assert.ok(counted.calls() - before <= 2, `${counted.calls() - before} calls`);
      await write(table, 'overwrite', events(99, 1));
      // Who comes anew reads back to the overwrite only.
      const anew = faultyBytes(counted.bytes, undefined);
      await open(anew.bytes, 't').snapshot();
      assert.ok(anew.calls() < 10, `${anew.calls()} calls`);
    });

    it('reports every flipped bit of a data file, and never reads it', async (t) => {
      const bytes = makeBytes(t);
      const rows = events(0, 200);
      await write(open(bytes, 't'), 'append', rows);
      const [file] = (await bytes.names('t'))!.filter((name) => name.endsWith(ending));
      const path = joinPath('t', file!);
      const sound = (await readWhole(bytes, path))!;
      const step = Math.max(1, Math.floor(sound.length / 150));
      for (let at = 0; at < sound.length; at += step) {
        const damaged = sound.slice();
        damaged[at]! ^= 1 << (at % 8);
        await replace(bytes, path, damaged);
        await assert.rejects(async () => readTable(await open(bytes, 't').snapshot()), (thrown) => thrown instanceof DamagedFileError && thrown.file.includes(file!), `byte ${at}`);
      }
      await replace(bytes, path, sound.subarray(0, sound.length - 1));
      await assert.rejects(async () => readTable(await open(bytes, 't').snapshot()), /truncated/);
      await bytes.delete(path);
      await assert.rejects(async () => readTable(await open(bytes, 't').snapshot()), DamagedFileError);
    });

    it('reports every flipped bit of the log, truncation, and a lost entry', async (t) => {
      const bytes = makeBytes(t);
      for (let i = 0; i < 3; i++) await write(open(bytes, 't'), 'append', events(i, 1));
      const path = 't/_log/00000000000000000001.json';
      const sound = (await readWhole(bytes, path))!;
      const reading = () => open(bytes, 't').snapshot();
      const named = (thrown: unknown): boolean => thrown instanceof DamagedFileError && thrown.file.includes('00000000000000000001.json');
      for (let at = 0; at < sound.length; at++) {
        const damaged = sound.slice();
        damaged[at]! ^= 1 << (at % 8);
        await replace(bytes, path, damaged);
        await assert.rejects(reading, named, `byte ${at}`);
      }
      for (const length of [0, 1, 50, sound.length - 1]) {
        await replace(bytes, path, sound.subarray(0, length));
        await assert.rejects(reading, named);
      }
      await bytes.delete(path);
      await assert.rejects(reading, named);
    });
  });
}

for (const format of fileFormats) {
  for (const [place, makeBytes] of places) {
    const name = `a table of our own of ${format} files on ${place}`;
    ownTableContract(name, { makeBytes, open: (bytes, folder, options = {}) => openOwnTable(bytes, folder, { format, ...options }), lacks: format === 'orc' ? ['large unsigned', 'late 1969'] : [] });
    ownLayout(name, format, makeBytes);
  }
}

describe('a table of our own in a bad place', () => {
  it('a file stands where its folder should be', async () => {
    const bytes = memoryBytes();
    await bytes.writeNew('t', new Uint8Array(1));
    await assert.rejects(openOwnTable(bytes, 't').trySnapshot(), StorageError);
    await assert.rejects(write(openOwnTable(bytes, 't'), 'append', events(0, 1)), StorageError);
  });

  it('the log was written by a newer version', async () => {
    const bytes = memoryBytes();
    await write(openOwnTable(bytes, 't'), 'append', events(0, 1));
    const { crc32 } = await import('node:zlib');
    const path = 't/_log/00000000000000000000.json';
    const lines = Buffer.from((await readWhole(bytes, path))!).toString().split('\n').slice(0, -2);
    const body = `${lines.join('\n').replace('"minReaderVersion":1', '"minReaderVersion":2')}\n`;
    await replace(bytes, path, Buffer.from(`${body}{"checksum":{"crc32":${crc32(body)}}}\n`));
    await assert.rejects(openOwnTable(bytes, 't').snapshot(), UnsupportedError);
  });

  it('the log names files outside of its folder', async () => {
    const { crc32 } = await import('node:zlib');
    for (const hostile of ['../../etc/passwd', '/etc/passwd', 'a/b', '..', '']) {
      const bytes = memoryBytes();
      const body = `{"commitInfo":{"operation":"append","commitId":"x","timestamp":1,"readVersion":-1}}\n${JSON.stringify({ remove: { path: hostile } })}\n`;
      await bytes.writeNew('t/_log/00000000000000000000.json', Buffer.from(`${body}{"checksum":{"crc32":${crc32(body)}}}\n`));
      await assert.rejects(openOwnTable(bytes, 't').snapshot(), DamagedFileError, hostile);
    }
  });
});

async function replace(bytes: Bytes, path: string, content: Uint8Array): Promise<void> {
  await bytes.delete(path);
  await bytes.writeNew(path, content);
}

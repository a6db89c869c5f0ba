/** Writers in processes of their own: at once, and killed at any instant. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { localBytes } from '../../src/store/local-bytes.ts';
import type { OwnTable } from '../../src/store/table.ts';
import { openWritable } from '../../src/store/tables.ts';
import { currentIds, events, range, readIds, temporaryFolder, write } from '../support/store.ts';

const script = fileURLToPath(new URL('../support/store-writer.js', import.meta.url));
const dayMs = 86_400_000;

function start(...args: (string | number)[]): { child: ChildProcess; ended: Promise<number | null>; committed: () => number } {
  const child = spawn(process.execPath, [script, ...args.map(String)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let lines = 0;
  child.stdout!.on('data', (chunk: Buffer) => {
    lines += chunk.toString().split('\n').length - 1;
  });
  return { child, ended: new Promise((resolve) => child.on('close', resolve)), committed: () => lines };
}

for (const format of ['parquet', 'delta'] as const) {
  const open = (folder: string): OwnTable => openWritable(localBytes(folder), 't', format);

  it(`${format}: four processes append twenty-five times each, at once: nothing is lost, nothing doubled`, async (t) => {
    const folder = temporaryFolder(t);
    const codes = await Promise.all(range(0, 4).map((writer) => start(folder, 'append', writer * 1000, 3, 25, format).ended));
    assert.deepEqual(codes, [0, 0, 0, 0]);
    const table = open(folder);
    const snapshot = await table.snapshot();
    assert.equal(snapshot.versionNumber, 99);
    const wanted = range(0, 4).flatMap((writer) => range(writer * 1000, 75));
    assert.deepEqual((await readIds(snapshot)).sort((a, b) => a - b), wanted);
    // The root holds the live files and nothing else does.
    assert.deepEqual((await localBytes(folder).names('t/_staged')) ?? [], []);
    assert.equal(readdirSync(join(folder, 't')).filter((name) => name.endsWith('.parquet')).length, snapshot.files!.length);
  });

  it(`${format}: three processes append while one puts small files together and another vacuums: nothing is lost, nothing doubled`, async (t) => {
    const folder = temporaryFolder(t);
    const writers = range(0, 3).map((writer) => start(folder, 'append', writer * 1000, 3, 15, format));
    let running = true;
    const ended = Promise.all(writers.map((writer) => writer.ended)).then((codes) => {
      running = false;
      return codes;
    });
    let compactions = 0;
    while (running) {
      if ((await open(folder).compact()) !== undefined) compactions++;
      await open(folder).vacuum({ nowMs: Date.now() });
    }
    assert.deepEqual(await ended, [0, 0, 0]);
    const table = open(folder);
    await table.compact();
    const snapshot = await table.snapshot();
    assert.deepEqual((await readIds(snapshot)).sort((a, b) => a - b), range(0, 3).flatMap((writer) => range(writer * 1000, 45)));
    assert.deepEqual([snapshot.files!.length, compactions > 0], [1, true]);
    // What was put together stands beside it in a Delta table, until vacuum.
    if (format === 'parquet') assert.equal(readdirSync(join(folder, 't')).filter((name) => name.endsWith('.parquet')).length, 1);
  });

  it(`${format}: two processes overwrite while one reads: every version is whole`, async (t) => {
    const folder = temporaryFolder(t);
    const writers = [start(folder, 'overwrite', 0, 30, 15, format), start(folder, 'overwrite', 100_000, 30, 15, format)];
    let running = true;
    const ended = Promise.all(writers.map((writer) => writer.ended)).then((codes) => {
      running = false;
      return codes;
    });
    let reads = 0;
    while (running) {
      const snapshot = await open(folder).trySnapshot();
      if (snapshot === undefined) continue;
      assert.deepEqual(await readIds(snapshot), range(Number(snapshot.info.first), 30));
      reads++;
    }
    assert.deepEqual(await ended, [0, 0]);
    assert.equal((await open(folder).snapshot()).versionNumber, 29);
    assert.ok(reads > 0);
  });

  it(`${format}: a writer is killed at any instant: what it was told is committed is there, and all versions are whole`, async (t) => {
    const folder = temporaryFolder(t);
    const table = open(folder);
    await write(table, 'overwrite', events(0, 30), { first: 0 });
    for (let round = 0; round < 12; round++) {
      const before = (await table.snapshot()).versionNumber;
      const writer = start(folder, round % 2 === 0 ? 'overwrite' : 'append', (round + 1) * 10_000, 30, 1000, format);
      // Once it has begun to commit, it lives for a random while.
      while (writer.committed() === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 40));
      writer.child.kill('SIGKILL');
      await writer.ended;
      const snapshot = await open(folder).snapshot();
      assert.ok(snapshot.versionNumber >= before + writer.committed(), 'a commit was lost');
      const ids = await readIds(snapshot);
      assert.equal(ids.length % 30, 0);
      assert.deepEqual(ids.slice(-30), range(Number(snapshot.info.first), 30));
      await write(table, 'overwrite', events(0, 30), { first: 0 });
      assert.deepEqual(await currentIds(table), range(0, 30));
    }
    await table.vacuum({ nowMs: Date.now() + 3 * dayMs, retentionMs: 0 });
    const left = (await localBytes(folder).list('t')).filter(({ path }) => !/_log\//.test(path)).map(({ path }) => path);
    assert.deepEqual(left.sort(), (await table.snapshot()).files!.map(({ path }) => `t/${path}`).sort());
  });
}

it('a writer may write no further, as on a full disk: it says so, and leaves nothing', { skip: process.platform === 'win32' }, async (t) => {
  const folder = temporaryFolder(t);
  const table = openWritable(localBytes(folder), 't', 'parquet');
  await write(table, 'append', events(0, 30));
  const limited = spawnSync('sh', ['-c', `ulimit -f 16; exec "$0" "$@"`, process.execPath, script, folder, 'append', '0', '60000', '1'], { encoding: 'utf8' });
  assert.notEqual(limited.status, 0);
  assert.match(limited.stderr, /StorageError: .*_staged.*cannot write a new file: .*\(EFBIG\)/);
  assert.deepEqual(await currentIds(table), range(0, 30));
  assert.deepEqual(readdirSync(join(folder, 't', '_staged')), []);
});

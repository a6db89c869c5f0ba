/**
 * Object storage against an implementation that is not ours: moto's server, from PyPI (`pip install 'moto[server,s3]'`).
 * It is found as `moto_server` on the path, or where MOTO_SERVER says; without it the test is left out, and says so.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { deleteFiles, readWhole } from '../../src/store/bytes.ts';
import { openTable, writeTable } from '../../src/store/open-table.ts';
import { openOwnTable } from '../../src/store/own-table.ts';
import { s3Bytes } from '../../src/store/s3-bytes.ts';
import type { S3Options } from '../../src/store/s3/client.ts';
import { events, range, readIds, write } from '../support/store.ts';

const command = process.env.MOTO_SERVER ?? 'moto_server';
const isThere = spawnSync(command, ['--help'], { stdio: 'ignore' }).status === 0;

describe("moto's S3", { skip: isThere ? false : `${command} is not installed: pip install 'moto[server,s3]'` }, () => {
  let stop: () => void = () => undefined;
  let s3: S3Options = {};

  before(async () => {
    const port = await freePort();
    const server = spawn(command, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
    stop = () => server.kill('SIGKILL');
    s3 = { endpoint: `http://127.0.0.1:${port}`, region: 'us-east-1', credentials: async () => ({ accessKeyId: 'a', secretAccessKey: 'b' }) };
    for (let attempt = 0; attempt < 200; attempt++) {
      const made = await fetch(`${s3.endpoint}/bucket`, { method: 'PUT' }).catch(() => undefined);
      if (made?.ok) return;
      await sleep(100);
    }
    throw new Error(`${command} does not answer`);
  });
  after(() => stop());

  it('keeps conditional puts; one of many wins', async () => {
    const bytes = s3Bytes('s3://bucket/put', s3);
    const won = await Promise.all(range(0, 8).map((i) => bytes.putIfAbsent('0', Uint8Array.of(i))));
    assert.equal(won.filter(Boolean).length, 1);
    assert.deepEqual(await readWhole(bytes, '0'), Uint8Array.of(won.indexOf(true)));
  });

  it('lists, moves and reads keys of any characters', async () => {
    const bytes = s3Bytes('s3://bucket/keys', s3);
    const names = ['a b', 'a+b', 'ä €', '100%', '%41', "it's (1)!*", 'a=b&c=d', '日本'];
    for (const name of names) await bytes.writeNew(`k/${name}`, Buffer.from(name));
    assert.deepEqual(await bytes.names('k'), [...names].sort());
    for (const name of names) assert.equal(await bytes.move(`k/${name}`, `m/${name}`), true);
    for (const name of names) assert.equal(Buffer.from((await readWhole(bytes, `m/${name}`))!).toString(), name);
    const [listed] = await bytes.list('m');
    assert.deepEqual(listed, await bytes.stat(listed!.path));
    assert.equal(await bytes.names('k'), undefined);
  });

  it('deletes many at once, whatever their names are', async () => {
    const bytes = s3Bytes('s3://bucket/many-names', s3);
    const names = ['a b', 'a+b', 'ä €', '100%', '%41', "it's (1)!*", 'a=b&c=d', '"<x>"', '日本'];
    for (const name of names) await bytes.writeNew(`k/${name}`, Buffer.from(name));
    await bytes.writeNew('kept', new Uint8Array(1));
    assert.equal((await deleteFiles(bytes, await bytes.list('k'))).files, names.length);
    assert.deepEqual(await bytes.names(''), ['kept']);
  });

  it('tables: written, read, by version; a bucket that is not there is said so', async () => {
    await writeTable('s3://bucket/t', events(0, 30), { s3 });
    await writeTable('s3://bucket/t', events(30, 10), { s3, mode: 'append' });
    assert.equal((await (await openTable('s3://bucket/t', { s3 })).read()).numRows, 40);
    assert.equal((await (await openTable('s3://bucket/t', { s3, version: 0 })).read()).numRows, 30);
    await assert.rejects(openTable('s3://nowhere/t', { s3 }), /bucket nowhere: there is none/);
  });

  it('four writers append five times each: nothing is lost, nothing doubled', async () => {
    await Promise.all(range(0, 4).map(async (writer) => {
      const table = openOwnTable(s3Bytes('s3://bucket/many', s3), '');
      for (let done = 0; done < 5; done++) assert.equal((await write(table, 'append', events(writer * 100 + done * 2, 2))).kind, 'committed');
    }));
    const snapshot = await openOwnTable(s3Bytes('s3://bucket/many', s3), '').snapshot();
    assert.equal(snapshot.versionNumber, 19);
    assert.deepEqual((await readIds(snapshot)).sort((a, b) => a - b), range(0, 4).flatMap((writer) => range(writer * 100, 10)));
  });
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

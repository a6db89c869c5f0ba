// Many processes append to one table at once: nothing is lost, nothing doubled.
//
//   node scripts/many-writers.mjs [writers = 8] [commits = 200] [place] [format…]      after a build
//
// The place is a folder, s3://bucket/prefix (AWS_ENDPOINT_URL and its like say where that is), or `s3`: the small server of the tests, in
// this process. By default it is a temporary folder.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bytesAt } from '../build/src/store/bytes-at.js';
import { openWritable } from '../build/src/store/tables.js';
import { S3Server, testKeys } from '../build/test/support/s3-server.js';
import { range, readIds } from '../build/test/support/store.js';

const [writers, commits] = [Number(process.argv[2] ?? 8), Number(process.argv[3] ?? 200)];
const rows = 3;
const script = fileURLToPath(new URL('../build/test/support/store-writer.js', import.meta.url));
const server = process.argv[4] === 's3' ? await new S3Server().start() : undefined;
if (server !== undefined) {
  Object.assign(process.env, { AWS_ENDPOINT_URL: server.endpoint, AWS_ACCESS_KEY_ID: testKeys.accessKeyId, AWS_SECRET_ACCESS_KEY: testKeys.secretAccessKey });
  server.now = () => new Date();
}
const isOurs = process.argv[4] === undefined;
const folder = server !== undefined ? `s3://${server.bucket}` : isOurs ? mkdtempSync(join(tmpdir(), 'tauro-writers-')) : process.argv[4];

async function appendAtOnce(place, format) {
  const started = performance.now();
  const first = (writer) => writer * rows * commits;
  const codes = await Promise.all(range(0, writers).map((writer) => new Promise((resolve) => {
    spawn(process.execPath, [script, place, 'append', first(writer), rows, commits, format].map(String), { stdio: ['ignore', 'ignore', 'inherit'] }).on('close', resolve);
  })));
  assert.deepEqual(codes, range(0, writers).map(() => 0));
  const snapshot = await openWritable(bytesAt(place), 't', format).snapshot();
  assert.equal(snapshot.versionNumber, writers * commits - 1, 'a version for each commit');
  assert.deepEqual((await readIds(snapshot)).sort((a, b) => a - b), range(0, writers * commits * rows), 'every row, once');
  const requests = server === undefined ? '' : `, ${(server.calls.splice(0).length / (writers * commits)).toFixed(1)} requests for each commit`;
  console.log(`${place}: ${writers} × ${commits} commits, ${Math.round((performance.now() - started) / 1_000)} s${requests}, all there`);
}

try {
  for (const format of process.argv.length > 5 ? process.argv.slice(5) : ['parquet', 'delta']) {
    await appendAtOnce(`${folder}/${format}`, format);
  }
} finally {
  if (isOurs) rmSync(folder, { recursive: true });
  server?.stop();
}

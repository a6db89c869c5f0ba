// Reads Parquet files that were cut short or have one bit flipped: every read ends soon, with data or an error of ours.
//
//   node scripts/fuzz-parquet.mjs [trials = 2000] [seed = 1]      after a build; each of truncations, flips, checked flips
//
// Where pages have checksums, or the log of a table has them, a flip in what they cover is an error or changes nothing.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FeatureStoreError } from '../build/src/base/errors.js';
import { localBytes } from '../build/src/store/local-bytes.js';
import { openOwnTable } from '../build/src/store/own-table.js';
import { openParquet } from '../build/src/store/parquet/file.js';
import { checkPages } from '../build/src/store/parquet/pages.js';
import { cellsOf, fixtures, golden, MemoryFile, readAll } from '../build/test/store/parquet/support.js';
import { events, readTable, write } from '../build/test/support/store.js';

const [trials, seed] = [Number(process.argv[2] ?? 2_000), Number(process.argv[3] ?? 1)];
const millisecondsMax = 5_000;
const grownBytesMax = 512 * 1024 * 1024;

let state = seed >>> 0;
function below(limit) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * limit);
}

function filesOf(folder, bytesMax) {
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((path) => path.endsWith('.parquet') && statSync(path).size <= bytesMax)
    .map((path) => ({ name: path, bytes: new Uint8Array(readFileSync(path)) }));
}

const samples = [...filesOf(golden, 50_000), ...(fixtures === undefined ? [] : filesOf(join(fixtures, 'data'), 20_000))];

/** The ways of reading: by either decoder, by pages that are left out, into buffers that come back. */
async function optionsFor(file) {
  const at = [...file.columns.values()].find(({ timeScale }) => timeScale !== undefined);
  const [first, length] = [BigInt(below(1_000)) * 3_600_000_000n + 1_735_689_600_000_000n, BigInt(below(400)) * 3_600_000_000n];
  return [{}, { byPages: false }, { lent: true }, ...(at === undefined ? [] : [{ pruned: true, timeRange: { column: at.name, range: { startUs: first, endUs: first + length } } }])];
}

function cellsOfAll({ batches }) {
  return (batches[0]?.schema.fields ?? []).map(({ name }) => cellsOf(batches, name));
}

const counts = { truncated: 0, data: 0, error: 0, checkedData: 0, checkedError: 0, ownData: 0, ownError: 0 };
let slowest = 0;

/** What reading gives, or undefined for an error of ours. Anything else is a finding. */
async function attempt(what, read) {
  const start = performance.now();
  try {
    return await read();
  } catch (thrown) {
    if (!(thrown instanceof FeatureStoreError) || thrown.tag === 'Invariant') throw new Error(`${what} (seed ${seed}): ${thrown?.stack ?? thrown}`, { cause: thrown });
    return undefined;
  } finally {
    const took = performance.now() - start;
    slowest = Math.max(slowest, took);
    assert.ok(took < millisecondsMax, `${what} (seed ${seed}): ${took} ms`);
  }
}

const pick = (list) => list[below(list.length)];
const flipped = (bytes, bit) => {
  const changed = bytes.slice();
  changed[bit >> 3] ^= 1 << (bit & 7);
  return changed;
};
async function anyWay(bytes) {
  const source = new MemoryFile('fuzz.parquet', bytes);
  return readAll(source, pick(await optionsFor(await openParquet(source))));
}

async function truncations() {
  for (let trial = 0; trial < trials; trial++) {
    const { name, bytes } = pick(samples);
    const size = below(bytes.length);
    const read = await attempt(`${name} cut to ${size}`, () => anyWay(bytes.slice(0, size)));
    assert.equal(read, undefined, `${name} cut to ${size} bytes was read`);
    counts.truncated++;
  }
}

async function flips() {
  for (let trial = 0; trial < trials; trial++) {
    const { name, bytes } = pick(samples);
    const bit = below(8 * bytes.length);
    const read = await attempt(`${name}, bit ${bit}`, () => anyWay(flipped(bytes, bit)));
    counts[read === undefined ? 'error' : 'data']++;
  }
}

/** Flips within pages that have checksums. */
async function checkedFlips() {
  const bytes = new Uint8Array(readFileSync(join(golden, 'checksums.parquet')));
  const file = await openParquet(new MemoryFile('checksums.parquet', bytes));
  const sound = cellsOfAll(await readAll(bytes));
  const pages = file.rowGroups.flatMap((group) => [...group.columns.values()].flatMap((chunk) =>
    checkPages(bytes.subarray(chunk.start, chunk.end), chunk, group.rows).pages.map(({ start, end }) => ({ start: chunk.start + start, end: chunk.start + end }))));
  for (let trial = 0; trial < trials; trial++) {
    const { start, end } = pick(pages);
    const bit = 8 * start + below(8 * (end - start));
    const read = await attempt(`checksums.parquet, bit ${bit}`, () => readAll(flipped(bytes, bit), trial % 2 === 0 ? {} : { byPages: false }));
    if (read !== undefined) assert.deepEqual(cellsOfAll(read), sound, `bit ${bit} changed the data unnoticed`);
    counts[read === undefined ? 'checkedError' : 'checkedData']++;
  }
}

/** Flips anywhere in a file of a table of our own, whose log has its checksums. */
async function ownFlips() {
  const folder = mkdtempSync(join(tmpdir(), 'fuzz-parquet-'));
  try {
    const table = openOwnTable(localBytes(folder), 't');
    await write(table, 'append', events(0, 300));
    const snapshot = await table.snapshot();
    const path = join(folder, 't', readdirSync(join(folder, 't')).find((name) => name.endsWith('.parquet')));
    const bytes = new Uint8Array(readFileSync(path));
    const ids = async () => Array.from((await readTable(await openOwnTable(localBytes(folder), 't').snapshot())).toArray(), String);
    const sound = await ids();
    assert.equal(sound.length, 300, snapshot.version);
    for (let trial = 0; trial < trials; trial++) {
      const bit = below(8 * bytes.length);
      writeFileSync(path, flipped(bytes, bit));
      const read = await attempt(`a table of our own, bit ${bit}`, ids);
      if (read !== undefined) assert.deepEqual(read, sound, `bit ${bit} changed the data unnoticed`);
      counts[read === undefined ? 'ownError' : 'ownData']++;
    }
    writeFileSync(path, bytes);
    assert.deepEqual(await ids(), sound, 'the file itself is read again');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

await flips();
const before = process.memoryUsage().rss;
for (const work of [truncations, flips, checkedFlips, ownFlips]) await work();
const grown = process.memoryUsage().rss - before;
assert.ok(grown < grownBytesMax, `${grown} bytes more`);
console.log(JSON.stringify({ seed, files: samples.length, ...counts, slowestMs: Math.round(slowest), grownMiB: Math.round(grown / 2 ** 20) }));

// Reads Parquet files that were cut short or have one bit flipped: every read ends soon, with data or an error of ours.
//
//   node scripts/fuzz-parquet.mjs [trials = 2000] [seed = 1]      after a build; each of truncations, flips, checked flips
//
// Where pages have checksums, a flip in what they cover is an error or changes nothing. Tables are in fuzz-tables.mjs.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openParquet } from '../build/src/store/parquet/file.js';
import { checkPages } from '../build/src/store/parquet/pages.js';
import { cellsOf, fixtures, golden, MemoryFile, readAll } from '../build/test/store/parquet/support.js';
import { fuzzing, flipped, steadily } from './fuzz-support.mjs';

const [trials, seed] = [Number(process.argv[2] ?? 2_000), Number(process.argv[3] ?? 1)];
const { below, pick, attempt, slowestMs } = fuzzing(seed);

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

const counts = { truncated: 0, data: 0, error: 0, checkedData: 0, checkedError: 0 };

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

await flips();
const grownMiB = await steadily([truncations, flips, checkedFlips]);
console.log(JSON.stringify({ seed, files: samples.length, ...counts, slowestMs: slowestMs(), grownMiB }));

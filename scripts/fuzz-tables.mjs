// Reads ORC files, and tables of every format that we write, that were cut short or have one bit flipped.
//
//   node scripts/fuzz-tables.mjs [trials = 2000] [seed = 1]      after a build; of truncations and of flips, for each kind
//
// ORC has no checksums, so a file alone gives data or an error of ours. Of tables that we wrote, every file may be hit, of the data
// and of the log: the rows are exactly those that were written, or there is an error.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeOrc } from '../build/src/store/orc/encode.js';
import { memoryBytes } from '../build/src/store/memory-bytes.js';
import { openWritable } from '../build/src/store/tables.js';
import { readOrc } from '../build/test/store/orc/support.js';
import { events, readIds, tableFormats, write } from '../build/test/support/store.js';
import { flipped, fuzzing, steadily } from './fuzz-support.mjs';

const [trials, seed] = [Number(process.argv[2] ?? 2_000), Number(process.argv[3] ?? 1)];
const { below, pick, attempt, slowestMs } = fuzzing(seed);
const counts = {};
const count = (what) => {
  counts[what] = (counts[what] ?? 0) + 1;
};

const fixtures = fileURLToPath(new URL('../../shared/fixtures/orc', import.meta.url));
const rows = events(0, 500);
const samples = [
  ...['zlib', 'snappy', 'none'].map((compression) => ({ name: `ours, ${compression}`, bytes: encodeOrc(rows.schema, rows.batches, { compression, stripeRows: 200 }) })),
  ...(existsSync(fixtures) ? readdirSync(fixtures, { recursive: true, encoding: 'utf8' }) : [])
    .map((name) => join(fixtures, name))
    .filter((path) => path.endsWith('.orc') && statSync(path).size <= 50_000 && !/corrupt|encrypted/.test(path))
    .map((path) => ({ name: path, bytes: new Uint8Array(readFileSync(path)) })),
];

async function orcFiles() {
  for (let trial = 0; trial < 2 * trials; trial++) {
    const { name, bytes } = pick(samples);
    const [isCut, bit] = [trial % 2 === 0, below(8 * bytes.length)];
    const changed = isCut ? bytes.slice(0, bit >> 3) : flipped(bytes, bit);
    const read = await attempt(`${name}, ${isCut ? 'cut before byte' : 'bit'} ${isCut ? bit >> 3 : bit}`, () => readOrc(changed));
    if (isCut) assert.equal(read, undefined, `${name} cut to ${bit >> 3} bytes was read`);
    count(`orc file, ${isCut ? 'cut' : read === undefined ? 'flipped: error' : 'flipped: data'}`);
  }
}

const tables = (format) => async () => {
  const bytes = memoryBytes();
  // So many commits that Delta makes a checkpoint.
  for (let commit = 0; commit < 12; commit++) await write(openWritable(bytes, 't', format), 'append', events(commit * 5, 5));
  const ids = async () => (await readIds(await openWritable(bytes, 't', format).snapshot())).sort((a, b) => a - b);
  const sound = await ids();
  const files = await bytes.list('t');
  for (let trial = 0; trial < 2 * trials; trial++) {
    const { path } = pick(files);
    const file = await bytes.open(path);
    const whole = await file.read(0, file.size);
    await file.close();
    const [isCut, bit] = [trial % 2 === 0, below(8 * whole.length)];
    await bytes.delete(path);
    await bytes.writeNew(path, isCut ? whole.slice(0, bit >> 3) : flipped(whole, bit));
    const read = await attempt(`${format} table, ${path}, ${isCut ? 'cut' : 'flipped'} at bit ${bit}`, ids);
    if (read !== undefined) assert.deepEqual(read, sound, `${path}, ${isCut ? 'cut' : 'flipped'} at bit ${bit}: other rows (seed ${seed})`);
    count(`${format} table, ${isCut ? 'cut' : 'flipped'}: ${read === undefined ? 'error' : 'exact'}`);
    await bytes.delete(path);
    await bytes.writeNew(path, whole);
  }
  assert.deepEqual(await ids(), sound, 'the files themselves are read again');
};

const grownMiB = await steadily([orcFiles, ...tableFormats.map(tables)]);
console.log(JSON.stringify({ seed, files: samples.length, ...counts, slowestMs: slowestMs(), grownMiB }));

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { DamagedFileError, UnsupportedError } from '../../../src/base/errors.ts';
import { type DeletionVector, deletionVectorId, type DeletionVectorSource, readDeletionVector } from '../../../src/store/delta/deletion-vector.ts';
import { localBytes } from '../../../src/store/local-bytes.ts';
import { memoryBytes } from '../../../src/store/memory-bytes.ts';

const root = fileURLToPath(new URL('../../../..', import.meta.url));
const fixtures = join(root, '../shared/fixtures/delta');
const absent = existsSync(fixtures) ? false : 'left out: ../shared/fixtures/delta is not beside the project';

const nowhere: DeletionVectorSource = { name: 'a.parquet', rows: 100, open: async () => undefined };

/** What Delta's kernels are tested with. */
const inline: DeletionVector = { storageType: 'i', pathOrInlineDv: '^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L', sizeInBytes: 44, cardinality: 6 };
/** The examples of Delta's protocol. */
const relative: DeletionVector = { storageType: 'u', pathOrInlineDv: 'ab^-aqEH.-t@S}K{vb[*k^', offset: 4, sizeInBytes: 40, cardinality: 6 };
const absolute: DeletionVector = { ...relative, storageType: 'p', pathOrInlineDv: 's3://mytable/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin' };

it('a vector in the log tells which rows are deleted', async () => {
  assert.deepEqual(await readDeletionVector(inline, nowhere), Float64Array.of(3, 4, 7, 11, 18, 29));
});

describe('deletion vectors', () => {
  it('stand where the log says, and are told apart by it', async () => {
    const asked: unknown[] = [];
    const source: DeletionVectorSource = { ...nowhere, open: async (place) => void asked.push(place) };
    for (const vector of [relative, absolute, { ...relative, pathOrInlineDv: relative.pathOrInlineDv.slice(2) }]) {
      await assert.rejects(readDeletionVector(vector, source), (thrown) => thrown instanceof DamagedFileError && /^a\.parquet: .*deletion_vector_d2c639aa.* is gone/.test(thrown.message));
    }
    const name = 'deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin';
    assert.deepEqual(asked, [{ path: `ab/${name}` }, { uri: `s3://mytable/${name}` }, { path: name }]);
    assert.deepEqual([deletionVectorId(inline), deletionVectorId(relative)], [`i${inline.pathOrInlineDv}`, `u${relative.pathOrInlineDv}@4`]);
  });

  it('hold any rows, in every kind of container', async () => {
    const kind = fc.constantFrom<Kind>('array', 'bits', 'runs');
    const near = fc.integer({ min: 0, max: 200_000 });
    const rows = fc.uniqueArray(fc.oneof(near, fc.integer({ min: 0, max: 2 ** 32 }), near.map((row) => 5 * 2 ** 32 + row)), { maxLength: 300 });
    const dense = fc.record({ first: near, count: fc.integer({ min: 0, max: 9_000 }), step: fc.constantFrom(1, 2, 3, 70) })
      .map(({ first, count, step }) => Array.from({ length: count }, (_, i) => first + i * step));
    await fc.assert(
      fc.asyncProperty(rows, dense, fc.array(kind, { minLength: 1, maxLength: 5 }), fc.nat(20), async (sparse, run, kinds, gap) => {
        const positions = [...new Set([...sparse, ...run])].sort((a, b) => a - b);
        const stored = file(encodeBitmap(positions, kinds), gap);
        const vector = { ...relative, offset: 1 + gap, sizeInBytes: stored.length - gap - 9, cardinality: positions.length };
        assert.deepEqual(Array.from(await readDeletionVector(vector, holding(stored))), positions);
      }),
      { numRuns: 60 },
    );
  });

  it('without an offset are the first of their file', async () => {
    const stored = file(encodeBitmap([0, 70_000], ['array']), 0);
    const { offset: _, ...vector } = { ...relative, sizeInBytes: stored.length - 9, cardinality: 2 };
    assert.deepEqual(await readDeletionVector(vector, holding(stored)), Float64Array.of(0, 70_000));
  });

  it('that are damaged say so: every flipped bit, every truncation', async () => {
    const positions = [...Array.from({ length: 5_000 }, (_, i) => 3 * i), 70_001, 70_002, 70_003];
    const stored = file(encodeBitmap(positions, ['bits', 'runs']), 0);
    const vector = { ...relative, offset: 1, sizeInBytes: stored.length - 9, cardinality: positions.length };
    assert.equal((await readDeletionVector(vector, holding(stored))).length, positions.length);
    const isSaid = (thrown: unknown): boolean => (thrown instanceof DamagedFileError || thrown instanceof UnsupportedError) && thrown.message.includes('deletion vector');
    for (let at = 0; at < stored.length; at += at < 64 ? 1 : 97) {
      const flipped = Uint8Array.from(stored);
      flipped[at]! ^= 1 << (at % 8);
      await assert.rejects(readDeletionVector(vector, holding(flipped)), isSaid, `byte ${at}`);
      await assert.rejects(readDeletionVector(vector, holding(stored.subarray(0, at))), DamagedFileError, `${at} bytes`);
    }
  });

  it('that lie under a right checksum say so: random changes never give what is not ascending, or not there', async () => {
    const sound = encodeBitmap([...Array.from({ length: 4_200 }, (_, i) => i), 70_001, 70_002, 140_000, 2 ** 32 + 1], ['runs', 'array']);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), fc.nat(sound.length), async (changes, length) => {
        const changed = Buffer.from(sound.subarray(0, length));
        for (const [at, value] of changes) if (at < length) changed[at] = value;
        const vector = { ...relative, offset: 1, sizeInBytes: changed.length, cardinality: 4_204 };
        const found = await readDeletionVector(vector, holding(file(changed, 0))).catch((thrown: unknown) => {
          assert.ok(thrown instanceof DamagedFileError || thrown instanceof UnsupportedError, String(thrown));
          return undefined;
        });
        if (found !== undefined) assert.ok(found.length === 4_204 && found.every((row, i) => i === 0 || row > found[i - 1]!));
      }),
      { numRuns: 400 },
    );
  });

  it('that claim more than the file has are refused before anything is made of it', async () => {
    const refused = (vector: Partial<DeletionVector>, wanted: RegExp, rows = 100) => assert.rejects(readDeletionVector({ ...inline, ...vector }, { ...nowhere, rows }), wanted);
    await refused({ cardinality: 2 ** 50 }, /leaves out 1125899906842624 rows, but the file has 100/);
    await refused({ cardinality: -1 }, /a cardinality of -1/);
    await refused({ cardinality: 5 }, /it has 6 rows/);
    await refused({ cardinality: 7 }, /it has 6 rows/);
    await refused({}, /it leaves out row 29/, 29);
    await refused({ sizeInBytes: 2 ** 40 }, /should have 1099511627776 bytes; found 44/);
    await refused({ sizeInBytes: 43 }, /truncated/);
    await refused({ sizeInBytes: 1.5 }, /a sizeInBytes of 1.5/);
    await refused({ pathOrInlineDv: inline.pathOrInlineDv.slice(1) }, /no Z85/);
    await refused({ pathOrInlineDv: `"${inline.pathOrInlineDv.slice(1)}` }, /no Z85/);
    await refused({ pathOrInlineDv: '#####' }, /no Z85/);
    // The protocol's own example of a vector in the log is of a format that it does not describe.
    await refused({ pathOrInlineDv: 'wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L', sizeInBytes: 40 }, /of a format that is not known/);
    await refused({ storageType: 'x' }, /i, p and u are known/);
    await refused({ ...relative, pathOrInlineDv: '../^-aqEH.-t@S}K{vb[*k^' }, /names no deletion vector/);
    await refused({ ...relative, pathOrInlineDv: 'short' }, /names no deletion vector/);
    await assert.rejects(readDeletionVector({ ...relative, sizeInBytes: 2 ** 45 }, holding(file(encodeBitmap([1], ['array']), 0))), DamagedFileError);
  });

  it('of Spark are read', { skip: absent }, async () => {
    const single = join(fixtures, 'log-replay-dv-key-cases/delta');
    assert.deepEqual((await vectorsOf(single)).map((positions) => Array.from(positions)), [[0], [0, 7], [0, 7, 14]]);
    const many = await vectorsOf(join(fixtures, 'dv-partitioned-with-checkpoint/delta'));
    assert.ok(many.length === 10, `${many.length} vectors`);
    for (const positions of many) assert.ok(positions.length > 0 && positions.every((row, i) => i === 0 || row > positions[i - 1]!));
  });
});

/** Every vector that a table's log adds, in the order of versions. */
async function vectorsOf(folder: string): Promise<Float64Array[]> {
  const bytes = localBytes(folder);
  const found: Float64Array[] = [];
  for (const name of readdirSync(join(folder, '_delta_log')).filter((each) => /^\d{20}\.json$/.test(each)).sort()) {
    for (const line of readFileSync(join(folder, '_delta_log', name), 'utf8').trim().split('\n')) {
      const { add } = JSON.parse(line);
      if (add?.deletionVector === undefined) continue;
      const rows = JSON.parse(add.stats).numRecords as number;
      found.push(await readDeletionVector(add.deletionVector, { name: add.path, rows, open: async (place) => bytes.open('path' in place ? place.path : place.uri) }));
    }
  }
  return found;
}

function holding(content: Uint8Array): DeletionVectorSource {
  const bytes = memoryBytes();
  return {
    name: 'a.parquet',
    rows: 2 ** 40,
    open: async () => {
      await bytes.putIfAbsent('deletion vector', content);
      return bytes.open('deletion vector');
    },
  };
}

/** A file with one vector, `gap` bytes behind where the first stands. */
function file(bitmap: Uint8Array, gap: number): Uint8Array {
  const frame = Buffer.alloc(1 + gap + 4 + bitmap.length + 4);
  frame[0] = 1;
  frame.writeUInt32BE(bitmap.length, 1 + gap);
  frame.set(bitmap, 5 + gap);
  frame.writeUInt32BE(crc32(bitmap), 5 + gap + bitmap.length);
  return frame;
}

type Kind = 'array' | 'bits' | 'runs';

const little = (size: number, value: number): number[] => Array.from({ length: size }, (_, byte) => Math.floor(value / 256 ** byte) % 256);

function grouped(positions: readonly number[], size: number): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const position of positions) {
    const key = Math.floor(position / size);
    groups.set(key, [...(groups.get(key) ?? []), position % size]);
  }
  return groups;
}

/** A bitmap that says the same; `kinds` are taken in turn, as far as the format lets them. */
function encodeBitmap(positions: readonly number[], kinds: readonly Kind[]): Uint8Array {
  const buckets = grouped(positions, 2 ** 32);
  const parts = [little(4, 1_681_511_377), little(8, buckets.size)];
  for (const [key, values] of buckets) parts.push(little(4, key), encodeRoaring(values, kinds));
  return Buffer.from(parts.flat());
}

function encodeRoaring(values: readonly number[], kinds: readonly Kind[]): number[] {
  const containers = [...grouped(values, 65_536)].map(([key, low], i) => {
    const kind = kinds[i % kinds.length] === 'runs' ? 'runs' : low.length > 4_096 ? 'bits' : 'array';
    return { key, low, kind, content: encodeContainer(low, kind) };
  });
  const hasRuns = containers.some(({ kind }) => kind === 'runs');
  const head: number[] = hasRuns ? little(4, 12_347 + (containers.length - 1) * 65_536) : [...little(4, 12_346), ...little(4, containers.length)];
  if (hasRuns) {
    const flags = new Array<number>((containers.length + 7) >> 3).fill(0);
    containers.forEach(({ kind }, i) => {
      if (kind === 'runs') flags[i >> 3]! |= 1 << (i & 7);
    });
    head.push(...flags);
  }
  for (const { key, low } of containers) head.push(...little(2, key), ...little(2, low.length - 1));
  const hasOffsets = !hasRuns || containers.length >= 4;
  let offset = head.length + (hasOffsets ? 4 * containers.length : 0);
  for (const { content } of hasOffsets ? containers : []) {
    head.push(...little(4, offset));
    offset += content.length;
  }
  return [...head, ...containers.flatMap(({ content }) => content)];
}

function encodeContainer(low: readonly number[], kind: Kind): number[] {
  if (kind === 'array') return low.flatMap((value) => little(2, value));
  if (kind === 'bits') {
    const bits = new Array<number>(8_192).fill(0);
    for (const value of low) bits[value >> 3]! |= 1 << (value & 7);
    return bits;
  }
  const runs: [number, number][] = [];
  for (const value of low) {
    const run = runs.at(-1);
    if (run !== undefined && run[0] + run[1] === value) run[1]++;
    else runs.push([value, 1]);
  }
  return [...little(2, runs.length), ...runs.flatMap(([first, length]) => [...little(2, first), ...little(2, length - 1)])];
}

/** Column chunks read by pages: against the other decoder, and against bytes that lie. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { DataType, type RecordBatch } from '../../../src/arrow/arrow.ts';
import { FeatureStoreError } from '../../../src/base/errors.ts';
import { encodeParquet } from '../../../src/store/parquet/encode.ts';
import { openParquet, planParquet, scanParquet } from '../../../src/store/parquet/file.ts';
import { borrowPageMemory, type PageMemory, slackBytes } from '../../../src/store/parquet/page-memory.ts';
import { canRead } from '../../../src/store/parquet/page-reader.ts';
import { checkPages } from '../../../src/store/parquet/pages.ts';
import { asDictionary } from '../../../src/store/parquet/types.ts';
import { batchFrom, type Cell, cellsOf, LentMemory, LocalFile, MemoryFile, readAll, writable } from './support.ts';

/** For each column whether its chunks are read by pages. */
async function readByPages(bytes: Uint8Array): Promise<Record<string, boolean>> {
  const file = await openParquet(new MemoryFile('t.parquet', bytes));
  return Object.fromEntries([...file.columns].map(([name, column]) => [name, file.rowGroups.every((group) => {
    const chunk = group.columns.get(name)!;
    const stored = bytes.subarray(chunk.start, chunk.end);
    const { pages } = checkPages(stored, chunk, group.rows);
    return canRead({ column: chunk.isCodes ? { ...column, ...asDictionary(column) } : column, chunk, bytes: stored, pages });
  })]));
}

/** Reads with both decoders, which are to agree on types, values and nulls. */
async function assertAgree(bytes: Uint8Array): Promise<void> {
  const [paged, spliced] = [await readAll(bytes), await readAll(bytes, { byPages: false })];
  assert.equal(paged.rows, spliced.rows);
  for (const [i, batch] of paged.batches.entries()) {
    assert.deepEqual(batch.schema.fields.map(String), spliced.batches[i]!.schema.fields.map(String));
    assert.deepEqual(batch.data.children.map(({ nullCount }) => nullCount), spliced.batches[i]!.data.children.map(({ nullCount }) => nullCount));
    for (const { name } of batch.schema.fields) {
      const [found, expected] = [cellsOf([batch], name), cellsOf([spliced.batches[i]!], name)];
      const wrong = found.findIndex((cell, row) => !Object.is(cell, expected[row]));
      assert.ok(wrong < 0 && found.length === expected.length, `${name}, row ${wrong}: ${String(found[wrong])} for ${String(expected[wrong])}`);
    }
  }
  await assertInPlace(bytes, paged.batches);
}

/** Reads in memory that is lent: the same rows, which lie there and nowhere else; and all of it is given back. */
async function assertInPlace(bytes: Uint8Array, expected: readonly RecordBatch[], memory = new LentMemory()): Promise<void> {
  const byPages = await readByPages(bytes);
  const source = new LocalFile('t.parquet', bytes);
  const file = await openParquet(source);
  const cells = new Map<string, Cell[]>(file.schema.fields.map(({ name }) => [name, []]));
  for await (const batch of scanParquet(source, file, planParquet(file), { memory, lent: true })) {
    for (const [column, { name, type }] of batch.schema.fields.entries()) {
      const data = batch.data.children[column]!;
      for (const cell of cellsOf([batch], name)) cells.get(name)!.push(cell);
      assert.equal(String(DataType.isDictionary(type) ? type.dictionary : type), String(file.columns.get(name)!.type));
      // Integers of 8 and 16 bits are made from those of 32, outside.
      if (byPages[name]! && !/^U?[Ii]nt(8|16)$/.test(String(data.type))) assert.ok(memory.has(data.values), `${name} lies elsewhere`);
    }
  }
  for (const [name, found] of cells) {
    const wanted = cellsOf(expected, name);
    const wrong = found.findIndex((cell, row) => !Object.is(cell, wanted[row]));
    assert.ok(wrong < 0 && found.length === wanted.length, `${name}, row ${wrong}, in place: ${String(found[wrong])} for ${String(wanted[wrong])}`);
  }
  assert.equal(memory.held.size, 0);
}

test('the common columns are read by pages, the others are not', async () => {
  const rows = Array.from({ length: 100 }, (_, row) => row);
  const batch = batchFrom({
    int32: { type: writable.int32!, cells: rows }, us: { type: writable.us!, cells: rows.map(BigInt) }, double: { type: writable.double!, cells: rows },
    utf8: { type: writable.utf8!, cells: rows.map((row) => `city ${row % 3}`) }, decimal: { type: writable.decimal!, cells: rows.map(BigInt) },
  });
  const file = encodeParquet(batch.schema, [batch]);
  assert.deepEqual(await readByPages(file), { int32: true, us: true, double: true, utf8: true, decimal: false });
  assert.deepEqual(await readByPages(encodeParquet(batch.schema, [batch], { compression: 'zstd' })), { int32: false, us: false, double: false, utf8: false, decimal: false });
  await assertAgree(file);
});

const duckColumns = (nulls: string, distinct: number): string => `
  SELECT CASE WHEN ${nulls} THEN NULL ELSE (hash(i) % ${distinct})::INTEGER END AS int32, CASE WHEN ${nulls} THEN NULL ELSE (hash(i, 1) % ${distinct})::BIGINT * 1000003 END AS int64,
    CASE WHEN ${nulls} THEN NULL ELSE (hash(i, 2) % ${distinct})::DOUBLE / 100 END AS double, CASE WHEN ${nulls} THEN NULL ELSE (hash(i, 3) % ${distinct})::FLOAT END AS float,
    CASE WHEN ${nulls} THEN NULL ELSE (hash(i, 4) % 200)::UTINYINT END AS tiny, CASE WHEN ${nulls} THEN NULL ELSE ((hash(i, 4) % 60000)::INTEGER - 30000)::SMALLINT END AS small,
    CASE WHEN ${nulls} THEN NULL ELSE TIMESTAMP '2024-01-01' + INTERVAL 1 SECOND * (hash(i, 5) % ${distinct}) END AS at, DATE '2024-01-01' + (hash(i, 6) % 365)::INTEGER AS day,
    CASE WHEN ${nulls} THEN NULL ELSE repeat('Łódź', (hash(i, 8) % 9)::INTEGER) || (hash(i, 7) % ${distinct}) END AS text, CASE WHEN ${nulls} THEN NULL ELSE encode('b' || (hash(i, 9) % ${distinct})) END AS blob`;

test('both decoders agree on what DuckDB writes: plain, dictionaries, nulls, small and large pages', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pages-'));
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const trial = fc.record({
    nulls: fc.constantFrom('false', 'true', 'i % 7 = 0', 'i % 5000 < 2500', 'hash(i) % 2 = 0'), distinct: fc.constantFrom(1, 2, 30, 5_000, 1_000_000_000),
    rows: fc.constantFrom(1, 2_048, 5_001, 70_000), compression: fc.constantFrom('snappy', 'uncompressed'), version: fc.constantFrom('v1', 'v2'),
  });
  try {
    await fc.assert(
      fc.asyncProperty(trial, async ({ nulls, distinct, rows, compression, version }) => {
        const path = join(folder, 't.parquet');
        const select = `${duckColumns(nulls, distinct)} FROM range(${rows}) t(i)`;
        await connection.run(`COPY (${select}) TO '${path}' (FORMAT parquet, COMPRESSION ${compression}, PARQUET_VERSION ${version}, ROW_GROUP_SIZE 40960)`);
        const bytes = readFileSync(path);
        await assertAgree(bytes);
        if (version === 'v1') assert.deepEqual(Object.values(await readByPages(bytes)), Array<boolean>(10).fill(true));
      }),
      { numRuns: 25 },
    );
  } finally {
    connection.closeSync();
    instance.closeSync();
    rmSync(folder, { recursive: true });
  }
});

test('lent batches are as right as owned ones until the next is asked for, and their buffers come back', async () => {
  const rows = 70_000 + 3;
  const numbers = Array.from({ length: rows }, (_, row) => row);
  const batch = batchFrom({
    int8: { type: writable.int8!, cells: numbers.map((row) => (row % 7 === 0 ? null : row % 100)) }, us: { type: writable.us!, cells: numbers.map(BigInt) },
    text: { type: writable.utf8!, cells: numbers.map((row) => (row % 3 === 0 ? null : `number ${row}`)) }, city: { type: writable.utf8!, cells: numbers.map((row) => `city ${row % 9}`) },
    decimal: { type: writable.decimal!, cells: numbers.map(BigInt) },
  });
  const source = new MemoryFile('t.parquet', encodeParquet(batch.schema, [batch], { rowGroupRows: 69_000 }));
  const file = await openParquet(source);
  const owned = (await readAll(source)).batches;
  const bufferOf = (of: RecordBatch): unknown => of.getChild('us')!.data[0]!.values.buffer;
  const buffers: unknown[] = [];
  for await (const lent of scanParquet(source, file, planParquet(file), { lent: true })) {
    const expected = owned[buffers.length]!;
    for (const { name } of batch.schema.fields) assert.deepEqual(cellsOf([lent], name), cellsOf([expected], name), name);
    buffers.push(bufferOf(lent));
  }
  assert.equal(buffers.length, owned.length);
  assert.equal(new Set(buffers).size, 1);
  assert.equal(new Set(owned.map(bufferOf)).size, owned.length);
});

test('batches that span pages lie in lent memory too; where there is little, they come as ever', async () => {
  const rows = 150_000;
  const numbers = Array.from({ length: rows }, (_, row) => row);
  // 20,000 rows a page; some without nulls, and one whose values begin at odd places.
  const batch = batchFrom({
    int32: { type: writable.int32!, cells: numbers.map((row) => (row > 60_000 && row % 3 === 0 ? null : row)) }, us: { type: writable.us!, cells: numbers.map(BigInt) },
    double: { type: writable.double!, cells: numbers.map((row) => (row === 7 ? null : row / 7)) }, text: { type: writable.utf8!, cells: numbers.map((row) => `number ${row}`) },
    holes: { type: writable.utf8!, cells: numbers.map((row) => (row % 5 === 0 ? null : `${row}`)) }, city: { type: writable.utf8!, cells: numbers.map((row) => `city ${row % 9}`) },
  });
  for (const compression of ['snappy', 'uncompressed'] as const) {
    const bytes = encodeParquet(batch.schema, [batch], { rowGroupRows: 100_000, compression });
    const { batches } = await readAll(bytes);
    await assertInPlace(bytes, batches);
    const little = new LentMemory(1 << 18);
    const source = new LocalFile('t.parquet', bytes);
    const file = await openParquet(source);
    let next = 0;
    for await (const found of scanParquet(source, file, planParquet(file), { memory: little, lent: true })) {
      for (const { name } of batch.schema.fields) assert.deepEqual(cellsOf([found], name), cellsOf([batches[next]!], name));
      assert.ok(found.data.children.every((data) => !little.has(data!.values)));
      next++;
    }
    assert.equal(next, batches.length);
    assert.equal(little.held.size, 0);
  }
});

test('a scan that fails or is left gives the memory back', async () => {
  const batch = batchFrom({ us: { type: writable.us!, cells: Array.from({ length: 9_000 }, (_, row) => BigInt(row * row)) } });
  const bytes = encodeParquet(batch.schema, [batch], { rowGroupRows: 3_000 });
  const memory = new LentMemory();
  const source = new LocalFile('t.parquet', bytes);
  const file = await openParquet(source);
  for await (const _ of scanParquet(source, file, planParquet(file), { memory, lent: true })) break;
  assert.equal(memory.held.size, 0);
  const { start, end } = file.rowGroups[1]!.columns.get('us')!;
  bytes.fill(0xff, start + 40, end);
  await assert.rejects(async () => {
    for await (const _ of scanParquet(source, file, planParquet(file), { memory, lent: true }));
  }, FeatureStoreError);
  assert.equal(memory.held.size, 0);
});

test('bytes changed within a chunk are an error that names it, or as many rows as there were', async () => {
  const kinds = ['int32', 'int64', 'double', 'utf8', 'binary'];
  const cell = (kind: string, row: number): Cell => (row % 5 === 0 ? null : kind === 'utf8' ? `Łódź ${row % 9}` : kind === 'binary' ? `b:${'ab'.repeat(row % 20)}` : kind === 'int64' ? BigInt(row * row) : row % 13);
  const batch = batchFrom(Object.fromEntries(kinds.map((kind) => [kind, { type: writable[kind]!, cells: Array.from({ length: 300 }, (_, row) => cell(kind, row)) }])));
  const files = (['snappy', 'uncompressed'] as const).map((compression) => encodeParquet(batch.schema, [batch], { compression }));
  const counts = { data: 0, error: 0 };
  const change = fc.record({ file: fc.constantFrom(...files), at: fc.nat(), bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }) });
  await fc.assert(
    fc.asyncProperty(change, async ({ file, at, bytes }) => {
      const { columns } = (await openParquet(new MemoryFile('t.parquet', file))).rowGroups[0]!;
      const [start, end] = [Math.min(...[...columns.values()].map((chunk) => chunk.start)), Math.max(...[...columns.values()].map((chunk) => chunk.end))];
      const changed = file.slice();
      changed.set(bytes.subarray(0, end - start), Math.min(start + (at % (end - start)), end - bytes.length));
      try {
        const { batches } = await readAll(changed);
        for (const { name } of batches[0]!.schema.fields) assert.equal(cellsOf(batches, name).length, 300);
        for (const { type, values, dictionary } of batches[0]!.data.children) {
          if (DataType.isDictionary(type)) for (const code of values as Int32Array) assert.ok(code >= 0 && code < Math.max(1, dictionary!.length));
        }
        counts.data++;
      } catch (thrown) {
        assert.ok(thrown instanceof FeatureStoreError && thrown.tag === 'DamagedFile', String(thrown));
        // A header that became that of another kind of page leaves the chunk to the other decoder.
        assert.match(thrown.message, /t\.parquet: row group 0, columns? [\w, ]+: /);
        assert.doesNotMatch(thrown.message, /column \w+: .*gave up/);
        counts.error++;
      }
    }),
    { numRuns: 1_500 },
  );
  assert.ok(counts.data > 50 && counts.error > 50, JSON.stringify(counts));
});

/** One element of Snappy's format. A copy's distance is taken modulo what there is to copy from. */
type Element = { readonly literal: Uint8Array } | { readonly distance: number; readonly count: number };

const element: fc.Arbitrary<Element> = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 300 }).map((literal) => ({ literal })),
  fc.uint8Array({ minLength: 1, maxLength: 6 }).map((literal) => ({ literal })),
  fc.record({ distance: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 70_000 })), count: fc.integer({ min: 1, max: 64 }) }),
);

/** What the elements say, written out byte by byte, and in Snappy, which claims that there are as many bytes, or a `share` of them. */
function snappyOf(elements: readonly Element[], share = 1): { plain: number[]; packed: number[] } {
  const plain: number[] = [];
  const body: number[] = [];
  for (const part of elements) {
    if ('literal' in part) {
      const length = part.literal.length - 1;
      body.push(...(length < 60 ? [length << 2] : length < 256 ? [60 << 2, length] : [61 << 2, length & 255, length >> 8]), ...part.literal);
      plain.push(...part.literal);
    } else if (plain.length > 0) {
      const distance = ((part.distance - 1) % plain.length) + 1;
      const { count } = part;
      if (distance < 2_048 && count >= 4 && count <= 11) body.push(1 | ((count - 4) << 2) | ((distance >> 8) << 5), distance & 255);
      else if (distance < 65_536 && count % 2 === 0) body.push(2 | ((count - 1) << 2), distance & 255, distance >> 8);
      else body.push(3 | ((count - 1) << 2), distance & 255, (distance >> 8) & 255, distance >> 16, 0);
      for (let i = 0; i < count; i++) plain.push(plain[plain.length - distance]!);
    }
  }
  const length: number[] = [];
  for (let rest = Math.floor(plain.length * share); ; rest >>>= 7) {
    length.push(rest < 128 ? rest : (rest & 127) | 128);
    if (rest < 128) return { plain, packed: [...length, ...body] };
  }
}

/** Unpacks between guards; undefined when refused. What lies beyond the block and its slack is to stay as it was. */
function unsnapped(memory: PageMemory, packed: Uint8Array, size: number): Uint8Array | undefined {
  memory.begin();
  const before = memory.fit({ at: 0, bytes: 0 }, 4_096);
  const [input, output] = [memory.fit({ at: 0, bytes: 0 }, packed.length), memory.fit({ at: 0, bytes: 0 }, size)];
  const end = output + size + slackBytes;
  const after = memory.fit({ at: 0, bytes: 0 }, 65_536);
  memory.bytes.fill(0xa5, before, before + 4_096);
  memory.bytes.fill(0xa5, end, after + 65_536);
  memory.put(packed, input);
  const isSound = memory.kernels.unsnap(input, packed.length, output, size) === 1;
  assert.ok(memory.bytes.subarray(before, before + 4_096).every((byte) => byte === 0xa5), 'memory before the output was written to');
  assert.ok(memory.bytes.subarray(end, after + 65_536).every((byte) => byte === 0xa5), 'memory behind the output was written to');
  assert.deepEqual(memory.bytes.slice(input, input + packed.length), packed);
  return isSound ? memory.bytes.slice(output, output + size) : undefined;
}

test('Snappy: every kind of element, also where copies overlap themselves', () => {
  const memory = borrowPageMemory();
  fc.assert(
    fc.property(fc.array(element, { minLength: 1, maxLength: 120 }), (elements) => {
      const { plain, packed } = snappyOf(elements);
      const bytes = unsnapped(memory, Uint8Array.from(packed), plain.length);
      assert.ok(bytes !== undefined && Buffer.from(bytes).equals(Buffer.from(plain)));
    }),
    { numRuns: 400 },
  );
});

test('Snappy: literals and copies in turns, as columns of numbers have them, over many blocks of the input', () => {
  const memory = borrowPageMemory();
  const literal = fc.uint8Array({ minLength: 1, maxLength: 18 }).map((bytes): Element => ({ literal: bytes }));
  const copy = fc.record({ distance: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 3_000 })), count: fc.integer({ min: 1, max: 20 }) });
  const turn = fc.oneof({ weight: 6, arbitrary: fc.tuple(literal, copy) }, { weight: 1, arbitrary: fc.tuple(element) });
  fc.assert(
    fc.property(fc.array(turn, { minLength: 150, maxLength: 700, size: 'max' }), (turns) => {
      const { plain, packed } = snappyOf(turns.flat());
      const bytes = unsnapped(memory, Uint8Array.from(packed), plain.length);
      assert.ok(bytes !== undefined && Buffer.from(bytes).equals(Buffer.from(plain)));
    }),
    { numRuns: 60 },
  );
});

test('Snappy: whatever the bytes say, nothing beyond the output is touched', () => {
  const memory = borrowPageMemory();
  const damage = fc.array(fc.record({ at: fc.nat(), byte: fc.nat(255) }), { maxLength: 4 });
  fc.assert(
    fc.property(fc.array(element, { minLength: 1, maxLength: 60 }), damage, fc.nat(), fc.integer({ min: -9, max: 9 }), (elements, changes, cut, more) => {
      const { plain, packed } = snappyOf(elements);
      const bytes = Uint8Array.from(packed);
      // The length in front stays, so that what follows is looked at.
      for (const { at, byte } of changes) if (at % bytes.length > 2) bytes[at % bytes.length] = byte;
      const truncated = bytes.subarray(0, cut % 3 === 0 ? cut % (bytes.length + 1) : bytes.length);
      const found = unsnapped(memory, truncated, Math.max(0, plain.length + (cut % 2 === 0 ? more : 0)));
      assert.ok(found === undefined || found.length === plain.length);
    }),
    { numRuns: 1_500 },
  );
});

test('Snappy: what unpacks to more than it claims is refused before it gets there', () => {
  const memory = borrowPageMemory();
  const short = fc.uint8Array({ minLength: 1, maxLength: 3 }).map((literal): Element => ({ literal }));
  const copy = fc.record({ distance: fc.integer({ min: 20, max: 3_000 }), count: fc.constantFrom(8, 10, 11, 12, 14, 16) });
  fc.assert(
    fc.property(fc.array(fc.oneof(short, copy, copy), { minLength: 200, maxLength: 900, size: 'max' }), fc.double({ min: 0.05, max: 0.95, noNaN: true }), (elements, share) => {
      const { plain, packed } = snappyOf([{ literal: Uint8Array.of(1, 2, 3) }, ...elements], share);
      assert.equal(unsnapped(memory, Uint8Array.from(packed), Math.floor(plain.length * share)), undefined);
    }),
    { numRuns: 60 },
  );
});

test('levels and indices: runs that lie are refused, and those that are too long are cut', () => {
  const memory = borrowPageMemory();
  const { kernels } = memory;
  const [input, out] = [memory.fit({ at: 0, bytes: 0 }, 4_096), memory.fit({ at: 0, bytes: 0 }, 4_096)];
  const levels = (bytes: number[], count: number): number => {
    memory.bytes.fill(0, out, out + 4_096);
    memory.put(Uint8Array.from(bytes), input);
    return kernels.decodeLevels(input, input + bytes.length, count, out);
  };
  assert.equal(levels([20, 1], 10), 10);
  assert.equal(levels([6, 1, 3, 0b1010_0101, 4, 0], 13), 7);
  assert.deepEqual([...memory.bytes.subarray(out, out + 2)], [0b0010_1111, 0b0000_0101]);
  assert.equal(levels([200, 1, 1], 10), 10);
  const refused: [number[], number][] = [[[], 1], [[20], 10], [[20, 2], 10], [[18, 1], 10], [[5, 255], 16], [[0, 1, 0, 1], 1], [[255, 255, 255, 255, 255, 255], 1]];
  for (const [bytes, count] of refused) assert.equal(levels(bytes, count), -1, String(bytes));
  const indices = (bytes: number[], width: number, count: number, entries: number): number[] | undefined => {
    memory.put(Uint8Array.from(bytes), input);
    const isSound = kernels.decodeIndices(input, input + bytes.length, width, count, entries, out) === 1;
    return isSound ? [...new Uint32Array(memory.copyForKeeps(out, 4 * count))] : undefined;
  };
  assert.deepEqual(indices([3, 0x88, 0xc6, 0xfa], 3, 8, 8), [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual(indices([6, 5, 4, 2], 3, 5, 6), [5, 5, 5, 2, 2]);
  assert.deepEqual(indices([8], 0, 4, 1), [0, 0, 0, 0]);
  assert.deepEqual(indices([4, 255, 255, 255, 255], 32, 2, 0xffff_ffff), undefined);
  for (const [bytes, entries] of [[[6, 5, 4, 2], 5], [[3, 0x88], 8], [[8], 8], [[], 8]] as const) assert.equal(indices([...bytes], 3, 5, entries), undefined, String(bytes));
});

test('indices of every width, packed and in runs, of any number', () => {
  const memory = borrowPageMemory();
  const run = fc.record({ packed: fc.boolean(), count: fc.integer({ min: 1, max: 90 }), seed: fc.nat() });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 32 }), fc.array(run, { minLength: 1, maxLength: 6 }), fc.nat(20), (width, runs, missing) => {
      const limit = 2 ** width;
      const values: number[] = [];
      const bytes: number[] = [];
      for (const { packed, count, seed } of runs) {
        const header = packed ? (count << 1) | 1 : count << 1;
        bytes.push(...(header < 128 ? [header] : [(header & 127) | 128, header >> 7]));
        const next = Array.from({ length: packed ? 8 * count : count }, (_, i) => (packed ? Math.imul(seed + i, 0x9e37_79b1) >>> 0 : seed) % limit);
        values.push(...next);
        let bits = next.reduceRight((sum, value) => (sum << BigInt(width)) | BigInt(value), 0n);
        if (!packed) bits = BigInt(next[0]!);
        for (let left = packed ? count * width : (width + 7) >> 3; left > 0; left--, bits >>= 8n) bytes.push(Number(bits & 255n));
      }
      const wanted = values.slice(0, Math.max(1, values.length - missing));
      memory.begin();
      const [input, out] = [memory.fit({ at: 0, bytes: 0 }, bytes.length), memory.fit({ at: 0, bytes: 0 }, 4 * wanted.length)];
      memory.put(Uint8Array.from(bytes), input);
      const decode = (entries: number): number => memory.kernels.decodeIndices(input, input + bytes.length, width, wanted.length, entries, out);
      const largest = wanted.reduce((most, value) => Math.max(most, value), 0);
      // A dictionary has no 2^32 entries, so its last index is never found there.
      if (largest < 0xffff_ffff) {
        assert.equal(decode(largest + 1), 1);
        assert.deepEqual([...new Uint32Array(memory.copyForKeeps(out, 4 * wanted.length))], wanted);
      }
      assert.equal(decode(largest), 0);
    }),
    { numRuns: 400 },
  );
});

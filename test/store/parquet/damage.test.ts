/** Hostile and damaged bytes: an error of ours or data, never a hang, a crash or a growing memory. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { type Data, DataType, Field, Schema } from '../../../src/arrow/arrow.ts';
import { FeatureStoreError } from '../../../src/base/errors.ts';
import { embeddedSchema, embeddedTypes } from '../../../src/store/parquet/arrow-schema.ts';
import { encodeParquet } from '../../../src/store/parquet/encode.ts';
import type { ColumnChunk } from '../../../src/store/parquet/footer.ts';
import { checkPages, PageError } from '../../../src/store/parquet/pages.ts';
import { readingThrift, readThrift, ThriftStruct, thriftType, type ThriftValue, writeThrift } from '../../../src/store/parquet/thrift.ts';
import { batchFrom, cellsOf, chunkMeta, fixtures, readAll, withFooter, writable } from './support.ts';

/** A file with every type, a dictionary and nulls. */
function small(rows = 40): Uint8Array {
  const pick = (type: string, row: number): bigint | number | boolean | string =>
    type === 'bool' ? row % 2 === 0 : /utf8/i.test(type) ? `v${row % 3}` : /binary/i.test(type) ? 'b:00ff' : /^(u?int(8|16|32)|half|float|double|day)$/.test(type) ? row : BigInt(row);
  const columns = Object.entries(writable).map(([name, type]) => {
    const cells = Array.from({ length: rows }, (_, row) => (row % 5 === 0 ? null : pick(name, row)));
    return [name, { type, cells }] as const;
  });
  const batch = batchFrom(Object.fromEntries(columns));
  return encodeParquet(batch.schema, [batch], { rowGroupRows: 25 });
}

/** Small files of many hands. */
function samples(): [string, Uint8Array][] {
  const own: [string, Uint8Array][] = [['ours', small()]];
  if (fixtures === undefined) return own;
  const data = join(fixtures, 'data');
  const names = readdirSync(data).filter((name) => statSync(join(data, name)).size < 6_000);
  return [...own, ...names.map((name): [string, Uint8Array] => [name, new Uint8Array(readFileSync(join(data, name)))])];
}

/** Data may hold wrong values, but kernels must be able to walk it: offsets ascend, codes are in the dictionary, text is UTF-8. */
function assertSound(data: Data, length: number): void {
  assert.equal(data.length, length);
  if (DataType.isDictionary(data.type)) {
    const entries = data.dictionary!.length;
    for (const code of data.values as Int32Array) assert.ok(code >= 0 && (code < entries || code === 0), `code ${code} of ${entries}`);
    for (const chunk of data.dictionary!.data) assertSound(chunk, chunk.length);
    return;
  }
  if (data.nullCount > 0) assert.ok(8 * data.nullBitmap.length >= length);
  if (data.valueOffsets === undefined || DataType.isNull(data.type)) return;
  const offsets = [...(data.valueOffsets as unknown as Iterable<number | bigint>)].map(Number);
  assert.ok(offsets.length > length && offsets[0] === 0 && offsets[length]! <= data.values.length);
  const text = DataType.isUtf8(data.type) || DataType.isLargeUtf8(data.type) ? new TextDecoder('utf-8', { fatal: true }) : undefined;
  for (let row = 0; row < length; row++) {
    assert.ok(offsets[row]! <= offsets[row + 1]!);
    text?.decode((data.values as Uint8Array).subarray(offsets[row], offsets[row + 1]));
  }
}

async function outcome(bytes: Uint8Array, byPages = true): Promise<'data' | 'error' | 'panic'> {
  let read: Awaited<ReturnType<typeof readAll>>;
  try {
    read = await readAll(bytes, { byPages });
  } catch (thrown) {
    assert.ok(thrown instanceof FeatureStoreError && thrown.tag !== 'Invariant', `${thrown instanceof Error ? thrown.stack : thrown}`);
    return /the decoder gave up/.test(thrown.message) ? 'panic' : 'error';
  }
  for (const batch of read.batches) for (const data of batch.data.children) assertSound(data, batch.numRows);
  return 'data';
}

test('a truncated file is an error that says so, wherever it was cut', async () => {
  for (const [name, bytes] of samples()) {
    const step = Math.max(1, Math.floor(bytes.length / 20));
    for (let size = bytes.length - 1; size >= 0; size -= step) {
      for (const byPages of [true, false]) assert.equal(await outcome(bytes.slice(0, size), byPages), 'error', `${name} at ${size}`);
    }
  }
});

/** A generator of its own, so that a failure can be repeated. */
function* random(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state;
  }
}

test('a flipped bit is an error or data, and memory stays where it is', async () => {
  const numbers = random(7);
  const next = (below: number): number => numbers.next().value % below;
  const counts = { data: 0, error: 0, panic: 0 };
  const files = samples();
  const trials = async (all: number): Promise<void> => {
    for (const [name, bytes] of files) {
      for (let trial = 0; trial < all / files.length; trial++) {
        const bit = (next(bytes.length) * 8 + next(8)) % (8 * bytes.length);
        const flipped = bytes.slice();
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        counts[await outcome(flipped, trial % 2 === 0).catch((thrown) => assert.fail(`${name}, bit ${bit}: ${thrown}`))]++;
      }
    }
  };
  await trials(150);
  const before = process.memoryUsage().rss;
  await trials(750);
  const grown = process.memoryUsage().rss - before;
  assert.ok(counts.error > 100 && counts.data > 100, JSON.stringify(counts));
  assert.ok(grown < 400 * 1024 * 1024, `${grown} bytes more`);
});

test('a decoder that broke is replaced: what is read next is right, and memory stays where it is', async (t) => {
  const batch = batchFrom({ x: { type: writable.utf8!, cells: Array.from({ length: 40 }, (_, row) => (row % 5 === 0 ? null : `v${row % 3}`)) } });
  const sound = encodeParquet(batch.schema, [batch], { compression: 'uncompressed' });
  let [panics, instances, before] = [0, 0, 0];
  const Instance = WebAssembly.Instance;
  WebAssembly.Instance = class extends Instance {
    constructor(...args: ConstructorParameters<typeof Instance>) {
      super(...args);
      instances++;
    }
  };
  t.after(() => (WebAssembly.Instance = Instance));
  // In the first pages a byte that is too large takes the decoder beyond what it has; which ones depends on its version.
  for (let round = 0; round < 6; round++) {
    for (let at = 4; at < 120; at++) {
      const changed = sound.slice();
      changed[at] = 255;
      if ((await outcome(changed, false)) !== 'panic') continue;
      panics++;
      assert.deepEqual(cellsOf((await readAll(sound, { byPages: false })).batches, 'x'), cellsOf([batch], 'x'));
    }
    if (round === 1) before = process.memoryUsage().rss;
  }
  assert.ok(panics >= 6 && instances >= panics, `${panics} panics, ${instances} instances`);
  assert.ok(process.memoryUsage().rss - before < 400 * 1024 * 1024);
});

const lies: Readonly<Record<string, { change: (meta: ThriftStruct) => void; tag: string; says: RegExp }>> = {
  'no schema': { change: (meta) => meta.delete(2), tag: 'DamagedFile', says: /has no schema/ },
  'no row groups': { change: (meta) => meta.delete(4), tag: 'DamagedFile', says: /no list of row groups/ },
  'more rows': { change: (meta) => meta.set(3, thriftType.i64, 41n), tag: 'DamagedFile', says: /says 41 rows, but its row groups hold 40/ },
  'rows below zero': { change: (meta) => meta.set(3, thriftType.i64, -1n), tag: 'DamagedFile', says: /number of rows is -1/ },
  'rows of a group': { change: (meta) => meta.structs(4)![0]!.set(3, thriftType.i64, 2n ** 62n), tag: 'DamagedFile', says: /row group 0 is 4611686018427387904/ },
  'values of a column': { change: (meta) => chunkMeta(meta).set(5, thriftType.i64, 24n), tag: 'DamagedFile', says: /24 values for column bool in row group 0, which has 25 rows/ },
  'a chunk beyond the end': { change: (meta) => chunkMeta(meta).set(9, thriftType.i64, 10_000_000n), tag: 'DamagedFile', says: /column bool in row group 0 at bytes 10000000/ },
  'a chunk over the magic': { change: (meta) => chunkMeta(meta).set(9, thriftType.i64, 0n), tag: 'DamagedFile', says: /at bytes 0 to/ },
  'a huge chunk': { change: (meta) => chunkMeta(meta).set(7, thriftType.i64, 2n ** 40n), tag: 'DamagedFile', says: /column bool in row group 0 at bytes/ },
  'another physical type': { change: (meta) => chunkMeta(meta).set(1, thriftType.i32, 1), tag: 'DamagedFile', says: /physical type 1 where its schema says 0/ },
  'too few columns': {
    change: (meta) => {
      const group = meta.structs(4)![0]!;
      group.set(1, thriftType.list, { elementType: thriftType.struct, elements: group.structs(1)!.slice(1) });
    },
    tag: 'DamagedFile', says: /lists 27 columns in row group 0 where its schema has 28/,
  },
  'more children than elements': { change: (meta) => meta.structs(2)![0]!.set(5, thriftType.i32, 1_000_000), tag: 'DamagedFile', says: /1000000 children/ },
  'children that are missing': { change: (meta) => meta.structs(2)![0]!.set(5, thriftType.i32, 29), tag: 'DamagedFile', says: /ends too early/ },
  'LZO': { change: (meta) => chunkMeta(meta).set(4, thriftType.i32, 3), tag: 'Unsupported', says: /column bool is compressed with LZO/ },
  'a codec of the future': { change: (meta) => chunkMeta(meta).set(4, thriftType.i32, 99), tag: 'Unsupported', says: /compressed with number 99/ },
  'the wrong codec': { change: (meta) => chunkMeta(meta).set(4, thriftType.i32, 6), tag: 'DamagedFile', says: /row group 0, columns bool.*cannot be decoded/ },
  'encryption': { change: (meta) => meta.set(8, thriftType.struct, new ThriftStruct()), tag: 'Unsupported', says: /encrypted/ },
  'another file': { change: (meta) => meta.structs(4)![0]!.structs(1)![0]!.set(1, thriftType.binary, Buffer.from('part-2')), tag: 'Unsupported', says: /column bool in row group 0 is stored in another file/ },
  'rows that are not there': {
    change: (meta) => {
      const group = meta.structs(4)![0]!;
      meta.set(3, thriftType.i64, 2n ** 40n + 15n);
      group.set(3, thriftType.i64, 2n ** 40n);
      for (const chunk of group.structs(1)!) chunk.struct(3)!.set(5, thriftType.i64, 2n ** 40n);
    },
    tag: 'DamagedFile', says: /column bool: its pages hold 25 values where the footer says 1099511627776/,
  },
};

test('a footer that lies is found out before anything is decoded', async () => {
  const bytes = small();
  assert.equal((await readAll(withFooter(bytes, () => undefined))).rows, 40);
  for (const [lie, { change, tag, says }] of Object.entries(lies)) {
    await assert.rejects(readAll(withFooter(bytes, change)), (thrown) => thrown instanceof FeatureStoreError && thrown.tag === tag && says.test(thrown.message), lie);
  }
});

/** One page: its header, and as many bytes. */
function page(type: number, field: number, values: number, size: number, uncompressedSize = size): Uint8Array {
  const details = new ThriftStruct().set(1, thriftType.i32, values);
  const header = new ThriftStruct().set(1, thriftType.i32, type).set(2, thriftType.i32, uncompressedSize).set(3, thriftType.i32, size).set(field, thriftType.struct, details);
  return Buffer.concat([writeThrift(header), Buffer.alloc(size)]);
}

test('pages that lie are found out by their headers', () => {
  const chunk: ColumnChunk = { start: 4, end: 1_000, codec: 1, uncompressedBytes: 900, isCodes: false, statistics: {} };
  const [dictionary, data] = [page(2, 7, 5, 40), page(0, 5, 10, 30)];
  const check = (...pages: Uint8Array[]): number => checkPages(Buffer.concat(pages), chunk, 20).end;
  assert.equal(check(dictionary, data, data, Buffer.from('beyond the last value')), dictionary.length + 2 * data.length);
  const lies: [RegExp, Uint8Array[]][] = [
    [/hold 10 values where the footer says 20/, [dictionary, data]],
    [/hold 25 values where the footer says 20/, [data, page(0, 5, 15, 30)]],
    [/page 1 is a dictionary/, [data, dictionary, data]],
    [/page 0 claims 2000000000 bytes uncompressed where the whole column has 900/, [page(0, 5, 20, 30, 2_000_000_000)]],
    [/page 1 claims 30 bytes where 29 are left/, [data, data.subarray(0, -1)]],
    [/the dictionary claims 1000000 values in 40 bytes/, [page(2, 7, 1_000_000, 40), data, data]],
    [/page 0 claims -1 values/, [page(0, 5, -1, 30)]],
    [/page 0 has the type 9/, [page(9, 5, 20, 30)]],
    [/page 0 claims -1 and -1 bytes of levels/, [page(3, 8, 20, 30)]],
    [/the header of page 0 cannot be read/, [Buffer.alloc(50, 0xff)]],
  ];
  for (const [says, pages] of lies) assert.throws(() => check(...pages), (thrown) => thrown instanceof PageError && says.test(thrown.message), String(says));
});

test('an encrypted column is passed over, and the others are read', async () => {
  const bytes = withFooter(small(), (meta) => {
    for (const group of meta.structs(4)!) group.structs(1)![0]!.set(8, thriftType.struct, new ThriftStruct());
  });
  assert.equal((await readAll(bytes)).schema.fields.length, Object.keys(writable).length - 1);
  await assert.rejects(readAll(bytes, { columns: ['bool'] }), { tag: 'Unsupported', message: /column bool cannot be read: it is encrypted/ });
});

test('strange annotations and a strange embedded schema do no harm', async () => {
  const bytes = withFooter(small(), (meta) => {
    meta.set(5, thriftType.list, {
      elementType: thriftType.struct,
      elements: [new ThriftStruct().set(1, thriftType.binary, Buffer.from('ARROW:schema')).set(2, thriftType.binary, Buffer.from('/////xxxx')), new ThriftStruct()],
    });
    // Column 4 is int64: UTF-8 it cannot be.
    meta.structs(2)![5]!.set(6, thriftType.i32, 0).set(10, thriftType.struct, new ThriftStruct().set(1, thriftType.struct, new ThriftStruct()));
  });
  const { batches, schema } = await readAll(bytes);
  assert.equal(schema.fields[4]!.type.toString(), 'Int64');
  assert.deepEqual(cellsOf(batches, 'int64').slice(0, 4), [null, 1n, 2n, 3n]);
});

test('an embedded schema with any bit flipped is a hint at most', () => {
  const schema = new Schema(Object.entries(writable).map(([name, type]) => new Field(name, type, true)));
  const sound = embeddedTypes(embeddedSchema(schema));
  assert.deepEqual([...sound.keys()].filter((name) => !/int|half/.test(name)), ['largeUtf8', 'largeBinary', 'date64', 's', 'ms', 'us', 'ns', 'sZone', 'msZone', 'usZone', 'nsZone']);
  assert.deepEqual(sound.get('nsZone'), { kind: 'timestamp', unit: 3, timezone: 'America/New_York' });
  const bytes = Buffer.from(embeddedSchema(schema), 'base64');
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    assert.ok(embeddedTypes(bytes.toString('base64')).size <= schema.fields.length);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
  }
  for (const text of ['', '////', 'no base64 at all', undefined]) assert.equal(embeddedTypes(text).size, 0);
});

test('Thrift: what is read is written back byte for byte, unknown fields too', () => {
  const everything = new ThriftStruct();
  const inner = new ThriftStruct().set(300, thriftType.i32, -5).set(1, thriftType.true, false);
  const fields: [number, number, ThriftValue][] = [
    [1, thriftType.true, true], [2, thriftType.true, false], [3, thriftType.i8, -128], [4, thriftType.i16, -32_768], [5, thriftType.i32, -(2 ** 31)],
    [6, thriftType.i64, -(2n ** 63n)], [7, thriftType.i64, 2n ** 63n - 1n], [8, thriftType.double, -0.5], [9, thriftType.binary, Uint8Array.of(1, 2, 255)],
    [40, thriftType.list, { elementType: thriftType.i32, elements: Array.from({ length: 20 }, (_, i) => i - 10) }],
    [41, thriftType.list, { elementType: thriftType.struct, elements: [inner, new ThriftStruct()] }],
    [42, thriftType.map, { keyType: thriftType.binary, valueType: thriftType.i64, entries: [[Uint8Array.of(7), 1n]] }],
    [43, thriftType.map, { keyType: 0, valueType: 0, entries: [] }],
    [44, thriftType.set, { elementType: thriftType.false, elements: [true, false] }],
    [45, thriftType.uuid, new Uint8Array(16).fill(9)],
  ];
  for (const field of fields) everything.set(...field);
  const bytes = writeThrift(everything);
  const { value, end } = readThrift(bytes);
  assert.equal(end, bytes.length);
  assert.deepEqual(writeThrift(value), bytes);
  assert.deepEqual([value.bool(2), value.int(3), value.int(5), value.long(6), value.long(7), value.ints(40)![19]], [false, -128, -(2 ** 31), -(2n ** 63n), 2n ** 63n - 1n, 9]);
  assert.equal(value.int(6), undefined);
});

test('Thrift: integers of 64 bits of every length, and lists in steps, are what they are at once', () => {
  const powers = Array.from({ length: 64 }, (_, bits) => 1n << BigInt(bits)).flatMap((power) => [power - 1n, power, power + 1n, -power, 1n - power, -power - 1n]);
  const longs = powers.filter((value) => BigInt.asIntN(64, value) === value);
  const elements = Array.from({ length: 60 }, () => new ThriftStruct().set(1, thriftType.list, { elementType: thriftType.i64, elements: longs }));
  const bytes = writeThrift(new ThriftStruct().set(1, thriftType.i32, 7).set(2, thriftType.list, { elementType: thriftType.struct, elements }).set(3, thriftType.true, true));
  const { value } = readThrift(bytes);
  for (const struct of value.structs(2)!) assert.deepEqual(struct.longs(1), longs);
  const steps = readingThrift(bytes);
  let turns = 0;
  let step = steps.next();
  for (; !step.done; step = steps.next()) turns++;
  assert.ok(turns > 10, `${turns} turns`);
  assert.deepEqual(step.value, value);
});

test('Thrift: hostile bytes are refused without delay', () => {
  const refused = (bytes: number[] | Uint8Array, why: RegExp): void => assert.throws(() => readThrift(Uint8Array.from(bytes)), why);
  refused([], /ends within a value/);
  refused([0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07], /claims 2147483647 values/);
  refused([0x18, 0xff, 0xff, 0xff, 0xff, 0x07], /claims 2147483647 bytes/);
  refused(Array<number>(100_000).fill(0x1c), /nested deeper/);
  refused(Array<number>(100_000).fill(0x19), /nested deeper/);
  refused([0x16, ...Array<number>(11).fill(0xff)], /longer than 64 bits/);
  refused([0x15, ...Array<number>(6).fill(0xff)], /longer than 32 bits/);
  refused([0x1e, 0], /no type 14/);
});

/** What an ORC file may ask for in vain: columns that are not flat, and blocks that would fill the memory. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { deflateRawSync } from 'node:zlib';
import { DamagedFileError, UnsupportedError } from '../../../src/base/errors.ts';
import { decompress } from '../../../src/store/orc/decompress.ts';
import { encodeOrc } from '../../../src/store/orc/encode.ts';
import { compressionKind, footerCodec, postScriptCodec, typeKind } from '../../../src/store/orc/metadata.ts';
import { decodeMessage, encodeMessage } from '../../../src/store/orc/protobuf.ts';
import { batchFrom, cellsOf, writable } from '../parquet/support.ts';
import { readOrc } from './support.ts';

test('a list, map, struct or union is recognised, passed over, and refused by name when it is asked for', async () => {
  const batch = batchFrom({ n: { type: writable.int32!, cells: [1, null, 3] }, other: { type: writable.int32!, cells: [4, 5, 6] } });
  const bytes = encodeOrc(batch.schema, [batch], { compression: 'none' });
  const end = bytes.length - 1 - bytes.at(-1)!;
  const postScript = decodeMessage(postScriptCodec, bytes.subarray(end, bytes.length - 1), 't', 'postscript');
  const footer = decodeMessage(footerCodec, bytes.subarray(end - postScript.footerLength!, end), 't', 'footer');
  for (const kind of ['list', 'map', 'struct', 'union', 'geometry'] as const) {
    const types = footer.types.map((type, id) => (id === 2 ? { ...type, kind: typeKind[kind] } : type));
    const words = encodeMessage(footerCodec, { ...footer, types });
    const closing = encodeMessage(postScriptCodec, { ...postScript, footerLength: words.length });
    const changed = Uint8Array.from([...bytes.subarray(0, end - postScript.footerLength!), ...words, ...closing, closing.length]);
    const read = await readOrc(changed);
    assert.deepEqual([read.schema.fields.map(({ name }) => name), read.passedOver, cellsOf(read.batches, 'n')], [['n'], ['other'], [1, null, 3]], kind);
    await assert.rejects(readOrc(changed, { columns: ['other'] }), (thrown) => thrown instanceof UnsupportedError && thrown.message.includes('column other') && thrown.message.includes(kind));
  }
});

/** Blocks of 60,000 bytes when they are unpacked. */
const large = Buffer.from('hello world '.repeat(5_000));
const lz4 = Buffer.concat([Buffer.from([0xcf]), Buffer.from('hello world '), Buffer.from([12, 0]), Buffer.alloc(235, 255), Buffer.from([59_988 - 19 - 235 * 255])]);
const copies = Array.from({ length: Math.ceil(59_988 / 64) }, (_, i) => Math.min(64, 59_988 - 64 * i));
const snappy = Buffer.concat([Buffer.from([0xe0, 0xd4, 0x03, 11 << 2]), Buffer.from('hello world '), ...copies.map((length) => Buffer.from([((length - 1) << 2) | 2, 12, 0]))]);
const zstd = Buffer.from('28b52ffd6060e9a500006068656c6c6f20776f726c6420010051eaeb2509', 'hex');

for (const [name, block] of Object.entries({ zlib: deflateRawSync(large), lz4, snappy, zstd })) {
  test(`${name}: a block is no larger than the file says that blocks are`, () => {
    const stored = Uint8Array.from([...[0, 8, 16].map((shift) => ((block.length << 1) >> shift) & 255), ...block]);
    const unpack = (blockSize: number) => decompress({ file: 't.orc', stream: 'data' }, { kind: compressionKind[name as 'zlib'], blockSize }, stored);
    assert.ok(large.equals(unpack(large.length)));
    for (const size of [1, 1_000, large.length - 1]) assert.throws(() => unpack(size), DamagedFileError, `${size} bytes`);
  });
}

test('a small block that would become gigabytes is refused at once', () => {
  const block = deflateRawSync(new Uint8Array(1 << 26));
  assert.ok(block.length < 100_000);
  const stored = Uint8Array.from([...[0, 8, 16].map((shift) => ((block.length << 1) >> shift) & 255), ...block]);
  const before = process.memoryUsage().rss;
  assert.throws(() => decompress({ file: 't.orc', stream: 'data' }, { kind: compressionKind.zlib, blockSize: 1 << 18 }, stored), DamagedFileError);
  assert.ok(process.memoryUsage().rss - before < 32 * 1024 * 1024);
});

/** The messages of an ORC file: what is written is read back, and hostile bytes are damage and nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DamagedFileError } from '../../../src/base/errors.ts';
import {
  bloomFilterIndexCodec, columnStatisticsCodec, compressionKind, footerCodec, metadataCodec, orcMagic, postScriptCodec, rowIndexCodec,
  stripeFooterCodec, streamKind, typeKind,
} from '../../../src/store/orc/metadata.ts';
import { type Codec, decodeMessage, encodeMessage } from '../../../src/store/orc/protobuf.ts';

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const decode = <Message>(codec: Codec<Message>, bytes: Uint8Array): Message => decodeMessage(codec, bytes, 't.orc', 'footer');

test('a postscript is read as others write it', () => {
  // Of a file of 0.12 with zlib and 256 KiB blocks: fields 1 to 6, the version packed, and the magic in field 8000.
  const bytes = hex('08 2e 10 01 18 80 80 10 22 02 00 0c 28 10 30 09 82 f4 03 03 4f 52 43');
  const postScript = decode(postScriptCodec, bytes);
  assert.deepEqual(postScript, {
    footerLength: 46, compression: compressionKind.zlib, compressionBlockSize: 262_144, version: [0, 12], metadataLength: 16, writerVersion: 9, magic: orcMagic,
  });
  assert.deepEqual(new Uint8Array(encodeMessage(postScriptCodec, postScript)), bytes);
});

test('statistics keep all 64 bits, signs and nanoseconds', () => {
  const cases = [
    { numberOfValues: 3, integers: { minimum: -(2n ** 63n), maximum: 2n ** 63n - 1n, sum: -1n }, hasNull: true },
    { numberOfValues: 2 ** 53 - 1, doubles: { minimum: -0.1, maximum: Number.POSITIVE_INFINITY, sum: 5e-324 }, hasNull: false },
    { strings: { minimum: '', maximum: 'žluťoučký \u{1f40e}', sum: 21n, lowerBound: 'a', upperBound: '\ufeffb' } },
    { buckets: { count: [7] } },
    { decimals: { minimum: '-1.5', maximum: '99999999999999999999999999999999999999', sum: '0' } },
    { dates: { minimum: -719_162, maximum: 2 ** 31 - 1 } },
    { dates: { minimum: -(2 ** 31), maximum: -1 } },
    { binaries: { sum: 12n } },
    { timestamps: { minimum: -1n, maximum: 1n, minimumUtc: -62_135_596_800_000n, maximumUtc: 2n ** 62n, minimumNanos: 1, maximumNanos: 999_999 } },
    { timestamps: { minimumNanos: -1 } },
    { collections: { minChildren: 0, maxChildren: 9, totalChildren: 30 }, bytesOnDisk: 4096 },
  ];
  for (const statistics of cases) assert.deepEqual(decode(columnStatisticsCodec, encodeMessage(columnStatisticsCodec, statistics)), statistics);
});

test('every message comes back as it was written', () => {
  const footer = {
    headerLength: 3, contentLength: 2 ** 40, numberOfRows: 2 ** 33, rowIndexStride: 10_000, writer: 1, calendar: 2, softwareVersion: 'v',
    stripes: [{ offset: 3, indexLength: 1, dataLength: 2, footerLength: 3, numberOfRows: 4, encryptedLocalKeys: [] }],
    types: [
      { kind: typeKind.struct, subtypes: [1, 2], fieldNames: ['a', ''], attributes: [] },
      { kind: typeKind.decimal, subtypes: [], fieldNames: [], precision: 38, scale: 2, attributes: [{ key: 'k', value: 'v' }] },
      { kind: typeKind.varchar, subtypes: [], fieldNames: [], maximumLength: 0xffff_ffff, attributes: [] },
    ],
    metadata: [{ name: 'key', value: hex('00ff80') }],
    statistics: [{ numberOfValues: 0 }],
    encryption: { keys: [{ name: 'pii', version: 1, algorithm: 1 }], variants: [{ root: 1, key: 0 }] },
  };
  assert.deepEqual(decode(footerCodec, encodeMessage(footerCodec, footer)), footer);
  const stripeFooter = {
    streams: [{ kind: streamKind.present, column: 1, length: 20 }],
    columns: [{ kind: 3, dictionarySize: 12, bloomEncoding: 1 }],
    writerTimezone: 'UTC', encryption: [{ streams: [], encoding: [{ kind: 0 }] }],
  };
  assert.deepEqual(decode(stripeFooterCodec, encodeMessage(stripeFooterCodec, stripeFooter)), stripeFooter);
  const metadata = { stripeStatistics: [{ columns: [{ numberOfValues: 1 }, {}] }, { columns: [] }] };
  assert.deepEqual(decode(metadataCodec, encodeMessage(metadataCodec, metadata)), metadata);
  const rowIndex = { entries: [{ positions: [0, 300, 2 ** 50], statistics: { hasNull: true } }, { positions: [] }] };
  assert.deepEqual(decode(rowIndexCodec, encodeMessage(rowIndexCodec, rowIndex)), rowIndex);
  const bloom = { filters: [{ hashFunctions: 4, bits: [2n ** 64n - 1n, 0n], utf8Bits: hex('0102') }] };
  assert.deepEqual(decode(bloomFilterIndexCodec, encodeMessage(bloomFilterIndexCodec, bloom)), bloom);
});

test('what the format allows is read: unknown fields, lists packed or not, the last of two values, a message in parts', () => {
  const unknown = 'a00601 a106 0000000000000000 a20602abcd a506 00000000';
  assert.deepEqual(decode(postScriptCodec, hex(`${unknown} 0805 2000 200c 0806 ${unknown}`)), { footerLength: 6, version: [0, 12] });
  // int_statistics twice: minimum 1, then maximum 2.
  assert.deepEqual(decode(columnStatisticsCodec, hex('1202 0802 1202 1004')), { integers: { minimum: 1n, maximum: 2n } });
});

test('what is no message is damage, and says which file and part', () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['08', /it ends within a value/],
    ['08ffffffffffffffffffff01', /longer than ten bytes/],
    ['08ffffffffffffffffff01', /18446744073709551615 is not a size/],
    ['10ffffffff1f', /8589934591 does not fit 32 bits/],
    ['0a00', /field footerLength has the wire type 2, not 0/],
    ['0b', /field footerLength has the wire type 3/],
    ['a306', /there is no wire type 3/],
    ['0001', /the id 0/],
    ['22ffffffff0f00', /4294967295 bytes are wanted/],
  ];
  for (const [bytes, reason] of wrong) {
    assert.throws(() => decode(postScriptCodec, hex(bytes)), (thrown) => {
      assert.ok(thrown instanceof DamagedFileError);
      assert.match(thrown.message, /^t\.orc: the footer is not what ORC writes: /);
      assert.match(thrown.message, reason);
      return true;
    });
  }
});

test('random bytes and flipped bits are a message or damage', () => {
  const codecs: readonly Codec<unknown>[] = [postScriptCodec, footerCodec, metadataCodec, stripeFooterCodec, rowIndexCodec, bloomFilterIndexCodec] as never;
  const survives = (bytes: Uint8Array): void => {
    for (const codec of codecs) {
      try {
        decode(codec, bytes);
      } catch (thrown) {
        assert.ok(thrown instanceof DamagedFileError, String(thrown));
      }
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), survives), { numRuns: 2_000 });
  const sound = encodeMessage(rowIndexCodec, { entries: [{ positions: [0, 300], statistics: { integers: { minimum: -5n, maximum: 2n ** 60n } } }] });
  for (let bit = 0; bit < 8 * sound.length; bit++) survives(sound.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte)));
});

test('a message of very many values is refused before it fills the memory', () => {
  const bytes = new Uint8Array(8_000_010);
  for (let i = 0; i < bytes.length; i += 2) bytes[i] = 0x0a;
  assert.throws(() => decode(metadataCodec, bytes), /more than 4000000 values/);
});

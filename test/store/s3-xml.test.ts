/** The XML of S3's answers: read as it is, or refused. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { StorageError } from '../../src/base/errors.ts';
import { readListing } from '../../src/store/s3/listing.ts';
import { childText, parseXml } from '../../src/store/s3/xml.ts';

const listing = (inside: string): Uint8Array =>
  Buffer.from(`<?xml version="1.0"?><ListBucketResult xmlns="x"><IsTruncated>false</IsTruncated>${inside}</ListBucketResult>`);
const object = '<Contents><Key>p/a&amp;b</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>&quot;e&quot;</ETag><Size>12</Size></Contents>';

it('a page of a listing becomes plain values, its times whole seconds', () => {
  const { objects, folders, next } = readListing('here', 'p/', listing(`${object}<CommonPrefixes><Prefix>p/f/</Prefix></CommonPrefixes>`));
  assert.deepEqual(objects, [{ key: 'p/a&b', size: 12, modifiedNs: BigInt(Date.UTC(2026, 0, 2, 3, 4, 5)) * 1_000_000n, etag: '"e"' }]);
  assert.deepEqual([folders, next], [['p/f/'], undefined]);
});

it('any text comes back from its entities', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const written = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replace(/[>"']/g, (one) => `&#x${one.charCodeAt(0).toString(16)};`);
      assert.equal(childText(parseXml(`<a><b>${written}</b><c/></a>`), 'b'), text);
    }),
  );
});

it('an answer that was cut, anywhere, never reads as a shorter one', () => {
  const whole = listing(object + object);
  for (let end = 0; end < whole.length; end++) assert.throws(() => readListing('here', 'p/', whole.subarray(0, end)), StorageError, `${end}`);
});

it('what is no XML, or asks for more than text, is refused', () => {
  const wrong = ['', 'x', '<a>', '<a></b>', '</a>', '<a/><b/>', '<a/>x', '<a>&b;</a>', '<a>&#x110000;</a>', '<a>&</a>', '<a b=c/>', '<a><</a>', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', '<a>'.repeat(100)];
  for (const text of wrong) assert.throws(() => parseXml(text), SyntaxError, text);
});

it('a listing that makes no sense is refused, naming what is wrong', () => {
  const cases: [string, RegExp][] = [
    [object.replace('p/', 'q/'), /is not a key under "p\/"/],
    [object.replace('12', '-1'), /has no size/],
    [object.replace('2026', 'x'), /has no size, time or ETag/],
    [`<EncodingType>url</EncodingType>${object.replace('&amp;', '%')}`, /is not a key/],
  ];
  for (const [inside, message] of cases) assert.throws(() => readListing('here', 'p/', listing(inside)), message);
  assert.throws(() => readListing('here', '', Buffer.from('<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>')), /there is more, and not where/);
});

/**
 * Pages under codecs other than Snappy, for the few chunks that only our decoder reads. All others go to a decoder that unpacks them itself.
 *
 * Law: no page becomes larger than its header says.
 */
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { unpackLz4 } from '../orc/decompress.ts';
import { unpackZstd } from '../orc/zstd.ts';

type Unpack = (packed: Uint8Array, most: number) => Uint8Array;

const unpacks: Readonly<Record<number, Unpack>> = {
  2: (packed, most) => gunzipSync(packed, { maxOutputLength: most }),
  4: (packed, most) => brotliDecompressSync(packed, { maxOutputLength: most }),
  6: unpackZstd,
  7: unpackLz4,
};

export function isUnpackable(codec: number): boolean {
  return unpacks[codec] !== undefined;
}

/** Undefined where the page is not sound. Its bytes may be shared with other threads. */
export function tryUnpack(codec: number, packed: Uint8Array, bytes: number): Uint8Array | undefined {
  try {
    const content = unpacks[codec]!(packed.slice(), Math.max(bytes, 1));
    return content.length === bytes ? content : undefined;
  } catch {
    return undefined;
  }
}

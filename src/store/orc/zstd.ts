/**
 * Zstandard blocks: by Node where it has that (22.15 and later), else by fzstd, which is loaded by the first block that needs it.
 *
 * Law: no block becomes larger than told, nor is more memory taken for it than a frame may ask of every decoder (8 MiB).
 * Frames are described in RFC 8878.
 */
import { createRequire } from 'node:module';
import * as zlib from 'node:zlib';
import type * as Fzstd from 'fzstd';

const native = (zlib as { zstdDecompressSync?: (block: Uint8Array, options: { maxOutputLength: number }) => Uint8Array }).zstdDecompressSync;
const windowMax = 8 * 1024 * 1024;
const frameMagic = 0xfd2fb528;

let fzstd: typeof Fzstd | undefined;

export function unpackZstd(block: Uint8Array, most: number): Uint8Array {
  return native === undefined ? unpackFrames(block, most) : native(block, { maxOutputLength: most });
}

/** In JavaScript. Throws RangeError, or an Error of the decoder. */
export function unpackFrames(block: Uint8Array, most: number): Uint8Array {
  checkFrame(block, most);
  fzstd ??= createRequire(import.meta.url)('fzstd') as typeof Fzstd;
  const chunks: Uint8Array[] = [];
  let size = 0;
  const stream = new fzstd.Decompress((chunk) => {
    size += chunk.length;
    if (size > most) throw new RangeError(`it has more than ${most} bytes`);
    chunks.push(chunk);
  });
  stream.push(block, true);
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

function checkFrame(block: Uint8Array, most: number): void {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  if (block.length < 6 || view.getUint32(0, true) !== frameMagic) throw new RangeError('it is no Zstandard frame');
  const descriptor = block[4]!;
  const isSingle = (descriptor & 32) !== 0;
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  if (!isSingle) {
    const base = 2 ** (10 + (block[5]! >> 3));
    if (base + (base / 8) * (block[5]! & 7) > windowMax) throw new RangeError('it asks for a larger window than 8 MiB');
  }
  const at = 5 + (isSingle ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!;
  if (at + sizeBytes > block.length) throw new RangeError('it ends too early');
  let size = sizeBytes === 2 ? 256 : 0;
  for (let i = 0; i < sizeBytes; i++) size += block[at + i]! * 256 ** i;
  if (size > most) throw new RangeError(`it claims ${size} bytes, and blocks have ${most} at most`);
}

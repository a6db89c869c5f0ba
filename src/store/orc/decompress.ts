/**
 * Streams of ORC as they were before compression: blocks, each behind a header of three bytes.
 *
 *   | length · 2 + (1: stored as it is), 3 bytes, low first | so many bytes | …          none: no headers at all
 *
 * Law: no block becomes larger than the postscript's block size, whatever it claims.
 */
import { brotliDecompressSync, inflateRawSync } from 'node:zlib';
import { UnsupportedError } from '../../base/errors.ts';
import { borrowPageMemory } from '../parquet/page-memory.ts';
import { damaged, type StreamName } from './decode-runs.ts';
import { compressionKind } from './metadata.ts';
import { unpackZstd } from './zstd.ts';

export interface Compression {
  readonly kind: number;
  readonly blockSize: number;
}

/** Offsets have 31 bits. */
const streamBytesMax = 2 ** 31 - 1;

type Unpack = (block: Uint8Array, most: number) => Uint8Array;

const unpackers: Readonly<Record<number, Unpack | undefined>> = {
  [compressionKind.zlib]: (block, most) => inflateRawSync(block, { maxOutputLength: most, chunkSize: Math.max(64, most) }),
  [compressionKind.snappy]: unpackSnappy,
  [compressionKind.lz4]: unpackLz4,
  [compressionKind.brotli]: (block, most) => brotliDecompressSync(block, { maxOutputLength: most }),
  [compressionKind.zstd]: unpackZstd,
};

/** Throws UnsupportedError, naming the compression, where it cannot be undone here. */
export function checkCompression(file: string, kind: number): void {
  if (kind === compressionKind.none || unpackers[kind] !== undefined) return;
  const name = Object.entries(compressionKind).find(([, number]) => number === kind)?.[0] ?? `number ${kind}`;
  throw new UnsupportedError(file, `compression ${name}`, `it is compressed with ${name}, which cannot be read here; write it again with zlib or snappy`);
}

/** What stands before each block. */
export const blockHeaderBytes = 3;

export function decompress(name: StreamName, compression: Compression, bytes: Uint8Array): Uint8Array {
  return compression.kind === compressionKind.none ? plainBytes(bytes) : decompressBlocks(name, compression, bytes).bytes;
}

/**
 * Blocks one after the other, and where each begins: by its place among the stored bytes, in what they are. Where the stored
 * bytes were cut off behind what is needed, `enough` says what that is: so many bytes from the start of that block on.
 */
export function decompressBlocks(
  name: StreamName, { kind, blockSize }: Compression, bytes: Uint8Array, enough?: { readonly block: number; readonly bytes: number },
): { readonly bytes: Uint8Array; readonly begins: ReadonlyMap<number, number> } {
  const unpack = unpackers[kind]!;
  const blocks: Uint8Array[] = [];
  const begins = new Map<number, number>();
  let [at, size] = [0, 0];
  for (; at < bytes.length; ) {
    const begin = enough && begins.get(enough.block);
    if (begin !== undefined && size - begin >= enough!.bytes) break;
    begins.set(at, size);
    const header = at + blockHeaderBytes > bytes.length ? undefined : bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
    const [start, end] = [at + blockHeaderBytes, at + blockHeaderBytes + ((header ?? 0) >> 1)];
    if (header === undefined || end > bytes.length) {
      // Cut off. Whether what is wanted is there shows when it is decoded.
      if (enough !== undefined && at > enough.block) break;
      throw damaged(name, header === undefined ? 'it ends within the header of a block' : `a block of ${header >> 1} bytes reaches beyond its end`);
    }
    const block = bytes.subarray(start, end);
    if ((header & 1) === 1) {
      blocks.push(block);
    } else {
      try {
        blocks.push(unpack(block, blockSize));
      } catch (thrown) {
        throw damaged(name, `a block cannot be decompressed (${thrown instanceof Error ? thrown.message : String(thrown)})`);
      }
    }
    at = end;
    size += blocks.at(-1)!.length;
    if (size > streamBytesMax) throw damaged(name, `it has more than ${streamBytesMax} bytes`);
  }
  begins.set(at, begins.get(at) ?? size);
  const whole = blocks.length === 1 ? blocks[0]! : Buffer.concat(blocks);
  return { bytes: plainBytes(whole), begins };
}

/** No Buffer, whose slices would not be copies. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** By the kernel of the Parquet pages. Its own length stands first. */
function unpackSnappy(block: Uint8Array, most: number): Uint8Array {
  let size = 0;
  for (let at = 0, shift = 0; ; shift += 7) {
    const byte = byteAt(block, at++);
    size += (byte & 127) * 2 ** shift;
    if (byte < 128) break;
    if (shift > 28) throw new RangeError('its length is no length');
  }
  if (size > most) throw new RangeError(`it claims ${size} bytes, and blocks have ${most} at most`);
  const memory = borrowPageMemory();
  const [from, to] = [{ at: 0, bytes: 0 }, { at: 0, bytes: 0 }];
  const [source, target] = [memory.fit(from, block.length), memory.fit(to, size)];
  memory.put(block, source);
  const isSound = memory.kernels.unsnap(source, block.length, target, size) === 1;
  const out = new Uint8Array(memory.copyForKeeps(target, size));
  memory.giveBack();
  if (!isSound) throw new RangeError('it is no Snappy');
  return out;
}

/** After the description of LZ4's block format. */
export function unpackLz4(block: Uint8Array, most: number): Uint8Array {
  const out = new Uint8Array(most);
  let [at, next] = [0, 0];
  const lengthOf = (nibble: number): number => {
    let length = nibble;
    for (let byte = nibble === 15 ? 255 : 0; byte === 255; length += byte) byte = byteAt(block, at++);
    return length;
  };
  while (at < block.length) {
    const token = block[at++]!;
    const literals = lengthOf(token >> 4);
    if (at + literals > block.length || next + literals > most) throw new RangeError('a literal reaches beyond its end');
    out.set(block.subarray(at, at + literals), next);
    at += literals;
    next += literals;
    if (at >= block.length) break;
    const distance = byteAt(block, at) + byteAt(block, at + 1) * 256;
    at += 2;
    next = copyBack(out, next, distance, lengthOf(token & 15) + 4);
  }
  return out.subarray(0, next);
}

function copyBack(out: Uint8Array, next: number, distance: number, length: number): number {
  if (distance === 0 || distance > next || next + length > out.length) throw new RangeError('a copy reaches beyond what there is');
  if (distance >= length) out.copyWithin(next, next - distance, next - distance + length);
  else for (let i = 0; i < length; i++) out[next + i] = out[next + i - distance]!;
  return next + length;
}

function byteAt(bytes: Uint8Array, at: number): number {
  if (at >= bytes.length) throw new RangeError('it ends too early');
  return bytes[at]!;
}

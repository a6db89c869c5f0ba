/**
 * Streams in blocks, each compressed on its own, so that a reader can begin at any of them.
 *
 *   | size << 1 | is original, 3 bytes, little-endian | compressed or original bytes | …
 *
 * Without compression there are no blocks. Law: a block that would grow is stored as it is.
 */
import * as zlib from 'node:zlib';
import { invariant, UnsupportedError } from '../../base/errors.ts';
import { withKernelMemory } from './kernel-memory.ts';
import { compressionKind } from './metadata.ts';

export type OrcCompression = 'zlib' | 'snappy' | 'zstd' | 'none';

/** What other writers take: large enough to compress well, and far below the 8 MiB that a size can say. */
export const blockBytes = 262_144;

/** The level at which other ORC writers balance speed and size. */
const zlibLevel = 2;

export interface Compressed {
  readonly bytes: Uint8Array;
  /** Where each block starts in `bytes`, and the end; undefined without compression. */
  readonly blocks: readonly number[] | undefined;
}

export function compress(bytes: Uint8Array, compression: OrcCompression): Compressed {
  if (compression === 'none') return { bytes, blocks: undefined };
  const parts: Uint8Array[] = [];
  const blocks = [0];
  for (let start = 0; start < bytes.length; start += blockBytes) {
    const original = bytes.subarray(start, start + blockBytes);
    const smaller = compressBlock(original, compression);
    const stored = smaller.length < original.length ? smaller : original;
    const header = (stored.length << 1) | (stored === original ? 1 : 0);
    parts.push(new Uint8Array([header, header >> 8, header >> 16]), stored);
    blocks.push(blocks.at(-1)! + 3 + stored.length);
  }
  return { bytes: Buffer.concat(parts), blocks };
}

/** A position in a stream, as readers seek to it: the block and the byte in it, or the byte alone. */
export function positionOf(byte: number, { blocks }: Compressed): readonly number[] {
  if (blocks === undefined) return [byte];
  // The end of a last block that is not full is a place in it; that of a full one is where the next would start.
  const block = Math.floor(byte / blockBytes);
  return [blocks[block]!, byte - block * blockBytes];
}

function compressBlock(bytes: Uint8Array, compression: Exclude<OrcCompression, 'none'>): Uint8Array {
  switch (compression) {
    case 'zlib':
      return zlib.deflateRawSync(bytes, { level: zlibLevel, chunkSize: bytes.length + 1_024 });
    case 'snappy':
      return withKernelMemory((memory) => {
        const from = memory.put(bytes);
        const to = memory.reserve(bytes.length + Math.ceil(bytes.length / 6) + 32);
        return memory.copy(to, memory.kernels.snap(from, bytes.length, to));
      });
    case 'zstd':
      invariant(zstd !== undefined, 'Zstandard was not asked for before');
      return zstd(bytes);
  }
}

/** Node.js has it from 22.15 on. */
const zstd = (zlib as { readonly zstdCompressSync?: (bytes: Uint8Array) => Uint8Array }).zstdCompressSync;

/** The number for the postscript. Refuses what this runtime cannot write. */
export function compressionCode(compression: OrcCompression): number {
  if (compression === 'zstd' && zstd === undefined) {
    throw new UnsupportedError('compression', 'zstd', `zstd needs Node.js 22.15 or later, this is ${process.version}; use zlib or snappy`);
  }
  return compressionKind[compression];
}

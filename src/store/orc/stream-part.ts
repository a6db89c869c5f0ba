/**
 * The part of a stream that some row groups need: which stored bytes to fetch, and what they are decompressed.
 *
 *   stored   | block | block | block | block | …          of these only the blocks from where the first group
 *                ^ start          ^ end                   begins to where the run ends that the next group begins in
 *
 * Law: the bytes hold all values of the groups, or decoding them ends in DamagedFileError: whether the runs are where the index
 * says is checked there.
 */
import type { ByteRange } from '../parquet/footer.ts';
import { damaged, type StreamName, type StreamPart } from './decode-runs.ts';
import { blockHeaderBytes, type Compression, decompressBlocks, plainBytes } from './decompress.ts';
import { compressionKind } from './metadata.ts';
import type { IndexedStream, Position } from './row-index.ts';

/** Of one stream, the positions of all row groups. */
export interface StreamPositions {
  readonly stream: IndexedStream;
  readonly all: readonly Position[];
}

/** More than the longest run takes: 512 values of eight bytes, their patches and headers. */
const runBytesMax = 8_192;

/** The stored bytes, counted from the start of the stream, that hold row groups [start, end). */
export function storedRange({ stream, all }: StreamPositions, start: number, end: number, length: number, { kind, blockSize }: Compression): ByteRange {
  const [first, next] = [all[start]!, all[end]];
  if (next === undefined) return { start: kind === compressionKind.none ? first.byte : first.block, end: length };
  // What comes before a run that begins with the next group is complete without it.
  const slack = stream.form === 'plain' || next.skip === 0 ? 0 : runBytesMax;
  if (kind === compressionKind.none) return { start: first.byte, end: Math.min(length, next.byte + slack) };
  if (next.byte + slack === 0) return { start: first.block, end: Math.min(length, next.block) };
  const blocks = 1 + Math.ceil(slack / blockSize);
  // Where blocks begin is known of those that a group begins in.
  const begins = [...new Set(all.map(({ block }) => block))].filter((block) => block > next.block).sort((a, b) => a - b);
  return { start: first.block, end: Math.min(length, next.block + blocks * (blockSize + blockHeaderBytes), begins[blocks - 1] ?? length) };
}

/** The values of row groups [start, end) from the stored bytes of `storedRange`. */
export function streamPart(name: StreamName, { stream, all }: StreamPositions, start: number, end: number, stored: Uint8Array, compression: Compression): StreamPart {
  const [first, next] = [all[start]!, all[end]];
  if (compression.kind === compressionKind.none) {
    const at = next === undefined ? stored.length : next.byte - first.byte;
    return partOf(name, plainBytes(stored), first, stream, next, at);
  }
  const { bytes, begins } = decompressBlocks(name, compression, stored, next === undefined ? undefined : { block: next.block - first.block, bytes: next.byte + runBytesMax });
  const begin = next === undefined ? undefined : begins.get(next.block - first.block);
  if (next !== undefined && begin === undefined) throw damaged(name, 'the row index names a block that is none');
  if (first.byte > bytes.length) throw damaged(name, `the row index names byte ${first.byte} of ${bytes.length}`);
  const at = (next === undefined ? bytes.length : begin! + next.byte) - first.byte;
  return partOf(name, bytes.subarray(first.byte), first, stream, next, at);
}

function partOf(name: StreamName, bytes: Uint8Array, { skip }: Position, { form }: IndexedStream, next: Position | undefined, at: number): StreamPart {
  if (at < 0 || at > bytes.length) throw damaged(name, 'the row index names places that are not in order');
  // The last byte of bits is filled up, so that where the last group ends is not told.
  if (next === undefined && form === 'bits') return { bytes, skip };
  return { bytes, skip, end: { at, skip: next?.skip ?? 0 } };
}

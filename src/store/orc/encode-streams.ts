/**
 * A column's values in a stripe, and the streams that ORC makes of them.
 *
 * Streams hold the values that are there, without gaps; which rows those are stands in a stream of its own, the present
 * stream. Runs end where a row group ends, so that a reader who begins at a row group has a whole run before it.
 */
import type { Data } from '../../arrow/arrow.ts';
import { countBits } from '../../arrow/build.ts';
import { streamKind } from './metadata.ts';
import type { KernelMemory } from './kernel-memory.ts';

/** What other writers take, and readers assume where nothing is said. */
export const rowGroupRows = 10_000;

export interface EncodedStream {
  readonly kind: number;
  readonly bytes: Uint8Array;
  /** By row group where it starts: the byte, then what a reader has to skip from there. Absent: it is read as a whole. */
  readonly starts?: readonly (readonly number[])[];
}

/** Which rows of a stripe have a value. */
export interface Presence {
  /** Arrow's bitmap; undefined when all have one. */
  readonly validity: Uint8Array | undefined;
  readonly rows: number;
  /** How many values there are before each row group, and at the end. */
  readonly starts: readonly number[];
}

/** `data` is plain: its bits start at 0, and it has a bitmap only where there is a null. */
export function presenceOf(data: Data, isAllNull: boolean): Presence {
  const rows = data.length;
  const validity = isAllNull ? new Uint8Array((rows + 7) >> 3) : data.nullCount > 0 ? data.nullBitmap! : undefined;
  const starts = [0];
  for (let row = 0; row < rows; row += rowGroupRows) {
    const count = Math.min(rowGroupRows, rows - row);
    // A row group is a whole number of bytes of the bitmap.
    starts.push(starts.at(-1)! + (validity === undefined ? count : countBits(validity.subarray(row >> 3), count)));
  }
  return { validity, rows, starts };
}

/** For each row group [start, end), counted in values. */
export function mapGroups<Result>({ starts }: Presence, visit: (start: number, end: number, group: number) => Result): Result[] {
  return starts.slice(1).map((end, group) => visit(starts[group]!, end, group));
}

export const countOf = ({ starts }: Presence): number => starts.at(-1)!;

/** The values that are there, as words of 32 bits, `stride` for each. Aliases when all are. */
export function denseWords(values: ArrayBufferView, stride: number, presence: Presence): Uint32Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, presence.rows * stride);
  const { validity } = presence;
  if (validity === undefined) return words;
  const dense = new Uint32Array(countOf(presence) * stride);
  let to = 0;
  for (let row = 0; row < presence.rows; row++) {
    if (((validity[row >> 3]! >> (row & 7)) & 1) === 0) continue;
    for (let k = 0; k < stride; k++) dense[to++] = words[row * stride + k]!;
  }
  return dense;
}

/** The values that are there, of at most 32 bits, as 64-bit integers in two words. */
export function widenedWords(values: ArrayLike<number>, { validity, rows, starts }: Presence): Uint32Array {
  const wide = new Uint32Array(2 * starts.at(-1)!);
  let to = 0;
  for (let row = 0; row < rows; row++) {
    if (validity !== undefined && ((validity[row >> 3]! >> (row & 7)) & 1) === 0) continue;
    const value = values[row]!;
    wide[to] = value;
    if (value < 0) wide[to + 1] = 0xffff_ffff;
    to += 2;
  }
  return wide;
}

/** Run-length encoded integers; `at` is where they stand in `memory`, 64 bits each. */
export function integerStream(memory: KernelMemory, kind: number, at: number, presence: Presence, isSigned: boolean): EncodedStream {
  const start = memory.reserve(10 * countOf(presence) + 8);
  let to = start;
  const starts = mapGroups(presence, (first, end) => {
    const group = [to - start, 0];
    to = memory.kernels.encodeIntegers(at + 8 * first, end - first, isSigned, to);
    return group;
  });
  return { kind, bytes: memory.copy(start, to), starts };
}

/** Nothing when every row has a value. */
export function presentStreams({ validity, rows }: Presence): EncodedStream[] {
  if (validity === undefined) return [];
  const bits = validity.subarray(0, (rows + 7) >> 3).map((byte) => reversed[byte]!);
  const groups: number[] = [];
  for (let row = 0; row < rows; row += rowGroupRows) groups.push(row);
  return [bitStream(streamKind.present, bits, groups)];
}

/** The booleans that are there. */
export function booleanStream(values: Uint8Array, presence: Presence): { readonly stream: EncodedStream; readonly trues: readonly number[] } {
  const { validity, rows } = presence;
  const bits = new Uint8Array((countOf(presence) + 7) >> 3);
  const trues = presence.starts.slice(1).map(() => 0);
  let to = 0;
  for (let row = 0; row < rows; row++) {
    if (validity !== undefined && ((validity[row >> 3]! >> (row & 7)) & 1) === 0) continue;
    if ((values[row >> 3]! >> (row & 7)) & 1) {
      bits[to >> 3]! |= 0x80 >> (to & 7);
      trues[Math.floor(row / rowGroupRows)]!++;
    }
    to++;
  }
  return { stream: bitStream(streamKind.data, bits, presence.starts.slice(0, -1)), trues };
}

/** ORC has the first value in the highest bit, Arrow in the lowest. */
const reversed = Uint8Array.from({ length: 256 }, (_, byte) => {
  let bits = 0;
  for (let i = 0; i < 8; i++) if ((byte >> i) & 1) bits |= 0x80 >> i;
  return bits;
});

/** Bits in runs of bytes; `groups` are the bits at which row groups start. */
function bitStream(kind: number, bits: Uint8Array, groups: readonly number[]): EncodedStream {
  const { bytes, starts } = byteRuns(bits, groups.map((bit) => bit >> 3));
  return { kind, bytes, starts: groups.map((bit, group) => [starts[group]!, 0, bit & 7]) };
}

export function byteStream(values: Uint8Array, presence: Presence): EncodedStream {
  const { bytes, starts } = byteRuns(values, presence.starts.slice(0, -1));
  return { kind: streamKind.data, bytes, starts: starts.map((start) => [start, 0]) };
}

const runMin = 3;
const runMax = 130;
const literalsMax = 128;

/**
 * Run length encoding of bytes: a run is its length less 3 and the byte, others are their count, negated, and the bytes.
 * Runs end at each of `groups`; `starts` are where those are in the result.
 */
function byteRuns(values: Uint8Array, groups: readonly number[]): { readonly bytes: Uint8Array; readonly starts: readonly number[] } {
  const bytes = new Uint8Array(values.length + Math.ceil(values.length / 2) + 2 * groups.length + 2);
  let to = 0;
  const starts = groups.map((first, group) => {
    const start = to;
    to = writeByteRuns(values, first, groups[group + 1] ?? values.length, bytes, to);
    return start;
  });
  return { bytes: bytes.slice(0, to), starts };
}

function writeByteRuns(values: Uint8Array, start: number, end: number, bytes: Uint8Array, to: number): number {
  let out = to;
  let literals = start;
  const flush = (until: number): void => {
    for (; literals < until; literals += literalsMax) {
      const count = Math.min(literalsMax, until - literals);
      bytes[out++] = 256 - count;
      bytes.set(values.subarray(literals, literals + count), out);
      out += count;
    }
  };
  for (let i = start; i < end; ) {
    const run = runFrom(values, i, Math.min(end, i + runMax));
    if (run >= runMin) {
      flush(i);
      bytes[out++] = run - runMin;
      bytes[out++] = values[i]!;
      literals = i + run;
    }
    i += run;
  }
  flush(end);
  return out;
}

function runFrom(values: Uint8Array, start: number, end: number): number {
  let i = start + 1;
  while (i < end && values[i] === values[start]) i++;
  return i - start;
}

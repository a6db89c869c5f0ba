/**
 * One column of one stripe: its streams, and a summary of each row group.
 *
 * The streams with a place for each row group stand in the order in which the row index lists those places: which rows
 * are present, the data, then lengths, nanoseconds or scales.
 */
import type { Data } from '../../arrow/arrow.ts';
import { halfToNumber } from '../../arrow/half.ts';
import { isInt, isNull } from '../../arrow/types.ts';
import { floorDivide, formatInstant } from '../../base/time.ts';
import { OverflowError, UnsupportedError } from '../../base/errors.ts';
import { type KernelMemory, withKernelMemory } from './kernel-memory.ts';
import type { Summary } from './encode-statistics.ts';
import {
  booleanStream, byteStream, countOf, denseWords, type EncodedStream, integerStream, mapGroups, type Presence, presenceOf, presentStreams, rowGroupRows, widenedWords,
} from './encode-streams.ts';
import { encodeBinary, encodeText } from './encode-text.ts';
import type { StoredColumn } from './encode-types.ts';
import { type ColumnEncoding, encodingKind, streamKind } from './metadata.ts';

export interface EncodedColumn {
  readonly encoding: ColumnEncoding;
  readonly streams: readonly EncodedStream[];
  /** By row group. */
  readonly summaries: readonly Summary[];
}

type Parts = Pick<Summary, 'least' | 'greatest' | 'sum'>;

interface EncodedValues {
  readonly encoding: ColumnEncoding;
  readonly streams: readonly EncodedStream[];
  readonly parts: readonly Parts[];
}

/** `data` is plain; `firstRow` is its row in the file, for messages. */
export function encodeColumn(column: StoredColumn, data: Data, firstRow: number): EncodedColumn {
  const presence = presenceOf(data, isNull(column.type));
  const { encoding, streams, parts } = withKernelMemory((memory) => encodeValues(memory, column, data, presence, firstRow));
  const groupRows = (group: number): number => Math.min(presence.rows, (group + 1) * rowGroupRows) - group * rowGroupRows;
  const summaries = mapGroups(presence, (first, end, group) => ({ count: end - first, hasNull: end - first < groupRows(group), ...parts[group] }));
  return { encoding, streams: [...presentStreams(presence), ...streams], summaries };
}

function encodeValues(memory: KernelMemory, column: StoredColumn, data: Data, presence: Presence, firstRow: number): EncodedValues {
  const { storage } = column;
  const values = data.values as Float64Array;
  switch (storage.as) {
    case 'booleans': {
      const { stream, trues } = booleanStream((data.values ?? new Uint8Array()) as Uint8Array, presence);
      return { encoding: { kind: encodingKind.direct }, streams: [stream], parts: trues.map((sum) => ({ sum })) };
    }
    case 'bytes': {
      const wide = widenedWords(values, presence);
      const stream = byteStream(Uint8Array.from({ length: countOf(presence) }, (_, i) => wide[2 * i]!), presence);
      return { encoding: { kind: encodingKind.direct }, streams: [stream], parts: integerParts(memory, memory.put(wide), presence) };
    }
    case 'narrow integers':
      return encodeIntegers(memory, widenedWords(values, presence), presence);
    case 'wide integers': {
      const words = denseWords(values, 2, presence);
      if (isInt(column.type) && !column.type.isSigned) refuseUnsigned(column, data, words, firstRow);
      return encodeIntegers(memory, words, presence);
    }
    case 'halves':
      return encodeFloats(halvesToFloats(data.values as Uint16Array, presence), presence);
    case 'floats': {
      const words = denseWords(values, 1, presence);
      return encodeFloats(new Float32Array(words.buffer, words.byteOffset, words.length), presence);
    }
    case 'doubles': {
      const words = denseWords(values, 2, presence);
      // Arrow's buffers are aligned to 8 bytes, and so is a new array.
      return encodeFloats(new Float64Array(words.buffer, words.byteOffset, words.length / 2), presence);
    }
    case 'text':
    case 'binary': {
      const text = storage.as === 'text' ? encodeText(memory, data, presence) : encodeBinary(memory, data, presence);
      const encoding = text.dictionarySize === undefined ? { kind: encodingKind.directV2 } : { kind: encodingKind.dictionaryV2, dictionarySize: text.dictionarySize };
      return { encoding, streams: text.streams, parts: text.parts };
    }
    case 'timestamps':
      return encodeTimestamps(memory, column, data, presence, storage.perSecond, firstRow);
    case 'decimals':
      return encodeDecimals(memory, denseWords(values, 4, presence), presence, storage.scale);
  }
}

function encodeIntegers(memory: KernelMemory, words: Uint32Array, presence: Presence): EncodedValues {
  const at = memory.put(words);
  const stream = integerStream(memory, streamKind.data, at, presence, true);
  return { encoding: { kind: encodingKind.directV2 }, streams: [stream], parts: integerParts(memory, at, presence) };
}

/** Bounds and sums of the 64-bit integers at `at`. */
function integerParts(memory: KernelMemory, at: number, presence: Presence): Parts[] {
  const result = memory.reserve(32);
  return mapGroups(presence, (first, end) => {
    if (first === end) return { sum: 0n };
    memory.kernels.summarize(at + 8 * first, end - first, result);
    const [least, greatest, low, high] = memory.int64s(result, 4);
    return { least: least!, greatest: greatest!, sum: (high! << 64n) + BigInt.asUintN(64, low!) };
  });
}

function refuseUnsigned(column: StoredColumn, data: Data, words: Uint32Array, firstRow: number): void {
  if (!words.some((word, i) => i % 2 === 1 && word >= 0x8000_0000)) return;
  const values = data.values as BigUint64Array;
  const row = values.findIndex((value, i) => value >= 2n ** 63n && data.getValid(i));
  throw new OverflowError(column.name, `row ${firstRow + row}`, `${values[row]} does not fit bigint, the widest integer that ORC has; cast the column to a decimal or a string`);
}

function encodeFloats(values: Float32Array | Float64Array, presence: Presence): EncodedValues {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const width = values.BYTES_PER_ELEMENT;
  const stream = { kind: streamKind.data, bytes, starts: mapGroups(presence, (first) => [first * width]) };
  const bounds = values instanceof Float64Array ? boundsOfDoubles : boundsOfFloats;
  return { encoding: { kind: encodingKind.direct }, streams: [stream], parts: mapGroups(presence, (first, end) => bounds(values as never, first, end)) };
}

function boundsOfDoubles(values: Float64Array, first: number, end: number): Parts {
  if (first === end) return { sum: 0 };
  let [least, greatest, sum] = [values[first]!, values[first]!, 0];
  for (let i = first; i < end; i++) {
    const value = values[i]!;
    if (value < least) least = value;
    if (value > greatest) greatest = value;
    sum += value;
  }
  // A NaN makes the sum one.
  return Number.isNaN(sum) ? { sum } : { least, greatest, sum };
}

/** The same for another kind of array: a loop that meets both is slower. */
function boundsOfFloats(values: Float32Array, first: number, end: number): Parts {
  if (first === end) return { sum: 0 };
  let [least, greatest, sum] = [values[first]!, values[first]!, 0];
  for (let i = first; i < end; i++) {
    const value = values[i]!;
    if (value < least) least = value;
    if (value > greatest) greatest = value;
    sum += value;
  }
  return Number.isNaN(sum) ? { sum } : { least, greatest, sum };
}

/** Every half is a float exactly; those that are NaN stay NaN. */
function halvesToFloats(halves: Uint16Array, presence: Presence): Float32Array {
  const wide = widenedWords(halves, presence);
  return Float32Array.from({ length: countOf(presence) }, (_, i) => halfToNumber(wide[2 * i]!));
}

function encodeTimestamps(memory: KernelMemory, column: StoredColumn, data: Data, presence: Presence, perSecond: bigint, firstRow: number): EncodedValues {
  const count = countOf(presence);
  const at = memory.put(denseWords(data.values, 2, presence));
  const [seconds, nanos] = [memory.reserve(8 * count), memory.reserve(8 * count)];
  const refused = memory.kernels.splitTimestamps(at, count, perSecond, seconds, nanos);
  if (refused >= 0) refuseTimestamp(column, data, memory.int64s(at, count)[refused]!, perSecond, firstRow);
  return {
    encoding: { kind: encodingKind.directV2 },
    streams: [
      integerStream(memory, streamKind.data, seconds, presence, true),
      integerStream(memory, streamKind.secondary, nanos, presence, false),
    ],
    parts: integerParts(memory, at, presence).map(({ least, greatest }) => ({ least, greatest })),
  };
}

function refuseTimestamp({ name }: StoredColumn, data: Data, value: bigint, perSecond: bigint, firstRow: number): never {
  const row = firstRow + (data.values as BigInt64Array).findIndex((each, i) => each === value && data.getValid(i));
  if (value < 0n && value > -perSecond) {
    throw new UnsupportedError(
      `column ${name}, row ${row}`,
      'a fraction of the last second before 1970 in ORC',
      `${formatInstant(floorDivide(value * 1_000_000n, perSecond))} (${value} in units of 1/${perSecond} s) cannot be stored in ORC, which every reader would take for one second later; round it to whole seconds or write Parquet`,
    );
  }
  throw new OverflowError(name, `row ${row}`, `${value} in units of 1/${perSecond} s is too far from 1970 for readers of ORC, which reckon in milliseconds`);
}

/** The most digits a varint of 128 bits has. */
const varintBytesMax = 19;

function encodeDecimals(memory: KernelMemory, words: Uint32Array, presence: Presence, scale: number): EncodedValues {
  const count = countOf(presence);
  const at = memory.put(words);
  const start = memory.reserve(varintBytesMax * count);
  let to = start;
  const starts = mapGroups(presence, (first, end) => {
    const group = [to - start];
    to = memory.kernels.writeDecimals(at + 16 * first, end - first, to);
    return group;
  });
  const data = { kind: streamKind.data, bytes: memory.copy(start, to), starts };
  const scales = memory.reserve(8 * count);
  memory.int64s(scales, count).fill(BigInt(scale));
  return {
    encoding: { kind: encodingKind.directV2 },
    streams: [data, integerStream(memory, streamKind.secondary, scales, presence, true)],
    parts: mapGroups(presence, (first, end) => decimalParts(words, first, end)),
  };
}

function decimalParts(words: Uint32Array, first: number, end: number): Parts {
  if (first === end) return { sum: 0n };
  let [least, greatest] = [first, first];
  // Sums of words: a row group has too few rows for them to become inexact.
  const sums = [0, 0, 0, 0];
  for (let i = first; i < end; i++) {
    if (compareDecimals(words, i, least) < 0) least = i;
    else if (compareDecimals(words, i, greatest) > 0) greatest = i;
    for (let k = 0; k < 3; k++) sums[k]! += words[4 * i + k]!;
    sums[3]! += words[4 * i + 3]! | 0;
  }
  return { least: decimalAt(words, least), greatest: decimalAt(words, greatest), sum: sums.reduceRight((sum, word) => (sum << 32n) + BigInt(word), 0n) };
}

function compareDecimals(words: Uint32Array, i: number, j: number): number {
  const high = (words[4 * i + 3]! | 0) - (words[4 * j + 3]! | 0);
  if (high !== 0) return high;
  for (let k = 2; k >= 0; k--) {
    const difference = words[4 * i + k]! - words[4 * j + k]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

function decimalAt(words: Uint32Array, i: number): bigint {
  let value = BigInt(words[4 * i + 3]! | 0);
  for (let k = 2; k >= 0; k--) value = (value << 32n) + BigInt(words[4 * i + k]!);
  return value;
}

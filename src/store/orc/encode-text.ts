/**
 * Text and bytes of a stripe: as they stand, or by a dictionary.
 *
 *   direct       data: the bytes of all values | length: of each |
 *   dictionary   data: the entry of each value | length: of each entry | dictionary data: the bytes of all entries |
 *
 * The dictionary is sorted by bytes. It is chosen where it has at most one entry for two values.
 */
import type { Data } from '../../arrow/arrow.ts';
import type { KernelMemory } from './kernel-memory.ts';
import type { Summary } from './encode-statistics.ts';
import { countOf, type EncodedStream, integerStream, mapGroups, type Presence } from './encode-streams.ts';
import { streamKind } from './metadata.ts';

/** The values that are there: value i is bytes[starts[i], starts[i + 1]). */
interface Spans {
  readonly bytes: Uint8Array;
  readonly starts: Float64Array;
}

type Parts = Pick<Summary, 'least' | 'greatest' | 'sum'>;

export interface EncodedText {
  /** Those that a row group has a place in come first. */
  readonly streams: readonly EncodedStream[];
  readonly dictionarySize: number | undefined;
  /** By row group. */
  readonly parts: readonly Parts[];
}

export function encodeText(memory: KernelMemory, data: Data, presence: Presence): EncodedText {
  const spans = spansOf(data, presence);
  const dictionary = tryDictionary(spans);
  return dictionary === undefined ? encodeDirect(memory, spans, presence, true) : encodeDictionary(memory, dictionary, presence);
}

export function encodeBinary(memory: KernelMemory, data: Data, presence: Presence): EncodedText {
  return encodeDirect(memory, spansOf(data, presence), presence, false);
}

function spansOf({ valueOffsets, values }: Data, presence: Presence): Spans {
  const { validity, rows } = presence;
  const offsets = valueOffsets as unknown as ArrayLike<number | bigint>;
  const source = values as Uint8Array;
  const starts = new Float64Array(countOf(presence) + 1);
  if (validity === undefined) {
    for (let row = 0; row <= rows; row++) starts[row] = Number(offsets[row] ?? 0);
    return { bytes: source.subarray(0, starts[rows]!), starts };
  }
  const bytes = new Uint8Array(Number(offsets[rows] ?? 0));
  let [value, to] = [0, 0];
  for (let row = 0; row < rows; row++) {
    // Under a null there may be anything.
    if (((validity[row >> 3]! >> (row & 7)) & 1) === 0) continue;
    const [start, end] = [Number(offsets[row]!), Number(offsets[row + 1]!)];
    for (let i = start; i < end; i++) bytes[to++] = source[i]!;
    starts[++value] = to;
  }
  return { bytes: bytes.subarray(0, to), starts };
}

function encodeDirect(memory: KernelMemory, spans: Spans, presence: Presence, hasBounds: boolean): EncodedText {
  const { bytes, starts } = spans;
  return {
    streams: [
      { kind: streamKind.data, bytes, starts: mapGroups(presence, (first) => [starts[first]!]) },
      lengthStream(memory, spans, presence),
    ],
    dictionarySize: undefined,
    parts: mapGroups(presence, (first, end) => ({ ...(hasBounds && first < end && textBounds(spans, first, end)), sum: BigInt(starts[end]! - starts[first]!) })),
  };
}

function lengthStream(memory: KernelMemory, { starts }: Spans, presence: Presence): EncodedStream {
  const lengths = new Uint32Array(2 * (starts.length - 1));
  for (let i = 0; i < starts.length - 1; i++) lengths[2 * i] = starts[i + 1]! - starts[i]!;
  return integerStream(memory, streamKind.length, memory.put(lengths), presence, false);
}

function textBounds(spans: Spans, first: number, end: number): Parts {
  let [least, greatest] = [first, first];
  for (let i = first + 1; i < end; i++) {
    if (compareSpans(spans, i, least) < 0) least = i;
    else if (compareSpans(spans, i, greatest) > 0) greatest = i;
  }
  return { least: spanAt(spans, least), greatest: spanAt(spans, greatest) };
}

function spanAt({ bytes, starts }: Spans, i: number): Uint8Array {
  return bytes.subarray(starts[i]!, starts[i + 1]!);
}

function compareSpans({ bytes, starts }: Spans, i: number, k: number): number {
  let [a, b] = [starts[i]!, starts[k]!];
  const [aEnd, bEnd] = [starts[i + 1]!, starts[k + 1]!];
  while (a < aEnd && b < bEnd && bytes[a] === bytes[b]) {
    a++;
    b++;
  }
  if (a < aEnd && b < bEnd) return bytes[a]! - bytes[b]!;
  return aEnd - a - (bEnd - b);
}

interface Dictionary {
  readonly entries: readonly Uint8Array[];
  /** The entry of each value, in the low word of two. */
  readonly codes: Uint32Array;
}

/** So few entries are not given up, whatever the number of values so far. */
const entriesKept = 1_024;

/** Undefined where there are too many entries, which shows early as a rule. */
function tryDictionary(spans: Spans): Dictionary | undefined {
  const count = spans.starts.length - 1;
  const buffer = Buffer.from(spans.bytes.buffer, spans.bytes.byteOffset, spans.bytes.byteLength);
  const ids = new Map<string, number>();
  const entries: Uint8Array[] = [];
  const codes = new Uint32Array(2 * count);
  for (let i = 0; i < count; i++) {
    const key = buffer.toString('latin1', spans.starts[i]!, spans.starts[i + 1]!);
    let id = ids.get(key);
    if (id === undefined) {
      id = entries.length;
      if (id > entriesKept && 2 * id > i) return undefined;
      ids.set(key, id);
      entries.push(spanAt(spans, i));
    }
    codes[2 * i] = id;
  }
  if (count === 0 || 2 * entries.length > count) return undefined;
  const order = entries.map((_, id) => id).sort((a, b) => Buffer.compare(entries[a]!, entries[b]!));
  const ranks = new Uint32Array(entries.length);
  order.forEach((id, rank) => {
    ranks[id] = rank;
  });
  for (let i = 0; i < 2 * count; i += 2) codes[i] = ranks[codes[i]!]!;
  return { entries: order.map((id) => entries[id]!), codes };
}

function encodeDictionary(memory: KernelMemory, { entries, codes }: Dictionary, presence: Presence): EncodedText {
  const lengths = new Uint32Array(2 * entries.length);
  entries.forEach((entry, id) => {
    lengths[2 * id] = entry.length;
  });
  const whole: Presence = { validity: undefined, rows: entries.length, starts: [0, entries.length] };
  const { kind, bytes } = integerStream(memory, streamKind.length, memory.put(lengths), whole, false);
  return {
    streams: [
      integerStream(memory, streamKind.data, memory.put(codes), presence, false),
      { kind, bytes },
      { kind: streamKind.dictionaryData, bytes: Buffer.concat(entries) },
    ],
    dictionarySize: entries.length,
    parts: mapGroups(presence, (first, end) => dictionaryParts(entries, codes, first, end)),
  };
}

/** Entries are sorted, so the least and the greatest are those of the codes. */
function dictionaryParts(entries: readonly Uint8Array[], codes: Uint32Array, first: number, end: number): Parts {
  if (first === end) return { sum: 0n };
  let [least, greatest, sum] = [entries.length, 0, 0];
  for (let i = first; i < end; i++) {
    const code = codes[2 * i]!;
    if (code < least) least = code;
    if (code > greatest) greatest = code;
    sum += entries[code]!.length;
  }
  return { least: entries[least]!, greatest: entries[greatest]!, sum: BigInt(sum) };
}

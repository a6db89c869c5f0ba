/**
 * Run length encodings of ORC, decoded: integers of version 1 and 2, bytes, bits; by the kernels in kernel/unrle.ts.
 *
 *   integers   64 bits each, as two 32-bit halves, low first: no bigint is made on the way
 *
 * Laws: exactly `count` values come out, or DamagedFileError; room is made only for what the bytes can hold.
 */
import { DamagedFileError } from '../../base/errors.ts';
import { type KernelMemory, type Pointer, withKernelMemory } from './kernel-memory.ts';

/** What a damaged stream is reported as. */
export interface StreamName {
  readonly file: string;
  /** As in `column amount, stripe 3: data`. */
  readonly stream: string;
}

/** The decompressed bytes of a stream, or of a part of it. */
export interface StreamPart {
  readonly bytes: Uint8Array;
  /** How many values there are before the wanted ones: those of the run that the part begins with. Of bits, bits. */
  readonly skip: number;
  /** Where the values after the wanted ones begin, as a row index has it: at a run, after `skip` of its values. */
  readonly end?: { readonly at: number; readonly skip: number } | undefined;
}

/** No encoding makes more values of a byte: 512 of four bytes at most, eight bits of each of 130 bytes by two. */
const valuesPerByteMax = 640;
/** Whole runs are decoded, of which the longest has so many values. */
const runMax = 512;

const faults: Readonly<Record<number, string>> = {
  [-1]: 'it ends before all of its values',
  [-2]: 'a patch is beyond the end of its run',
  [-3]: 'an integer has more than 64 bits',
};

export function checkRoom(name: StreamName, bytes: Uint8Array, count: number): void {
  if (count > bytes.length * valuesPerByteMax) throw damaged(name, `it has ${bytes.length} bytes, which cannot be ${count} values`);
}

export function damaged({ file, stream }: StreamName, found: string): DamagedFileError {
  return new DamagedFileError(file, `${stream}: ${found}; the file is damaged. Write it again`);
}

/** `before` is what a kernel answers: how many values stand before the run at the mark, or a fault. */
function checkRuns(name: StreamName, before: number, skip: number | undefined, total: number): void {
  if (before < 0) throw damaged(name, faults[before]!);
  if (skip !== undefined && before + skip !== total) throw damaged(name, 'its runs are not where the row index says');
}

/** Bytes in runs: 3 to 130 of the same, or 1 to 128 as they are. */
export function decodeBytes(name: StreamName, part: StreamPart, count: number): Uint8Array {
  return withKernelMemory((memory) => {
    const total = part.skip + count;
    const { out, before } = bytesIn(memory, name, part.bytes, total, part.end?.at);
    checkRuns(name, before, part.end?.skip, total);
    return memory.copy(out + part.skip, out + total);
  });
}

function bytesIn(memory: KernelMemory, name: StreamName, bytes: Uint8Array, count: number, mark: number | undefined): { out: Pointer; before: number } {
  checkRoom(name, bytes, count);
  const from = memory.put(bytes);
  const out = memory.reserve(count + runMax);
  return { out, before: memory.kernels.decodeBytes(from, bytes.length, count, mark === undefined ? 0 : from + mark, out) };
}

/** Bits, highest first in each byte, as a bitmap with the lowest first; bits beyond the end are zero. */
export function decodeBits(name: StreamName, { bytes, skip, end }: StreamPart, count: number): Uint8Array {
  const total = skip + count;
  const packed = withKernelMemory((memory) => {
    const { out, before } = bytesIn(memory, name, bytes, (total + 7) >> 3, end?.at);
    checkRuns(name, before < 0 ? before : before * 8, end?.skip, total);
    return memory.copy(out + (skip >> 3), out + ((total + 7) >> 3));
  });
  const bits = aligned(packed, skip & 7, (count + 7) >> 3);
  for (let i = 0; i < bits.length; i++) bits[i] = reversed[bits[i]!]!;
  if ((count & 7) !== 0) bits[bits.length - 1]! &= (1 << (count & 7)) - 1;
  return bits;
}

/** The bits from `shift` on, highest first. */
function aligned(packed: Uint8Array, shift: number, size: number): Uint8Array {
  if (shift === 0) return packed;
  return Uint8Array.from({ length: size }, (_, i) => (packed[i]! << shift) | ((packed[i + 1] ?? 0) >> (8 - shift)));
}

const reversed = Uint8Array.from({ length: 256 }, (_, byte) => {
  let out = 0;
  for (let bit = 0; bit < 8; bit++) out |= ((byte >> bit) & 1) << (7 - bit);
  return out;
});

/** How many bits of a bitmap are set. */
export function countSet(bitmap: Uint8Array): number {
  let set = 0;
  for (const byte of bitmap) set += setBits[byte]!;
  return set;
}

const setBits = Uint8Array.from({ length: 256 }, (_, byte) => [...byte.toString(2)].filter((bit) => bit === '1').length);

/** Integers as halves. `version` 1 or 2; signed ones are zigzag. */
export function decodeIntegers(name: StreamName, part: StreamPart, count: number, version: 1 | 2, isSigned: boolean): Int32Array {
  return withKernelMemory((memory) => {
    const at = integersIn(memory, name, part, count, version, isSigned);
    return new Int32Array(memory.copy(at, at + 8 * count).buffer);
  });
}

/** Where the integers stand in the memory. */
export function integersIn(memory: KernelMemory, name: StreamName, { bytes, skip, end }: StreamPart, count: number, version: 1 | 2, isSigned: boolean): Pointer {
  const total = skip + count;
  checkRoom(name, bytes, total);
  const from = memory.put(bytes);
  const out = memory.reserve(8 * (total + runMax));
  checkRuns(name, memory.kernels.decodeIntegers(from, bytes.length, total, version, isSigned, end === undefined ? 0 : from + end.at, out), end?.skip, total);
  return out + 8 * skip;
}

/** Halves as 32-bit integers; undefined where one does not fit. */
export function narrowed(halves: Int32Array): Int32Array | undefined {
  const out = new Int32Array(halves.length / 2);
  let wrong = 0;
  for (let i = 0; i < out.length; i++) {
    out[i] = halves[i * 2]!;
    wrong |= halves[i * 2 + 1]! ^ (halves[i * 2]! >> 31);
  }
  return wrong === 0 ? out : undefined;
}

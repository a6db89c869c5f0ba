/**
 * Run length encodings of ORC, decoded: integers of version 1 and 2, bytes, bits. See "Run Length Encoding" of the ORC
 * specification, v1.
 *
 *   integers   64 bits each, as two 32-bit halves, low first: no bigint is made on the way
 *
 * Laws: exactly `count` values come out, or DamagedFileError; room is made only for what the bytes can hold.
 */
import { DamagedFileError } from '../../base/errors.ts';

/** What a damaged stream is reported as. */
export interface StreamName {
  readonly file: string;
  /** As in `column amount, stripe 3: data`. */
  readonly stream: string;
}

/** No encoding makes more values of a byte: 512 of four bytes at most, eight bits of each of 130 bytes by two. */
const valuesPerByteMax = 640;
const two32 = 4_294_967_296;

export function checkRoom(name: StreamName, bytes: Uint8Array, count: number): void {
  if (count > bytes.length * valuesPerByteMax) throw damaged(name, `it has ${bytes.length} bytes, which cannot be ${count} values`);
}

export function damaged({ file, stream }: StreamName, found: string): DamagedFileError {
  return new DamagedFileError(file, `${stream}: ${found}; the file is damaged. Write it again`);
}

/** Bytes in runs: 3 to 130 of the same, or 1 to 128 as they are. */
export function decodeBytes(name: StreamName, bytes: Uint8Array, count: number): Uint8Array {
  checkRoom(name, bytes, count);
  const out = new Uint8Array(count);
  let at = 0;
  let next = 0;
  while (next < count) {
    if (at >= bytes.length) throw damaged(name, `it ends after ${next} of ${count} values`);
    const control = bytes[at++]!;
    if (control < 128) {
      if (at >= bytes.length) throw damaged(name, `it ends within a run after ${next} of ${count} values`);
      out.fill(bytes[at++]!, next, next + control + 3);
      next += control + 3;
    } else {
      const literals = 256 - control;
      if (at + literals > bytes.length) throw damaged(name, `it ends within ${literals} values`);
      for (let i = 0; i < literals && next + i < count; i++) out[next + i] = bytes[at + i]!;
      at += literals;
      next += literals;
    }
  }
  return out;
}

/** Bits, highest first in each byte, as a bitmap with the lowest first; bits beyond the end are zero. */
export function decodeBits(name: StreamName, bytes: Uint8Array, count: number): Uint8Array {
  const packed = decodeBytes(name, bytes, (count + 7) >> 3);
  for (let i = 0; i < packed.length; i++) packed[i] = reversed[packed[i]!]!;
  if ((count & 7) !== 0) packed[packed.length - 1]! &= (1 << (count & 7)) - 1;
  return packed;
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
export function decodeIntegers(name: StreamName, bytes: Uint8Array, count: number, version: 1 | 2, isSigned: boolean): Int32Array {
  checkRoom(name, bytes, count);
  const runs = new Runs(name, bytes, count, isSigned);
  if (version === 1) runs.readFirst();
  else runs.readSecond();
  return runs.halves;
}

const widths = [...Array.from({ length: 24 }, (_, i) => i + 1), 26, 28, 30, 32, 40, 48, 56, 64] as const;

/** The least width that entries of patch lists are stored with. */
function storedWidth(bits: number): number {
  return widths.find((width) => width >= bits) ?? 64;
}

class Runs {
  readonly halves: Int32Array;
  private at = 0;
  private next = 0;

  constructor(
    private readonly name: StreamName,
    private readonly bytes: Uint8Array,
    private readonly count: number,
    private readonly isSigned: boolean,
  ) {
    this.halves = new Int32Array(count * 2);
  }

  /** Version 1: a run of 3 to 130 values a fixed delta apart, or up to 128 varints. */
  readFirst(): void {
    while (this.next < this.count) {
      const control = this.byte();
      if (control < 128) {
        const delta = (this.byte() << 24) >> 24;
        const first = this.varint(this.isSigned);
        const length = this.room(control + 3);
        for (let i = 0; i < length; i++) this.put(first + BigInt(delta * i));
      } else {
        const length = this.room(256 - control);
        for (let i = 0; i < length; i++) this.put(this.varint(this.isSigned));
      }
    }
  }

  /** Version 2: short repeat, direct, patched base or delta, by the first two bits of each run. */
  readSecond(): void {
    while (this.next < this.count) {
      const header = this.byte();
      switch (header >> 6) {
        case 0:
          this.shortRepeat(header);
          break;
        case 1: {
          const width = widths[(header >> 1) & 31]!;
          this.packed(width, this.runLength(header), this.isSigned);
          break;
        }
        case 2:
          this.patchedBase(header);
          break;
        default:
          this.delta(header);
      }
    }
  }

  private shortRepeat(header: number): void {
    const size = ((header >> 3) & 7) + 1;
    const value = this.bigEndian(size);
    const length = this.room((header & 7) + 3);
    const plain = this.isSigned ? unzigzag(value) : value;
    for (let i = 0; i < length; i++) this.put(plain);
  }

  private patchedBase(header: number): void {
    const width = widths[(header >> 1) & 31]!;
    const length = this.runLength(header);
    const third = this.byte();
    const fourth = this.byte();
    const baseBytes = (third >> 5) + 1;
    const patchWidth = widths[third & 31]!;
    const gapWidth = (fourth >> 5) + 1;
    const patches = fourth & 31;
    const magnitude = this.bigEndian(baseBytes);
    const sign = 1n << BigInt(baseBytes * 8 - 1);
    const base = (magnitude & sign) === 0n ? magnitude : -(magnitude ^ sign);
    const offsets = this.wordsOf(width, length);
    const entries = this.wordsOf(storedWidth(gapWidth + patchWidth), patches);
    let position = 0;
    for (const entry of entries) {
      position += Number(entry >> BigInt(patchWidth)) & 255;
      const patch = entry & ((1n << BigInt(patchWidth)) - 1n);
      if (position >= length) throw damaged(this.name, `a patch at ${position} of a run of ${length} values`);
      offsets[position] = BigInt.asUintN(64, offsets[position]! | (patch << BigInt(width)));
    }
    for (let i = 0; i < this.room(length); i++) this.store(i, base + offsets[i]!);
    this.next += this.room(length);
  }

  private delta(header: number): void {
    const code = (header >> 1) & 31;
    const width = code === 0 ? 0 : widths[code]!;
    const length = this.runLength(header);
    let value = this.varint(this.isSigned);
    const step = this.varint(true);
    this.put(value);
    if (length < 2) return;
    value += step;
    if (this.next < this.count) this.put(value);
    const rest = this.room(length - 2);
    if (width === 0) {
      for (let i = 0; i < rest; i++) this.put((value += step));
      return;
    }
    const deltas = this.wordsOf(width, length - 2);
    for (let i = 0; i < rest; i++) this.put((value = step < 0n ? value - deltas[i]! : value + deltas[i]!));
  }

  /** Values of a fixed width, one after the other from the next byte on; what follows begins with a byte of its own. */
  private packed(width: number, length: number, isZigzag: boolean): void {
    const { bytes, halves } = this;
    const end = this.at + ((length * width + 7) >> 3);
    if (end > bytes.length) throw damaged(this.name, `it ends within a run of ${length} values of ${width} bits`);
    const kept = this.room(length);
    if (width > 32) {
      const words = this.wordsOf(width, length);
      for (let i = 0; i < kept; i++) this.put(isZigzag ? unzigzag(words[i]!) : words[i]!);
      return;
    }
    let [at, left, hold] = [this.at, 0, 0];
    let out = this.next * 2;
    for (let i = 0; i < kept; i++) {
      let [value, missing] = [0, width];
      while (missing > 0) {
        if (left === 0) [hold, left] = [bytes[at++]!, 8];
        const taken = Math.min(missing, left);
        value = value * (1 << taken) + ((hold >> (left - taken)) & ((1 << taken) - 1));
        left -= taken;
        missing -= taken;
      }
      if (isZigzag) {
        const low = (value >>> 1) ^ -(value & 1);
        halves[out] = low;
        halves[out + 1] = (value & 1) === 0 ? 0 : -1;
      } else {
        halves[out] = value | 0;
        halves[out + 1] = 0;
      }
      out += 2;
    }
    this.next += kept;
    this.at = end;
  }

  /** Words of a fixed width. */
  private wordsOf(width: number, length: number): BigUint64Array {
    const { bytes } = this;
    const end = this.at + ((length * width + 7) >> 3);
    if (end > bytes.length) throw damaged(this.name, `it ends within a run of ${length} values of ${width} bits`);
    const words = new BigUint64Array(length);
    let bit = this.at * 8;
    for (let i = 0; i < length; i++) {
      let word = 0n;
      let missing = width;
      while (missing > 0) {
        const left = 8 - (bit & 7);
        const taken = Math.min(missing, left);
        word = (word << BigInt(taken)) | BigInt((bytes[bit >> 3]! >> (left - taken)) & ((1 << taken) - 1));
        bit += taken;
        missing -= taken;
      }
      words[i] = word;
    }
    this.at = end;
    return words;
  }

  /** Of a run of version 2: nine bits across the first two bytes. */
  private runLength(header: number): number {
    return (((header & 1) << 8) | this.byte()) + 1;
  }

  /** How many values of a run are still wanted: the last run may hold more. */
  private room(length: number): number {
    return Math.min(length, this.count - this.next);
  }

  private put(value: bigint): void {
    this.store(0, value);
    this.next++;
  }

  private store(i: number, value: bigint): void {
    const word = BigInt.asIntN(64, value);
    this.halves[(this.next + i) * 2] = Number(BigInt.asIntN(32, word));
    this.halves[(this.next + i) * 2 + 1] = Number(word >> 32n);
  }

  private byte(): number {
    if (this.at >= this.bytes.length) throw damaged(this.name, `it ends after ${this.next} of ${this.count} values`);
    return this.bytes[this.at++]!;
  }

  private bigEndian(size: number): bigint {
    let value = 0n;
    for (let i = 0; i < size; i++) value = (value << 8n) | BigInt(this.byte());
    return value;
  }

  private varint(isZigzag: boolean): bigint {
    let [low, shift] = [0, 0];
    for (;;) {
      const byte = this.byte();
      // Up to 49 bits as numbers, which nearly all are.
      if (shift < 49) {
        low += (byte & 127) * 2 ** shift;
        if (byte < 128) return isZigzag ? BigInt(low % 2 === 0 ? low / 2 : -(low + 1) / 2) : BigInt(low);
        shift += 7;
        continue;
      }
      let value = BigInt(low);
      for (let part = byte, at = 49n; ; part = this.byte(), at += 7n) {
        if (at > 63n) throw damaged(this.name, 'an integer has more than 64 bits');
        value |= BigInt(part & 127) << at;
        if (part < 128) return isZigzag ? unzigzag(BigInt.asUintN(64, value)) : BigInt.asUintN(64, value);
      }
    }
  }
}

function unzigzag(value: bigint): bigint {
  return (value >> 1n) ^ -(value & 1n);
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

/** Unsigned halves as numbers; those of 2^53 and more are not exact. */
export function asNumbers(halves: Int32Array): Float64Array {
  return Float64Array.from({ length: halves.length / 2 }, (_, i) => (halves[i * 2 + 1]! >>> 0) * two32 + (halves[i * 2]! >>> 0));
}

/**
 * DELTA_BINARY_PACKED for integers of 32 bits: each value as its step from the one before.
 *
 *   | values of a block | parts of a block | values | first value |  then blocks: | least step | bits of each part | parts |
 *
 * By apache/parquet-format, Encodings.md. Law: everything is reckoned in 32 bits, whatever the number of bits in which steps are stored.
 * So does who wraps around, as the format says, and who stores steps of up to 34 bits, as DuckDB does; both mean the same values.
 */
import { PageError } from './pages.ts';

const valuesMax = 1 << 20;
const bitsMax = 64;

/** Bytes that have to stand behind the content, whatever they are: steps are read four bytes at a time. */
export const paddingBytes = 8;

/** As many values as `out` has room for. Throws PageError where the content has others, or is cut short. */
export function decodeSteps(content: Uint8Array, out: Int32Array): void {
  const input = new Input(content);
  const [blockValues, parts, count] = [input.whole(), input.whole(), input.whole()];
  if (count !== out.length) throw new PageError(`it has ${count} values where its levels say ${out.length}`);
  let value = input.zigzag();
  if (count > 0) out[0] = value;
  if (count <= 1) return;
  const partValues = blockValues / parts;
  if (!(blockValues > 0 && blockValues <= valuesMax && Number.isInteger(partValues) && partValues % 8 === 0)) throw new PageError(`its blocks have ${blockValues} values in ${parts} parts`);
  for (let done = 1; done < count; ) {
    const least = input.zigzag();
    const widths = input.skip(parts);
    for (let part = 0; part < parts && done < count; part++) {
      const width = content[widths + part]!;
      if (width > bitsMax) throw new PageError(`it has steps of ${width} bits`);
      const end = Math.min(count, done + partValues);
      // The last part may be cut behind its last value.
      const packed = input.skip((partValues * width) >> 3, ((end - done) * width + 7) >> 3);
      value = addSteps(content, packed, width, { value, least }, out, done, end);
      done = end;
    }
  }
}

/** Values from `done` to `end`; of each step only the lowest 32 bits count. Answers with the last. */
function addSteps(content: Uint8Array, packed: number, width: number, { value, least }: { value: number; least: number }, out: Int32Array, done: number, end: number): number {
  const mask = width >= 32 ? -1 : (1 << width) - 1;
  for (let i = done, bit = 0; i < end; i++, bit += width) {
    const [at, shift] = [packed + (bit >> 3), bit & 7];
    let step = (content[at]! | (content[at + 1]! << 8) | (content[at + 2]! << 16) | (content[at + 3]! << 24)) >>> shift;
    if (width > 25 && shift > 0) step |= content[at + 4]! << (32 - shift);
    value = (value + least + (step & mask)) | 0;
    out[i] = value;
  }
  return value;
}

class Input {
  private at = 0;
  private readonly end: number;

  constructor(private readonly content: Uint8Array) {
    this.end = content.length - paddingBytes;
  }

  whole(): number {
    const [low, high] = this.varint();
    if (high !== 0 || low > 0x7fff_ffff) throw new PageError('its header has numbers beyond 31 bits');
    return low;
  }

  /** The lowest 32 bits of it. */
  zigzag(): number {
    const [low, high] = this.varint();
    return ((low >>> 1) | (high << 31)) ^ -(low & 1);
  }

  /** Passes over `most` bytes, or as many as there are, at least `least`; answers where they begin. */
  skip(most: number, least = most): number {
    const { at } = this;
    this.at = Math.min(at + most, this.end);
    if (this.at - at < least) throw new PageError('it is cut short');
    return at;
  }

  /** 64 bits, as two halves. */
  private varint(): readonly [low: number, high: number] {
    let [low, high] = [0, 0];
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.content[this.skip(1)]!;
      const bits = byte & 127;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) [low, high] = [low | (bits << 28), bits >>> 4];
      else high |= bits << (shift - 32);
      if (byte < 128) return [low >>> 0, high >>> 0];
    }
    throw new PageError('a number in it has no end');
  }
}

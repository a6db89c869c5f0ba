/**
 * A column of one stripe, or of neighbouring row groups of it, from its streams to an Arrow column.
 *
 *   present ─▶ which rows have a value        data, length, secondary, dictionary ─▶ the values ─▶ spread over the rows
 *
 * Strings that the file keeps as a dictionary stay one. Null slots hold zeros. Law: as many rows come out as were asked for, and
 * every length and index was checked, or DamagedFileError says which stream is wrong.
 */
import { type Data, DataType, Dictionary, Int32, makeData, type Timestamp, Type, Vector } from '../../arrow/arrow.ts';
import { floatToHalf } from '../../arrow/half.ts';
import { UnsupportedError } from '../../base/errors.ts';
import { toProlepticDays, toProlepticTimes } from './calendar.ts';
import { checkRoom, countSet, damaged, decodeBits, decodeBytes, decodeIntegers, integersIn, narrowed, type StreamName, type StreamPart } from './decode-runs.ts';
import { type KernelMemory, type Pointer, withKernelMemory } from './kernel-memory.ts';
import { encodingKind, type OrcType, streamKind, typeKind } from './metadata.ts';
import { secondsTo2015, type WallClock } from './wall-clock.ts';

export interface StripeColumn {
  readonly file: string;
  readonly name: string;
  readonly stripe: number;
  readonly rows: number;
  readonly orcType: OrcType;
  /** The plain type. */
  readonly type: DataType;
  /** Whether days before 1582-10-15 are Julian. */
  readonly isHybrid: boolean;
  readonly encoding: number;
  readonly dictionarySize: number;
  /** The entries of the stripe's dictionary: made by `make` where they have not been yet. */
  readonly dictionary: (make: () => Vector) => Vector;
  /** By kind. */
  readonly streams: ReadonlyMap<number, StreamPart>;
  readonly wallClock: WallClock;
}

const streamNames = Object.fromEntries(Object.entries(streamKind).map(([name, kind]) => [kind, name]));

export function decodeColumn(column: StripeColumn): Data {
  return new ColumnDecoder(column).decode();
}

const two32 = 4_294_967_296;
/** Beyond them, in seconds from 2015, there is no time that any writer has, since all reckon in milliseconds, nor one on a clock of JavaScript. */
const secondsMost = { inUtc: 2n ** 63n / 1_000n + BigInt(secondsTo2015), byClock: 1_000_000_000_000n } as const;

class ColumnDecoder {
  private readonly nullBitmap: Uint8Array | undefined;
  /** How many rows have a value. */
  private readonly count: number;
  private readonly version: 1 | 2;

  constructor(private readonly column: StripeColumn) {
    const { rows, encoding, streams } = column;
    const present = streams.get(streamKind.present);
    const bitmap = present === undefined ? undefined : decodeBits(this.named(streamKind.present), present, rows);
    this.count = bitmap === undefined ? rows : countSet(bitmap);
    this.nullBitmap = this.count === rows ? undefined : bitmap;
    this.version = encoding === encodingKind.directV2 || encoding === encodingKind.dictionaryV2 ? 2 : 1;
  }

  decode(): Data {
    const { orcType, type } = this.column;
    if (type.typeId === Type.Null) return makeData({ type, length: this.column.rows, nullCount: this.column.rows } as never);
    switch (orcType.kind ?? 0) {
      case typeKind.boolean:
        return this.booleans();
      case typeKind.byte: {
        const bytes = decodeBytes(this.named(streamKind.data), this.stream(streamKind.data), this.count);
        return this.fixed(new Int8Array(bytes.buffer, 0, bytes.length));
      }
      case typeKind.short:
      case typeKind.int:
      case typeKind.date:
        return this.narrow();
      case typeKind.long:
        return this.wide();
      case typeKind.float:
      case typeKind.double:
        return this.floats();
      case typeKind.timestamp:
      case typeKind.timestampInstant:
        return this.timestamps();
      case typeKind.decimal:
        return this.decimals();
      default:
        return this.column.encoding === encodingKind.dictionary || this.column.encoding === encodingKind.dictionaryV2 ? this.coded() : this.spans();
    }
  }

  private booleans(): Data {
    const bits = decodeBits(this.named(streamKind.data), this.stream(streamKind.data), this.count);
    let data = bits;
    if (this.nullBitmap !== undefined) {
      data = new Uint8Array((this.column.rows + 7) >> 3);
      this.eachPlace((row, i) => {
        data[row >> 3]! |= ((bits[i >> 3]! >> (i & 7)) & 1) << (row & 7);
      });
    }
    return this.made(data);
  }

  private narrow(): Data {
    const name = this.named(streamKind.data);
    const values = narrowed(this.integers(streamKind.data, this.count, true));
    if (values === undefined) throw damaged(name, `a value does not fit ${this.column.type}`);
    if (this.column.isHybrid && this.column.orcType.kind === typeKind.date) toProlepticDays(values);
    return this.fixed(values);
  }

  private wide(): Data {
    const { type } = this.column;
    const halves = this.integers(streamKind.data, this.count, true);
    if (DataType.isTimestamp(type)) return this.fixed(new BigInt64Array(halves.buffer));
    if (DataType.isInt(type) && type.bitWidth === 64) return this.fixed(type.isSigned ? new BigInt64Array(halves.buffer) : new BigUint64Array(halves.buffer));
    const values = new Uint32Array(this.count);
    for (let i = 0; i < this.count; i++) {
      if (halves[i * 2 + 1] !== 0) throw damaged(this.named(streamKind.data), `a value does not fit ${type}`);
      values[i] = halves[i * 2]!;
    }
    return this.fixed(values);
  }

  private floats(): Data {
    const isDouble = this.column.orcType.kind === typeKind.double;
    const own = this.bytes(streamKind.data, this.count * (isDouble ? 8 : 4));
    return this.fixed(isDouble ? new Float64Array(own.buffer, own.byteOffset, this.count) : new Float32Array(own.buffer, own.byteOffset, this.count));
  }

  private timestamps(): Data {
    const { type, isHybrid } = this.column;
    const { isUtc } = this;
    const perSecond = BigInt(type.typeId === Type.Date ? 1_000 : 1_000 ** (type as Timestamp).unit);
    const { count } = this;
    const values = withKernelMemory((memory) => {
      const seconds = this.integersIn(memory, streamKind.data, true);
      const nanos = this.integersIn(memory, streamKind.secondary, false);
      if (!isUtc) this.asShown(memory, seconds, nanos);
      const out = memory.reserve(8 * count);
      const refused = memory.kernels.joinTimestamps(seconds, nanos, count, BigInt(isUtc ? secondsTo2015 : 0), isUtc, perSecond, this.secondsMost, out);
      if (refused >= 0) this.refuseTime(memory.int64s(seconds, count)[refused]!, memory.int64s(nanos, count)[refused]!, perSecond);
      return new BigInt64Array(memory.copy(out, out + 8 * count).buffer);
    });
    if (isHybrid) toProlepticTimes(values, perSecond);
    return this.fixed(values);
  }

  private get isUtc(): boolean {
    return this.column.wallClock.isUtc || this.column.orcType.kind === typeKind.timestampInstant;
  }

  private get secondsMost(): bigint {
    return this.isUtc ? secondsMost.inUtc : secondsMost.byClock;
  }

  /** Seconds since 2015 become what the writer's clock showed, in place. */
  private asShown(memory: KernelMemory, seconds: Pointer, nanos: Pointer): void {
    const { wallClock } = this.column;
    const halves = new Int32Array(memory.kernels.memory.buffer, seconds, 2 * this.count);
    const parts = new Int32Array(memory.kernels.memory.buffer, nanos, 2 * this.count);
    for (let i = 0; i < halves.length; i += 2) {
      const since2015 = halves[i + 1]! * two32 + (halves[i]! >>> 0);
      // What is no time is left as it is: it will be refused.
      if (Math.abs(since2015) >= Number(secondsMost.byClock)) continue;
      const second = wallClock.wallOf(since2015, nanosOf(parts[i]!, parts[i + 1]!) > 999_999);
      halves[i + 1] = Math.floor(second / two32);
      halves[i] = second;
    }
  }

  /** Says what is wrong with a time that the kernel refused. */
  private refuseTime(seconds: bigint, parts: bigint, perSecond: bigint): never {
    const { file, name, type } = this.column;
    const zeros = parts & 7n;
    const nanos = (parts >> 3n) * (zeros === 0n ? 1n : 10n ** (zeros + 1n));
    const isTime = seconds < this.secondsMost && seconds > -this.secondsMost && Math.abs(Number(nanos)) < 1e9;
    if (!isTime) throw damaged(this.named(streamKind.data), 'it has a value that is no point in time');
    if (nanos % (1_000_000_000n / perSecond) !== 0n) {
      throw new UnsupportedError(file, `column ${name}`, `column ${name} has a time of ${nanos} nanoseconds within a second, and others so far from 1970 that 64 bits do not hold both`);
    }
    throw new UnsupportedError(file, `column ${name}`, `column ${name} has a time that does not fit 64 bits in ${type}`);
  }

  /** Unscaled values of any length, zigzag, and the scale of each. */
  private decimals(): Data {
    const name = this.named(streamKind.data);
    const { bytes, end } = this.stream(streamKind.data);
    const scales = narrowed(this.integers(streamKind.secondary, this.count, true));
    if (scales === undefined) throw damaged(this.named(streamKind.secondary), 'a scale is no scale');
    checkRoom(name, bytes, this.count);
    const words = withKernelMemory((memory) => {
      const from = memory.put(bytes);
      const out = memory.reserve(16 * this.count);
      const to = memory.kernels.readDecimals(from, bytes.length, this.count, out);
      if (to === 0) throw damaged(name, 'it ends within a value, or one has more than 38 digits');
      if (end !== undefined && to - from !== end.at) throw damaged(name, 'its values do not end where the row index says');
      return new BigUint64Array(memory.copy(out, out + 16 * this.count).buffer);
    });
    this.rescale(words, scales);
    return this.made(this.spread(new Uint32Array(words.buffer), 4));
  }

  /** Each value may have a scale of its own. */
  private rescale(words: BigUint64Array, scales: Int32Array): void {
    const { scale } = this.column.type as DataType & { readonly scale: number };
    for (let i = 0; i < scales.length; i++) {
      const more = scale - scales[i]!;
      if (more === 0) continue;
      if (Math.abs(more) > 76) throw damaged(this.named(streamKind.secondary), `a scale is ${scales[i]}`);
      let value = (BigInt.asIntN(64, words[i * 2 + 1]!) << 64n) | words[i * 2]!;
      if (more > 0) value *= 10n ** BigInt(more);
      else value /= 10n ** BigInt(-more);
      if (BigInt.asIntN(128, value) !== value) throw damaged(this.named(streamKind.data), 'a value has more than 38 digits');
      words[i * 2] = BigInt.asUintN(64, value);
      words[i * 2 + 1] = BigInt.asUintN(64, value >> 64n);
    }
  }

  private spans(): Data {
    const lengths = this.integers(streamKind.length, this.count, false);
    const { bytes, end } = this.stream(streamKind.data);
    const offsets = this.offsetsOf(this.named(streamKind.length), lengths, bytes.length, this.nullBitmap);
    const size = offsets.at(-1)!;
    if (end !== undefined && size !== end.at) throw damaged(this.named(streamKind.data), 'its values do not end where the row index says');
    return this.text(offsets, bytes.slice(0, size), this.column.rows, this.nullBitmap);
  }

  private coded(): Data {
    const { rows, type, dictionary } = this.column;
    const entries = dictionary(() => this.entries());
    const codes = narrowed(this.integers(streamKind.data, this.count, false));
    if (codes === undefined || !areWithin(codes, entries.length)) {
      throw damaged(this.named(streamKind.data), `it names an entry of the dictionary that is not among its ${entries.length}`);
    }
    const data = this.spread(codes, 1);
    const nulls = this.nulls();
    return makeData({ type: new Dictionary(type, new Int32()), length: rows, data, dictionary: entries, ...nulls } as never);
  }

  private entries(): Vector {
    const { dictionarySize, streams } = this.column;
    const bytes = streams.get(streamKind.dictionaryData)?.bytes ?? new Uint8Array(0);
    const lengths = this.integers(streamKind.length, dictionarySize, false);
    const offsets = this.offsetsOf(this.named(streamKind.length), lengths, bytes.length, undefined);
    return new Vector([this.text(offsets, bytes.slice(0, offsets.at(-1)), dictionarySize, undefined)]);
  }

  private text(offsets: Int32Array, data: Uint8Array, length: number, bitmap: Uint8Array | undefined): Data {
    const { type } = this.column;
    const isLarge = type.typeId === Type.LargeUtf8 || type.typeId === Type.LargeBinary;
    const valueOffsets = isLarge ? BigInt64Array.from(offsets, BigInt) : offsets;
    const nulls = bitmap === undefined ? { nullCount: 0 } : { nullCount: length - this.count, nullBitmap: bitmap };
    return makeData({ type, length, valueOffsets, data, ...nulls } as never);
  }

  /** Where each row's bytes begin; over all rows where some are null. `lengths` are halves. */
  private offsetsOf(name: StreamName, lengths: Int32Array, bytes: number, bitmap: Uint8Array | undefined): Int32Array {
    const rows = bitmap === undefined ? lengths.length / 2 : this.column.rows;
    const offsets = new Int32Array(rows + 1);
    // The sum of what are no lengths may be anything, and is not looked at.
    let [end, high] = [0, 0];
    if (bitmap === undefined) {
      for (let i = 0; i < rows; i++) {
        high |= lengths[i * 2 + 1]!;
        offsets[i + 1] = end += lengths[i * 2]! >>> 0;
      }
    } else {
      let next = 0;
      for (let row = 0; row < rows; row++) {
        if (((bitmap[row >> 3]! >> (row & 7)) & 1) === 1) {
          high |= lengths[next + 1]!;
          end += lengths[next]! >>> 0;
          next += 2;
        }
        offsets[row + 1] = end;
      }
    }
    if (high !== 0 || end > bytes || end > 0x7fffffff) throw damaged(name, `it adds up to ${high !== 0 ? 'more than 4294967295' : end} bytes, and there are ${bytes}`);
    return offsets;
  }

  private fixed(values: Numbers): Data {
    const { type } = this.column;
    const data = this.spread(values, 1);
    // Narrow, unsigned and half types are stored in wider ones.
    if (DataType.isInt(type) && type.bitWidth < 32) return this.made((type.ArrayType as unknown as { from(values: ArrayLike<number>): ArrayBufferView }).from(data as Int32Array));
    if (DataType.isFloat(type) && type.precision === 0) return this.made(Uint16Array.from(data as unknown as Float32Array, floatToHalf));
    return this.made(data);
  }

  private made(data: ArrayBufferView): Data {
    const { type, rows } = this.column;
    return makeData({ type, length: rows, data, ...this.nulls() } as never);
  }

  private nulls(): object {
    if (this.nullBitmap === undefined) return { nullCount: 0 };
    return { nullCount: this.column.rows - this.count, nullBitmap: this.nullBitmap };
  }

  /** Values, of `per` elements each, at the rows that have one; zeros at the others. */
  private spread<Values extends Numbers>(values: Values, per: number): Values {
    if (this.nullBitmap === undefined) return values;
    const out = new (values.constructor as new (length: number) => Values)(this.column.rows * per);
    const bytesPer = values.BYTES_PER_ELEMENT * per;
    // Moved as words, whatever they are: the loops meet one kind of array each.
    if (bytesPer === 1) spreadBytes(new Uint8Array(values.buffer, values.byteOffset, this.count), this.nullBitmap, new Uint8Array(out.buffer));
    else spreadWords(new Uint32Array(values.buffer, values.byteOffset, (this.count * bytesPer) / 4), bytesPer / 4, this.nullBitmap, new Uint32Array(out.buffer));
    return out;
  }

  private eachPlace(visit: (row: number, i: number) => void): void {
    const bitmap = this.nullBitmap!;
    let i = 0;
    for (let row = 0; row < this.column.rows; row++) if (((bitmap[row >> 3]! >> (row & 7)) & 1) === 1) visit(row, i++);
  }

  private integers(kind: number, count: number, isSigned: boolean): Int32Array {
    return decodeIntegers(this.named(kind), count === 0 ? nothing : this.stream(kind), count, this.version, isSigned);
  }

  private integersIn(memory: KernelMemory, kind: number, isSigned: boolean): Pointer {
    return integersIn(memory, this.named(kind), this.count === 0 ? nothing : this.stream(kind), this.count, this.version, isSigned);
  }

  /** A copy of so many bytes, which are all. */
  private bytes(kind: number, size: number): Uint8Array {
    const { bytes, end } = this.stream(kind);
    if (bytes.length < size) throw damaged(this.named(kind), `it has ${bytes.length} of ${size} bytes`);
    if (end !== undefined && size !== end.at) throw damaged(this.named(kind), 'its values do not end where the row index says');
    return bytes.slice(0, size);
  }

  private stream(kind: number): StreamPart {
    const part = this.column.streams.get(kind);
    if (part === undefined && this.count > 0) throw damaged(this.named(kind), 'it is missing');
    return part ?? nothing;
  }

  private named(kind: number): StreamName {
    const { file, name, stripe } = this.column;
    return { file, stream: `column ${name}, stripe ${stripe}, stream ${streamNames[kind] ?? kind}` };
  }
}

type Numbers = Int8Array | Int32Array | Uint32Array | BigInt64Array | BigUint64Array | Float32Array | Float64Array;

/** Of halves: the lowest three bits tell how many decimal zeros were cut off, less one. */
function nanosOf(low: number, high: number): number {
  const zeros = low & 7;
  return Math.floor((high * two32 + (low >>> 0)) / 8) * (zeros === 0 ? 1 : 10 ** (zeros + 1));
}

const nothing: StreamPart = { bytes: new Uint8Array(0), skip: 0 };

function spreadWords(words: Uint32Array, per: number, bitmap: Uint8Array, out: Uint32Array): void {
  const rows = out.length / per;
  let next = 0;
  if (per === 1) {
    for (let row = 0; row < rows; row++) if (((bitmap[row >> 3]! >> (row & 7)) & 1) === 1) out[row] = words[next++]!;
    return;
  }
  for (let row = 0; row < rows; row++) {
    if (((bitmap[row >> 3]! >> (row & 7)) & 1) === 0) continue;
    for (let part = 0; part < per; part++) out[row * per + part] = words[next++]!;
  }
}

function spreadBytes(bytes: Uint8Array, bitmap: Uint8Array, out: Uint8Array): void {
  let next = 0;
  for (let row = 0; row < out.length; row++) if (((bitmap[row >> 3]! >> (row & 7)) & 1) === 1) out[row] = bytes[next++]!;
}

function areWithin(codes: Int32Array, size: number): boolean {
  let [least, most] = [0, -1];
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i]!;
    if (code < least) least = code;
    if (code > most) most = code;
  }
  return least === 0 && most < size;
}

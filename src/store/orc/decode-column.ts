/**
 * A column of one stripe, from its streams to an Arrow column.
 *
 *   present ─▶ which rows have a value        data, length, secondary, dictionary ─▶ the values ─▶ spread over the rows
 *
 * Strings that the file keeps as a dictionary stay one. Null slots hold zeros. Law: as many rows come out as were asked for, and
 * every length and index was checked, or DamagedFileError says which stream is wrong.
 */
import { type Data, DataType, Dictionary, Int32, makeData, type Timestamp, Type, Vector } from '../../arrow/arrow.ts';
import { floatToHalf } from '../../arrow/half.ts';
import { UnsupportedError } from '../../base/errors.ts';
import { asNumbers, checkRoom, countSet, damaged, decodeBits, decodeBytes, decodeIntegers, narrowed, type StreamName } from './decode-runs.ts';
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
  readonly encoding: number;
  readonly dictionarySize: number;
  /** By kind, decompressed. */
  readonly streams: ReadonlyMap<number, Uint8Array>;
  readonly wallClock: WallClock;
}

const streamNames = Object.fromEntries(Object.entries(streamKind).map(([name, kind]) => [kind, name]));

export function decodeColumn(column: StripeColumn): Data {
  return new ColumnDecoder(column).decode();
}

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
        return this.column.encoding === encodingKind.dictionary || this.column.encoding === encodingKind.dictionaryV2 ? this.dictionary() : this.spans();
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
    return this.fixed(values);
  }

  private wide(): Data {
    const { type } = this.column;
    const halves = this.integers(streamKind.data, this.count, true);
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
    const bytes = this.stream(streamKind.data);
    const size = this.count * (isDouble ? 8 : 4);
    if (bytes.length < size) throw damaged(this.named(streamKind.data), `it has ${bytes.length} of ${size} bytes`);
    const own = bytes.slice(0, size);
    return this.fixed(isDouble ? new Float64Array(own.buffer, own.byteOffset, this.count) : new Float32Array(own.buffer, own.byteOffset, this.count));
  }

  private timestamps(): Data {
    const { type, orcType, wallClock, name, file } = this.column;
    const seconds = this.integers(streamKind.data, this.count, true);
    const parts = this.integers(streamKind.secondary, this.count, false);
    const isInstant = orcType.kind === typeKind.timestampInstant;
    const perSecond = type.typeId === Type.Date ? 1_000 : 1_000 ** (type as Timestamp).unit;
    const nanosPerUnit = 1_000_000_000 / perSecond;
    const out = new BigInt64Array(this.count);
    for (let i = 0; i < this.count; i++) {
      const since2015 = seconds[i * 2 + 1]! * 4_294_967_296 + (seconds[i * 2]! >>> 0);
      // Some writers have them negative where the seconds are.
      const part = parts[i * 2 + 1]! * 4_294_967_296 + (parts[i * 2]! >>> 0);
      const zeros = parts[i * 2]! & 7;
      const nanos = Math.floor(part / 8) * (zeros === 0 ? 1 : 10 ** (zeros + 1));
      if (!(Math.abs(since2015) < 1e12 && Math.abs(nanos) < 1e9)) throw damaged(this.named(streamKind.data), 'it has a value that is no point in time');
      let second = isInstant ? since2015 + secondsTo2015 : wallClock.wallOf(since2015);
      // Before 1970 the seconds were rounded towards it.
      if (second < 0 && nanos > 999_999) second--;
      if (nanos % nanosPerUnit !== 0) {
        throw new UnsupportedError(file, `column ${name}`, `column ${name} has a time of ${nanos} nanoseconds within a second, and others so far from 1970 that 64 bits do not hold both`);
      }
      const value = BigInt(second) * BigInt(perSecond) + BigInt(nanos / nanosPerUnit);
      if (BigInt.asIntN(64, value) !== value) throw new UnsupportedError(file, `column ${name}`, `column ${name} has a time that does not fit 64 bits in ${type}`);
      out[i] = value;
    }
    return this.fixed(out);
  }

  /** Unscaled values of any length, zigzag, and the scale of each. */
  private decimals(): Data {
    const name = this.named(streamKind.data);
    const bytes = this.stream(streamKind.data);
    const scales = narrowed(this.integers(streamKind.secondary, this.count, true));
    if (scales === undefined) throw damaged(this.named(streamKind.secondary), 'a scale is no scale');
    checkRoom(name, bytes, this.count);
    const { scale } = this.column.type as DataType & { readonly scale: number };
    const words = new BigUint64Array(this.count * 2);
    let at = 0;
    for (let i = 0; i < this.count; i++) {
      let value = 0n;
      for (let shift = 0n; ; shift += 7n) {
        const byte = bytes[at++];
        if (byte === undefined || shift > 133n) throw damaged(name, 'a value has no end');
        value |= BigInt(byte & 127) << shift;
        if (byte < 128) break;
      }
      value = (value >> 1n) ^ -(value & 1n);
      const more = scale - scales[i]!;
      if (Math.abs(more) > 76) throw damaged(this.named(streamKind.secondary), `a scale is ${scales[i]}`);
      if (more > 0) value *= 10n ** BigInt(more);
      else if (more < 0) value /= 10n ** BigInt(-more);
      if (BigInt.asIntN(128, value) !== value) throw damaged(name, 'a value has more than 38 digits');
      words[i * 2] = BigInt.asUintN(64, value);
      words[i * 2 + 1] = BigInt.asUintN(64, value >> 64n);
    }
    return this.made(this.spread(new Uint32Array(words.buffer), 4));
  }

  private spans(): Data {
    const bytes = this.stream(streamKind.data);
    const lengths = asNumbers(this.integers(streamKind.length, this.count, false));
    const offsets = this.offsetsOf(this.named(streamKind.length), lengths, bytes.length, this.nullBitmap === undefined ? undefined : this.column.rows);
    return this.text(this.column.type, offsets, bytes.slice(0, offsets.at(-1)), this.column.rows, this.nullBitmap);
  }

  private dictionary(): Data {
    const { dictionarySize, rows, type } = this.column;
    const bytes = this.column.streams.get(streamKind.dictionaryData) ?? new Uint8Array(0);
    const lengths = asNumbers(this.integers(streamKind.length, dictionarySize, false));
    const offsets = this.offsetsOf(this.named(streamKind.length), lengths, bytes.length, undefined);
    const entries = this.text(type, offsets, bytes.slice(0, offsets.at(-1)), dictionarySize, undefined);
    const codes = narrowed(this.integers(streamKind.data, this.count, false));
    if (codes === undefined || codes.some((code) => code < 0 || code >= dictionarySize)) {
      throw damaged(this.named(streamKind.data), `it names an entry of the dictionary that is not among its ${dictionarySize}`);
    }
    const data = this.spread(codes, 1);
    const nulls = this.nulls();
    return makeData({ type: new Dictionary(type, new Int32()), length: rows, data, dictionary: new Vector([entries]), ...nulls } as never);
  }

  private text(type: DataType, offsets: Float64Array, data: Uint8Array, length: number, bitmap: Uint8Array | undefined): Data {
    const isLarge = type.typeId === Type.LargeUtf8 || type.typeId === Type.LargeBinary;
    const valueOffsets = isLarge ? BigInt64Array.from(offsets, BigInt) : Int32Array.from(offsets);
    const nulls = bitmap === undefined ? { nullCount: 0 } : { nullCount: length - this.count, nullBitmap: bitmap };
    return makeData({ type, length, valueOffsets, data, ...nulls } as never);
  }

  /** Where each row's bytes begin; over all rows where some are null. */
  private offsetsOf(name: StreamName, lengths: Float64Array, bytes: number, rows: number | undefined): Float64Array {
    const offsets = new Float64Array((rows ?? lengths.length) + 1);
    let end = 0;
    if (rows === undefined) {
      for (let i = 0; i < lengths.length; i++) offsets[i + 1] = end += lengths[i]!;
    } else {
      let next = 0;
      for (let row = 0; row < rows; row++) {
        if (((this.nullBitmap![row >> 3]! >> (row & 7)) & 1) === 1) end += lengths[next++]!;
        offsets[row + 1] = end;
      }
    }
    if (end > bytes || end > 0x7fffffff) throw damaged(name, `it adds up to ${end} bytes, and there are ${bytes}`);
    return offsets;
  }

  private fixed(values: ArrayBufferView): Data {
    const { type } = this.column;
    const data = this.spread(values as Int32Array, 1);
    // Narrow, unsigned and half types are stored in wider ones.
    if (DataType.isInt(type) && type.bitWidth < 32) return this.made((type.ArrayType as unknown as { from(values: ArrayLike<number>): ArrayBufferView }).from(data));
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

  /** Values at the rows that have one, zeros at the others. */
  private spread<Values extends Int32Array | Uint32Array>(values: Values, per: number): Values {
    if (this.nullBitmap === undefined) return values;
    const out = new (values.constructor as new (length: number) => Values)(this.column.rows * per);
    this.eachPlace((row, i) => {
      for (let part = 0; part < per; part++) out[row * per + part] = values[i * per + part]!;
    });
    return out;
  }

  private eachPlace(visit: (row: number, i: number) => void): void {
    const bitmap = this.nullBitmap!;
    let i = 0;
    for (let row = 0; row < this.column.rows; row++) if (((bitmap[row >> 3]! >> (row & 7)) & 1) === 1) visit(row, i++);
  }

  private integers(kind: number, count: number, isSigned: boolean): Int32Array {
    return decodeIntegers(this.named(kind), count === 0 ? new Uint8Array(0) : this.stream(kind), count, this.version, isSigned);
  }

  private stream(kind: number): Uint8Array {
    const bytes = this.column.streams.get(kind);
    if (bytes === undefined && this.count > 0) throw damaged(this.named(kind), 'it is missing');
    return bytes ?? new Uint8Array(0);
  }

  private named(kind: number): StreamName {
    const { file, name, stripe } = this.column;
    return { file, stream: `column ${name}, stripe ${stripe}, stream ${streamNames[kind] ?? kind}` };
  }
}

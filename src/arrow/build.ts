/**
 * Columns in the plainest layout: no dictionary, no offset, one validity bitmap where there is a null.
 *
 * What others make of Arrow data (slices with bit offsets, null counts of −1, dictionaries that change from batch to
 * batch) ends here, for writers that cannot bear it.
 */
import { canonicalTable } from './canonical.ts';
import type { Data, DataType, Vector } from './arrow.ts';
import { arrow } from './late.ts';
import { isBinary, isDecimal, isDictionary, isFixedSizeBinary, isLargeBinary, isLargeUtf8, isUtf8, Type } from './types.ts';

/** The same rows in the plainest layout. Aliases where nothing has to move; values under nulls stay what they are. */
export function plainData(data: Data): Data {
  const { type, length } = data;
  if (type.typeId === Type.Null) return arrow().makeData({ type: type as never, length });
  const validity = data.nullBitmap && data.nullBitmap.length > 0 ? alignedBits(data.nullBitmap, data.offset, length) : undefined;
  if (isDictionary(type)) return decoded(data.dictionary!, data.values as Int32Array, validity, length);
  const common = { type: type as never, length, ...nulls(validity, length) };
  if (type.typeId === Type.Bool) return arrow().makeData({ ...common, data: alignedBits(data.values as Uint8Array, data.offset, length) } as never);
  if (isBytes(type)) return arrow().makeData({ ...common, ...plainSpans(data) } as never);
  const stride = isDecimal(type) ? type.bitWidth / 32 : isFixedSizeBinary(type) ? type.byteWidth : 1;
  return arrow().makeData({ ...common, data: (data.values as Uint8Array).subarray(0, length * stride) } as never);
}

/** Bits [offset, offset + length), the first one at bit 0 and those beyond the end zero. Copies. */
export function alignedBits(bits: Uint8Array, offset: number, length: number): Uint8Array {
  const bytes = (length + 7) >> 3;
  const aligned = new Uint8Array(bytes);
  const [first, shift] = [offset >> 3, offset & 7];
  if (shift === 0) aligned.set(bits.subarray(first, first + bytes));
  else for (let i = 0; i < bytes; i++) aligned[i] = (bits[first + i]! >> shift) | ((bits[first + i + 1] ?? 0) << (8 - shift));
  if ((length & 7) !== 0) aligned[bytes - 1]! &= (1 << (length & 7)) - 1;
  return aligned;
}

/** How many of the first `length` bits are set; those beyond are zero. */
export function countBits(bits: Uint8Array, length: number): number {
  let count = 0;
  for (let i = 0; i < (length + 7) >> 3; i++) {
    let byte = bits[i]!;
    byte -= (byte >> 1) & 0x55;
    byte = (byte & 0x33) + ((byte >> 2) & 0x33);
    count += (byte + (byte >> 4)) & 15;
  }
  return count;
}

function nulls(validity: Uint8Array | undefined, length: number): { nullCount: number; nullBitmap?: Uint8Array } {
  const nullCount = validity === undefined ? 0 : length - countBits(validity, length);
  return nullCount === 0 ? { nullCount } : { nullCount, nullBitmap: validity! };
}

function isBytes(type: DataType): boolean {
  return isUtf8(type) || isBinary(type) || isLargeUtf8(type) || isLargeBinary(type);
}

interface Spans {
  readonly valueOffsets: Int32Array | BigInt64Array;
  readonly data: Uint8Array;
}

function plainSpans({ length, valueOffsets, values }: Data): Spans {
  const bytes = values as Uint8Array;
  // A column of no rows may come without any offset.
  if ((valueOffsets as unknown) instanceof BigInt64Array) {
    const offsets = valueOffsets as unknown as BigInt64Array;
    if (length === 0) return { valueOffsets: new BigInt64Array(1), data: bytes.subarray(0, 0) };
    const start = offsets[0]!;
    const data = bytes.subarray(Number(start), Number(offsets[length]!));
    return { valueOffsets: start === 0n ? offsets.subarray(0, length + 1) : offsets.slice(0, length + 1).map((offset) => offset - start), data };
  }
  const offsets = valueOffsets as Int32Array;
  if (length === 0) return { valueOffsets: new Int32Array(1), data: bytes.subarray(0, 0) };
  const start = offsets[0]!;
  const data = bytes.subarray(start, offsets[length]!);
  return { valueOffsets: start === 0 ? offsets.subarray(0, length + 1) : offsets.slice(0, length + 1).map((offset) => offset - start), data };
}

/** What the codes stand for. An entry that is null makes its rows null. */
function decoded(dictionary: Vector, codes: ArrayLike<number | bigint>, validity: Uint8Array | undefined, length: number): Data {
  const entries = plainEntries(dictionary);
  const { type } = entries;
  const positions = new Int32Array(length).fill(-1);
  const valid = new Uint8Array((length + 7) >> 3);
  const entryValidity = entries.nullCount > 0 ? entries.nullBitmap : undefined;
  for (let row = 0; row < length; row++) {
    if (validity !== undefined && ((validity[row >> 3]! >> (row & 7)) & 1) === 0) continue;
    const position = Number(codes[row]!);
    if (entryValidity && ((entryValidity[position >> 3]! >> (position & 7)) & 1) === 0) continue;
    positions[row] = position;
    valid[row >> 3]! |= 1 << (row & 7);
  }
  const common = { type: type as never, length, ...nulls(valid, length) };
  if (isBytes(type)) return arrow().makeData({ ...common, ...gatheredSpans(entries, positions) } as never);
  if (type.typeId === Type.Bool) {
    const [source, values] = [entries.values as Uint8Array, new Uint8Array((length + 7) >> 3)];
    for (let row = 0; row < length; row++) {
      const position = positions[row]!;
      if (position >= 0 && (source[position >> 3]! >> (position & 7)) & 1) values[row >> 3]! |= 1 << (row & 7);
    }
    return arrow().makeData({ ...common, data: values } as never);
  }
  const stride = isDecimal(type) ? type.bitWidth / 32 : isFixedSizeBinary(type) ? type.byteWidth : 1;
  const source = entries.values as Uint8Array;
  const values = new (type.ArrayType as new (length: number) => Uint8Array)(length * stride);
  for (let row = 0; row < length; row++) {
    const position = positions[row]!;
    if (position >= 0) for (let k = 0; k < stride; k++) values[row * stride + k] = source[position * stride + k]!;
  }
  return arrow().makeData({ ...common, data: values } as never);
}

function plainEntries(dictionary: Vector): Data {
  if (dictionary.data.length === 1) return plainData(dictionary.data[0]!);
  const { Field, makeData, RecordBatch, Schema, Struct } = arrow();
  const schema = new Schema([new Field('entry', dictionary.type, true)]);
  const batches = dictionary.data.map(
    (data) => new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: data.length, nullCount: 0, children: [data] })),
  );
  return canonicalTable(schema, batches).batches[0]!.data.children[0]!;
}

function gatheredSpans(entries: Data, positions: Int32Array): Spans {
  const large = (entries.valueOffsets as unknown) instanceof BigInt64Array;
  const starts = large ? Float64Array.from(entries.valueOffsets as unknown as BigInt64Array, Number as never) : (entries.valueOffsets as Int32Array);
  const source = entries.values as Uint8Array;
  const offsets = new Float64Array(positions.length + 1);
  let total = 0;
  for (let row = 0; row < positions.length; row++) {
    const position = positions[row]!;
    if (position >= 0) total += starts[position + 1]! - starts[position]!;
    offsets[row + 1] = total;
  }
  const data = new Uint8Array(total);
  for (let row = 0; row < positions.length; row++) {
    const position = positions[row]!;
    if (position < 0) continue;
    const [from, to] = [starts[position]!, offsets[row]!];
    const size = offsets[row + 1]! - to;
    // Entries are short as a rule, and for those a loop is faster than a view.
    if (size > 32) data.set(source.subarray(from, from + size), to);
    else for (let k = 0; k < size; k++) data[to + k] = source[from + k]!;
  }
  return { valueOffsets: large ? BigInt64Array.from(offsets, (offset) => BigInt(offset)) : Int32Array.from(offsets), data };
}

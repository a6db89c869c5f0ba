/** Values of any length: strings, binary, and decimals as 16 bytes that order as they do. */
import { type Data, DataType, makeData, Type } from '../../arrow/arrow.ts';
import { OverflowError } from '../../base/errors.ts';
import type { Instance } from '../instance.ts';
import { Buffer64, ColumnStage } from '../staging.ts';
import type { Layout } from '../types.ts';
import type { Window } from '../grouper.ts';
import type { Validity } from './groups.ts';

export const isSpans = ({ kind }: Layout): boolean => kind === 'string' || kind === 'decimal';

/** Brings the values of one column into memory and makes spans of them. */
export class SpanSource {
  private readonly dictionaryStage: ColumnStage;
  private readonly decimals: Buffer64;
  private dictionary: { readonly data: Data; readonly offsets: number; readonly bytes: number } | undefined;

  constructor(private readonly instance: Instance) {
    this.dictionaryStage = new ColumnStage(instance);
    this.decimals = new Buffer64(instance);
  }

  /** A span for each selected row, at `out`; they hold until the next call. */
  gather(data: Data, stage: ColumnStage, layout: Layout, { start, length, rows, count }: Window, out: Buffer64): number {
    const { kernels } = this.instance;
    const spans = out.ensure(count * 8);
    if (layout.kind === 'decimal') {
      kernels.gatherDecimals(stage.stageFixed(data, start, length), rows, count, this.decimals.ensure(count * 16), spans);
    } else if (DataType.isDictionary(data.type)) {
      const entries = data.dictionary!.data[0]!;
      if (this.dictionary?.data !== entries) this.dictionary = { data: entries, ...this.dictionaryStage.stageStrings(entries, 0, entries.length) };
      const codes = stage.stageCodes(data, start, length);
      kernels.gatherCodeSpans(codes, entries.length, this.dictionary.offsets, this.dictionary.bytes, rows, count, spans);
    } else {
      const { offsets, bytes } = stage.stageStrings(data, start, length);
      kernels.gatherSpans(offsets, bytes, rows, count, spans);
    }
    return spans;
  }
}

export interface DecimalBuffers {
  readonly offsets: Buffer64;
  readonly bytes: Buffer64;
}

/** Decimals of rows [start, start + count) as strings of 16 bytes that order as they do: offsets, and bytes they count from. */
export function stageDecimals(
  instance: Instance, stage: ColumnStage, data: Data, start: number, count: number, buffers: DecimalBuffers,
): { readonly offsets: number; readonly bytes: number } {
  const bytes = buffers.bytes.ensure(count * 16);
  instance.kernels.gatherDecimals(stage.stageFixed(data, start, count), 0, count, bytes, 0);
  const offsets = buffers.offsets.ensure((count + 1) * 4);
  const target = instance.view32(offsets, count + 1);
  for (let i = 0; i <= count; i++) target[i] = i * 16;
  return { offsets, bytes };
}

/** The column that `count` spans in memory are, by kernels; undefined where the type, or how long they are together, asks for more care. */
export function packSpans(instance: Instance, type: DataType, spans: number, count: number): Data | undefined {
  if (type.typeId !== Type.Utf8 && type.typeId !== Type.Binary) return undefined;
  const { kernels } = instance;
  const offsetsBytes = (count + 1) * 4;
  const offsets = instance.alloc(offsetsBytes);
  const bytes = kernels.placeSpans(spans, count, offsets);
  const valueOffsets = new Int32Array(instance.view8(offsets, offsetsBytes).slice().buffer);
  instance.free(offsets, offsetsBytes);
  if (bytes > 0x7fffffff) return undefined;
  const out = instance.alloc(bytes);
  kernels.copySpans(spans, count, out);
  const data = instance.view8(out, bytes).slice();
  instance.free(out, bytes);
  return makeData({ type, length: count, nullCount: 0, valueOffsets, data } as never);
}

/** The column that spans (address and length in turn) are, of a string, binary or decimal type. */
export function spanColumn(instance: Instance, name: string, type: DataType, spans: Uint32Array, validity: Validity): Data {
  const length = spans.length / 2;
  if (type.typeId === Type.Decimal) return decimalColumn(instance, type, spans, validity);
  const { bytes } = instance;
  const { nullBitmap } = validity;
  const lengthOf = (i: number): number => (nullBitmap !== undefined && ((nullBitmap[i >> 3]! >> (i & 7)) & 1) === 0 ? 0 : spans[i * 2 + 1]!);
  const starts = new Float64Array(length + 1);
  for (let i = 0; i < length; i++) starts[i + 1] = starts[i]! + lengthOf(i);
  const total = starts[length]!;
  const large = type.typeId === Type.LargeUtf8 || type.typeId === Type.LargeBinary;
  if (!large && total > 0x7fffffff) {
    throw new OverflowError(name, '(all)', `the values are ${total} bytes long together, more than a ${type} column holds; use LargeUtf8`);
  }
  const data = new Uint8Array(total);
  for (let i = 0; i < length; i++) {
    const [from, to, size] = [spans[i * 2]!, starts[i]!, lengthOf(i)];
    if (size > 32) data.set(bytes.subarray(from, from + size), to);
    else for (let k = 0; k < size; k++) data[to + k] = bytes[from + k]!;
  }
  const valueOffsets = large ? BigInt64Array.from(starts, BigInt) : Int32Array.from(starts);
  return makeData({ type, length, valueOffsets, data, ...validity } as never);
}

function decimalColumn({ bytes }: Instance, type: DataType, spans: Uint32Array, validity: Validity): Data {
  const length = spans.length / 2;
  const data = new Uint32Array(length * 4);
  const out = new Uint8Array(data.buffer);
  const { nullBitmap } = validity;
  for (let i = 0; i < length; i++) {
    if (nullBitmap !== undefined && ((nullBitmap[i >> 3]! >> (i & 7)) & 1) === 0) continue;
    const from = spans[i * 2]!;
    for (let k = 0; k < 16; k++) out[i * 16 + k] = bytes[from + 15 - k]!;
    out[i * 16 + 15]! ^= 0x80;
  }
  return makeData({ type, length, data, ...validity } as never);
}

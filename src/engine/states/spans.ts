/** Values of any length: strings, binary, and decimals as 16 bytes that order as they do. */
import { type Data, DataType, makeData, Type } from '../../arrow/arrow.ts';
import { OverflowError } from '../../base/errors.ts';
import { complete, Pace, type Steps } from '../../base/steps.ts';
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

/** Spans that are read out at a time. */
const spansAtOnce = 1 << 14;

/** The column that spans (address and length in turn) are, of a string, binary or decimal type. */
export function spanColumn(instance: Instance, name: string, type: DataType, spans: Uint32Array, validity: Validity): Data {
  return complete(readingSpans(instance, name, type, spans, validity, new Pace(spansAtOnce)));
}

/** The same, in steps of as many spans as `pace` says. */
export function* readingSpans(instance: Instance, name: string, type: DataType, spans: Uint32Array, validity: Validity, pace: Pace): Steps<Data> {
  if (type.typeId === Type.Decimal) return decimalColumn(instance, type, spans, validity);
  const length = spans.length / 2;
  const there = validity.nullBitmap === undefined ? spans : withoutNulls(spans, validity.nullBitmap);
  const large = type.typeId === Type.LargeUtf8 || type.typeId === Type.LargeBinary;
  const valueOffsets = new (large ? BigInt64Array : Int32Array)(length + 1);
  const parts: Uint8Array[] = [];
  let total = 0;
  for (let start = 0; start < length; start += spansAtOnce) {
    if (start > 0 && pace.isDue(spansAtOnce)) yield;
    const { ends, bytes } = concat(instance, there.subarray(start * 2, (start + spansAtOnce) * 2), large ? 0 : total);
    if (large) for (const [i, end] of ends.entries()) valueOffsets[start + 1 + i] = BigInt(total + end);
    else (valueOffsets as Int32Array).set(ends, start + 1);
    total += bytes.length;
    if (!large && total > 0x7fffffff) {
      throw new OverflowError(name, '(all)', `the values are longer together than the ${0x7fffffff} bytes that a ${type} column holds; use LargeUtf8`);
    }
    parts.push(bytes);
  }
  return makeData({ type, length, valueOffsets, data: joined(parts, total), ...validity } as never);
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** What spans name, side by side, and where each ends, `before` bytes being before them. */
function concat(instance: Instance, spans: Uint32Array, before: number): { readonly ends: Uint32Array; readonly bytes: Uint8Array } {
  const { kernels } = instance;
  const count = spans.length / 2;
  const blockBytes = count * 12;
  const block = instance.alloc(blockBytes);
  instance.put(spans, block);
  const length = kernels.lengthOfSpans(block, count);
  const out = instance.alloc(length);
  const ends = block + count * 8;
  kernels.concatSpans(block, count, before, ends, out);
  const found = { ends: instance.view32(ends, count).slice(), bytes: instance.view8(out, length).slice() };
  instance.free(out, length);
  instance.free(block, blockBytes);
  return found;
}

function withoutNulls(spans: Uint32Array, nullBitmap: Uint8Array): Uint32Array {
  const there = spans.slice();
  for (let i = 0; i < spans.length / 2; i++) if (((nullBitmap[i >> 3]! >> (i & 7)) & 1) === 0) there[i * 2 + 1] = 0;
  return there;
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

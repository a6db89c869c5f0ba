/**
 * Coarse times of resident tables: which of 256 equal parts of a column's time each row lies in, a byte a row beside its eight. A range of time
 * is asked of these first; only rows in the parts that it touches are looked at. Law: that is the same answer.
 *
 *   kept ─▶ | … arrays of the table … | coarse times of column a | …          part = (time − first) >> shift
 *
 * They travel with a batch as a column whose name says how they are made. After B. Hentschel, M. Kester and S. Idreos, "Column Sketches" (2018).
 */
import { type Data, DataType, Field, makeData, RecordBatch, Schema, Struct, type Table, Uint8 } from '../arrow/arrow.ts';
import { Beside, type BesidePlace, makeBeside, rowsAtOnce } from './beside.ts';
import type { Instance } from './instance.ts';
import { hasNulls } from './staging.ts';
import { int64Max, int64Min } from './types.ts';

/** How times become parts. */
export interface CoarseScale {
  readonly first: bigint;
  readonly shift: bigint;
}

/** The coarse times of a batch. */
export interface CoarseTimes extends CoarseScale {
  readonly data: Data;
}

/** The coarse times of a batch, and which parts a range of time touches. */
export interface CoarseRange {
  readonly data: Data;
  readonly low: number;
  readonly high: number;
}

const partMax = 255;
/** Where a range touches more parts, most rows are likely to be in it. */
const partsMost = 128;

const coarseTimes = new Beside<Uint8Array, CoarseScale>();

/** Whether a column of this type may have coarse times. */
export const hasCoarseTimes = (type: DataType): boolean => DataType.isTimestamp(type);

/** Gives a column that lies in the memory of a table its coarse times. */
export function coarsenColumn(parts: readonly Data[], place: BesidePlace): Promise<void> {
  return makeBeside(parts, place, 1, async ({ instance, at, rows, each }) => {
    const bounds = instance.guard(() => new Bounds(instance));
    await each((part, start, count) => {
      bounds.add(part, start, count);
      return true;
    });
    const scale = bounds.scale();
    if (scale === undefined) return false;
    await each((part, start, count, before) => {
      instance.kernels.coarsen(wordsAt(part, start), count, scale.first, scale.shift, at + before);
      return true;
    });
    coarseTimes.keep(parts, instance.view8(at, rows), scale);
    return true;
  });
}

const wordsAt = (part: Data, start: number): number => (part.values as BigInt64Array).byteOffset + start * 8;

/** The least and the greatest time of rows that have one. */
class Bounds {
  private readonly bounds: number;
  private readonly chosen: number;
  private readonly words: number;
  private readonly bits: number;

  constructor(private readonly instance: Instance) {
    this.bounds = instance.alloc(16);
    instance.view64(this.bounds, 2).set([int64Max, int64Min]);
    this.chosen = instance.alloc(rowsAtOnce * 4);
    this.words = instance.alloc(rowsAtOnce * 8);
    this.bits = instance.alloc(rowsAtOnce / 8 + 8);
  }

  add(part: Data, start: number, count: number): void {
    const { instance, bounds, chosen, words, bits } = this;
    const { kernels } = instance;
    if (!hasNulls(part)) {
      kernels.boundsOf(wordsAt(part, start), count, bounds);
      return;
    }
    const first = part.offset + start;
    instance.put(part.nullBitmap!.subarray(first >> 3, (first + count + 7) >> 3), bits);
    const valid = kernels.selectValid(bits, first & 7, 0, count, chosen);
    kernels.gather64(wordsAt(part, start), chosen, valid, words);
    kernels.boundsOf(words, valid, bounds);
  }

  /** Undefined where no row has a time. */
  scale(): CoarseScale | undefined {
    const [first, last] = this.instance.view64(this.bounds, 2) as unknown as [bigint, bigint];
    if (last < first) return undefined;
    let shift = 0n;
    while ((last - first) >> shift > BigInt(partMax)) shift++;
    return { first, shift };
  }
}

const prefixOf = (column: string): string => `\0coarse ${column}\0`;

/** The batch with the coarse times of this column, where it has any. */
export function withCoarseTimes(batch: RecordBatch, column: string): RecordBatch {
  const { fields } = batch.schema;
  const times = batch.data.children[fields.findIndex(({ name }) => name === column)];
  const coarse = times && coarseTimes.of(times);
  if (coarse === undefined) return batch;
  const { elements, facts: { first, shift } } = coarse;
  const schema = new Schema([...fields, new Field(`${prefixOf(column)}${first} ${shift}`, new Uint8(), false)]);
  const children = [...batch.data.children, makeData({ type: new Uint8(), length: batch.numRows, nullCount: 0, data: elements })];
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: batch.numRows, nullCount: 0, children: children as never }));
}

/** The columns of coarse times that a batch has. */
export const coarseFields = ({ schema: { fields } }: RecordBatch): Field[] => fields.filter(({ name }) => name.startsWith('\0coarse '));

/** The coarse times that a batch has of this column. */
export function coarseTimesIn(batch: RecordBatch, column: string): CoarseTimes | undefined {
  const prefix = prefixOf(column);
  const index = batch.schema.fields.findIndex(({ name }) => name.startsWith(prefix));
  if (index < 0) return undefined;
  const [first, shift] = batch.schema.fields[index]!.name.slice(prefix.length).split(' ').map(BigInt) as [bigint, bigint];
  return { data: batch.data.children[index]!, first, shift };
}

/** What coarse times tell of [start, end) in the column's unit; undefined where most rows are likely to be inside. */
export function coarseRange({ data, first, shift }: CoarseTimes, { start, end }: { readonly start: bigint; readonly end: bigint }): CoarseRange | undefined {
  // Beyond the parts there are numbers of any size.
  const partOf = (time: bigint): number => Number((time - first) >> shift);
  const [low, high] = [Math.max(partOf(start), 0), Math.min(partOf(end - 1n), partMax)];
  return high - low >= partsMost ? undefined : { data, low, high };
}

/** How the coarse times of a table's columns are made, by name, of those that have them. */
export function coarseScales({ schema, batches }: Table): ReadonlyMap<string, CoarseScale> {
  const scales = schema.fields.flatMap(({ name }, i): [string, CoarseScale][] => {
    const coarse = batches[0] && coarseTimes.of(batches[0].data.children[i]!);
    return coarse === undefined ? [] : [[name, coarse.facts]];
  });
  return new Map(scales);
}

/**
 * What stands beside the timestamps of resident tables: short times (short.ts) and coarse ones (coarse.ts), made in two passes over the column.
 *
 *   kept ─▶ | … arrays of the table … | short times of column a, where they fit | coarse times of column a | …
 */
import { type Data, DataType, type RecordBatch } from '../arrow/arrow.ts';
import { type BesidePlace, type BesideRows, makeBeside, rowsAtOnce } from './beside.ts';
import { coarseScale, coarseTimes } from './coarse.ts';
import type { Instance } from './instance.ts';
import { type GroupByPlan, type OutputColumn, timesOfRanges } from './plan.ts';
import { shortScale, shortTimes } from './short.ts';
import { hasNulls } from './staging.ts';
import { int64Max, int64Min } from './types.ts';

const [shortBytes, coarseBytes] = [4, 1] as const;

/** Whether a column of this type may have them. */
export const hasTimesBeside = (type: DataType): boolean => DataType.isTimestamp(type);

/** Gives a column that lies in the memory of a table what stands beside it. */
export function makeTimesBeside(parts: readonly Data[], place: BesidePlace): Promise<void> {
  return makeBeside(parts, place, shortBytes + coarseBytes, async (beside) => {
    const { instance, at, rows } = beside;
    const found = await measure(beside);
    if (found === undefined) return 0;
    const { first, last, unit } = found;
    const short = shortScale(first, last, unit);
    const coarse = coarseScale(first, last);
    const coarseAt = short === undefined ? at : at + rows * shortBytes;
    const shorten = short && shortener(instance, ...short);
    await beside.each((part, start, count, before) => {
      shorten?.(part, start, count, at + before * shortBytes);
      instance.kernels.coarsen(wordsAt(part, start), count, ...coarse, coarseAt + before);
      return true;
    });
    if (short !== undefined) shortTimes.keep(parts, new Int32Array(instance.view8(at, rows * shortBytes).buffer, at, rows), short);
    coarseTimes.keep(parts, instance.view8(coarseAt, rows), coarse);
    return short === undefined ? coarseBytes : coarseBytes + shortBytes;
  });
}

const wordsAt = (part: Data, start: number): number => (part.values as BigInt64Array).byteOffset + start * 8;

function shortener({ kernels }: Instance, first: bigint, unit: bigint): (part: Data, start: number, count: number, out: number) => void {
  let shift = 0n;
  while (((unit >> shift) & 1n) === 0n) shift++;
  const odd = Number(BigInt.asUintN(32, unit >> shift));
  // Each step doubles the bits that are right, of which there are three to begin with.
  let inverse = odd;
  for (let bits = 3; bits < 32; bits *= 2) inverse = Math.imul(inverse, 2 - Math.imul(odd, inverse));
  return (part, start, count, out) => {
    const bitmap = hasNulls(part) ? part.nullBitmap!.byteOffset : 0;
    kernels.shorten(wordsAt(part, start), count, bitmap, part.offset + start, first, shift, inverse, out);
  };
}

/** The least and the greatest time, and the greatest unit of all differences; undefined where no row has a time. */
async function measure({ instance, each }: BesideRows): Promise<{ readonly first: bigint; readonly last: bigint; readonly unit: bigint } | undefined> {
  const { kernels } = instance;
  const scratch = instance.guard(() => ({
    bounds: instance.alloc(16), chosen: instance.alloc(rowsAtOnce * 4), words: instance.alloc(rowsAtOnce * 8), bits: instance.alloc(rowsAtOnce / 8 + 8),
  }));
  instance.view64(scratch.bounds, 2).set([int64Max, int64Min]);
  let [origin, unit]: [bigint | undefined, bigint] = [undefined, 0n];
  await each((part, start, count) => {
    const [words, known] = hasNulls(part) ? validWords(instance, part, start, count, scratch) : [wordsAt(part, start), count];
    if (known === 0) return true;
    origin ??= instance.view64(words, 1)[0]!;
    kernels.boundsOf(words, known, scratch.bounds);
    unit = BigInt.asUintN(64, kernels.unitOf(words, known, origin, BigInt.asIntN(64, unit)));
    return true;
  });
  const [first, last] = instance.view64(scratch.bounds, 2) as unknown as [bigint, bigint];
  return origin === undefined ? undefined : { first, last, unit };
}

/** The words of the rows that have one, side by side. */
function validWords(
  instance: Instance, part: Data, start: number, count: number, { chosen, words, bits }: { readonly chosen: number; readonly words: number; readonly bits: number },
): [words: number, count: number] {
  const first = part.offset + start;
  instance.put(part.nullBitmap!.subarray(first >> 3, (first + count + 7) >> 3), bits);
  const valid = instance.kernels.selectValid(bits, first & 7, 0, count, chosen);
  instance.kernels.gather64(wordsAt(part, start), chosen, valid, words);
  return [words, valid];
}

/** Joins to batches what these plans make use of, where it is there. */
export function joinedTimes(plans: readonly GroupByPlan[]): (batch: RecordBatch) => RecordBatch {
  const ranged = timesOfRanges(plans);
  const isExtreme = ({ aggregation }: OutputColumn): boolean => aggregation === 'min' || aggregation === 'max';
  const extremes = [...new Set(plans.flatMap(({ outputs }) => outputs.filter(isExtreme).map(({ column }) => column)))];
  return (batch) => extremes.reduce((rows, column) => shortTimes.joined(rows, column), ranged.reduce((rows, column) => coarseTimes.joined(rows, column), batch));
}

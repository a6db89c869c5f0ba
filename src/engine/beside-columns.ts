/**
 * What is made beside the columns of resident tables, and joined to the batches of whoever makes use of it: short forms (short.ts) of timestamps and
 * doubles, coarse times (coarse.ts).
 *
 *   kept ─▶ | … arrays of the table … | short times of column a | coarse times of column a | short doubles of column b | …
 */
import { type Data, DataType, type RecordBatch } from '../arrow/arrow.ts';
import { type BesidePlace, type BesideRows, makeBeside, rowsAtOnce } from './beside.ts';
import { coarseScale, coarseTimes } from './coarse.ts';
import { type GroupByPlan, type OutputColumn, timesOfRanges } from './plan.ts';
import { shortForms, shortTimeScale } from './short.ts';
import { hasNulls } from './staging.ts';
import { int64Max, int64Min } from './types.ts';

const [shortBytes, shorterBytes, coarseBytes] = [4, 2, 1] as const;

/** Makes what there is to be made beside a column that lies in the memory of a table. */
export async function makeShortForms(parts: readonly Data[], type: DataType, place: BesidePlace): Promise<void> {
  if (DataType.isTimestamp(type)) await makeTimes(parts, place);
  else if (DataType.isFloat(type) && type.precision === 2) await makeDoubles(parts, place);
}

/** Short times, where they fit, and coarse ones. */
function makeTimes(parts: readonly Data[], place: BesidePlace): Promise<void> {
  return makeBeside(parts, place, shortBytes + coarseBytes, async (beside) => {
    const { instance, at, rows } = beside;
    const found = await measureTimes(beside);
    if (found === undefined) return 0;
    const { first, last, unit } = found;
    const short = shortTimeScale(first, last, unit);
    const coarse = coarseScale(first, last);
    const coarseAt = short === undefined ? at : at + rows * shortBytes;
    await beside.each((part, start, count, before) => {
      if (short !== undefined) {
        const bitmap = hasNulls(part) ? part.nullBitmap!.byteOffset : 0;
        instance.kernels.shorten(wordsAt(part, start), count, bitmap, part.offset + start, short[0], BigInt.asIntN(64, short[1]), at + before * shortBytes);
      }
      instance.kernels.coarsen(wordsAt(part, start), count, ...coarse, coarseAt + before);
      return true;
    });
    if (short !== undefined) shortForms.keep(parts, new Int32Array(instance.view8(at, rows * shortBytes).buffer, at, rows), short);
    coarseTimes.keep(parts, instance.view8(coarseAt, rows), coarse);
    return short === undefined ? coarseBytes : coarseBytes + shortBytes;
  });
}

const wordsAt = (part: Data, start: number): number => (part.values as BigInt64Array).byteOffset + start * 8;

/** The least and the greatest time, and the greatest unit of all differences; undefined where no row has a time. */
async function measureTimes(beside: BesideRows): Promise<{ readonly first: bigint; readonly last: bigint; readonly unit: bigint } | undefined> {
  const { instance } = beside;
  const bounds = instance.guard(() => instance.alloc(16));
  instance.view64(bounds, 2).set([int64Max, int64Min]);
  let [origin, unit]: [bigint | undefined, bigint] = [undefined, 0n];
  await eachKnown(beside, (words, known) => {
    origin ??= instance.view64(words, 1)[0]!;
    instance.kernels.boundsOf(words, known, bounds);
    unit = BigInt.asUintN(64, instance.kernels.unitOf(words, known, origin, BigInt.asIntN(64, unit)));
    return true;
  });
  const [first, last] = instance.view64(bounds, 2) as unknown as [bigint, bigint];
  return origin === undefined ? undefined : { first, last, unit };
}

/** Calls `work` for the words of rows that have one, side by side; whether it never said false. */
function eachKnown({ instance, each }: BesideRows, work: (words: number, count: number) => boolean): Promise<boolean> {
  const scratch = instance.guard(() => ({ chosen: instance.alloc(rowsAtOnce * 4), words: instance.alloc(rowsAtOnce * 8), bits: instance.alloc(rowsAtOnce / 8 + 8) }));
  return each((part, start, count) => {
    if (!hasNulls(part)) return work(wordsAt(part, start), count);
    const { chosen, words, bits } = scratch;
    const first = part.offset + start;
    instance.put(part.nullBitmap!.subarray(first >> 3, (first + count + 7) >> 3), bits);
    const valid = instance.kernels.selectValid(bits, first & 7, 0, count, chosen);
    instance.kernels.gather64(wordsAt(part, start), chosen, valid, words);
    return valid === 0 || work(words, valid);
  });
}

/** Digits behind the point that amounts may have. */
const digitsMost = 4;

/** Short doubles, where all of them are whole numbers divided by one power of ten. */
function makeDoubles(parts: readonly Data[], place: BesidePlace): Promise<void> {
  return makeBeside(parts, place, shortBytes, async (beside) => {
    const { instance, at, rows } = beside;
    const found = await measureDoubles(beside);
    if (found === undefined) return 0;
    const { least, greatest, by } = found;
    const [bytes, first] = greatest - least < 2 ** 16 ? [shorterBytes, least] as const : [shortBytes, 0] as const;
    await beside.each((part, start, count, before) => {
      instance.kernels.shortenDoubles(wordsAt(part, start), count, by, first, bytes, at + before * bytes);
      return true;
    });
    const { buffer } = instance.view8(at, rows * bytes);
    shortForms.keep(parts, bytes === shorterBytes ? new Uint16Array(buffer, at, rows) : new Int32Array(buffer, at, rows), [BigInt(first), BigInt(by)]);
    return bytes;
  });
}

/** The power of ten by which all doubles are whole numbers of 32 bits, and the least and the greatest of those. */
async function measureDoubles(beside: BesideRows): Promise<{ readonly least: number; readonly greatest: number; readonly by: number } | undefined> {
  const { instance } = beside;
  const pointer = instance.guard(() => instance.alloc(8));
  let digits = 0;
  let bounds: readonly [least: number, greatest: number] = [2 ** 31 - 1, -(2 ** 31)];
  let isKnown = false;
  const areWhole = await eachKnown(beside, (words, count) => {
    for (; digits <= digitsMost; digits++, bounds = isKnown ? [bounds[0] * 10, bounds[1] * 10] : bounds) {
      if (bounds.some((bound) => bound !== (bound | 0))) return false;
      const view = new Int32Array(instance.view8(pointer, 8).buffer, pointer, 2);
      view.set(bounds);
      if (instance.kernels.wholeBounds(words, count, 10 ** digits, pointer) === 0) continue;
      bounds = [view[0]!, view[1]!];
      isKnown = true;
      return true;
    }
    return false;
  });
  return areWhole && isKnown ? { least: bounds[0], greatest: bounds[1], by: 10 ** digits } : undefined;
}

/** Joins to batches what these plans make use of, where it is there: short forms where few rows are wanted, or the least or newest time. */
export function joinedBeside(plans: readonly GroupByPlan[]): (batch: RecordBatch) => RecordBatch {
  const ranged = timesOfRanges(plans);
  const short = [...new Set(plans.flatMap(shortColumns))];
  return (batch) => short.reduce((rows, column) => shortForms.joined(rows, column), ranged.reduce((rows, column) => coarseTimes.joined(rows, column), batch));
}

/** The columns of which a plan reads short forms. */
function shortColumns({ outputs, range, moments, timestamp }: GroupByPlan): readonly string[] {
  const columns = (wanted: readonly OutputColumn[]): string[] => wanted.map(({ column }) => column);
  if (moments !== undefined) return moments.at.kind === 'arrays' && moments.at.wanted !== undefined ? [timestamp!, ...columns(outputs)] : [];
  if (range !== undefined) return [timestamp!, ...columns(outputs)];
  return columns(outputs.filter(({ aggregation }) => aggregation === 'min' || aggregation === 'max'));
}

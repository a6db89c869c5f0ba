/**
 * Accumulators: the states of all groups, one group's side by side (see kernel/state.ts), and what becomes of them: partial
 * states as columns, or final values.
 */
import { Binary, type Data, type DataType, Field, Float64, Int64, makeData, Type, Uint64 } from '../arrow/arrow.ts';
import { invariant, OverflowError } from '../base/errors.ts';
import {
  fromUnits, meanOfIntegers, meanOfUnits, toUnits, wideNaN, wideNegative, widePositive,
} from './exact.ts';
import type { Instance } from './instance.ts';
import type { Agg } from './plan.ts';
import { type Bitmap, Buffer64, type ColumnStage, doubleToHalf, gatherWide, hasNulls } from './staging.ts';
import type { Window } from './grouper.ts';
import { outputType, type ValueColumn } from './types.ts';

const stateRows = 1;
const stateSum = 2;
const stateMin = 4;
const stateMax = 8;

const int64Max = (1n << 63n) - 1n;
const int64Min = -(1n << 63n);

/** A column's states: which, and at what offsets in a group. */
interface Placed {
  readonly column: ValueColumn;
  readonly what: number;
  readonly start: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
}

/** One partial state as a column. */
export interface StateColumn {
  readonly field: Field;
  readonly data: Data;
}

/** The names and types of a column's partial states. */
export function stateFields(column: ValueColumn): Field[] {
  const { name, type, layout } = column;
  const fields: Field[] = [new Field(`${name}__count`, new Int64(), false)];
  if (column.sum && layout.kind === 'float') {
    fields.push(new Field(`${name}__sum_hi`, new Float64(), false), new Field(`${name}__sum_lo`, new Float64(), false));
    fields.push(new Field(`${name}__sum_wide`, new Binary(), true));
  } else if (column.sum) {
    fields.push(new Field(`${name}__sum_low`, new Uint64(), false), new Field(`${name}__sum_high`, new Int64(), false));
  }
  if (column.min) fields.push(new Field(`${name}__min`, type, true));
  if (column.max) fields.push(new Field(`${name}__max`, type, true));
  return fields;
}

/** The accumulators of one thread by their addresses, as another thread is told of them. */
export interface AccumulatorMemory {
  readonly states: number;
  readonly nulls: readonly number[];
  readonly wides: readonly number[];
}

export class Accumulators {
  private readonly placed: readonly Placed[];
  private readonly stride: number;
  private readonly template: number;
  private readonly wides: readonly number[];
  private readonly wide: Buffer64;
  private readonly compactValues: Buffer64;
  private readonly compactIds: Buffer64;
  /** Per column: how many nulls each group has, one i64 a group; 0 where no null was met. */
  private readonly nulls: number[];
  /** Scratch for what is handed out: the groups that are asked for, and elements of a column. */
  private readonly wanted: Buffer64;
  private readonly elements: Buffer64;
  private readonly counted64: Buffer64;
  private readonly undecided: Buffer64;
  private states = 0;
  private capacity = 0;

  constructor(
    private readonly instance: Instance,
    columns: readonly ValueColumn[],
  ) {
    let offset = 8; // the rows
    const take = (bytes: number): number => (offset += bytes) - bytes;
    this.placed = columns.map((column) => ({
      column,
      what: (column.sum ? stateSum : 0) | (column.min ? stateMin : 0) | (column.max ? stateMax : 0),
      start: offset,
      sum: take(column.sum ? 16 : 0),
      min: take(column.min ? 8 : 0),
      max: take(column.max ? 8 : 0),
    }));
    this.stride = offset;
    this.nulls = columns.map(() => 0);
    this.template = instance.alloc(this.stride);
    this.wides = columns.map(() => instance.kernels.newWideTable() >>> 0);
    this.wide = new Buffer64(instance);
    this.compactValues = new Buffer64(instance);
    this.compactIds = new Buffer64(instance);
    this.wanted = new Buffer64(instance);
    this.elements = new Buffer64(instance);
    this.counted64 = new Buffer64(instance);
    this.undecided = new Buffer64(instance);
    const template = instance.view64(this.template, this.stride / 8);
    template.fill(0n);
    for (const { column, min, max } of this.placed) {
      if (column.min) template[min / 8] = int64Max;
      if (column.max) template[max / 8] = int64Min;
    }
  }

  /** Where the rows of groups are counted. */
  get counted(): { readonly rows: number; readonly stride: number; readonly count: number } {
    return { rows: this.states, stride: this.stride, count: this.capacity };
  }

  /** Makes room for this many groups; true when they moved. */
  grow(groups: number): boolean {
    if (groups <= this.capacity) return false;
    const wanted = Math.max(groups, this.capacity * 2, 1024);
    const { kernels } = this.instance;
    this.states = kernels.growStates(this.states, this.capacity, wanted, this.stride, this.template) >>> 0;
    const bytes = this.capacity * 8;
    this.nulls.forEach((nulls, i) => {
      if (nulls !== 0) this.nulls[i] = kernels.enlarge(nulls, bytes, bytes, wanted * 8) >>> 0;
    });
    this.capacity = wanted;
    return true;
  }

  /** Adds the selected rows, one Data for each column, to the groups that `ids` names. */
  add(data: readonly Data[], stages: readonly ColumnStage[], window: Window, ids: number): void {
    const { kernels } = this.instance;
    const bitmaps = data.map((column, i) => stages[i]!.stageBitmap(column, window.start, window.length));
    const paired = this.tryAddPair(data, stages, bitmaps, window, ids);
    // The rows are counted in the same visit as the first column's values, where all of those are there.
    const first = this.placed[0];
    const together = !paired && first !== undefined && first.what !== 0 && bitmaps[0] === undefined;
    if (!paired && !together) kernels.mergeCounts(0, ids, window.count, this.states, this.stride);
    data.forEach((column, i) => {
      if (paired && i < 2) return;
      this.addColumn(i, column, stages[i]!, bitmaps[i], window, ids, together && i === 0);
    });
  }

  private addColumn(
    index: number, data: Data, stage: ColumnStage, bitmap: Bitmap | undefined, window: Window, ids: number, withRows: boolean,
  ): void {
    const { kernels } = this.instance;
    const placed = this.placed[index]!;
    if (bitmap !== undefined) kernels.countNulls(bitmap.pointer, bitmap.bitOffset, window.rows, window.count, ids, this.nullsOf(index));
    if (placed.what === 0) return;
    let { count } = window;
    let kept = ids;
    let values = gatherWide(this.instance, stage, data, placed.column.layout, window, this.wide);
    if (bitmap !== undefined) {
      kept = this.compactIds.ensure(count * 4);
      const out = this.compactValues.ensure(count * 8);
      count = kernels.compact64(values, bitmap.pointer, bitmap.bitOffset, window.rows, count, ids, out, kept);
      values = out;
    }
    const what = withRows ? placed.what | stateRows : placed.what;
    this.accumulate(index, what, values, kept, count, withRows ? 0 : placed.start);
  }

  /** The first two columns in one visit, where they are the common pair: a sum of doubles, then extremes of integers. */
  private tryAddPair(
    data: readonly Data[], stages: readonly ColumnStage[], bitmaps: readonly (Bitmap | undefined)[], window: Window, ids: number,
  ): boolean {
    const [first, second] = this.placed;
    if (first === undefined || second === undefined || bitmaps[0] !== undefined || bitmaps[1] !== undefined) return false;
    const fits = first.column.layout.kind === 'float' && first.column.sum && second.column.layout.kind === 'int';
    if (!fits || second.column.sum || second.what === 0) return false;
    const doubles = gatherWide(this.instance, stages[0]!, data[0]!, first.column.layout, window, this.wide);
    const integers = gatherWide(this.instance, stages[1]!, data[1]!, second.column.layout, window, this.compactValues);
    this.prepareSums(0, doubles, window.count);
    this.instance.kernels.accumulatePair(
      first.what, second.what, doubles, integers, ids, window.count,
      this.states, this.stride, this.wides[0]!, second.start, signsOf(second.column).flip,
    );
    return true;
  }

  /** Decides how these doubles are added. */
  private prepareSums(index: number, doubles: number, count: number): void {
    const sums = this.states + this.placed[index]!.sum;
    this.instance.kernels.prepareSums(this.wides[index]!, doubles, count, sums, this.stride, this.capacity);
  }

  private nullsOf(index: number): number {
    if (this.nulls[index] === 0) this.nulls[index] = this.instance.kernels.allocZeroed(this.capacity * 8) >>> 0;
    return this.nulls[index]!;
  }

  private accumulate(index: number, what: number, values: number, ids: number, count: number, offset: number): void {
    const { column } = this.placed[index]!;
    const isDouble = column.layout.kind === 'float' ? 1 : 0;
    const { flip, signs } = signsOf(column);
    if (isDouble === 1 && (what & stateSum) !== 0) this.prepareSums(index, values, count);
    this.instance.kernels.accumulate(isDouble, what, values, ids, count, this.states + offset, this.stride, this.wides[index]!, flip, signs);
  }

  /**
   * Merges partial states: for each column its state columns in the order of `stateFields`. A group's rows are the count of
   * the first column; what other columns count differently is theirs to have in nulls, be it less than none.
   */
  merge(data: readonly (readonly Data[])[], stages: readonly (readonly ColumnStage[])[], window: Window, ids: number): void {
    const { kernels } = this.instance;
    const words = (column: number, state: number, out: Buffer64): number =>
      gatherWide(this.instance, stages[column]![state]!, data[column]![state]!, wordLayout, window, out);
    this.placed.forEach((_, i) => {
      const rows = words(0, 0, this.wide);
      if (i === 0) kernels.mergeCounts(rows, ids, window.count, this.states, this.stride);
      else kernels.mergeNulls(rows, words(i, 0, this.compactValues), ids, window.count, this.nullsOf(i));
      this.mergeColumn(i, data[i]!, stages[i]!, window, ids);
    });
  }

  private mergeColumn(index: number, columns: readonly Data[], stages: readonly ColumnStage[], window: Window, ids: number): void {
    const { kernels } = this.instance;
    const placed = this.placed[index]!;
    let next = 1;
    const words = (out: Buffer64): number => {
      const at = next++;
      return gatherWide(this.instance, stages[at]!, columns[at]!, wordLayout, window, out);
    };
    if (placed.column.sum) {
      const [first, second] = [words(this.wide), words(this.compactValues)];
      const states = this.states + placed.sum;
      if (placed.column.layout.kind === 'float') {
        kernels.mergeHighLow(first, second, ids, window.count, states, this.stride, this.wides[index]!);
        this.mergeWides(index, columns[next++]!, window, ids);
      } else {
        kernels.mergeInt128(first, second, ids, window.count, states, this.stride);
      }
    }
    for (const what of [stateMin, stateMax]) {
      if ((placed.what & what) === 0) continue;
      const at = next++;
      this.mergeExtreme(index, what, columns[at]!, stages[at]!, window, ids);
    }
  }

  private mergeExtreme(index: number, what: number, data: Data, stage: ColumnStage, window: Window, ids: number): void {
    const { kernels } = this.instance;
    const placed = this.placed[index]!;
    let values = gatherWide(this.instance, stage, data, placed.column.layout, window, this.wide);
    let [kept, count] = [ids, window.count];
    const bitmap = stage.stageBitmap(data, window.start, window.length);
    if (bitmap !== undefined) {
      kept = this.compactIds.ensure(count * 4);
      const out = this.compactValues.ensure(count * 8);
      count = kernels.compact64(values, bitmap.pointer, bitmap.bitOffset, window.rows, count, ids, out, kept);
      values = out;
    }
    this.accumulate(index, what, values, kept, count, what === stateMin ? placed.min : placed.max);
  }

  private mergeWides(index: number, data: Data, window: Window, ids: number): void {
    if (data.nullCount === data.length) return;
    const { kernels } = this.instance;
    const offsets = data.valueOffsets as Int32Array;
    for (let i = 0; i < window.count; i++) {
      const row = window.start + (window.rows === 0 ? i : this.instance.view32(window.rows, window.count)[i]!);
      const bit = data.offset + row;
      if (hasNulls(data) && ((data.nullBitmap![bit >> 3]! >> (bit & 7)) & 1) === 0) continue;
      const group = this.instance.view32(ids, window.count)[i]!;
      const wide = kernels.wideOf(this.wides[index]!, group) >>> 0;
      const { flags, units } = wideFromBytes((data.values as Uint8Array).subarray(offsets[row]!, offsets[row + 1]!));
      kernels.wideFlag(wide, flags);
      const sign = units < 0n ? -1 : 1;
      let magnitude = units < 0n ? -units : units;
      for (let limb = 0; magnitude > 0n; limb++) {
        const digit = Number(magnitude & 0xffffffffn);
        if (digit !== 0) kernels.wideAddLimb(wide, limb, sign * digit);
        magnitude >>= 32n;
      }
    }
  }

  get memory(): AccumulatorMemory {
    return { states: this.states, nulls: this.nulls.slice(), wides: this.wides };
  }

  /** Merges what another thread has, in the same memory: `ids` has the own group of each of its `count` groups. */
  mergeMemory(other: AccumulatorMemory, ids: number, count: number): void {
    const { kernels } = this.instance;
    const { states, stride } = this;
    kernels.mergeRows(other.states, ids, count, states, stride);
    this.placed.forEach(({ column, what, start }, i) => {
      const nulls = other.nulls[i]!;
      if (nulls !== 0) kernels.mergeNullCounts(nulls, ids, count, this.nullsOf(i));
      const isDouble = column.layout.kind === 'float' ? 1 : 0;
      if (what !== 0) kernels.mergeStates(isDouble, what, other.states + start, other.wides[i]!, ids, count, states + start, stride, this.wides[i]!);
    });
  }

  /** The partial states of these groups, in order. */
  stateColumns(groups: Uint32Array): StateColumn[] {
    return this.placed.flatMap((placed, index) => {
      const { column } = placed;
      const data: Data[] = [this.countColumn(index, groups)];
      if (column.sum && column.layout.kind === 'float') data.push(...this.floatSumStates(index, groups));
      else if (column.sum) data.push(this.words(groups, placed.sum, new Uint64()), this.words(groups, placed.sum + 8, new Int64()));
      if (column.min) data.push(this.extreme(index, placed.min, groups));
      if (column.max) data.push(this.extreme(index, placed.max, groups));
      return stateFields(column).map((field, i) => ({ field, data: data[i]! }));
    });
  }

  /** The final values of one output. `keyText` describes a group, for messages. */
  output(name: string, aggregation: Agg, groups: Uint32Array, keyText: (position: number) => string): Data {
    const index = this.placed.findIndex((candidate) => candidate.column.name === name);
    const placed = this.placed[index]!;
    switch (aggregation) {
      case 'count':
        return this.countColumn(index, groups);
      case 'min':
        return this.extreme(index, placed.min, groups);
      case 'max':
        return this.extreme(index, placed.max, groups);
      case 'mean':
        return this.doubles(index, groups, placed.column.layout.kind === 'float' ? this.floatMeans(index, groups) : this.integerMeans(index, groups));
      case 'sum':
        return placed.column.layout.kind === 'float'
          ? this.doubles(index, groups, this.floatSums(index, groups))
          : this.integerSums(index, groups, keyText);
    }
  }

  /** Puts the groups that are asked for into memory. */
  private place(groups: Uint32Array): number {
    const pointer = this.wanted.ensure(groups.length * 4);
    this.instance.put(groups, pointer);
    return pointer;
  }

  /** What a kernel writes, 64 bits for each group, as a buffer of its own. */
  private elementsOf(groups: Uint32Array, write: (groups: number, count: number, out: number) => void): ArrayBuffer {
    const wanted = this.place(groups);
    const out = this.elements.ensure(groups.length * 8);
    write(wanted, groups.length, out);
    return this.instance.view8(out, groups.length * 8).slice().buffer as ArrayBuffer;
  }

  /** One 64-bit state of each group. */
  private wordsOf(groups: Uint32Array, offset: number): ArrayBuffer {
    return this.elementsOf(groups, (wanted, count, out) => this.instance.kernels.wordsOf(this.states + offset, this.stride, wanted, count, out));
  }

  private words(groups: Uint32Array, offset: number, type: DataType): Data {
    const buffer = this.wordsOf(groups, offset);
    const typed = type.typeId === Type.Int && !(type as Int64).isSigned ? new BigUint64Array(buffer) : new BigInt64Array(buffer);
    return makeData({ type, length: groups.length, nullCount: 0, data: typed } as never);
  }

  /** One 64-bit state of each group as two 32-bit halves, low first: no bigint is made on the way. */
  private halves(groups: Uint32Array, offset: number): Uint32Array {
    return new Uint32Array(this.wordsOf(groups, offset));
  }

  /** How many values of a column each group has, as doubles (below 2^53, which no memory holds more of) or as integers. */
  private counts(index: number, groups: Uint32Array, asDouble: boolean): { readonly buffer: ArrayBuffer; readonly zeros: number } {
    let zeros = 0;
    const buffer = this.elementsOf(groups, (wanted, count, out) => {
      zeros = this.instance.kernels.countsOf(this.states, this.stride, this.nulls[index]!, wanted, count, asDouble ? 1 : 0, out);
    });
    return { buffer, zeros };
  }

  private countColumn(index: number, groups: Uint32Array): Data {
    const { buffer } = this.counts(index, groups, false);
    return makeData({ type: new Int64(), length: groups.length, nullCount: 0, data: new BigInt64Array(buffer) });
  }

  /** Which of these groups have a value, as a bitmap; none when all have. */
  private validity(index: number, groups: Uint32Array): { readonly nullBitmap?: Uint8Array; readonly nullCount: number } {
    const { buffer, zeros } = this.counts(index, groups, true);
    if (zeros === 0) return { nullCount: 0 };
    const counts = new Float64Array(buffer);
    const nullBitmap = new Uint8Array((groups.length + 7) >> 3);
    for (let i = 0; i < groups.length; i++) if (counts[i] !== 0) nullBitmap[i >> 3]! |= 1 << (i & 7);
    return { nullBitmap, nullCount: zeros };
  }

  private doubles(index: number, groups: Uint32Array, values: Float64Array): Data {
    const validity = this.validity(index, groups);
    clearNulls(values, validity.nullBitmap);
    return makeData({ type: new Float64(), length: groups.length, data: values, ...validity });
  }

  /** The states as doubles, and where a column's sum stands among a group's. */
  private floatView(placed: Placed): { readonly states: Float64Array; readonly step: number; readonly at: number } {
    const states = new Float64Array(this.instance.kernels.memory.buffer, this.states, (this.capacity * this.stride) / 8);
    return { states, step: this.stride / 8, at: placed.sum / 8 };
  }

  private floatSums(index: number, groups: Uint32Array): Float64Array {
    const { sum } = this.placed[index]!;
    const sums = new Float64Array(
      this.elementsOf(groups, (wanted, count, out) => this.instance.kernels.sumsOf(this.states + sum, this.stride, wanted, count, out)),
    );
    this.eachWide(index, groups, (i, { units, flags }, high, low) => {
      sums[i] = flags === 0 ? fromUnits(units + toUnits(high) + toUnits(low)) : ofFlags(flags);
    });
    return sums;
  }

  private floatMeans(index: number, groups: Uint32Array): Float64Array {
    const { kernels } = this.instance;
    const placed = this.placed[index]!;
    const { states, step, at } = this.floatView(placed);
    let undecided = new Uint32Array(0);
    const countsPointer = this.counted64.ensure(groups.length * 8);
    const undecidedPointer = this.undecided.ensure(groups.length * 4 + 4);
    const means = new Float64Array(
      this.elementsOf(groups, (wanted, count, out) => {
        kernels.countsOf(this.states, this.stride, this.nulls[index]!, wanted, count, 1, countsPointer);
        const left = kernels.meansOf(this.states + placed.sum, this.stride, wanted, countsPointer, count, out, undecidedPointer);
        undecided = this.instance.view32(undecidedPointer, left).slice();
      }),
    );
    const counts = this.instance.viewDoubles(countsPointer, groups.length);
    for (const i of undecided) {
      const place = groups[i]! * step + at;
      const units = toUnits(states[place]!) + toUnits(states[place + 1]!);
      if (counts[i] !== 0) means[i] = meanOfUnits(units, BigInt(counts[i]!));
    }
    this.eachWide(index, groups, (i, { units, flags }, high, low) => {
      means[i] = flags === 0 ? meanOfUnits(units + toUnits(high) + toUnits(low), BigInt(counts[i]!)) : ofFlags(flags);
    });
    return means;
  }

  private integerMeans(index: number, groups: Uint32Array): Float64Array {
    const placed = this.placed[index]!;
    const [low, high] = [this.halves(groups, placed.sum), this.halves(groups, placed.sum + 8)];
    const counts = new Float64Array(this.counts(index, groups, true).buffer);
    const means = new Float64Array(groups.length);
    for (let i = 0; i < groups.length; i++) {
      if (counts[i] === 0) continue;
      // Sums of up to 53 bits are doubles, and their quotient is rounded once.
      const top = low[i * 2 + 1]! | 0;
      const small = (high[i * 2]! | 0) === top >> 31 && high[i * 2] === high[i * 2 + 1] && top >= -(2 ** 20) && top < 2 ** 20;
      means[i] = small
        ? (low[i * 2]! + top * 2 ** 32) / counts[i]! + 0
        : meanOfIntegers(wideInteger(low, high, i), BigInt(counts[i]!));
    }
    return means;
  }

  private integerSums(index: number, groups: Uint32Array, keyText: (position: number) => string): Data {
    const placed = this.placed[index]!;
    const [low, high] = [this.halves(groups, placed.sum), this.halves(groups, placed.sum + 8)];
    const type = outputType('sum', placed.column.type);
    const signed = (type as Int64).isSigned;
    for (let i = 0; i < groups.length; i++) {
      const extension = signed ? (low[i * 2 + 1]! | 0) >> 31 >>> 0 : 0;
      if (high[i * 2] === extension && high[i * 2 + 1] === extension) continue;
      const sum = wideInteger(low, high, i);
      throw new OverflowError(placed.column.name, keyText(i), `the sum ${sum} does not fit ${type}; sum a Float64 column instead, or ask for the mean`);
    }
    const data = signed ? new BigInt64Array(low.buffer) : new BigUint64Array(low.buffer);
    return makeData({ type, length: groups.length, data, ...this.validity(index, groups) } as never);
  }

  /** Minimum or maximum: keys that order as values do become values again. */
  private extreme(index: number, offset: number, groups: Uint32Array): Data {
    const { column } = this.placed[index]!;
    const isDouble = column.layout.kind === 'float' ? 1 : 0;
    const { flip } = signsOf(column);
    const halves = new Uint32Array(
      this.elementsOf(groups, (wanted, count, out) =>
        this.instance.kernels.extremesOf(this.states + offset, this.stride, wanted, count, isDouble, flip, out),
      ),
    );
    const values = valuesOfKeys(column, halves);
    const validity = this.validity(index, groups);
    clearNulls(values, validity.nullBitmap);
    return makeData({ type: column.type, length: groups.length, data: values, ...validity } as never);
  }

  private floatSumStates(index: number, groups: Uint32Array): Data[] {
    const { states, step, at } = this.floatView(this.placed[index]!);
    const rows = groups.length;
    const [highs, lows] = [new Float64Array(rows), new Float64Array(rows)];
    const wides: (Uint8Array | undefined)[] = [];
    const place = (i: number, pair: readonly [number, number] | Uint8Array): void => {
      if (pair instanceof Uint8Array) wides[i] = pair;
      [highs[i], lows[i]] = pair instanceof Uint8Array ? [0, 0] : pair;
    };
    for (let i = 0; i < rows; i++) {
      const at0 = groups[i]! * step + at;
      const [high, low] = [states[at0]!, states[at0 + 1]!];
      const sum = high + low;
      const part = sum - high;
      highs[i] = sum + 0;
      lows[i] = high - (sum - part) + (low - part) + 0;
      if (!Number.isFinite(sum)) place(i, canonicalPair({ units: toUnits(high) + toUnits(low), flags: 0 }));
    }
    this.eachWide(index, groups, (i, { units, flags }, high, low) => {
      place(i, canonicalPair({ units: flags === 0 ? units + toUnits(high) + toUnits(low) : 0n, flags }));
    });
    const double = (data: Float64Array): Data => makeData({ type: new Float64(), length: rows, nullCount: 0, data });
    return [double(highs), double(lows), binaryColumn(wides, rows)];
  }

  /** Visits the groups that have a wide accumulator, with the two doubles that stand beside it. */
  private eachWide(index: number, groups: Uint32Array, visit: (i: number, wide: Wide, high: number, low: number) => void): void {
    const [pointers, capacity] = this.instance.view32(this.wides[index]!, 2) as unknown as [number, number];
    if (capacity === 0) return;
    const addresses = this.instance.view32(pointers, capacity);
    const { states, step, at } = this.floatView(this.placed[index]!);
    for (let i = 0; i < groups.length; i++) {
      const group = groups[i]!;
      const address = group < capacity ? addresses[group]! : 0;
      if (address === 0) continue;
      const limbs = this.instance.view64(address, wideLimbs);
      let units = 0n;
      for (let limb = wideLimbs - 1; limb >= 0; limb--) units = (units << 32n) + limbs[limb]!;
      const flags = canonicalFlags(this.instance.view32(address + wideFlagsAt, 1)[0]!);
      visit(i, { units, flags }, states[group * step + at]!, states[group * step + at + 1]!);
    }
  }
}

/** The layout of a wide accumulator, as kernel/wide.ts has it. */
const wideLimbs = 70;
const wideFlagsAt = 564;

/** A 128-bit integer from the halves of its two words. */
function wideInteger(low: Uint32Array, high: Uint32Array, i: number): bigint {
  const word = (halves: Uint32Array): bigint => (BigInt(halves[i * 2 + 1]!) << 32n) | BigInt(halves[i * 2]!);
  return (BigInt.asIntN(64, word(high)) << 64n) | word(low);
}

interface Wide {
  readonly units: bigint;
  readonly flags: number;
}

function canonicalFlags(flags: number): number {
  const both = widePositive | wideNegative;
  return (flags & wideNaN) !== 0 || (flags & both) === both ? wideNaN : flags;
}

function ofFlags(flags: number): number {
  return flags === wideNaN ? Number.NaN : flags === widePositive ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
}

/**
 * One form for one sum, whatever way it was reached: the nearest double and the rest where that is a double too; else the
 * bytes of the whole number of units.
 */
function canonicalPair(wide: Wide): readonly [number, number] | Uint8Array {
  const nearest = wide.flags === 0 ? fromUnits(wide.units) : Number.NaN;
  if (!Number.isFinite(nearest)) return wideToBytes(wide);
  const rest = wide.units - toUnits(nearest);
  const restNearest = fromUnits(rest);
  return toUnits(restNearest) === rest ? [nearest, restNearest] : wideToBytes(wide);
}

/** | flags, 1 byte | sign, 1 byte: 1 = negative | limbs of 32 bits that are skipped, 1 byte | magnitude, little-endian | */
function wideToBytes({ units, flags }: Wide): Uint8Array {
  let magnitude = units < 0n ? -units : units;
  let skipped = 0;
  while (magnitude !== 0n && (magnitude & 0xffffffffn) === 0n) {
    magnitude >>= 32n;
    skipped++;
  }
  const bytes = [flags, units < 0n ? 1 : 0, skipped];
  for (; magnitude > 0n; magnitude >>= 8n) bytes.push(Number(magnitude & 255n));
  return Uint8Array.from(bytes);
}

function wideFromBytes(bytes: Uint8Array): Wide {
  invariant(bytes.length >= 3, 'a partial sum is too short');
  let magnitude = 0n;
  for (let i = bytes.length - 1; i >= 3; i--) magnitude = (magnitude << 8n) | BigInt(bytes[i]!);
  magnitude <<= BigInt(bytes[2]! * 32);
  invariant(magnitude < 1n << 2200n, 'a partial sum is too large');
  return { flags: bytes[0]!, units: bytes[1] === 1 ? -magnitude : magnitude };
}

function binaryColumn(values: readonly (Uint8Array | undefined)[], rows: number): Data {
  const valueOffsets = new Int32Array(rows + 1);
  const nullBitmap = new Uint8Array((rows + 7) >> 3);
  let nullCount = 0;
  for (let i = 0; i < rows; i++) {
    const value = values[i];
    valueOffsets[i + 1] = valueOffsets[i]! + (value?.length ?? 0);
    if (value === undefined) nullCount++;
    else nullBitmap[i >> 3]! |= 1 << (i & 7);
  }
  const data = new Uint8Array(valueOffsets[rows]!);
  values.forEach((value, i) => {
    if (value !== undefined) data.set(value, valueOffsets[i]!);
  });
  return makeData({ type: new Binary(), length: rows, nullCount, valueOffsets, data, ...(nullCount > 0 && { nullBitmap }) });
}

/** State columns that are 64 bits wide go as they are, doubles too. */
const wordLayout = { kind: 'int', bytes: 8, signed: true } as const;

/** How integers become keys that order as they do, and how their sign is extended. */
function signsOf(column: ValueColumn): { readonly flip: bigint; readonly signs: bigint } {
  const unsigned = column.layout.kind === 'int' && !column.layout.signed;
  return { flip: unsigned ? int64Min : 0n, signs: unsigned ? 0n : -1n };
}

/** The values that 64-bit words (as halves, low first) are, in the type of the column. */
function valuesOfKeys(column: ValueColumn, halves: Uint32Array): Float64Array | BigInt64Array | Int32Array {
  const { layout, type } = column;
  if (layout.kind === 'float') {
    const doubles = new Float64Array(halves.buffer);
    if (layout.bytes === 8) return doubles;
    if (layout.bytes === 4) return Float32Array.from(doubles) as unknown as Float64Array;
    return Uint16Array.from(doubles, doubleToHalf) as unknown as Float64Array;
  }
  const ArrayType = type.ArrayType as unknown as { new (source: ArrayBufferLike | number): Int32Array; readonly BYTES_PER_ELEMENT: number };
  if (ArrayType.BYTES_PER_ELEMENT === 8) return new ArrayType(halves.buffer);
  const values = new ArrayType(halves.length / 2);
  for (let i = 0; i < values.length; i++) values[i] = halves[i * 2]!;
  return values;
}

function clearNulls(values: Float64Array | BigInt64Array | Int32Array, nullBitmap: Uint8Array | undefined): void {
  if (nullBitmap === undefined) return;
  const zero = (values instanceof BigInt64Array || (values as unknown) instanceof BigUint64Array ? 0n : 0) as never;
  for (let i = 0; i < values.length; i++) if (((nullBitmap[i >> 3]! >> (i & 7)) & 1) === 0) values[i] = zero;
}


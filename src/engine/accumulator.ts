/**
 * Accumulators: the states of all groups, one group's side by side (see kernel/state.ts), and what becomes of them: partial
 * states as columns, or final values.
 */
import { Binary, type Data, type DataType, Field, Float64, Int64, makeData, Type, Uint64 } from '../arrow/arrow.ts';
import { invariant, OverflowError } from '../base/errors.ts';
import {
  fromUnits, meanOfIntegers, meanOfPair, meanOfUnits, toUnits, wideNaN, wideNegative, widePositive,
} from './exact.ts';
import type { Instance } from './instance.ts';
import type { Agg } from './plan.ts';
import { Buffer64, type ColumnStage, doubleToHalf, gatherWide, hasNulls } from './staging.ts';
import type { Window } from './grouper.ts';
import { outputType, type ValueColumn } from './types.ts';

const stateCount = 1;
const stateSum = 2;
const stateMin = 4;
const stateMax = 8;

const int64Max = (1n << 63n) - 1n;
const int64Min = -(1n << 63n);

interface Placed {
  readonly column: ValueColumn;
  readonly what: number;
  readonly count: number;
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

export class Accumulators {
  private readonly placed: readonly Placed[];
  private readonly stride: number;
  private readonly template: number;
  private readonly wides: readonly number[];
  private readonly wide: Buffer64;
  private readonly compactValues: Buffer64;
  private readonly compactIds: Buffer64;
  private states = 0;
  private capacity = 0;

  constructor(
    private readonly instance: Instance,
    columns: readonly ValueColumn[],
  ) {
    let offset = 0;
    const take = (bytes: number): number => (offset += bytes) - bytes;
    this.placed = columns.map((column) => ({
      column,
      what: stateCount | (column.sum ? stateSum : 0) | (column.min ? stateMin : 0) | (column.max ? stateMax : 0),
      count: take(8),
      sum: take(column.sum ? 16 : 0),
      min: take(column.min ? 8 : 0),
      max: take(column.max ? 8 : 0),
    }));
    this.stride = Math.max(offset, 8);
    this.template = instance.alloc(this.stride);
    this.wides = columns.map(() => instance.kernels.newWideTable() >>> 0);
    this.wide = new Buffer64(instance);
    this.compactValues = new Buffer64(instance);
    this.compactIds = new Buffer64(instance);
    const template = instance.view64(this.template, this.stride / 8);
    template.fill(0n);
    for (const { column, min, max } of this.placed) {
      if (column.min) template[min / 8] = int64Max;
      if (column.max) template[max / 8] = int64Min;
    }
  }

  /** Makes room for this many groups. */
  grow(groups: number): void {
    if (groups <= this.capacity) return;
    const wanted = Math.max(groups, this.capacity * 2, 1024);
    this.states = this.instance.kernels.growStates(this.states, this.capacity, wanted, this.stride, this.template) >>> 0;
    this.capacity = wanted;
  }

  /** Adds the selected values of one column (the i-th of those given) to the groups that `ids` names. */
  add(index: number, data: Data, stage: ColumnStage, window: Window, ids: number): void {
    const { kernels } = this.instance;
    const placed = this.placed[index]!;
    const { column } = placed;
    if (data.type.typeId === Type.Null) return;
    const bitmap = stage.stageBitmap(data, window.start, window.length);
    let { count } = window;
    let kept = ids;
    if (placed.what === stateCount) {
      if (bitmap !== undefined) {
        kept = this.compactIds.ensure(count * 4);
        count = kernels.compactIds(bitmap.pointer, bitmap.bitOffset, window.rows, count, ids, kept);
      }
      kernels.mergeCounts(0, kept, count, this.states + placed.count, this.stride);
      return;
    }
    let values = gatherWide(this.instance, stage, data, column.layout, window, this.wide);
    if (bitmap !== undefined) {
      kept = this.compactIds.ensure(count * 4);
      const out = this.compactValues.ensure(count * 8);
      count = kernels.compact64(values, bitmap.pointer, bitmap.bitOffset, window.rows, count, ids, out, kept);
      values = out;
    }
    this.accumulate(placed, index, placed.what, values, kept, count, placed.count);
  }

  private accumulate(placed: Placed, index: number, what: number, values: number, ids: number, count: number, offset: number): void {
    const { column } = placed;
    const isDouble = column.layout.kind === 'float' ? 1 : 0;
    const { flip, signs } = signsOf(column);
    this.instance.kernels.accumulate(isDouble, what, values, ids, count, this.states + offset, this.stride, this.wides[index]!, flip, signs);
  }

  /** Merges the partial states of one column; `columns` are its state columns in the order of `stateFields`. */
  merge(index: number, columns: readonly Data[], stages: readonly ColumnStage[], window: Window, ids: number): void {
    const { kernels } = this.instance;
    const placed = this.placed[index]!;
    const { column } = placed;
    const next = [...columns.keys()].values();
    const words = (bytes: Buffer64): number => {
      const at = next.next().value!;
      return gatherWide(this.instance, stages[at]!, columns[at]!, { kind: 'int', bytes: 8, signed: true }, window, bytes);
    };
    kernels.mergeCounts(words(this.wide), ids, window.count, this.states + placed.count, this.stride);
    if (column.sum) {
      const [first, second] = [words(this.wide), words(this.compactValues)];
      const states = this.states + placed.sum;
      if (column.layout.kind === 'float') {
        kernels.mergeHighLow(first, second, ids, window.count, states, this.stride, this.wides[index]!);
        this.mergeWides(index, columns[next.next().value!]!, window, ids);
      } else {
        kernels.mergeInt128(first, second, ids, window.count, states, this.stride);
      }
    }
    for (const what of [stateMin, stateMax]) {
      if ((placed.what & what) === 0) continue;
      const at = next.next().value!;
      this.mergeExtreme(placed, index, what, columns[at]!, stages[at]!, window, ids);
    }
  }

  private mergeExtreme(placed: Placed, index: number, what: number, data: Data, stage: ColumnStage, window: Window, ids: number): void {
    const { kernels } = this.instance;
    let values = gatherWide(this.instance, stage, data, placed.column.layout, window, this.wide);
    let [kept, count] = [ids, window.count];
    const bitmap = stage.stageBitmap(data, window.start, window.length);
    if (bitmap !== undefined) {
      kept = this.compactIds.ensure(count * 4);
      const out = this.compactValues.ensure(count * 8);
      count = kernels.compact64(values, bitmap.pointer, bitmap.bitOffset, window.rows, count, ids, out, kept);
      values = out;
    }
    this.accumulate(placed, index, what, values, kept, count, what === stateMin ? placed.min : placed.max);
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

  /** The partial states of these groups, in order. */
  stateColumns(groups: Uint32Array): StateColumn[] {
    return this.placed.flatMap((placed, index) => {
      const { column } = placed;
      const data: Data[] = [this.words(groups, placed.count, new Int64())];
      if (column.sum && column.layout.kind === 'float') data.push(...this.floatSumStates(index, groups));
      else if (column.sum) data.push(this.words(groups, placed.sum, new Uint64()), this.words(groups, placed.sum + 8, new Int64()));
      if (column.min) data.push(this.extreme(placed, placed.min, groups));
      if (column.max) data.push(this.extreme(placed, placed.max, groups));
      return stateFields(column).map((field, i) => ({ field, data: data[i]! }));
    });
  }

  /** The final values of one output. `keyText` describes a group, for messages. */
  output(name: string, aggregation: Agg, groups: Uint32Array, keyText: (position: number) => string): Data {
    const index = this.placed.findIndex((candidate) => candidate.column.name === name);
    const placed = this.placed[index]!;
    switch (aggregation) {
      case 'count':
        return this.words(groups, placed.count, new Int64());
      case 'min':
        return this.extreme(placed, placed.min, groups);
      case 'max':
        return this.extreme(placed, placed.max, groups);
      case 'mean':
        return this.doubles(placed, groups, placed.column.layout.kind === 'float' ? this.floatMeans(index) : this.integerMeans(placed));
      case 'sum':
        return placed.column.layout.kind === 'float'
          ? this.doubles(placed, groups, this.floatSums(index))
          : this.integerSums(placed, groups, keyText);
    }
  }

  /** One 64-bit state of each group. */
  private words(groups: Uint32Array, offset: number, type: DataType): Data {
    const all = this.instance.view64(this.states, (this.capacity * this.stride) / 8);
    const step = this.stride / 8;
    const values = new BigInt64Array(groups.length);
    for (let i = 0; i < groups.length; i++) values[i] = all[groups[i]! * step + offset / 8]!;
    const typed = type.typeId === Type.Int && !(type as Int64).isSigned ? new BigUint64Array(values.buffer) : values;
    return makeData({ type, length: groups.length, nullCount: 0, data: typed } as never);
  }

  /** Which of these groups have a value, as a bitmap; undefined when all have. */
  private validity(placed: Placed, groups: Uint32Array): { readonly nullBitmap?: Uint8Array; readonly nullCount: number } {
    const counts = this.instance.view32(this.states, (this.capacity * this.stride) / 4);
    const step = this.stride / 4;
    const at = placed.count / 4;
    const nullBitmap = new Uint8Array((groups.length + 7) >> 3);
    let nullCount = 0;
    for (let i = 0; i < groups.length; i++) {
      const place = groups[i]! * step + at;
      if ((counts[place]! | counts[place + 1]!) === 0) nullCount++;
      else nullBitmap[i >> 3]! |= 1 << (i & 7);
    }
    return nullCount === 0 ? { nullCount } : { nullBitmap, nullCount };
  }

  private doubles(placed: Placed, groups: Uint32Array, valueOf: (group: number) => number): Data {
    const values = new Float64Array(groups.length);
    for (let i = 0; i < groups.length; i++) values[i] = valueOf(groups[i]!);
    const validity = this.validity(placed, groups);
    clearNulls(values, validity.nullBitmap);
    return makeData({ type: new Float64(), length: groups.length, data: values, ...validity });
  }

  private floatView(): { readonly values: Float64Array; readonly step: number } {
    return { values: new Float64Array(this.instance.kernels.memory.buffer, this.states, (this.capacity * this.stride) / 8), step: this.stride / 8 };
  }

  private floatSums(index: number): (group: number) => number {
    const { values, step } = this.floatView();
    const at = this.placed[index]!.sum / 8;
    const wideAt = this.wideReader(index);
    return (group) => {
      const [high, low] = [values[group * step + at]!, values[group * step + at + 1]!];
      const wide = wideAt(group);
      if (wide === undefined) return high + low + 0;
      return wide.flags === 0 ? fromUnits(wide.units + toUnits(high) + toUnits(low)) : ofFlags(wide.flags);
    };
  }

  private floatMeans(index: number): (group: number) => number {
    const { values, step } = this.floatView();
    const placed = this.placed[index]!;
    const [at, countAt] = [placed.sum / 8, placed.count / 8];
    const counts = this.instance.view64(this.states, (this.capacity * this.stride) / 8);
    const wideAt = this.wideReader(index);
    return (group) => {
      const count = counts[group * step + countAt]!;
      if (count === 0n) return 0;
      const [high, low] = [values[group * step + at]!, values[group * step + at + 1]!];
      const wide = wideAt(group);
      if (wide === undefined) return meanOfPair(high, low, Number(count));
      return wide.flags === 0 ? meanOfUnits(wide.units + toUnits(high) + toUnits(low), count) : ofFlags(wide.flags);
    };
  }

  private integerMeans(placed: Placed): (group: number) => number {
    const words = this.instance.view64(this.states, (this.capacity * this.stride) / 8);
    const step = this.stride / 8;
    return (group) => {
      const count = words[group * step + placed.count / 8]!;
      if (count === 0n) return 0;
      const low = words[group * step + placed.sum / 8]!;
      const high = words[group * step + placed.sum / 8 + 1]!;
      const small = high === low >> 63n && low < 2n ** 53n && low > -(2n ** 53n);
      return small ? Number(low) / Number(count) + 0 : meanOfIntegers((high << 64n) | BigInt.asUintN(64, low), count);
    };
  }

  private integerSums(placed: Placed, groups: Uint32Array, keyText: (position: number) => string): Data {
    const words = this.instance.view64(this.states, (this.capacity * this.stride) / 8);
    const step = this.stride / 8;
    const type = outputType('sum', placed.column.type);
    const signed = (type as Int64).isSigned;
    const values = new BigInt64Array(groups.length);
    for (let i = 0; i < groups.length; i++) {
      const low = words[groups[i]! * step + placed.sum / 8]!;
      const high = words[groups[i]! * step + placed.sum / 8 + 1]!;
      if (high !== (signed ? low >> 63n : 0n)) {
        const sum = (high << 64n) | BigInt.asUintN(64, low);
        throw new OverflowError(placed.column.name, keyText(i), `the sum ${sum} does not fit ${type}; sum a Float64 column instead, or ask for the mean`);
      }
      values[i] = low;
    }
    const validity = this.validity(placed, groups);
    const data = signed ? values : new BigUint64Array(values.buffer);
    return makeData({ type, length: groups.length, data, ...validity } as never);
  }

  /** Minimum or maximum: keys that order as values do become values again. */
  private extreme(placed: Placed, offset: number, groups: Uint32Array): Data {
    const { column } = placed;
    const words = this.instance.view64(this.states, (this.capacity * this.stride) / 8);
    const step = this.stride / 8;
    const { flip } = signsOf(column);
    const keys = new BigInt64Array(groups.length);
    const isFloat = column.layout.kind === 'float';
    for (let i = 0; i < groups.length; i++) {
      const key = words[groups[i]! * step + offset / 8]!;
      keys[i] = isFloat ? key ^ ((key >> 63n) & int64Max) : key ^ flip;
    }
    const values = valuesOfKeys(column, keys);
    const validity = this.validity(placed, groups);
    clearNulls(values, validity.nullBitmap);
    return makeData({ type: column.type, length: groups.length, data: values, ...validity } as never);
  }

  private floatSumStates(index: number, groups: Uint32Array): Data[] {
    const { values, step } = this.floatView();
    const at = this.placed[index]!.sum / 8;
    const wideAt = this.wideReader(index);
    const rows = groups.length;
    const [highs, lows] = [new Float64Array(rows), new Float64Array(rows)];
    const wides: (Uint8Array | undefined)[] = [];
    for (let i = 0; i < rows; i++) {
      const group = groups[i]!;
      const pair = canonicalPair(values[group * step + at]!, values[group * step + at + 1]!, wideAt(group));
      if (pair instanceof Uint8Array) wides[i] = pair;
      else [highs[i], lows[i]] = pair;
    }
    const double = (data: Float64Array): Data => makeData({ type: new Float64(), length: rows, nullCount: 0, data });
    return [double(highs), double(lows), binaryColumn(wides, rows)];
  }

  /** The wide accumulator of a group, where it has one. */
  private wideReader(index: number): (group: number) => Wide | undefined {
    const table = this.instance.view32(this.wides[index]!, 2);
    const [pointers, capacity] = [table[0]!, table[1]!];
    if (capacity === 0) return () => undefined;
    const addresses = this.instance.view32(pointers, capacity);
    return (group) => {
      const address = group < capacity ? addresses[group]! : 0;
      if (address === 0) return undefined;
      const limbs = this.instance.view64(address, 70);
      let units = 0n;
      for (let limb = 69; limb >= 0; limb--) units = (units << 32n) + limbs[limb]!;
      return { units, flags: canonicalFlags(this.instance.view32(address + 564, 1)[0]!) };
    };
  }
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
function canonicalPair(high: number, low: number, wide: Wide | undefined): [number, number] | Uint8Array {
  if (wide === undefined) {
    const sum = high + low;
    if (Number.isFinite(sum)) {
      const part = sum - high;
      return [sum + 0, high - (sum - part) + (low - part) + 0];
    }
  } else if (wide.flags !== 0) {
    return wideToBytes({ units: 0n, flags: wide.flags });
  }
  const units = (wide?.units ?? 0n) + toUnits(high) + toUnits(low);
  const nearest = fromUnits(units);
  if (Number.isFinite(nearest)) {
    const rest = units - toUnits(nearest);
    const restNearest = fromUnits(rest);
    if (toUnits(restNearest) === rest) return [nearest, restNearest];
  }
  return wideToBytes({ units, flags: 0 });
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

/** How integers become keys that order as they do, and how their sign is extended. */
function signsOf(column: ValueColumn): { readonly flip: bigint; readonly signs: bigint } {
  const unsigned = column.layout.kind === 'int' && !column.layout.signed;
  return { flip: unsigned ? int64Min : 0n, signs: unsigned ? 0n : -1n };
}

function valuesOfKeys(column: ValueColumn, keys: BigInt64Array): Float64Array | BigInt64Array | Int32Array {
  const { layout, type } = column;
  if (layout.kind === 'float') {
    const doubles = new Float64Array(keys.buffer);
    if (layout.bytes === 8) return doubles;
    if (layout.bytes === 4) return Float32Array.from(doubles) as unknown as Float64Array;
    return Uint16Array.from(doubles, doubleToHalf) as unknown as Float64Array;
  }
  const values = new (type.ArrayType as new (length: number) => Int32Array)(keys.length);
  if (values.BYTES_PER_ELEMENT === 8) {
    new BigInt64Array(values.buffer).set(keys);
    return values;
  }
  const low = new Int32Array(keys.buffer);
  for (let i = 0; i < keys.length; i++) values[i] = low[i * 2]!;
  return values;
}

function clearNulls(values: Float64Array | BigInt64Array | Int32Array, nullBitmap: Uint8Array | undefined): void {
  if (nullBitmap === undefined) return;
  const zero = (values instanceof BigInt64Array || (values as unknown) instanceof BigUint64Array ? 0n : 0) as never;
  for (let i = 0; i < values.length; i++) if (((nullBitmap[i >> 3]! >> (i & 7)) & 1) === 0) values[i] = zero;
}


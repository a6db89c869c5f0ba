/**
 * The exact sum of doubles: high + low, and for what does not fit those a wide accumulator (kernel/wide.ts).
 *
 * Columns: the nearest double and the rest where that is a double too; else zeros and the bytes of the whole number.
 */
import { Binary, type Data, Field, Float64, makeData } from '../../arrow/arrow.ts';
import {
  type Dyadic, dyadicOf, fromUnits, meanOf, toUnits, unitExponent, wideNaN, wideNegative, widePositive,
} from '../exact.ts';
import { Buffer64, hasNulls } from '../staging.ts';
import { binaryColumn, bytesOfUnits, unitsOfBytes } from './binary.ts';
import type { Agg } from '../plan.ts';
import type { Reading } from './groups.ts';
import { doubleColumn, type Place, type State, type StateKind, type StateSource } from './state.ts';

export const floatSumKind: StateKind = {
  isWanted: ({ sum, layout }) => sum && layout.kind === 'float',
  serves: ['sum', 'mean'],
  bytes: 16,
  fields: ({ name }) => [
    new Field(`${name}__sum_hi`, new Float64(), false),
    new Field(`${name}__sum_lo`, new Float64(), false),
    new Field(`${name}__sum_wide`, new Binary(), true),
  ],
  create: (place) => new FloatSum(place),
};

interface Wide {
  readonly units: bigint;
  readonly flags: number;
}

/** The layout of a wide accumulator, as kernel/wide.ts has it. */
const wideLimbs = 70;
const wideFlagsAt = 564;

export class FloatSum implements State {
  readonly fused = 2;
  /** Where the wide accumulators are. */
  readonly wides: number;
  /** The positions of means that the kernel leaves open. */
  private readonly undecided: Buffer64;

  constructor(private readonly place: Place) {
    const { instance } = place.groups;
    this.wides = instance.kernels.newWideTable() >>> 0;
    this.undecided = new Buffer64(instance);
  }

  template(words: BigInt64Array): void {
    words.fill(0n);
  }

  merge(source: StateSource): void {
    const { groups, offset } = this.place;
    const { window, ids } = source;
    const [highs, lows] = [source.words(0, 0), source.words(1, 1)];
    groups.instance.kernels.mergeHighLow(highs, lows, ids, window.count, groups.pointer + offset, groups.stride, this.wides);
    this.mergeWides(source);
  }

  private mergeWides({ data, window, ids }: StateSource): void {
    const wides = data[2]!;
    if (wides.nullCount === wides.length) return;
    const { instance } = this.place.groups;
    const { kernels } = instance;
    const offsets = wides.valueOffsets as Int32Array;
    for (let i = 0; i < window.count; i++) {
      const row = window.start + (window.rows === 0 ? i : instance.view32(window.rows, window.count)[i]!);
      const bit = wides.offset + row;
      if (hasNulls(wides) && ((wides.nullBitmap![bit >> 3]! >> (bit & 7)) & 1) === 0) continue;
      const group = instance.view32(ids, window.count)[i]!;
      const wide = kernels.wideOf(this.wides, group) >>> 0;
      const { flags, units } = unitsOfBytes((wides.values as Uint8Array).subarray(offsets[row]!, offsets[row + 1]!));
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

  columns(groups: Uint32Array): Data[] {
    const { states, step, at } = this.view();
    const rows = groups.length;
    const [highs, lows] = [new Float64Array(rows), new Float64Array(rows)];
    const wides: (Uint8Array | undefined)[] = [];
    const put = (i: number, pair: readonly [number, number] | Uint8Array): void => {
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
      if (!Number.isFinite(sum)) put(i, canonicalPair({ units: toUnits(high) + toUnits(low), flags: 0 }));
    }
    this.eachWide(groups, (i, { units, flags }, high, low) => {
      put(i, canonicalPair({ units: flags === 0 ? units + toUnits(high) + toUnits(low) : 0n, flags }));
    });
    const double = (data: Float64Array): Data => makeData({ type: new Float64(), length: rows, nullCount: 0, data });
    return [double(highs), double(lows), binaryColumn(wides, rows)];
  }

  reading(aggregation: Agg, groups: Uint32Array): Reading {
    return aggregation === 'sum' ? this.sums(groups) : this.means(groups);
  }

  private sums(groups: Uint32Array): Reading {
    const { groups: { instance, pointer, stride }, offset } = this.place;
    return {
      write: (wanted, count, out) => instance.kernels.sumsOf(pointer + offset, stride, wanted, count, out),
      column: (elements) => {
        const sums = new Float64Array(elements);
        this.eachWide(groups, (i, { units, flags }, high, low) => {
          sums[i] = flags === 0 ? fromUnits(units + toUnits(high) + toUnits(low)) : ofFlags(flags);
        });
        return this.column(sums, groups);
      },
    };
  }

  private means(groups: Uint32Array): Reading {
    const { groups: all, offset, index } = this.place;
    const { instance, pointer, stride } = all;
    const nulls = all.settle()[index]!;
    const undecided: number[] = [];
    return {
      write: (wanted, count, out, start) => {
        const at = this.undecided.ensure(count * 4 + 4);
        const left = instance.kernels.meansOf(pointer + offset, pointer, stride, nulls, wanted, count, out, at);
        for (const position of instance.view32(at, left)) undecided.push(start + position);
      },
      column: (elements) => {
        const means = new Float64Array(elements);
        const { states, step, at } = this.view();
        for (const i of undecided) {
          const [group, place] = [groups[i]!, groups[i]! * step + at];
          const count = all.countOf(index, group);
          if (count !== 0n) means[i] = meanOf(dyadicOf([states[place]!, states[place + 1]!]), count);
        }
        this.eachWide(groups, (i, { units, flags }, high, low) => {
          means[i] = flags === 0 ? meanOf({ units: units + toUnits(high) + toUnits(low), exponent: unitExponent }, all.countOf(index, groups[i]!)) : ofFlags(flags);
        });
        return this.column(means, groups);
      },
    };
  }

  private column(values: Float64Array, groups: Uint32Array): Data {
    return doubleColumn(values, this.place.groups.validity(this.place.index, groups));
  }

  /** The exact sums; undefined where a NaN or an infinity was met. */
  exact(groups: Uint32Array): (Dyadic | undefined)[] {
    const { states, step, at } = this.view();
    const sums: (Dyadic | undefined)[] = Array.from(groups, (group) => dyadicOf([states[group * step + at]!, states[group * step + at + 1]!]));
    this.eachWide(groups, (i, { units, flags }, high, low) => {
      sums[i] = flags === 0 ? { units: units + toUnits(high) + toUnits(low), exponent: unitExponent } : undefined;
    });
    return sums;
  }

  /** The states as doubles, and where this one stands among a group's. */
  private view(): { readonly states: Float64Array; readonly step: number; readonly at: number } {
    const { instance, pointer, capacity, stride } = this.place.groups;
    const states = new Float64Array(instance.kernels.memory.buffer, pointer, (capacity * stride) / 8);
    return { states, step: stride / 8, at: this.place.offset / 8 };
  }

  /** Visits the groups that have a wide accumulator, with the two doubles that stand beside it. */
  private eachWide(groups: Uint32Array, visit: (i: number, wide: Wide, high: number, low: number) => void): void {
    const { instance } = this.place.groups;
    const [pointers, capacity] = instance.view32(this.wides, 2) as unknown as [number, number];
    if (capacity === 0) return;
    const addresses = instance.view32(pointers, capacity);
    const { states, step, at } = this.view();
    for (let i = 0; i < groups.length; i++) {
      const group = groups[i]!;
      const address = group < capacity ? addresses[group]! : 0;
      if (address === 0) continue;
      const limbs = instance.view64(address, wideLimbs);
      let units = 0n;
      for (let limb = wideLimbs - 1; limb >= 0; limb--) units = (units << 32n) + limbs[limb]!;
      const flags = canonicalFlags(instance.view32(address + wideFlagsAt, 1)[0]!);
      visit(i, { units, flags }, states[group * step + at]!, states[group * step + at + 1]!);
    }
  }
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
  if (!Number.isFinite(nearest)) return bytesOfUnits(wide);
  const rest = wide.units - toUnits(nearest);
  const restNearest = fromUnits(rest);
  return toUnits(restNearest) === rest ? [nearest, restNearest] : bytesOfUnits(wide);
}

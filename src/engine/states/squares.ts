/**
 * Sums of squares, exact, and with the sums beside them variance and deviation: of a sample (n − 1), null for fewer than two
 * values, the double nearest to the exact result. NaN where a NaN or an infinity is among the values. A variance that is
 * larger than all doubles is +∞, its deviation a double nonetheless.
 */
import { Binary, type Data, Field, makeData } from '../../arrow/arrow.ts';
import { invariant } from '../../base/errors.ts';
import { deviationOf, type Dyadic, dyadicOf, varianceOf } from '../exact.ts';
import type { Agg } from '../plan.ts';
import { checkBytes } from './binary.ts';
import { FloatSum } from './float-sum.ts';
import type { OtherStates } from './groups.ts';
import { IntegerSum } from './integer-sum.ts';
import { MultiWord, unitOf } from './multiword.ts';
import { doubleColumn, type Place, type State, type StateKind, type StateSource, type Stretch, wordField } from './state.ts';

export const integerSquaresKind: StateKind = {
  isWanted: ({ squares, layout }) => squares && layout.kind === 'int',
  serves: ['var', 'std'],
  bytes: 24,
  fields: ({ name }) => [0, 1, 2].map((word) => wordField(`${name}__squares_${word}`)),
  create: (place) => new WholeSquares(place, 3),
};

export const decimalSquaresKind: StateKind = {
  isWanted: ({ squares, layout }) => squares && layout.kind === 'decimal',
  serves: ['var', 'std'],
  bytes: 40,
  fields: ({ name }) => [0, 1, 2, 3, 4].map((word) => wordField(`${name}__squares_${word}`)),
  create: (place) => new WholeSquares(place, 5),
};

export const floatSquaresKind: StateKind = {
  isWanted: ({ squares, layout }) => squares && layout.kind === 'float',
  serves: ['var', 'std'],
  bytes: 32,
  fields: ({ name }) => [new Field(`${name}__squares`, new Binary(), false)],
  create: (place) => new FloatSquares(place),
};

/** An exact value of each group; undefined where there is none, for NaN or an infinity. */
interface Exact {
  exact(groups: Uint32Array): readonly (Dyadic | undefined)[];
}

function spread(place: Place, aggregation: Agg, groups: Uint32Array, squares: readonly (Dyadic | undefined)[]): Data {
  const { groups: all, index, column, earlier } = place;
  const sum = earlier.find((state) => state instanceof FloatSum || state instanceof IntegerSum || state instanceof MultiWord);
  invariant(sum !== undefined, `the variance of ${column.name} needs its sum`);
  const sums = (sum as unknown as Exact).exact(groups);
  const counts = all.counts(index, groups);
  const unit = unitOf(column);
  const of = aggregation === 'var' ? varianceOf : deviationOf;
  const values = new Float64Array(groups.length);
  for (let i = 0; i < groups.length; i++) {
    if (counts[i]! < 2) continue;
    const [s, q] = [sums[i], squares[i]];
    values[i] = s === undefined || q === undefined ? Number.NaN : of({ count: counts[i]!, sum: s, squares: q, unit });
  }
  return doubleColumn(values, all.validity(index, groups, 2));
}

class WholeSquares extends MultiWord {
  override add({ words, ids, count }: Stretch): void {
    const { groups, offset, column } = this.place;
    const { kernels } = groups.instance;
    const states = groups.pointer + offset;
    if (column.layout.kind === 'decimal') kernels.addDecimalSquares(words, ids, count, states, groups.stride);
    else kernels.addIntegerSquares(column.layout.kind === 'int' && column.layout.signed ? 1 : 0, words, ids, count, states, groups.stride);
  }

  override output(aggregation: Agg, groups: Uint32Array): Data {
    return spread(this.place, aggregation, groups, this.exact(groups));
  }
}

/** As kernel/squares.ts has them. */
const wideLimbs = 136;
const wideFlagAt = 1092;
const squareUnitExponent = -2148;
const bytesMax = 546;
const groupsAtOnce = 1024;

class FloatSquares implements State {
  readonly fused = 0;
  readonly tables: readonly [table: number];

  constructor(private readonly place: Place) {
    this.tables = [place.groups.instance.kernels.newSquareTable() >>> 0];
  }

  template(words: BigInt64Array): void {
    words.fill(0n);
  }

  add({ words, ids, count }: Stretch): void {
    const { groups, offset } = this.place;
    groups.instance.kernels.addSquares(words, ids, count, groups.pointer + offset, groups.stride, this.tables[0]);
  }

  merge(source: StateSource): void {
    const { groups, offset } = this.place;
    const { words, ids, count } = source.values(0, { kind: 'string' });
    const done = groups.instance.kernels.addSquareBytes(words, ids, count, groups.pointer + offset, groups.stride, this.tables[0]);
    invariant(done === 1, `a partial state of ${this.place.column.name} is not a sum of squares`);
  }

  mergeMemory(other: OtherStates, ids: number, count: number): void {
    const { groups, offset } = this.place;
    const [a, b, c, d] = [0, 1, 2, 3].map((word) => groups.gather(other, word, count)) as [number, number, number, number];
    const states = groups.pointer + offset;
    groups.instance.kernels.mergeSquares(a, b, c, d, other.tables[0]!, other.first, ids, count, states, groups.stride, this.tables[0]);
  }

  columns(groups: Uint32Array): Data[] {
    const { groups: all, offset, column } = this.place;
    const { instance } = all;
    const size = Math.min(groupsAtOnce, groups.length);
    const ids = instance.alloc(size * 4);
    const lengths = instance.alloc(size * 4);
    const out = instance.alloc(size * bytesMax);
    const valueOffsets = new Int32Array(groups.length + 1);
    const parts: Uint8Array[] = [];
    let total = 0;
    for (let start = 0; start < groups.length; start += size) {
      const some = groups.subarray(start, start + size);
      instance.view32(ids, some.length).set(some);
      const written = instance.kernels.writeSquares(ids, some.length, all.pointer + offset, all.stride, this.tables[0], lengths, out);
      instance.view32(lengths, some.length).forEach((length, i) => {
        total += length;
        valueOffsets[start + i + 1] = total;
      });
      checkBytes(column.name, total);
      parts.push(instance.bytes.slice(out, out + written));
    }
    instance.free(ids, size * 4);
    instance.free(lengths, size * 4);
    instance.free(out, size * bytesMax);
    const data = new Uint8Array(total);
    let at = 0;
    for (const part of parts) {
      data.set(part, at);
      at += part.length;
    }
    return [makeData({ type: new Binary(), length: groups.length, nullCount: 0, valueOffsets, data })];
  }

  output(aggregation: Agg, groups: Uint32Array): Data {
    return spread(this.place, aggregation, groups, this.exact(groups));
  }

  private exact(groups: Uint32Array): (Dyadic | undefined)[] {
    const { groups: all, offset } = this.place;
    const { instance } = all;
    const states = new Float64Array(instance.kernels.memory.buffer, all.pointer, (all.capacity * all.stride) / 8);
    const [pointers, capacity] = instance.view32(this.tables[0], 2) as unknown as [number, number];
    const addresses = instance.view32(pointers, capacity);
    return Array.from(groups, (group) => {
      const first = (group * all.stride + offset) / 8;
      const moderate = dyadicOf([states[first]!, states[first + 1]!, states[first + 2]!, states[first + 3]!]);
      const wide = group < capacity ? addresses[group]! : 0;
      if (wide === 0) return moderate;
      if (instance.view32(wide + wideFlagAt, 1)[0] !== 0) return undefined;
      const limbs = instance.view64(wide, wideLimbs);
      let units = 0n;
      for (let limb = wideLimbs - 1; limb >= 0; limb--) units = (units << 32n) + limbs[limb]!;
      return { units: units + (moderate.units << BigInt(moderate.exponent - squareUnitExponent)), exponent: squareUnitExponent };
    });
  }
}

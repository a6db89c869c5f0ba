/** Exact sums of whole numbers in three or five words: decimals, and the squares of integers and decimals. */
import { type Data, type Decimal, makeData } from '../../arrow/arrow.ts';
import { OverflowError } from '../../base/errors.ts';
import { type Dyadic, meanOfIntegers } from '../exact.ts';
import type { Agg } from '../plan.ts';
import { outputType, type ValueColumn } from '../types.ts';
import type { OtherStates } from './groups.ts';
import { clearNulls, doubleColumn, type Place, type State, type StateKind, type StateSource, type Stretch, wordField } from './state.ts';

export const decimalSumKind: StateKind = {
  isWanted: ({ sum, layout }) => sum && layout.kind === 'decimal',
  serves: ['sum', 'mean'],
  bytes: 24,
  fields: ({ name }) => [0, 1, 2].map((word) => wordField(`${name}__sum_${word}`)),
  create: (place) => new DecimalSum(place),
};

/** Whole numbers, two's complement, low word first. */
export abstract class MultiWord implements State {
  readonly fused = 0;

  constructor(
    protected readonly place: Place,
    private readonly words: 3 | 5,
  ) {}

  abstract add(values: Stretch): void;
  abstract output(aggregation: Agg, groups: Uint32Array, keyText: (position: number) => string): Data;

  template(words: BigInt64Array): void {
    words.fill(0n);
  }

  merge(source: StateSource): void {
    this.addWords(Array.from({ length: this.words }, (_, i) => source.words(i, i)), source.ids, source.window.count);
  }

  mergeMemory(other: OtherStates, ids: number, count: number): void {
    this.addWords(Array.from({ length: this.words }, (_, i) => this.place.groups.gather(other, i, count)), ids, count);
  }

  private addWords(columns: readonly number[], ids: number, count: number): void {
    const { groups, offset } = this.place;
    const { instance } = groups;
    const pointers = instance.alloc(columns.length * 4);
    instance.view32(pointers, columns.length).set(columns);
    instance.kernels.mergeWords(this.words, pointers, ids, count, groups.pointer + offset, groups.stride);
    instance.free(pointers, columns.length * 4);
  }

  columns(groups: Uint32Array): Data[] {
    const { groups: all, offset } = this.place;
    return Array.from({ length: this.words }, (_, word) => all.words(groups, offset + word * 8));
  }

  exact(groups: Uint32Array): Dyadic[] {
    const { groups: all, offset } = this.place;
    const states = all.instance.view64(all.pointer, (all.capacity * all.stride) / 8);
    return Array.from(groups, (group) => {
      const first = (group * all.stride + offset) / 8;
      let units = states[first + this.words - 1]!;
      for (let word = this.words - 2; word >= 0; word--) units = (units << 64n) | BigInt.asUintN(64, states[first + word]!);
      return { units, exponent: 0 };
    });
  }
}

/** 10^scale, by which the values of a column were multiplied to be whole numbers. */
export function unitOf(column: ValueColumn): bigint {
  return column.layout.kind === 'decimal' ? 10n ** BigInt((column.type as Decimal).scale) : 1n;
}

const largest = 10n ** 38n - 1n;

export class DecimalSum extends MultiWord {
  constructor(place: Place) {
    super(place, 3);
  }

  override add({ words, ids, count }: Stretch): void {
    const { groups, offset } = this.place;
    groups.instance.kernels.addDecimals(words, ids, count, groups.pointer + offset, groups.stride);
  }

  override output(aggregation: Agg, groups: Uint32Array, keyText: (position: number) => string): Data {
    return aggregation === 'mean' ? this.means(groups) : this.sums(groups, keyText);
  }

  private means(groups: Uint32Array): Data {
    const { groups: all, index, column } = this.place;
    const counts = all.counts(index, groups);
    const unit = unitOf(column);
    const means = Float64Array.from(this.exact(groups), ({ units }, i) => (counts[i] === 0 ? 0 : meanOfIntegers(units, BigInt(counts[i]!) * unit)));
    return doubleColumn(means, all.validity(index, groups));
  }

  private sums(groups: Uint32Array, keyText: (position: number) => string): Data {
    const { groups: all, index, column } = this.place;
    const type = outputType('sum', column.type);
    const values = new Uint32Array(groups.length * 4);
    this.exact(groups).forEach(({ units }, i) => {
      if (units > largest || units < -largest) {
        throw new OverflowError(column.name, keyText(i), `the sum ${units}, in units of 10^−${(type as Decimal).scale}, has more than the 38 digits of ${type}; ask for the mean instead`);
      }
      for (let word = 0; word < 4; word++) values[i * 4 + word] = Number(BigInt.asUintN(32, units >> BigInt(word * 32)));
    });
    const validity = all.validity(index, groups);
    clearNulls(values, validity.nullBitmap, 4);
    return makeData({ type, length: groups.length, data: values, ...validity } as never);
  }
}

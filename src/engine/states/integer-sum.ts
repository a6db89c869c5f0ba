/** The sum of integers in 128 bits, two words: low, high. */
import { type Data, type Int64, makeData } from '../../arrow/arrow.ts';
import { OverflowError } from '../../base/errors.ts';
import { type Dyadic, meanOfIntegers } from '../exact.ts';
import { outputType } from '../types.ts';
import { doubleColumn, type Place, type State, type StateKind, type StateSource, wordField } from './state.ts';

export const integerSumKind: StateKind = {
  isWanted: ({ sum, layout }) => sum && layout.kind === 'int',
  serves: ['sum', 'mean'],
  bytes: 16,
  fields: ({ name }) => [wordField(`${name}__sum_low`), wordField(`${name}__sum_high`)],
  create: (place) => new IntegerSum(place),
};

export class IntegerSum implements State {
  readonly fused = 2;

  constructor(private readonly place: Place) {}

  template(words: BigInt64Array): void {
    words.fill(0n);
  }

  merge(source: StateSource): void {
    const { groups, offset } = this.place;
    const [lows, highs] = [source.words(0, 0), source.words(1, 1)];
    groups.instance.kernels.mergeInt128(lows, highs, source.ids, source.window.count, groups.pointer + offset, groups.stride);
  }

  columns(groups: Uint32Array): Data[] {
    const { groups: all, offset } = this.place;
    return [all.words(groups, offset), all.words(groups, offset + 8)];
  }

  output(aggregation: string, groups: Uint32Array, keyText: (position: number) => string): Data {
    if (aggregation === 'sum') return this.sums(groups, keyText);
    return doubleColumn(this.means(groups), this.place.groups.validity(this.place.index, groups));
  }

  private halves(groups: Uint32Array): readonly [Uint32Array, Uint32Array] {
    const { groups: all, offset } = this.place;
    return [all.halves(groups, offset), all.halves(groups, offset + 8)];
  }

  exact(groups: Uint32Array): Dyadic[] {
    const [low, high] = this.halves(groups);
    return Array.from(groups, (_, i) => ({ units: wideInteger(low, high, i), exponent: 0 }));
  }

  private means(groups: Uint32Array): Float64Array {
    const [low, high] = this.halves(groups);
    const counts = this.place.groups.counts(this.place.index, groups);
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

  private sums(groups: Uint32Array, keyText: (position: number) => string): Data {
    const { column, index, groups: all } = this.place;
    const [low, high] = this.halves(groups);
    const type = outputType('sum', column.type);
    const signed = (type as Int64).isSigned;
    for (let i = 0; i < groups.length; i++) {
      const extension = signed ? (low[i * 2 + 1]! | 0) >> 31 >>> 0 : 0;
      if (high[i * 2] === extension && high[i * 2 + 1] === extension) continue;
      const sum = wideInteger(low, high, i);
      throw new OverflowError(column.name, keyText(i), `the sum ${sum} does not fit ${type}; sum a Float64 column instead, or ask for the mean`);
    }
    const data = signed ? new BigInt64Array(low.buffer) : new BigUint64Array(low.buffer);
    return makeData({ type, length: groups.length, data, ...all.validity(index, groups) } as never);
  }
}

/** A 128-bit integer from the halves of its two words. */
function wideInteger(low: Uint32Array, high: Uint32Array, i: number): bigint {
  const word = (halves: Uint32Array): bigint => (BigInt(halves[i * 2 + 1]!) << 32n) | BigInt(halves[i * 2]!);
  return (BigInt.asIntN(64, word(high)) << 64n) | word(low);
}

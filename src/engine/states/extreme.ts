/**
 * The least or the greatest of numbers, dates, times and booleans: a 64-bit key that orders as the values do. Of booleans,
 * the least says whether all are true, the greatest whether any is.
 */
import { type Data, type DataType, Field, makeData } from '../../arrow/arrow.ts';
import { doubleToHalf } from '../staging.ts';
import type { Agg } from '../plan.ts';
import { int64Max, int64Min, type ValueColumn } from '../types.ts';
import type { Groups, Reading, Validity } from './groups.ts';
import { clearNulls, type Place, signsOf, type State, type StateKind, type StateSource } from './state.ts';

/** Whether values are words of up to 64 bits. */
export const isWords = ({ layout }: ValueColumn): boolean => layout.kind === 'int' || layout.kind === 'float' || layout.kind === 'bool';

export const leastKind: StateKind = {
  isWanted: (column) => column.min && isWords(column),
  serves: ['min', 'all'],
  bytes: 8,
  fields: ({ name, type }) => [new Field(`${name}__min`, type, true)],
  create: (place) => new Extreme(place, 4),
};

export const greatestKind: StateKind = {
  isWanted: (column) => column.max && isWords(column),
  serves: ['max', 'any'],
  bytes: 8,
  fields: ({ name, type }) => [new Field(`${name}__max`, type, true)],
  create: (place) => new Extreme(place, 8),
};

class Extreme implements State {
  constructor(
    private readonly place: Place,
    readonly fused: 4 | 8,
  ) {}

  template(words: BigInt64Array): void {
    words[0] = this.fused === 4 ? int64Max : int64Min;
  }

  merge(source: StateSource): void {
    const { groups, offset, column } = this.place;
    const { words, ids, count } = source.values(0);
    const { flip } = signsOf(column);
    const isDouble = column.layout.kind === 'float' ? 1 : 0;
    groups.instance.kernels.accumulate(isDouble, this.fused, words, ids, count, groups.pointer + offset, groups.stride, groups.capacity, 0, flip, 0n);
  }

  columns(groups: Uint32Array): Data[] {
    return [this.place.groups.column(groups, this.reading('min', groups))];
  }

  reading(_: Agg, groups: Uint32Array): Reading {
    const { column, index, offset, groups: all } = this.place;
    return readingOfKeys(all, column, offset, () => all.validity(index, groups));
  }
}

/** Keys that order as values do, one of each group, become values again. */
export function readingOfKeys({ instance, pointer, stride }: Groups, column: ValueColumn, offset: number, validityOf: () => Validity): Reading {
  const isDouble = column.layout.kind === 'float' ? 1 : 0;
  const { flip } = signsOf(column);
  return {
    write: (wanted, count, out) => instance.kernels.extremesOf(pointer + offset, stride, wanted, count, isDouble, flip, out),
    column: (elements) => {
      const validity = validityOf();
      clearNulls(new Float64Array(elements), validity.nullBitmap);
      return columnOfWords(column, new Uint32Array(elements), validity);
    },
  };
}

/** A column of 64-bit words (as halves, low first), which are 0 where it is null. */
export function columnOfWords(column: ValueColumn, halves: Uint32Array, validity: Validity): Data {
  if (column.layout.kind === 'bool') return bitColumn(column.type, halves, validity);
  return makeData({ type: column.type, length: halves.length / 2, data: valuesOfWords(column, halves), ...validity } as never);
}

function bitColumn(type: DataType, halves: Uint32Array, { nullBitmap, nullCount }: Validity): Data {
  const length = halves.length / 2;
  const data = new Uint8Array((length + 7) >> 3);
  for (let i = 0; i < length; i++) {
    const valid = nullBitmap === undefined || ((nullBitmap[i >> 3]! >> (i & 7)) & 1) === 1;
    if (valid && halves[i * 2] === 1) data[i >> 3]! |= 1 << (i & 7);
  }
  return makeData({ type, length, data, nullCount, ...(nullBitmap && { nullBitmap }) } as never);
}

/** The values that 64-bit words (as halves, low first) are, in the type of the column. */
function valuesOfWords(column: ValueColumn, halves: Uint32Array): Float64Array | BigInt64Array | Int32Array {
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

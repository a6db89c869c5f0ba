/** The distinct values themselves, for an exact count of them. −0 equals 0, and every NaN equals every other. */
import { Binary, type Data, Field, makeData } from '../../arrow/arrow.ts';
import { invariant } from '../../base/errors.ts';
import type { Agg } from '../plan.ts';
import { checkBytes } from './binary.ts';
import type { OtherStates } from './groups.ts';
import { isSpans } from './spans.ts';
import type { Place, State, StateKind, StateSource, Stretch } from './state.ts';

export const distinctKind: StateKind = {
  isWanted: ({ distinct }) => distinct,
  serves: ['count_distinct'],
  bytes: 8,
  fields: ({ name }) => [new Field(`${name}__distinct`, new Binary(), false)],
  create: (place) => new Distinct(place),
};

class Distinct implements State {
  readonly fused = 0;
  private readonly isSpan: 0 | 1;
  readonly tables: readonly [set: number];

  constructor(private readonly place: Place) {
    this.isSpan = isSpans(place.column.layout) ? 1 : 0;
    this.tables = [place.groups.instance.kernels.newDistinct(this.isSpan, place.allHashesEqual ? 1 : 0) >>> 0];
  }

  template(words: BigInt64Array): void {
    words.fill(0n);
  }

  add({ keys, ids, count }: Stretch): void {
    const { groups, offset } = this.place;
    groups.instance.kernels.addDistinct(this.tables[0], keys(), ids, count, groups.pointer + offset, groups.stride);
  }

  merge(source: StateSource): void {
    const { groups, offset, column } = this.place;
    const { words, ids, count } = source.values(0, { kind: 'string' });
    const done = groups.instance.kernels.addDistinctBytes(this.tables[0], words, ids, count, groups.pointer + offset, groups.stride);
    invariant(done === 1, `a partial state of ${column.name} is not a list of values`);
  }

  mergeAll({ tables }: OtherStates, ids: number, count: number): void {
    const { groups, offset } = this.place;
    groups.instance.kernels.mergeDistinct(this.tables[0], tables[0]!, ids, count, groups.pointer + offset, groups.stride);
  }

  output(_: Agg, groups: Uint32Array): Data {
    return this.place.groups.words(groups, this.place.offset);
  }

  /** Each group's values in ascending order. */
  columns(groups: Uint32Array): Data[] {
    const { groups: all, offset, column } = this.place;
    const { instance } = all;
    const { kernels } = instance;
    const counts = all.halves(groups, offset);
    const starts = new Uint32Array(all.capacity).fill(0xffffffff);
    let total = 0;
    for (let i = 0; i < groups.length; i++) {
      starts[groups[i]!] = total;
      total += counts[i * 2]!;
    }
    const startsAt = instance.alloc(starts.byteLength);
    instance.put(starts, startsAt);
    const values = instance.alloc(total * 8);
    kernels.listDistinct(this.tables[0], startsAt, values);
    instance.free(startsAt, starts.byteLength);
    const valueOffsets = new Int32Array(groups.length + 1);
    let [first, bytes] = [0, 0];
    for (let i = 0; i < groups.length; i++) {
      const count = counts[i * 2]!;
      const run = values + first * 8;
      if (count > 1) kernels.sortValues(this.isSpan, run, count);
      bytes += this.isSpan ? kernels.spansSize(run, count) : count * 8;
      checkBytes(column.name, bytes);
      valueOffsets[i + 1] = bytes;
      first += count;
    }
    const data = this.isSpan ? this.bytesOf(values, total, bytes) : instance.bytes.slice(values, values + bytes);
    instance.free(values, total * 8);
    return [makeData({ type: new Binary(), length: groups.length, nullCount: 0, valueOffsets, data })];
  }

  private bytesOf(spans: number, count: number, bytes: number): Uint8Array {
    const { instance } = this.place.groups;
    const out = instance.alloc(bytes);
    instance.kernels.writeSpans(spans, count, out);
    const data = instance.bytes.slice(out, out + bytes);
    instance.free(out, bytes);
    return data;
  }
}

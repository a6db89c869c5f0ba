/**
 * About how many distinct values there are, by HyperLogLog (kernel/sketch.ts): exact, but for one hash in 2^26, up to some
 * hundred values; beyond them with a standard error of 1.6 %. Equal values of a type have equal hashes: −0 and 0, every NaN.
 */
import { Binary, type Data, Field, Int64, makeData } from '../../arrow/arrow.ts';
import { invariant } from '../../base/errors.ts';
import type { Agg } from '../plan.ts';
import { checkBytes } from './binary.ts';
import type { OtherStates } from './groups.ts';
import { isSpans } from './spans.ts';
import type { Place, State, StateKind, StateSource, Stretch } from './state.ts';

export const sketchKind: StateKind = {
  isWanted: ({ approx }) => approx,
  serves: ['approx_distinct'],
  bytes: 8,
  fields: ({ name }) => [new Field(`${name}__sketch`, new Binary(), false)],
  create: (place) => new Sketch(place),
};

class Sketch implements State {
  readonly fused = 0;

  constructor(private readonly place: Place) {}

  template(words: BigInt64Array): void {
    words.fill(0n);
  }

  add({ keys, ids, count }: Stretch): void {
    const { groups, offset, column } = this.place;
    groups.instance.kernels.addSketch(isSpans(column.layout) ? 1 : 0, keys(), ids, count, groups.pointer + offset, groups.stride);
  }

  merge(source: StateSource): void {
    const { groups, offset, column } = this.place;
    const { words, ids, count } = source.values(0, { kind: 'string' });
    const done = groups.instance.kernels.addSketchBytes(words, ids, count, groups.pointer + offset, groups.stride);
    invariant(done === 1, `a partial state of ${column.name} is not a sketch`);
  }

  mergeMemory(other: OtherStates, ids: number, count: number): void {
    const { groups, offset } = this.place;
    groups.instance.kernels.mergeSketches(groups.gather(other, 0, count), ids, count, groups.pointer + offset, groups.stride);
  }

  columns(groups: Uint32Array): Data[] {
    const { groups: all, offset, column } = this.place;
    const { instance } = all;
    const stateOf = (i: number): number => all.pointer + groups[i]! * all.stride + offset;
    const valueOffsets = new Int32Array(groups.length + 1);
    let total = 0;
    for (let i = 0; i < groups.length; i++) {
      total += instance.kernels.sketchSize(stateOf(i));
      checkBytes(column.name, total);
      valueOffsets[i + 1] = total;
    }
    const out = instance.alloc(total);
    for (let i = 0; i < groups.length; i++) instance.kernels.writeSketch(stateOf(i), out + valueOffsets[i]!);
    const data = instance.bytes.slice(out, out + total);
    instance.free(out, total);
    return [makeData({ type: new Binary(), length: groups.length, nullCount: 0, valueOffsets, data })];
  }

  output(_: Agg, groups: Uint32Array): Data {
    const { groups: all, offset } = this.place;
    const { kernels } = all.instance;
    const counts = BigInt64Array.from(groups, (group) => BigInt(Math.round(kernels.sketchEstimate(all.pointer + group * all.stride + offset))) as never);
    return makeData({ type: new Int64(), length: groups.length, nullCount: 0, data: counts });
  }
}

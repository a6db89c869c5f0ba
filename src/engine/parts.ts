/**
 * The groups of several threads, merged, sorted and read out in parts: ranges of keys, each small enough to stay in the cache.
 *
 *   cut     where ranges begin, from a sample of all keys, so that parts are about as large
 *   split   which groups of one thread are in which part
 *   read    one part: the groups of all threads in that range, merged in a region of memory that the next part uses again
 *
 * What the threads have is only read, so parts can be read side by side, and again. Law: the parts, one after the other, are what
 * one aggregation over all rows gives. See kernel/part.ts.
 */
import type { Schema, Table } from '../arrow/arrow.ts';
import { Aggregation, type AggregationMemory, type AggregationOptions } from './aggregation.ts';
import type { Instance } from './instance.ts';
import type { GroupByPlan } from './plan.ts';

/** Groups of one thread by part: `ids` is where their numbers are, those of part p from `starts[p]` to `starts[p + 1]`. */
export interface SplitGroups {
  readonly memory: AggregationMemory;
  readonly ids: number;
  readonly starts: Uint32Array;
}

/** The groups of one thread that are in one part. */
export interface PartOfGroups {
  readonly memory: AggregationMemory;
  readonly ids: number;
  readonly count: number;
}

export function partOf({ memory, ids, starts }: SplitGroups, part: number): PartOfGroups {
  return { memory, ids: ids + starts[part]! * 4, count: starts[part + 1]! - starts[part]! };
}

/** Reads parts on one thread. */
export class PartReader {
  private region: { readonly block: number; readonly bytes: number } | undefined;

  constructor(
    private readonly instance: Instance,
    private readonly plan: GroupByPlan,
    private readonly schema: Schema,
    private readonly options: AggregationOptions,
  ) {}

  /** The answer, or the partial states, of the groups in one part. */
  read(groups: readonly PartOfGroups[], what: 'finish' | 'states'): Table {
    const { instance } = this;
    const count = groups.reduce((sum, each) => sum + each.count, 0);
    const bytes = roomOf(count, groups);
    return instance.guard(() => {
      const region = this.regionOf(bytes);
      instance.kernels.enterRegion(region.block, region.bytes);
      try {
        const aggregation = Aggregation.create(this.plan, this.schema, { ...this.options, rowsExpected: count }, instance);
        for (const each of groups) aggregation.mergePart(each);
        return aggregation[what]();
      } finally {
        instance.kernels.leaveRegion();
      }
    });
  }

  private regionOf(bytes: number): { readonly block: number; readonly bytes: number } {
    if (this.region === undefined || this.region.bytes < bytes) {
      if (this.region !== undefined) this.instance.free(this.region.block, this.region.bytes);
      this.region = { block: this.instance.alloc(bytes), bytes };
    }
    return this.region;
  }
}

/** About what merging and reading out so many groups takes; what is beyond is taken from elsewhere. */
function roomOf(count: number, groups: readonly PartOfGroups[]): number {
  const stride = groups[0]?.memory.accumulators.stride ?? 0;
  return 2 ** 21 + Math.ceil((count * (stride * 3 + 192)) / 2 ** 16) * 2 ** 16;
}

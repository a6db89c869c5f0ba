/**
 * The groups of several threads, merged, sorted and read out in parts: ranges of keys, each small enough to stay in the cache.
 *
 *   cut     where ranges begin, from a sample of all keys, so that parts are about as large
 *   split   which groups of one thread are in which part
 *   read    one part: the groups of all threads in that range, merged in a region of memory that the next part uses again, and the
 *           rows that were put aside for it (aside.ts)
 *
 * What the threads have is only read, so parts can be read side by side, and again. Law: the parts, one after the other, are what
 * one aggregation over all rows gives. See kernel/part.ts.
 */
import { type Schema, Table } from '../arrow/arrow.ts';
import { complete, inTurns, Pace, type Steps, type Turn, within } from '../base/steps.ts';
import { Aggregation, type Answered, asideColumns, type AggregationMemory, type AggregationOptions } from './aggregation.ts';
import { type AsideColumn, AsideReader, type PartAside, partAside } from './aside.ts';
import type { Instance } from './instance.ts';
import type { GroupByPlan } from './plan.ts';
import { bindPlan } from './types.ts';

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
  readonly aside: PartAside | undefined;
}

export function partOf({ memory, ids, starts }: SplitGroups, part: number): PartOfGroups {
  const aside = memory.aside && partAside(memory.aside, part);
  return { memory: { ...memory, aside: undefined }, ids: ids + starts[part]! * 4, count: starts[part + 1]! - starts[part]!, aside };
}

/** Of a thread that has no groups. */
export function noGroups(memory: AggregationMemory, parts: number): SplitGroups {
  return { memory, ids: 0, starts: new Uint32Array(parts + 1) };
}

/** The parts, one after the other; those without groups have no batch. */
export function tableOfParts(schema: Schema, parts: readonly Table[]): Table {
  const batches = parts.flatMap((table) => (table.numRows === 0 ? [] : table.batches));
  return new Table(schema, batches.length === 0 ? parts[0]!.batches : batches);
}

/** Whether what several threads put aside has to be grouped as other rows are: groups are there that cannot be cut. */
export function mustDrain(memories: readonly AggregationMemory[], { isCuttable }: Aggregation): boolean {
  return !isCuttable && memories.some(({ aside }) => aside !== undefined) && memories.some(({ groups }) => groups > 0);
}

/** The answer of an aggregation that is alone, in parts where rows were put aside; `turn` is called between steps of some milliseconds. */
export async function answerHere(aggregation: Aggregation, reader: PartReader, what: Answered, turn: Turn): Promise<Table> {
  if (mustDrain([aggregation.memory], aggregation)) aggregation.drain();
  const { memory } = aggregation;
  if (memory.aside === undefined) return inTurns(aggregation.answering(what), turn);
  const { cut } = memory.aside;
  const parts = cut.bounds.length + 1;
  const split = memory.groups === 0 ? noGroups(memory, parts) : aggregation.split(memory, cut);
  const tables: Table[] = [];
  for (let part = 0; part < parts; part++) {
    await turn();
    tables.push(await inTurns(reader.reading([partOf(split, part)], what), turn));
  }
  return tableOfParts(tables[0]!.schema, tables);
}

/** A block of memory that parts are grouped in, one after the other. */
interface Region {
  readonly block: number;
  readonly bytes: number;
  readonly wanted: number;
}

/** Reads parts on one thread. */
export class PartReader {
  private region: Region | undefined;
  private readonly plan: GroupByPlan;
  private readonly columns: readonly AsideColumn[];
  /** Rows that were put aside after which others may get their turn. */
  private readonly pace = new Pace(2 ** 13, 2 ** 17);
  /** The most groups that any part had. */
  private groupsMost = 0;

  constructor(
    private readonly instance: Instance,
    plan: GroupByPlan,
    private readonly schema: Schema,
    private readonly options: AggregationOptions,
  ) {
    // What is put aside was chosen before.
    const { range: _range, filter: _filter, arrival: _arrival, ...chosen } = plan;
    this.plan = chosen;
    this.columns = asideColumns(bindPlan(chosen, schema));
  }

  /** The answer, or the partial states, of the groups in one part. */
  read(groups: readonly PartOfGroups[], what: Answered): Table {
    return complete(this.reading(groups, what));
  }

  /** The same, in steps. One part is to be done before the next is begun. */
  *reading(groups: readonly PartOfGroups[], what: Answered): Steps<Table> {
    const { instance } = this;
    const aside = groups.flatMap((each) => (each.aside === undefined || each.aside.rows === 0 ? [] : [each.aside]));
    const rows = aside.reduce((sum, each) => sum + each.rows, 0);
    const merged = groups.reduce((sum, each) => sum + each.count, 0);
    const groupsExpected = merged + Math.min(rows, Math.ceil(Math.max(0, ...aside.map((each) => each.groups)) * spareGroups));
    const { block, bytes } = instance.guard(() => this.regionOf(roomOf(Math.max(groupsExpected, Math.min(merged + rows, this.groupsMost)), groups)));
    instance.kernels.newRegion(block, bytes);
    const inside = <Result>(work: () => Result): Result => this.inside(block, work);
    const aggregation = inside(() => Aggregation.create(this.plan, this.schema, { ...this.options, rowsExpected: merged + rows, groupsExpected }, instance));
    inside(() => {
      for (const each of groups) aggregation.mergePart(each);
    });
    yield;
    if (aside.length > 0) yield* within(this.adding(aggregation, aside), inside);
    this.groupsMost = Math.max(this.groupsMost, aggregation.groupCount);
    return yield* within(aggregation.answering(what), inside);
  }

  private *adding(aggregation: Aggregation, aside: readonly PartAside[]): Steps<void> {
    for (const batch of new AsideReader(this.instance, this.columns).batches(aside)) {
      aggregation.add(batch);
      if (this.pace.isDue(batch.numRows)) yield;
    }
  }

  /** Does some work, for which memory is taken from a region. */
  private inside<Result>(region: number, work: () => Result): Result {
    const { instance } = this;
    return instance.guard(() => {
      instance.kernels.swapRegion(region);
      try {
        return work();
      } finally {
        instance.kernels.swapRegion(region);
      }
    });
  }

  private regionOf(wanted: number): Region {
    if (this.region === undefined || this.region.wanted < wanted) {
      if (this.region !== undefined) this.instance.free(this.region.block, this.region.bytes);
      // Where memory is short, a part is grouped in less, and takes the rest from elsewhere.
      const bytes = Math.min(wanted, Math.floor(this.instance.leftBytes * 0.75));
      this.region = { block: this.instance.alloc(bytes), bytes, wanted };
    }
    return this.region;
  }
}

/** Parts are not all of the same size. */
const spareGroups = 1.25;

/** About what merging and reading out so many groups takes; what is beyond is taken from elsewhere. */
function roomOf(count: number, groups: readonly PartOfGroups[]): number {
  const stride = groups[0]?.memory.accumulators.stride ?? 0;
  return 2 ** 21 + Math.ceil((count * (stride * 3 + 192)) / 2 ** 16) * 2 ** 16;
}

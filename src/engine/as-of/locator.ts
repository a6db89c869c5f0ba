/**
 * Events → the stretches between moments that they lie in: the entity by its key, then the stretch by binary search.
 *
 * Every thread has the entities in the same order, so that their numbers, and those of stretches, mean the same to all. Rows
 * of other entities are left out; their keys take room in the table of keys, as in any group-by.
 */
import { type Data, Int64, makeData, type RecordBatch, tableFromIPC } from '../../arrow/arrow.ts';
import { invariant } from '../../base/errors.ts';
import { columnGrouper, Grouper, type Window } from '../grouper.ts';
import type { Instance } from '../instance.ts';
import type { Moments } from '../plan.ts';
import { Buffer64, type ColumnStage, gatherWide } from '../staging.ts';
import { type KeyColumn, tileType, type TimeColumn, unitNs } from '../types.ts';

/** The rows that lie in a stretch that is asked for, and the stretch of each. */
export interface Located {
  readonly window: Window;
  /** In the instance's memory; good until the next call. */
  readonly stretches: Data;
  /** All of those. */
  readonly all: Window;
}

/** For each entity, which of 64 parts of time its wanted stretches touch: most events of short windows are passed over by it. */
interface Parts {
  readonly base: bigint;
  /** Parts per unit of time. */
  readonly scale: number;
  readonly masks: number;
}

/** The share of marked parts up to which they are asked. */
const passingMost = 0.5;
/** Points from which on events are ordered by entity: what they touch would not stay in the cache. */
const orderedFrom = 1 << 17;
const int64Max = (1n << 63n) - 1n;

/** Rows that are grouped at a time. */
const rowsAtOnce = 16_384;

/** Calls `work` for all rows, some thousand at a time. */
export function eachWindow(rows: number, work: (window: Window) => void): void {
  for (let start = 0; start < rows; start += rowsAtOnce) {
    const length = Math.min(rowsAtOnce, rows - start);
    work({ start, length, rows: 0, count: length });
  }
}

/** A grouper of entities by these keys, whose ids have no gaps. */
export function entityGrouper(instance: Instance, keys: readonly KeyColumn[], stageOf: (name: string) => ColumnStage): Grouper {
  return new Grouper(instance, keys.map((key) => columnGrouper(instance, key, stageOf(key.name), false)));
}

/** Makes the entities of moments known to a grouper, in their order; returns how many there are. */
export function groupEntities(grouper: Grouper, { entities, starts }: Moments): number {
  for (const batch of tableFromIPC(entities).batches as RecordBatch[]) {
    const columns = batch.data.children;
    grouper.expect(batch.numRows);
    eachWindow(batch.numRows, (window) => grouper.group(columns, window));
  }
  invariant(grouper.count === starts.length - 1, 'the entities of moments are not each there once');
  return grouper.count;
}

export class Locator {
  private readonly grouper: Grouper;
  private readonly entities: number;
  private readonly starts: number;
  private readonly points: number;
  /** 0: all are. */
  private readonly wanted: number;
  private readonly most: number;
  private readonly parts: Parts | undefined;
  private readonly some: Buffer64;
  private readonly ordered: Buffer64;
  /** Where there are many points: events are taken in the order of their entities' numbers, shifted by this. */
  private readonly shift: number | undefined;
  private readonly times: Buffer64;
  private readonly tiles: Buffer64;
  private readonly rows: Buffer64;
  private readonly stretches: Buffer64;
  private readonly stage: ColumnStage;

  constructor(
    private readonly instance: Instance,
    keys: readonly KeyColumn[],
    private readonly time: TimeColumn,
    moments: Moments,
    stageOf: (name: string) => ColumnStage,
  ) {
    this.grouper = entityGrouper(instance, keys, stageOf);
    this.entities = groupEntities(this.grouper, moments);
    // Entities that are not known are all the one behind the last, which has no points.
    const starts = new Uint32Array(moments.starts.length + 1).fill(moments.points.length);
    starts.set(moments.starts);
    this.starts = instance.placed(starts);
    this.most = instance.kernels.pointsMost(this.starts, this.entities);
    this.points = instance.placed(moments.points);
    this.wanted = moments.wanted.includes(0) ? instance.placed(moments.wanted) : 0;
    this.parts = this.wanted === 0 ? undefined : this.markParts(moments);
    this.shift = moments.points.length >= orderedFrom ? Math.max(0, 26 - Math.clz32(this.entities - 1)) : undefined;
    this.some = new Buffer64(instance);
    this.ordered = new Buffer64(instance);
    this.times = new Buffer64(instance);
    this.tiles = new Buffer64(instance);
    this.rows = new Buffer64(instance);
    this.stretches = new Buffer64(instance);
    this.stage = stageOf(time.name);
  }

  /** Undefined where most events would pass, or where a stretch without beginning is wanted. */
  private markParts({ starts, points, wanted }: Moments): Parts | undefined {
    let [first, last] = [int64Max, -int64Max];
    for (let entity = 0; entity < this.entities; entity++) {
      const [start, end] = [starts[entity]!, starts[entity + 1]!];
      if (start === end) continue;
      if (wanted[start] === 1) return undefined;
      if (points[start]! < first) first = points[start]!;
      if (points[end - 1]! > last) last = points[end - 1]!;
    }
    if (first >= last) return undefined;
    const { instance } = this;
    const bytes = (this.entities + 1) * 8;
    const [base, scale, masks] = [first, 64 / Number(last - first), instance.alloc(bytes)];
    const set = instance.kernels.markParts(this.starts, this.entities, this.points, this.wanted, base, scale, masks);
    if (set < this.entities * 64 * passingMost) return { base, scale, masks };
    instance.free(masks, bytes);
    return undefined;
  }

  /** Of the selected rows, which have no null in a key and none in the event time. */
  locate(keys: readonly Data[], time: Data, window: Window): Located {
    const layout = { kind: 'int', bytes: this.time.bytes, signed: true } as const;
    return this.place(this.grouper.group(keys, window), gatherWide(this.instance, this.stage, time, layout, window, this.times), window);
  }

  /** Of tiles, by their starts: the first instant that an event of theirs may have, in the unit of the event time. */
  locateTiles(keys: readonly Data[], starts: Data, stage: ColumnStage, window: Window): Located {
    const ids = this.grouper.group(keys, window);
    const [tileNs, eventNs] = [unitNs(tileType), unitNs(this.time.type)];
    const fineNs = tileNs < eventNs ? tileNs : eventNs;
    const instants = gatherWide(this.instance, stage, starts, { kind: 'int', bytes: 8, signed: true }, window, this.times);
    const times = this.tiles.ensure(window.count * 8);
    this.instance.kernels.pointsBefore(instants, window.count, tileNs / fineNs, 0n, eventNs / fineNs, int64Max, times);
    return this.place(ids, times, window);
  }

  private place(ids: number, times: number, window: Window): Located {
    const { instance } = this;
    const rows = this.rows.ensure(window.count * 4);
    const stretches = this.stretches.ensure(window.count * 8);
    const { parts } = this;
    let [some, looked] = [0, window.count];
    if (parts !== undefined) {
      some = this.some.ensure(window.count * 4);
      looked = instance.kernels.mightLocate(ids, times, window.count, this.entities, parts.base, parts.scale, parts.masks, some);
    }
    if (this.shift !== undefined) {
      const ordered = this.ordered.ensure(looked * 4);
      looked = instance.kernels.orderByEntity(ids, some, looked, this.entities, this.shift, ordered);
      some = ordered;
    }
    const count = instance.kernels.locate(
      ids, times, window.rows, some, looked, this.entities, this.starts, this.points, this.most, this.wanted, rows, stretches,
    );
    return {
      window: { ...window, rows, count },
      stretches: makeData({ type: new Int64(), length: count, nullCount: 0, data: instance.view64(stretches, count) }),
      all: { start: 0, length: count, rows: 0, count },
    };
  }
}

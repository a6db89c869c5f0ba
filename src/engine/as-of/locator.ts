/**
 * Events → the stretches between moments that they lie in: the entity by its key, then the stretch by a search of its points.
 *
 * Every thread numbers the entities alike, so that their numbers, and those of stretches, mean the same to all. Integer keys that lie
 * close together are their own numbers; others are looked up in a table of keys, where those of other entities take room, as in any
 * group-by. Rows of other entities are left out.
 */
import { type Data, type RecordBatch, tableFromIPC } from '../../arrow/arrow.ts';
import { invariant } from '../../base/errors.ts';
import type { CoarseScale, CoarseTimes } from '../coarse.ts';
import { columnGrouper, Grouper, type Window } from '../grouper.ts';
import type { Instance } from '../instance.ts';
import type { Moments, PlacedMoments } from '../plan.ts';
import { Buffer64, ColumnStage, gatherWide } from '../staging.ts';
import { int64Max, type KeyColumn, tileType, type TimeColumn, unitNs } from '../types.ts';
import { type CellScale, cellScale } from './cells.ts';
import { placeMoments } from './placed.ts';

/** The rows that lie in a stretch that is asked for, and where the number of the stretch of each is; good until the next call. */
export interface Located {
  readonly window: Window;
  readonly stretches: number;
}

/** Some rows, and where something is of each that tells its entity (`Knowing`). */
export interface Numbered {
  readonly window: Window;
  readonly firstKey: bigint | undefined;
  readonly words: number;
}

/** Where something is of each selected row that tells its entity: the number, at least that of entities where it is none of them; or a key, less the first. */
export interface Knowing {
  /** Of keys, 64 bits wide; undefined: they are numbers of 32. */
  readonly firstKey: bigint | undefined;
  words(keys: readonly Data[], window: Window): number;
}

/** A part of coarse times is at most 2^so many of those that entities have bits for: eight (kernel/asof.ts). */
const coarseShiftMost = 3n;

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

/** How entities are known by their keys. */
export function knowEntities(instance: Instance, keys: readonly KeyColumn[], { entities, starts }: Moments, stageOf: (name: string) => ColumnStage): Knowing {
  if (entities.kind === 'listed') {
    const grouper = entityGrouper(instance, keys, stageOf);
    for (const batch of tableFromIPC(entities.stream).batches as RecordBatch[]) {
      grouper.expect(batch.numRows);
      eachWindow(batch.numRows, (window) => grouper.group(batch.data.children, window));
    }
    invariant(grouper.count === starts.length - 1, 'the entities of moments are not each there once');
    return { firstKey: undefined, words: (data, window) => grouper.group(data, window) };
  }
  const { name, layout } = keys[0]!;
  const [stage, wide] = [stageOf(name), new Buffer64(instance)];
  return { firstKey: entities.first, words: ([data], window) => gatherWide(instance, stage, data!, layout, window, wide) };
}

export class Locator {
  private readonly known: Knowing;
  private readonly entities: number;
  private readonly scale: CellScale;
  readonly placed: PlacedMoments;
  private readonly numbers: Buffer64;
  private readonly nearRows: Buffer64;
  private readonly times: Buffer64;
  private readonly tiles: Buffer64;
  private readonly rows: Buffer64;
  private readonly stretches: Buffer64;
  private readonly stage: ColumnStage;
  private readonly coarse: ColumnStage;

  constructor(
    private readonly instance: Instance,
    keys: readonly KeyColumn[],
    private readonly time: TimeColumn,
    moments: Moments,
    stageOf: (name: string) => ColumnStage,
    /** Of the column of the event time. */
    coarse: CoarseScale | undefined,
  ) {
    this.entities = moments.starts.length - 1;
    this.known = knowEntities(instance, keys, moments, stageOf);
    this.scale = cellScale(moments.first, moments.last);
    this.placed = placeMoments(instance, moments, coarse);
    this.numbers = new Buffer64(instance);
    this.nearRows = new Buffer64(instance);
    this.coarse = new ColumnStage(instance);
    this.times = new Buffer64(instance);
    this.tiles = new Buffer64(instance);
    this.rows = new Buffer64(instance);
    this.stretches = new Buffer64(instance);
    this.stage = stageOf(time.name);
  }

  /** Of tiles, by their starts: the first instant that an event of theirs may have, in the unit of the event time. */
  locateTiles(keys: readonly Data[], starts: Data, stage: ColumnStage, window: Window): Located {
    const [tileNs, eventNs] = [unitNs(tileType), unitNs(this.time.type)];
    const fineNs = tileNs < eventNs ? tileNs : eventNs;
    const instants = gatherWide(this.instance, stage, starts, { kind: 'int', bytes: 8, signed: true }, window, this.times);
    const times = this.tiles.ensure(window.count * 8);
    this.instance.kernels.pointsBefore(instants, window.count, tileNs / fineNs, 0n, eventNs / fineNs, int64Max, times);
    return this.place(this.numbered(keys, window), times);
  }

  /** Whether most events are passed over by one look each. */
  get passesMost(): boolean {
    return this.placed.masks !== 0;
  }

  /** Of the selected rows, which have no null in a key and none in the event time, those that might lie in a stretch that is asked for; good until the next call. */
  near(keys: readonly Data[], time: Data, window: Window, coarse: CoarseTimes | undefined): Numbered {
    const { instance, entities, known: { firstKey }, placed: { masks, parts } } = this;
    if (masks === 0) return this.numbered(keys, window);
    const words = this.known.words(keys, window);
    const numbers = this.numbers.ensure(window.count * 4);
    const rows = this.nearRows.ensure(window.count * 4);
    const steps = window.rows === 0 && coarse?.first === parts.first ? parts.shift - coarse.shift : -1n;
    const isCoarse = steps >= 0n && steps <= coarseShiftMost;
    const times = isCoarse ? this.coarse.stageFixed(coarse!.data, window.start, window.length) : gatherWide(instance, this.stage, time, this.layout, window, this.times);
    const count = instance.kernels.mightLocate(
      firstKey === undefined ? 0 : 1, isCoarse ? 1 : 0, words, firstKey ?? 0n, times, window.rows, window.count, entities,
      parts.first, isCoarse ? steps : parts.shift, masks, rows, numbers,
    );
    return { window: { ...window, rows, count }, firstKey: undefined, words: numbers };
  }

  private numbered(keys: readonly Data[], window: Window): Numbered {
    return { window, firstKey: this.known.firstKey, words: this.known.words(keys, window) };
  }

  private numbersOf({ window, firstKey, words }: Numbered): number {
    if (firstKey === undefined) return words;
    const numbers = this.numbers.ensure(window.count * 4);
    this.instance.kernels.numberKeys(words, window.count, firstKey, this.entities, numbers);
    return numbers;
  }

  /** The rows of these that lie in a stretch that is asked for. */
  locate(rows: Numbered, time: Data): Located {
    return this.place(rows, gatherWide(this.instance, this.stage, time, this.layout, rows.window, this.times));
  }

  private place(numbered: Numbered, times: number): Located {
    const { window } = numbered;
    const numbers = this.numbersOf(numbered);
    const { instance, entities, scale: { first, last, shift, multiplier }, placed: { starts, cells, ranges, points, wanted } } = this;
    const rows = this.rows.ensure(window.count * 4);
    const stretches = this.stretches.ensure(window.count * 4);
    const count = instance.kernels.locate(
      numbers, times, window.rows, window.count, entities, starts, cells, ranges, points, first, last, shift, multiplier, wanted, rows, stretches,
    );
    return { window: { ...window, rows, count }, stretches };
  }

  private get layout() {
    return { kind: 'int', bytes: this.time.bytes, signed: true } as const;
  }
}

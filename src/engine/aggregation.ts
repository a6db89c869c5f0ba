/**
 * A mergeable aggregation in progress: batches of rows or of partial states go in, partial states or the answer come out.
 *
 *   batch ─▶ stretches of rows ─▶ selection ─▶ group ids (grouper.ts) ─▶ states (accumulator.ts)
 *
 * Laws: how rows are split into batches, their order, and whether they came as rows or as partial states changes no bit of
 * the answer. Sync and single-threaded; no clock, no I/O. See kernel/ for the loops.
 */
import { type Data, DataType, Field, type RecordBatch, Schema, type Table, Timestamp } from '../arrow/arrow.ts';
import { tableOfColumns } from '../arrow/canonical.ts';
import { columnsOf } from '../arrow/expression.ts';
import { valueReader } from '../arrow/values.ts';
import { ArgumentError } from '../base/errors.ts';
import { complete, type Steps, within } from '../base/steps.ts';
import { formatInstant, type TimeRange } from '../base/time.ts';
import { type AccumulatorMemory, Accumulators, type EventTimes, stateFields } from './accumulator.ts';
import { type CoarseRange, coarseRange, type CoarseScale, type CoarseTimes, coarseTimesIn } from './coarse.ts';
import type { Cut } from './cut.ts';
import { ArrivalLocator } from './as-of/arrivals.ts';
import { type Located, Locator } from './as-of/locator.ts';
import { NearestStates } from './as-of/nearest.ts';
import { locatedAtOnce, PartedEvents, type Waiting } from './as-of/parted.ts';
import type { Answers, Question } from './as-of/answers.ts';
import { answersOfRows, areNarrow, joinedAnswers, type LabelSource, placeAscending, placeLabels, type SomeAnswers, type SomeLabels } from './as-of/shared-answers.ts';
import { type FullStretches, StretchGrouper } from './as-of/stretches.ts';
import { selectRows } from './filter.ts';
import { Aside, type AsideColumn, type AsideMemory, newSearch, rowsAside } from './aside.ts';
import { columnGrouper, type ColumnGrouper, Grouper, type GrouperMemory, TileGrouper, type Window } from './grouper.ts';
import { borrowInstance, type Instance } from './instance.ts';
import type { PartOfGroups, SplitGroups } from './parts.ts';
import type { GroupByPlan, OutputColumn } from './plan.ts';
import { type Short, shortForms, shortRange } from './short.ts';
import { Buffer64, columnData, ColumnStage } from './staging.ts';
import { bindPlan, type BoundPlan, fieldOf, type RangeInUnits, rangeInUnits, resultSchema, type TimeColumn, tileType } from './types.ts';

export interface AggregationOptions {
  /** Rows that are worked on at a time; they should stay in the processor's cache. */
  readonly batchSize?: number;
  /** Bytes that the groups and their states may take, at most 4 GiB. */
  readonly memoryLimit?: number;
  /** About how many rows are to come, where that is known: it decides how much room direct addressing may take. */
  readonly rowsExpected?: number;
  /** And how many groups they are likely to have: room is made for them at once. */
  readonly groupsExpected?: number;
  /** How the coarse times of columns are made that may come with rows, by their names. */
  readonly coarse?: ReadonlyMap<string, CoarseScale>;
  /** For tests, that want the rare to be common. */
  readonly rare?: {
    readonly noDirectAddressing?: boolean;
    /** Puts rows aside in so many parts, however few there are; with moments, events wait in so many (as-of/parted.ts). */
    readonly asideParts?: number;
    readonly allHashesEqual?: boolean;
    /** Has narrow states however few groups there are (states/narrow.ts). */
    readonly isNarrow?: boolean;
    /** Shares stretches of so many rows out to threads, however few rows there are. */
    readonly stretchRows?: number;
  };
}

/** What is read out: the answer, or partial states. */
export type Answered = 'finish' | 'states';

export interface StateOptions {
  /** The column of the states table that holds the tile's start. */
  readonly tileColumn: string;
  /** Only tiles that start inside; the tile of null event times is in no range. */
  readonly tileRange?: TimeRange;
}

/** What a thread has of one plan: addresses in the shared memory, and counts. */
export interface AggregationMemory extends Counters {
  readonly groups: number;
  readonly grouper: GrouperMemory;
  readonly accumulators: AccumulatorMemory;
  /** Rows that were not grouped yet. */
  readonly aside: AsideMemory | undefined;
  /** Where the nearest values of stretches are; 0: there are none. */
  readonly nearest: number;
}

/** Rows that came in, that had a null entity key, and that counted. */
export interface Counters {
  readonly rowsSeen: number;
  readonly rowsDroppedNullKey: number;
  readonly rowsInRange: number;
}

/** What rows are grouped by. */
interface GroupedColumns {
  readonly keys: readonly Data[];
  /** The keys, and the time where there are tiles. */
  readonly grouped: readonly Data[];
  readonly time: Data | undefined;
  readonly arrival: Data | undefined;
}

/** What is aggregated: a column for each of the plan, with the short forms of those that have them, and the times that some go by. */
interface Values {
  readonly data: readonly Data[];
  readonly stages: readonly ColumnStage[];
  readonly times: EventTimes | undefined;
  readonly shorts: readonly (Short | undefined)[];
}

/** What times are looked at by, where coarse times do not tell: the short ones, where there are some, which take less memory and may be read anyway. */
interface LookedTimes {
  readonly data: Data;
  readonly stage: ColumnStage;
  readonly bytes: 4 | 8;
  readonly range: RangeInUnits;
}

interface PartsOfTime extends CoarseRange {
  readonly looked: LookedTimes;
}

/** What of a batch is read, and what of its rows count. */
interface BatchColumns extends GroupedColumns {
  readonly range: RangeInUnits | undefined;
  readonly coarseTimes: CoarseTimes | undefined;
  readonly coarse: PartsOfTime | undefined;
  readonly arrived: RangeInUnits | undefined;
  readonly values: Values;
  /** What goes along where rows are put aside, and where events wait. */
  readonly carried: readonly Data[];
  readonly waiting: Parameters<PartedEvents['take']>[1];
}

interface GroupedRows {
  readonly window: Window;
  readonly ids: number;
}

/** The states of stretches in memory, a group each (as-of/stretches.ts). */
export interface StretchStates {
  readonly instance: Instance;
  readonly accumulators: Accumulators;
  readonly stretches: number;
  readonly full: FullStretches;
  /** States of the same columns for other groups. */
  fresh(): Accumulators;
  /** Whether outputs can be had by `Accumulators.mergeSome`. */
  isInRows(outputs: readonly OutputColumn[]): boolean;
}

/** All labels, and what they are answered by. */
export interface AskedLabels {
  readonly source: LabelSource;
  readonly labels: SomeLabels;
}

const batchSizeDefault = 16_384;
/** Where fewer than one in so many is kept, so many. */
const fewKept = 8;
const batchSizeFewKept = 131_072;

/** Rows that show whether most are in a range of time. */
const comparedFirst = 65_536;

/** To read out fewer takes no longer than a turn may. */
const groupsForSteps = 2 ** 13;

/** Which share of the memory rows that are put aside may take: the rest is for grouping them, and those that come then. */
const asideShare = 0.25;
/** And events that wait in parts. */
const partedShare = 1 / 16;

/** The columns of rows that are put aside: the key first. */
export function asideColumns(bound: BoundPlan): readonly AsideColumn[] {
  const byTime = bound.values.some((value) => value.first || value.last);
  const ties = bound.values.flatMap(({ tie }) => (tie === undefined ? [] : [tie]));
  return columnsOnce([...bound.keys, ...bound.values, ...ties, ...(byTime ? [bound.time!] : [])]);
}

/** The columns of events that wait in parts: the event time first. */
function waitingColumns({ time, values }: BoundPlan): readonly AsideColumn[] {
  return columnsOnce([time!, ...values, ...values.flatMap(({ tie }) => (tie === undefined ? [] : [tie]))]);
}

function columnsOnce(all: readonly AsideColumn[]): readonly AsideColumn[] {
  return all.filter(({ name }, i) => all.findIndex((column) => column.name === name) === i).map(({ name, type }) => ({ name, type }));
}

/** The columns of the partial states of a plan, keys first. */
export function statesSchema(plan: GroupByPlan, schema: Schema): Schema {
  return statesSchemaOf(bindPlan(plan, schema));
}

function statesSchemaOf(bound: BoundPlan): Schema {
  return new Schema([
    ...bound.named.map((key) => new Field(key.name, key.type, false)),
    ...(bound.tile === undefined ? [] : [new Field(bound.tile.name, tileType, true)]),
    ...bound.values.flatMap(stateFields),
  ]);
}

export class Aggregation implements Counters {
  private readonly stages = new Map<string, ColumnStage>();
  private readonly rows: Buffer64;
  private readonly coarse: ColumnStage;
  /** Where the rows of a range of time are chosen. */
  private readonly near: Buffer64;
  private readonly grouper: Grouper;
  /** Where rows are grouped by stretches between moments. */
  private readonly locator: Locator | undefined;
  private readonly stretches: StretchGrouper | undefined;
  private readonly nearest: NearestStates | undefined;
  private readonly parted: PartedEvents | undefined;
  /** The columns that events wait with, the event time first. */
  private readonly waiting: readonly AsideColumn[];
  private readonly arrivals: ArrivalLocator | undefined;
  private readonly accumulators: Accumulators;
  private readonly aside: Aside | undefined;
  private readonly batchSize: number;
  private readonly expected: number;
  /** Of batches that are still there. */
  private readonly batches = new WeakMap<RecordBatch, BatchColumns | 'none count'>();
  /** Whether most rows of those that were last looked at are left out. */
  private areFewKept = false;
  /** Rows whose time was compared with the range, and those that lay in it. */
  private readonly passed = { compared: 0, kept: 0 };
  private open: boolean;
  rowsSeen = 0;
  rowsDroppedNullKey = 0;
  rowsInRange = 0;

  private constructor(
    private readonly instance: Instance,
    private readonly bound: BoundPlan,
    private readonly options: AggregationOptions,
    borrowed: boolean,
    asideCell: number | undefined,
  ) {
    this.open = borrowed;
    const { noDirectAddressing = false, allHashesEqual = false, isNarrow = false } = options.rare ?? {};
    instance.kernels.forceHash(noDirectAddressing ? 0 : 1, allHashesEqual ? 1 : 0);
    this.rows = new Buffer64(instance);
    this.coarse = new ColumnStage(instance);
    this.near = new Buffer64(instance);
    const { moments } = bound.plan;
    const { time, arrival } = bound;
    this.locator = moments && arrival === undefined ? new Locator(instance, bound.keys, time!, moments, (name) => this.stage(name), options.coarse?.get(time!.name)) : undefined;
    // What is known of rows that are located stays in the nearer cache until their states are visited.
    const isLocated = moments !== undefined && this.locator?.passesMost !== true;
    this.batchSize = Math.max(1, options.batchSize ?? (isLocated ? locatedAtOnce : batchSizeDefault));
    this.arrivals = moments && arrival && new ArrivalLocator(instance, bound.keys, time!, arrival, moments, (name) => this.stage(name));
    const alone = bound.named.length === 1 && bound.tile === undefined;
    this.stretches = this.locator && new StretchGrouper(instance, moments!.count);
    this.nearest = this.locator && bound.plan.isAnswered ? NearestStates.of(instance, bound) : undefined;
    const groupers: ColumnGrouper[] = this.stretches ? [this.stretches] : bound.named.map((key) => columnGrouper(instance, key, this.stage(key.name), alone));
    if (bound.tile !== undefined) groupers.push(new TileGrouper(instance, bound.tile, bound.time!.bytes, this.stage(bound.time!.name)));
    this.grouper = new Grouper(instance, groupers);
    this.accumulators = new Accumulators(instance, bound.values, { allHashesEqual, narrow: moments !== undefined ? 'never' : isNarrow ? 'always' : 'where worth it' });
    this.expected = options.rowsExpected ?? 0;
    this.aside = asideCell === undefined ? undefined : this.asideAt(asideCell);
    // Only in a memory that is kept across its own growth, as rows that are put aside need it, too.
    const isParted = asideCell !== undefined && this.locator !== undefined;
    this.waiting = isParted ? waitingColumns(bound) : [];
    this.parted = isParted ? this.partedBy(moments!) : undefined;
    if (this.expected > 0) this.grouper.expect(this.expected);
    if (options.groupsExpected !== undefined) {
      this.grouper.reserve(options.groupsExpected);
      this.grow(options.groupsExpected);
    }
  }

  /** Where events of this plan wait in parts. */
  private partedBy(moments: NonNullable<GroupByPlan['moments']>): PartedEvents | undefined {
    const { instance, options, batchSize } = this;
    const settings = { rowsExpected: this.expected, bytesMax: instance.leftBytes * partedShare, parts: options.rare?.asideParts };
    return PartedEvents.of(instance, this.waiting, moments, batchSize, settings, (waiting) => this.addWaiting(waiting));
  }

  /** Where rows of this plan can be put aside. */
  private asideAt(cell: number): Aside | undefined {
    const { bound, options, instance } = this;
    const [key] = this.grouper.columns;
    if (key!.partRows === undefined || bound.tile !== undefined || bound.plan.moments !== undefined) return undefined;
    const bytesMax = instance.usedBytes + instance.leftBytes * asideShare;
    const settings = { rowsExpected: this.expected, bytesMax, parts: options.rare?.asideParts };
    return new Aside(instance, key!, asideColumns(bound), (name) => this.stage(name), cell, settings);
  }

  /**
   * Begins an aggregation over batches of this schema. Throws SchemaMismatchError for a column that is missing or whose type
   * has no such aggregation. Call `close` when done. `shared`: an instance on a memory that others use too, which stays
   * with whoever gave it. `asideCell`: where the threads of a run agree on whether rows are put aside (aside.ts); then the answer is read in parts
   * where `memory` has such rows.
   */
  static create(plan: GroupByPlan, schema: Schema, options: AggregationOptions = {}, shared?: Instance, asideCell?: number): Aggregation {
    const bound = bindPlan(plan, schema);
    for (const column of plan.filter === undefined ? [] : columnsOf(plan.filter)) fieldOf(schema, column);
    const instance = shared ?? borrowInstance(options.memoryLimit);
    return instance.guard(() => new Aggregation(instance, bound, options, shared === undefined, asideCell));
  }

  /** The groups so far. */
  get groupCount(): number {
    this.settle();
    return this.grouper.count;
  }

  /** Groups what was put aside as other rows are: where states cannot be cut into parts, and some are there. */
  drain(): void {
    const { rowsSeen, rowsDroppedNullKey, rowsInRange } = this;
    // Rows were chosen before.
    this.instance.guard(() => this.aside?.drain((batch) => this.addRows(batch, this.readColumns(batch, {})!, 0, batch.numRows, undefined)));
    Object.assign(this, { rowsSeen, rowsDroppedNullKey, rowsInRange });
  }

  /** Adds the rows of a batch, or those from `first` to before `end`. Copies what it needs; the batch is not kept. */
  add(batch: RecordBatch, first = 0, end = batch.numRows): void {
    this.rowsSeen += end - first;
    const columns = first < end ? this.columnsIn(batch) : undefined;
    if (columns !== undefined) this.addRows(batch, columns, first, end, this.bound.plan.filter);
  }

  private addRows(batch: RecordBatch, columns: BatchColumns, first: number, end: number, filter: GroupByPlan['filter']): void {
    this.each(batch, first, end, filter, (window) => this.addWindow(columns, window));
  }

  /** What is to be known of a batch; undefined where none of its rows counts. Most often a batch comes in several stretches. */
  private columnsIn(batch: RecordBatch): BatchColumns | undefined {
    let known = this.batches.get(batch);
    if (known === undefined) this.batches.set(batch, (known = this.readColumns(batch, this.bound.plan) ?? 'none count'));
    return known === 'none count' ? undefined : known;
  }

  private readColumns(batch: RecordBatch, { range: wanted, arrival: asked }: Pick<GroupByPlan, 'range' | 'arrival'>): BatchColumns | undefined {
    const { bound } = this;
    const range = wanted && rangeInUnits(wanted, bound.time!.type);
    if (wanted !== undefined && range === undefined) return undefined;
    const { beforeUs } = asked ?? {};
    const arrived = beforeUs === undefined ? undefined : rangeInUnits({ endUs: beforeUs }, bound.arrival!.type);
    if (beforeUs !== undefined && arrived === undefined) return undefined;
    const coarseTimes = range && coarseTimesIn(batch, bound.time!.name);
    const coarse = coarseTimes && coarseRange(coarseTimes, range!);
    const keys = bound.keys.map((key) => columnData(batch, key.name, key.type));
    const values = this.valuesOf(({ name, type }) => columnData(batch, name, type), batch);
    const time = bound.time && (range !== undefined || bound.tile || bound.plan.moments || values.times) ? columnData(batch, bound.time.name, bound.time.type) : undefined;
    return {
      range,
      coarseTimes,
      coarse: coarse && { ...coarse, looked: this.lookedTimes(batch, time!, range!) },
      arrived,
      arrival: asked && bound.arrival && columnData(batch, bound.arrival.name, bound.arrival.type),
      keys,
      grouped: bound.tile === undefined ? keys : [...keys, time!],
      time,
      values,
      carried: this.aside === undefined || this.aside.isDeclined ? [] : asideColumns(bound).map(({ name, type }) => columnData(batch, name, type)),
      waiting: this.parted === undefined ? [] : this.waiting.map(({ name, type }) => ({ data: columnData(batch, name, type), stage: this.stage(name), short: this.shortOf(batch, name) })),
    };
  }

  private lookedTimes(batch: RecordBatch, data: Data, range: RangeInUnits): LookedTimes {
    const { name } = this.bound.time!;
    const short = this.shortOf(batch, name);
    if (short === undefined) return { data, stage: this.stage(name), bytes: 8, range };
    return { data: short.data, stage: short.stage, bytes: 4, range: shortRange(range, short.scale) };
  }

  private addWindow(columns: BatchColumns, window: Window): void {
    const { bound } = this;
    const { range, coarse, arrived, arrival, keys, time, values } = columns;
    const inRange = range === undefined ? window
      : coarse !== undefined ? this.selectByParts(window, coarse, time!, bound.time!) : this.selectInRange(window, time!, bound.time!, range);
    const known = arrived !== undefined ? this.selectTime(inRange, arrival!, bound.arrival!, arrived)
      : arrival !== undefined ? this.selectValid(inRange, this.stage(bound.arrival!.name), arrival) : inRange;
    const keyed = this.selectKeys(known, keys);
    this.rowsDroppedNullKey += known.count - keyed.count;
    this.rowsInRange += keyed.count;
    this.areFewKept = keyed.count * fewKept < window.length;
    if (keyed.count === 0) return;
    if (this.aside?.take(columns.carried, keyed)) return;
    const near = this.locator?.near(keys, time!, keyed, columns.coarseTimes);
    if (near !== undefined && (near.window.count === 0 || this.parted?.take(near, columns.waiting))) return;
    this.addGrouped(values, near === undefined ? this.groupRows(columns, keyed) : locatedRows(this.locator!.locate(near, time!)));
  }

  /** Adds the values of rows to their groups. */
  private addGrouped({ data, stages, times, shorts }: Values, { window, ids }: GroupedRows): void {
    if (window.count === 0) return;
    const whole = this.nearest && this.accumulators.tryWhole(data[0]!, stages[0]!, window, ids, times!);
    if (whole !== undefined) {
      this.nearest!.add(whole);
      return;
    }
    this.grow();
    // As many of those that are to come are left out as of these.
    if (this.accumulators.growNarrow(shorts, this.expected * (window.count / window.length))) this.grouper.countsAt(this.accumulators.counted);
    this.accumulators.add(data, stages, window, ids, times, shorts);
  }

  /** What is aggregated, and the times that some of it goes by. */
  private valuesOf(dataOf: (column: AsideColumn) => Data, batch?: RecordBatch): Values {
    const { values, time } = this.bound;
    const tie = values.find((value) => value.tie !== undefined)?.tie;
    const ties = tie && { data: dataOf(tie), stage: this.stage(tie.name), layout: tie.layout };
    const byTime = values.some((value) => value.first || value.last);
    const times = byTime ? { data: dataOf(time!), stage: this.stage(time!.name), bytes: time!.bytes, ties } : undefined;
    return { data: values.map(dataOf), stages: values.map(({ name }) => this.stage(name)), times, shorts: values.map(({ name }) => batch && this.shortOf(batch, name)) };
  }

  private shortOf(batch: RecordBatch, column: string): Short | undefined {
    const found = shortForms.found(batch, column);
    return found && { ...found, stage: this.stage(`\0short ${column}`) };
  }

  /** Locates and adds events that have waited in their part. */
  private addWaiting({ numbers, columns, window }: Waiting): void {
    const dataOf = ({ name }: AsideColumn): Data => columns[this.waiting.findIndex((column) => column.name === name)]!;
    this.addGrouped(this.valuesOf(dataOf), locatedRows(this.locator!.locate({ window, firstKey: undefined, words: numbers }, columns[0]!)));
  }

  /** Locates and adds the events that wait (as-of/parted.ts). */
  settle(): void {
    if (this.parted !== undefined) this.instance.guard(() => this.parted!.settle());
  }

  /**
   * Merges partial states: rows of a table that `states()` of a plan with the same keys and outputs made, with or without
   * tiles. Columns are found by name. The plan's filter applies to these rows, so it may only name keys; its range does not.
   * With moments, each tile is a stretch's: no moment of its entity may cut it.
   */
  addStates(batch: RecordBatch, options?: StateOptions, first = 0, end = batch.numRows): void {
    const { bound } = this;
    if (bound.tile !== undefined) throw new ArgumentError('tile', 'partial states are merged across tiles, not into tiles');
    if (first >= end) return;
    const { tileRange, tileColumn } = options ?? {};
    const range = tileRange && rangeInUnits(tileRange, tileType);
    if (tileRange !== undefined && range === undefined) return;
    const keys = bound.keys.map((key) => columnData(batch, key.name, key.type));
    const fields = bound.values.map(stateFields);
    const states = fields.map((each) => each.map((field) => columnData(batch, field.name, field.type)));
    const stages = fields.map((each) => each.map((field) => this.stage(field.name)));
    const tiles = range === undefined && this.locator === undefined ? undefined : columnData(batch, tileColumn!, tileType);
    this.each(batch, first, end, bound.plan.filter, (window) => {
      const time = { name: tileColumn!, type: tileType as Timestamp, bytes: 8 } as const;
      const inRange = range !== undefined ? this.selectTime(window, tiles!, time, range) : tiles === undefined ? window : this.selectValid(window, this.stage(tileColumn!), tiles);
      const keyed = this.selectKeys(inRange, keys);
      if (keyed.count === 0) return;
      const { locator } = this;
      const { window: own, ids } = locator === undefined
        ? { window: keyed, ids: this.grouper.group(keys, keyed) }
        : locatedRows(locator.locateTiles(keys, tiles!, this.stage(tileColumn!), keyed));
      if (own.count === 0) return;
      this.grow();
      this.grouper.meet(ids, own.count);
      this.accumulators.merge(states, stages, own, ids);
    });
  }

  /** Where the groups are, for `merge` on another thread of the same memory. */
  get memory(): AggregationMemory {
    this.settle();
    const { rowsSeen, rowsDroppedNullKey, rowsInRange } = this;
    const { grouper, accumulators, aside, nearest } = this;
    return { groups: this.groupCount, grouper: grouper.memory, accumulators: accumulators.memory, aside: aside?.memory, nearest: nearest?.pointer ?? 0, rowsSeen, rowsDroppedNullKey, rowsInRange };
  }

  /** Takes over the groups of an aggregation of the same plan on another thread of the same memory. */
  merge(other: AggregationMemory): void {
    this.settle();
    this.instance.guard(() => {
      if (other.nearest !== 0) this.nearest!.merge(other.nearest);
      if (other.groups === 0) return;
      this.grouper.merge(other.grouper, (merged) => {
        this.grow();
        this.accumulators.mergeMemory(other.accumulators, merged);
      });
    });
    this.rowsSeen += other.rowsSeen;
    this.rowsDroppedNullKey += other.rowsDroppedNullKey;
    this.rowsInRange += other.rowsInRange;
  }

  /** Whether groups can be merged and read out in parts (parts.ts). */
  get isCuttable(): boolean {
    return this.grouper.isCuttable && this.accumulators.inRows;
  }

  /** Cuts the keys that several threads have. */
  cut(others: readonly AggregationMemory[], parts: number): Cut {
    return this.instance.guard(() => this.grouper.cut(others.map(({ grouper }) => grouper), parts));
  }

  /** Which groups of another thread are in which part. What is written stays. */
  split(memory: AggregationMemory, cut: Cut): SplitGroups {
    const { instance } = this;
    return instance.guard(() => {
      const { length } = cut.bounds;
      const search = newSearch(instance, cut);
      const startsBytes = (length + 2) * 4;
      const starts = instance.alloc(startsBytes);
      const ids = instance.alloc(memory.groups * 4);
      this.grouper.split(memory.grouper, cut, search, starts, ids);
      const split = { memory, ids, starts: instance.view32(starts, length + 2).slice() };
      instance.free(starts, startsBytes);
      return split;
    });
  }

  /** Takes over the groups of another thread that are in one part. */
  mergePart({ memory, ids, count }: PartOfGroups): void {
    if (count === 0) return;
    const own = this.rows.ensure(count * 4);
    this.grouper.mergeSome(memory.grouper, ids, count, own);
    this.grow();
    this.grouper.meet(own, count);
    this.accumulators.mergeSome(memory.accumulators, ids, own, count);
  }

  /** The rows that are in any group, and the group of each; where rows are not located by their events' times alone. */
  private groupRows({ keys, grouped, time, arrival }: GroupedColumns, window: Window): GroupedRows {
    const { arrivals } = this;
    if (arrivals === undefined) return { window, ids: this.grouper.group(grouped, window) };
    const { window: located, cells } = arrivals.locate(keys, time!, arrival!, window);
    return { window: located, ids: located.count === 0 ? 0 : this.grouper.groupWords(cells, located.count) };
  }

  /** Makes room for the groups there are. */
  private grow(groups?: number): void {
    this.stretches?.begin();
    if (this.accumulators.grow(groups ?? this.grouper.count)) this.grouper.countsAt(this.accumulators.counted);
  }

  /** Runs kernel calls of whoever works on what is here (`Instance.guard`). */
  guard<Result>(work: () => Result): Result {
    return this.instance.guard(work);
  }

  /** What the answers of labels can be read from, `others` being what other threads of the memory have; undefined where that is not there: then nothing has changed. */
  askedLabels(others: readonly AggregationMemory[], questions: readonly Question[]): AskedLabels | undefined {
    const { nearest, accumulators, instance } = this;
    if (nearest !== undefined) return this.askedOfNearest(others, questions);
    const memories = [...others, this.memory].filter(({ groups }) => groups > 0).map((memory) => memory.accumulators);
    const labels = instance.guard(() => placeLabels(instance, questions));
    return accumulators.inRows && areNarrow(instance, labels) ? { source: { kind: 'rows', memories }, labels } : undefined;
  }

  /** The same of a plan that is answered by the nearest value of each stretch: undefined where it is not, or not of all rows. */
  askedOfNearest(others: readonly AggregationMemory[], questions: readonly Question[]): AskedLabels | undefined {
    const { nearest, instance } = this;
    const all = [...others, this.memory];
    const arrays = all.map((memory) => memory.nearest).filter((pointer) => pointer !== 0);
    if (nearest === undefined || arrays.length === 0 || all.some(({ groups }) => groups > 0)) return undefined;
    const ascending = questions.length === 1 ? questions[0]!.spans.ascending : undefined;
    return instance.guard((): AskedLabels => {
      if (ascending !== undefined) {
        const labels = placeAscending(instance, ascending, arrays, this.locator!.placed.starts, this.bound.plan.moments!.starts.length - 1);
        return { source: { kind: 'ascending', labels }, labels: { questions: [], from: 0, count: ascending.order.length } };
      }
      nearest.settle(arrays.filter((pointer) => pointer !== nearest.pointer));
      return { source: { kind: 'nearest', pointer: nearest.pointer }, labels: placeLabels(instance, questions) };
    });
  }

  /** Answers some labels from what threads of the same memory have. */
  answerSome(source: LabelSource, labels: SomeLabels): SomeAnswers {
    const { instance, bound, nearest } = this;
    return instance.guard(() => {
      switch (source.kind) {
        case 'ascending':
          return { columns: [], labelsKnown: nearest!.answerAscending(source.labels, labels) };
        case 'nearest':
          return nearest!.answers(labels, source.pointer);
        case 'rows':
          return answersOfRows(instance, () => new Accumulators(instance, bound.values), source.memories, labels);
      }
    });
  }

  /** The answers of all labels, after `answerSome` of some and others. */
  allAnswers(source: LabelSource, questions: readonly Question[], some: readonly SomeAnswers[]): Answers {
    if (source.kind !== 'ascending') return joinedAnswers(questions, some);
    const labelsKnown = some.reduce((sum, each) => sum + each.labelsKnown, 0);
    const data = this.guard(() => this.nearest!.ascendingAnswers(source.labels, labelsKnown));
    return { columns: [questions[0]!.outputs.map((output) => ({ output, data }))], labelsKnown };
  }

  /** The states of stretches, of a plan with moments: where they are, as long as nothing is added. */
  stretchStates(): StretchStates {
    this.settle();
    const { instance, accumulators, stretches, bound, nearest } = this;
    return instance.guard(() => {
      this.grow();
      nearest?.drain((rows) => accumulators.addPicked(rows));
      return {
        instance, accumulators,
        stretches: bound.plan.moments!.count,
        full: stretches!.full(),
        fresh: () => new Accumulators(instance, bound.values),
        isInRows: (outputs) => outputs.every(({ column, aggregation }) => accumulators.isInRows(column, aggregation)),
      };
    });
  }

  /** The partial states so far, in ascending order of the tile, if there is one, and the keys. */
  states(): Table {
    return complete(this.answering('states'));
  }

  /** The answer so far, in ascending order of the keys. */
  finish(): Table {
    return complete(this.answering('finish'));
  }

  /** Either of both, in steps. Nothing may be added between them. */
  *answering(what: Answered): Steps<Table> {
    const steps = within(what === 'finish' ? this.readingOut() : this.readingStates(), (step) => this.instance.guard(step));
    return this.grouper.count < groupsForSteps ? complete(steps) : yield* steps;
  }

  private *readingStates(): Steps<Table> {
    const groups = this.sortedGroups();
    const keys = this.grouper.keyColumns(groups);
    yield;
    const states = yield* this.accumulators.stateColumns(groups);
    return tableOfColumns(statesSchemaOf(this.bound), [...keys, ...states.map(({ data }) => data)], groups.length);
  }

  private *readingOut(): Steps<Table> {
    const groups = this.sortedGroups();
    const keys = this.grouper.keyColumns(groups).slice(0, this.bound.named.length);
    yield;
    const keyText = (position: number): string => keys.map((key) => textAt(key, position)).join(', ');
    const outputs = yield* this.accumulators.reading(this.bound.plan.outputs, groups, keyText);
    return tableOfColumns(resultSchema(this.bound), [...keys, ...outputs], groups.length);
  }

  private sortedGroups(): Uint32Array {
    this.settle();
    this.accumulators.settle();
    return this.grouper.sorted();
  }

  /** Gives the memory back. The aggregation cannot be used any more. */
  close(): void {
    if (this.open) this.instance.giveBack();
    this.open = false;
  }

  /** Calls `work` for each stretch of these rows that the filter leaves something of. */
  private each(batch: RecordBatch, from: number, end: number, filter: GroupByPlan['filter'], work: (window: Window) => void): void {
    const selected = filter === undefined ? undefined : selectRows(batch.slice(from, end), filter);
    this.instance.guard(() => {
      if (this.expected === 0) this.grouper.expect(end - from);
      let next = 0;
      for (let start = from, length = 0; start < end; start += length) {
        length = Math.min(this.rowsAtOnce, end - start);
        if (selected === undefined) {
          work({ start, length, rows: 0, count: length });
          continue;
        }
        const first = next;
        while (next < selected.length && selected[next]! + from < start + length) next++;
        if (next === first) continue;
        const rows = this.rows.ensure(length * 4);
        const target = this.instance.view32(rows, next - first);
        for (let i = first; i < next; i++) target[i - first] = selected[i]! + from - start;
        work({ start, length, rows, count: next - first });
      }
    });
  }

  /** More where rows are put aside, so that those of a part come in longer runs, and where most are left out, so that what is to be done for each time is done for more. */
  private get rowsAtOnce(): number {
    const { aside, options, batchSize } = this;
    if (options.batchSize !== undefined) return batchSize;
    if (aside !== undefined && !aside.isDeclined) return rowsAside;
    return this.areFewKept && this.locator === undefined ? batchSizeFewKept : batchSize;
  }

  /** Where rows are located in stretches, those outside of the range are in none; to compare first pays where they are many. */
  private selectInRange(window: Window, data: Data, time: TimeColumn, range: RangeInUnits): Window {
    const { passed } = this;
    if (this.locator !== undefined && passed.compared >= comparedFirst && passed.kept * 10 > passed.compared * 9) {
      return this.selectValid(window, this.stage(time.name), data);
    }
    const kept = this.selectTime(window, data, time, range);
    passed.compared += window.count;
    passed.kept += kept.count;
    return kept;
  }

  /** The same, by which part of time each row lies in; times are looked at where a part is cut. */
  private selectByParts(window: Window, { data: parts, low, high, lowCut, highCut, looked }: PartsOfTime, data: Data, time: TimeColumn): Window {
    if (low > high) return { ...window, count: 0 };
    const { kernels } = this.instance;
    const { start: first, length, rows: among, count } = window;
    const times = looked.stage.stageFixed(looked.data, first, length);
    const bytes = this.coarse.stageFixed(parts, first, length);
    const [room, rows] = [this.near.ensure(length * 4 + (length >> 3) + 8), this.rows.ensure(length * 4)];
    const { start, end } = looked.range;
    const selected = kernels.selectNear(times, looked.bytes, bytes, low, high, lowCut, highCut, among, count, start, end, room, rows);
    return this.selectValid({ ...window, rows, count: selected }, this.stage(time.name), data);
  }

  private selectTime(
    window: Window,
    data: Data,
    time: TimeColumn,
    range: RangeInUnits,
  ): Window {
    const { kernels } = this.instance;
    const stage = this.stage(time.name);
    const values = stage.stageFixed(data, window.start, window.length);
    const alike = time.bytes === 8 && window.rows === 0 ? kernels.allAlikeInRange64(values, window.count, range.start, range.end) : -1;
    if (alike === 0) return { ...window, count: 0 };
    if (alike === 1) return this.selectValid(window, stage, data);
    const out = this.rows.ensure(window.length * 4);
    const select = time.bytes === 8 ? kernels.selectRange64 : kernels.selectRange32;
    const count = select(values, window.rows, window.count, range.start, range.end, out);
    return this.selectValid(count === window.count ? window : { ...window, rows: out, count }, stage, data);
  }

  private selectKeys(window: Window, keys: readonly Data[]): Window {
    let kept = window;
    for (let i = 0; i < keys.length; i++) kept = this.selectValid(kept, this.stage(this.bound.keys[i]!.name), keys[i]!);
    return kept;
  }

  /** Leaves out the rows that are null in a column. */
  private selectValid(window: Window, stage: ColumnStage, data: Data): Window {
    const bitmap = window.count === 0 ? undefined : stage.stageBitmap(data, window.start, window.length);
    if (bitmap === undefined) return window;
    const out = this.rows.ensure(window.length * 4);
    const count = this.instance.kernels.selectValid(bitmap.pointer, bitmap.bitOffset, window.rows, window.count, out);
    return count === window.count ? window : { ...window, rows: out, count };
  }

  private stage(name: string): ColumnStage {
    let stage = this.stages.get(name);
    if (stage === undefined) this.stages.set(name, (stage = new ColumnStage(this.instance)));
    return stage;
  }
}

const locatedRows = ({ window, stretches }: Located): GroupedRows => ({ window, ids: stretches });

/** A key of the answer, for messages. */
function textAt(data: Data, row: number): string {
  if (DataType.isUtf8(data.type) || DataType.isLargeUtf8(data.type)) {
    const offsets = data.valueOffsets as unknown as ArrayLike<number | bigint>;
    return new TextDecoder().decode((data.values as Uint8Array).subarray(Number(offsets[row]!), Number(offsets[row + 1]!)));
  }
  if (data.type instanceof Timestamp && data.type.unit === 2) return formatInstant(BigInt((data.values as BigInt64Array)[row]!));
  const value = valueReader(data)(row);
  return value instanceof Uint8Array ? `0x${Buffer.from(value).toString('hex')}` : String(value);
}

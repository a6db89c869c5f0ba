/**
 * Accumulators: the states of all groups, and what becomes of them: partial states as columns, or final values.
 *
 *   values ─▶ words or spans ─▶ without nulls ─┬▶ sum, min, max: one visit to the group for all of them (kernel/state.ts)
 *                                              └▶ every other state in turn (states/)
 *
 * Each kind of state has a file in states/, and nothing here knows what is in it. How the rows of groups stand in memory is
 * states/groups.ts.
 */
import { type Data, Field, Int64 } from '../arrow/arrow.ts';
import { invariant } from '../base/errors.ts';
import { complete, type Steps } from '../base/steps.ts';
import type { Counted, MergedGroups, Window } from './grouper.ts';
import type { Instance } from './instance.ts';
import type { Agg } from './plan.ts';
import { lengthened, type Short } from './short.ts';
import { type Bitmap, Buffer64, type ColumnStage, gatherWide } from './staging.ts';
import { FloatSum } from './states/float-sum.ts';
import { Groups, type Reading } from './states/groups.ts';
import { stateKinds } from './states/kinds.ts';
import { Narrow, type NarrowMemory } from './states/narrow.ts';
import { isSpans, SpanSource } from './states/spans.ts';
import { signsOf, type State, type StateKind, type StateSource, type Stretch, type TimedStretch, type WholeStretch } from './states/state.ts';
import type { Layout, ValueColumn } from './types.ts';

const stateRows = 1;
const [leastBit, greatestBit] = [4, 8] as const;

/** A column's states: those that `accumulate` updates stand side by side from `start` on, `what` having their bits. */
interface Placed {
  readonly column: ValueColumn;
  readonly start: number;
  readonly what: number;
  readonly states: readonly PlacedState[];
  /** The exact sum of doubles, where it has one. */
  readonly floatSum: FloatSum | undefined;
}

interface PlacedState {
  readonly kind: StateKind;
  readonly state: State;
  readonly offset: number;
}

/** Event times of the rows that are added. */
export interface EventTimes {
  readonly data: Data;
  readonly stage: ColumnStage;
  readonly bytes: 4 | 8;
  /** What orders values at one time, where anything does; partial states have it as words that order already. */
  readonly ties?: { readonly data: Data; readonly stage: ColumnStage; readonly layout: Layout } | undefined;
}

export interface AccumulatorOptions {
  /** For tests, that want the rare to be common. */
  readonly allHashesEqual?: boolean;
  /** Whether the common list may be narrow (states/narrow.ts); 'always': however few groups there are. */
  readonly narrow?: 'where worth it' | 'always' | 'never';
}

/** What is asked of a column. */
interface Output {
  readonly column: string;
  readonly aggregation: Agg;
}

/** One partial state as a column. */
export interface StateColumn {
  readonly field: Field;
  readonly data: Data;
}

/** The accumulators of one thread by their addresses, as another thread is told of them: plain data that can be cloned. */
export interface AccumulatorMemory {
  readonly states: number;
  readonly stride: number;
  readonly nulls: readonly number[];
  readonly wides: readonly number[];
  /** Per column and state, what it keeps outside of the rows. */
  readonly tables: readonly (readonly (readonly number[])[])[];
  /** What of it is narrow. */
  readonly narrow: NarrowMemory | undefined;
  /** Whether all of it is, so that the rows of groups have nothing. */
  readonly isNarrow: boolean;
}

/** Groups of another aggregation that are merged at a time: the rows they go to should stay in the processor's cache. */
const mergedAtOnce = 4_096;

/** The names and types of a column's partial states. */
export function stateFields(column: ValueColumn): Field[] {
  const kinds = stateKinds.filter((kind) => kind.isWanted(column));
  return [new Field(`${column.name}__count`, new Int64(), false), ...kinds.flatMap((kind) => kind.fields(column))];
}

export class Accumulators {
  private readonly groups: Groups;
  private readonly placed: readonly Placed[];
  private readonly wide: Buffer64;
  private readonly secondWide: Buffer64;
  private readonly stateWords: Buffer64[] = [];
  private readonly compactValues: Buffer64;
  private readonly compactIds: Buffer64;
  private readonly keys: Buffer64;
  /** Of some groups of another: their rows, and the nulls of each column. */
  private readonly someRows: Buffer64;
  private readonly someNulls: readonly Buffer64[];
  private readonly timed: { readonly wide: Buffer64; readonly keys: Buffer64; readonly times: Buffer64; readonly ids: Buffer64 };
  private readonly tied: { readonly wide: Buffer64; readonly keys: Buffer64; readonly ties: Buffer64; readonly there: Buffer64 };
  private readonly shorts: Buffer64;
  private readonly spans: readonly SpanSource[];
  /** The states in half of the room, where what is asked is the common list. */
  private readonly narrow: Narrow | undefined;
  /** Whether the rows of groups have nothing yet, what is narrow aside. */
  private areRowsEmpty = true;

  constructor(
    private readonly instance: Instance,
    columns: readonly ValueColumn[],
    { allHashesEqual = false, narrow = 'never' }: AccumulatorOptions = {},
  ) {
    const kinds = columns.map((column) => stateKinds.filter((kind) => kind.isWanted(column)));
    const stride = 8 + kinds.flat().reduce((sum, kind) => sum + kind.bytes, 0);
    const template = instance.alloc(stride);
    this.groups = new Groups(instance, stride, template, columns.length);
    let offset = 8; // the rows
    this.placed = columns.map((column, index) => {
      const start = offset;
      const states: PlacedState[] = [];
      for (const kind of kinds[index]!) {
        const state = kind.create({ groups: this.groups, column, index, offset, earlier: states.map((each) => each.state), allHashesEqual });
        states.push({ kind, state, offset });
        offset += kind.bytes;
      }
      const floatSum = states.map(({ state }) => state).find((state) => state instanceof FloatSum);
      return { column, start, what: states.reduce((what, { state }) => what | state.fused, 0), states, floatSum };
    });
    instance.view64(template, stride / 8).fill(0n);
    for (const { kind, state, offset: at } of this.placed.flatMap(({ states }) => states)) {
      state.template(instance.view64(template + at, kind.bytes / 8));
    }
    this.wide = new Buffer64(instance);
    this.secondWide = new Buffer64(instance);
    this.compactValues = new Buffer64(instance);
    this.compactIds = new Buffer64(instance);
    this.keys = new Buffer64(instance);
    this.someRows = new Buffer64(instance);
    this.someNulls = columns.map(() => new Buffer64(instance));
    const buffer = (): Buffer64 => new Buffer64(instance);
    this.timed = { wide: buffer(), keys: buffer(), times: buffer(), ids: buffer() };
    this.tied = { wide: buffer(), keys: buffer(), ties: buffer(), there: buffer() };
    this.shorts = buffer();
    this.spans = columns.map(() => new SpanSource(instance));
    this.narrow = narrow === 'never' ? undefined : this.newNarrow(narrow === 'always');
  }

  private newNarrow(isForced: boolean): Narrow | undefined {
    const [first, second, ...others] = this.placed;
    if (first?.floatSum === undefined || first.states.length !== 1 || others.length > 0) return undefined;
    const isExtreme = second === undefined || (second.states.length === 1 && (second.what === leastBit || second.what === greatestBit) && second.column.layout.kind === 'int');
    if (!isExtreme) return undefined;
    const extreme = second && { at: second.start, isLeast: second.what === leastBit };
    return new Narrow(this.instance, { groups: this.groups, wides: first.floatSum.wides, extreme }, isForced);
  }

  /** Where the rows of groups are counted. */
  get counted(): Counted {
    const { pointer, stride, capacity } = this.groups;
    return { rows: pointer, stride, count: capacity, narrow: this.narrow?.pointer ?? 0, narrowCount: this.narrow?.capacity ?? 0 };
  }

  /** Makes room for this many groups; true when they moved. */
  grow(groups: number): boolean {
    return this.groups.grow(groups);
  }

  /** Makes room for narrow states, where rows like these could be narrow, and that is worth it; true when they moved. */
  growNarrow(shorts: readonly (Short | undefined)[], rowsExpected: number): boolean {
    return this.narrow !== undefined && this.areShort(shorts) && this.narrow.grow(rowsExpected);
  }

  /** Whether there are short times where the common list wants any. */
  private areShort(shorts: readonly (Short | undefined)[]): boolean {
    return this.placed.length === 1 || shorts[1] !== undefined;
  }

  /**
   * Adds the selected rows, one Data for each column, to the groups that `ids` names. `times`: where any state goes by time; `shorts`: the short
   * forms of columns that have one.
   */
  add(data: readonly Data[], stages: readonly ColumnStage[], window: Window, ids: number, times?: EventTimes, shorts: readonly (Short | undefined)[] = []): void {
    const { kernels } = this.instance;
    const bitmaps = data.map((column, i) => stages[i]!.stageBitmap(column, window.start, window.length));
    for (const [i, bitmap] of bitmaps.entries()) this.countNulls(i, bitmap, window, ids);
    if (this.tryAddPick(data[0]!, stages[0]!, window, ids, times)) return;
    if (this.tryAddNarrow(data, stages, bitmaps, window, ids, shorts)) return;
    this.areRowsEmpty = false;
    const paired = this.tryAddPair(data, stages, bitmaps, window, ids, shorts);
    // The rows are counted in the same visit as the first column's values, where none of those is left out.
    const first = this.placed[0];
    const together = !paired && first !== undefined && first.what !== 0 && isDense(first, first.what, bitmaps[0]);
    if (!paired && !together) kernels.countRows(ids, window.count, this.groups.pointer, this.groups.stride, first?.floatSum?.wides ?? 0);
    data.forEach((column, i) => {
      const done = paired && i < 2 ? this.placed[i]!.what : 0;
      this.addColumn(i, column, stages[i]!, bitmaps[i], window, ids, together && i === 0, done, times, shorts[i]);
    });
  }

  /** One column of which one state is asked, by time, in one visit to the group: where no value and no time is null. */
  private tryAddPick(data: Data, stage: ColumnStage, window: Window, ids: number, times: EventTimes | undefined): boolean {
    if (this.placed.length !== 1 || times === undefined) return false;
    const { states, column } = this.placed[0]!;
    if (states.length !== 1 || states[0]!.state.addWhole === undefined || isSpans(column.layout)) return false;
    const whole = this.tryWhole(data, stage, window, ids, times);
    if (whole !== undefined) states[0]!.state.addWhole(whole);
    return whole !== undefined;
  }

  /** The values of the only column, which are words, and their times; undefined where any is null. */
  tryWhole(data: Data, stage: ColumnStage, window: Window, ids: number, times: EventTimes): WholeStretch | undefined {
    const { column } = this.placed[0]!;
    if (stage.stageBitmap(data, window.start, window.length) !== undefined) return undefined;
    if (times.stage.stageBitmap(times.data, window.start, window.length) !== undefined) return undefined;
    const timeLayout = { kind: 'int', bytes: times.bytes, signed: true } as const;
    // Where both stand 64 bits wide they are read in place, else side by side.
    const inPlace = times.bytes === 8 && (column.layout.kind === 'int' || column.layout.kind === 'float') && column.layout.bytes === 8;
    const from = inPlace ? { ...window, rows: 0, count: window.length } : window;
    const eventTimes = gatherWide(this.instance, times.stage, times.data, timeLayout, from, this.timed.wide);
    const words = gatherWide(this.instance, stage, data, column.layout, from, this.wide);
    return { words, times: eventTimes, rows: inPlace ? window.rows : 0, ids, count: window.count };
  }

  /** Adds values of the only column, which go by time and have one each, as rows: in memory already. */
  addPicked(picked: TimedStretch): void {
    const { pointer, stride } = this.groups;
    this.groups.settle();
    this.instance.kernels.countRows(picked.ids, picked.count, pointer, stride, 0);
    for (const { state } of this.placed[0]!.states) state.addTimed!(picked);
  }

  /** Counts the nulls of a column, or, where those are most, its values. Before the rows are counted. */
  private countNulls(column: number, bitmap: Bitmap | undefined, window: Window, ids: number): void {
    const { kernels } = this.instance;
    if (bitmap === undefined) {
      // All are values: groups whose values are counted would have to count each row.
      if (this.groups.areValuesCounted(column)) this.countedAt(column, 'nulls');
      return;
    }
    const { pointer, bitOffset } = bitmap;
    const values = kernels.countBits(pointer, bitOffset, window.length);
    const wereCounted = this.groups.areValuesCounted(column);
    const ofValues = wereCounted ? values * 4 < window.length * 3 : values * 4 < window.length;
    const counts = this.countedAt(column, ofValues ? 'values' : 'nulls');
    kernels.countNulls(pointer, bitOffset, window.rows, window.count, ids, ofValues ? 1 : 0, counts);
  }

  private countedAt(column: number, what: 'nulls' | 'values'): number {
    if (this.groups.areValuesCounted(column) !== (what === 'values')) this.narrow?.widen();
    return this.groups.countedAt(column, what);
  }

  /** `done`: what of the column's fused states was added before. */
  private addColumn(
    index: number, data: Data, stage: ColumnStage, bitmap: Bitmap | undefined, window: Window, ids: number, withRows: boolean, done: number,
    times: EventTimes | undefined, short: Short | undefined,
  ): void {
    const placed = this.placed[index]!;
    const { column, what, start, states } = placed;
    const rest = what & ~done;
    const others = states.filter(({ state }) => state.add !== undefined);
    const byTime = states.filter(({ state }) => state.addTimed !== undefined);
    if (rest === 0 && others.length === 0 && byTime.length === 0) return;
    const words = isSpans(column.layout) ? this.gather(index, data, stage, column.layout, window) : this.words(column, data, stage, window, short, this.wide);
    if (rest !== 0 && isDense(placed, rest, bitmap)) {
      const all = { words: this.filled(placed, rest, words, bitmap, window, this.compactValues), ids, count: window.count };
      this.accumulate(index, withRows ? rest | stateRows : rest, all, withRows ? 0 : start);
    } else if (rest !== 0) {
      this.accumulate(index, rest, this.withoutNulls(index, words, bitmap, window, ids), start);
    }
    if (others.length > 0) {
      const values = this.withoutNulls(index, words, bitmap, window, ids);
      for (const { state } of others) state.add!(values);
    }
    if (byTime.length > 0) {
      const values = this.withTimes(index, words, bitmap, times!, window, ids);
      for (const { state } of byTime) state.addTimed!(values);
    }
  }

  /** The values of a column, or of a column of partial states: words or spans, one for each selected row. */
  private gather(index: number, data: Data, stage: ColumnStage, layout: Layout, window: Window): number {
    if (isSpans(layout)) return this.spans[index]!.gather(data, stage, layout, window, this.wide);
    return gatherWide(this.instance, stage, data, layout, window, this.wide);
  }

  /** The same of words: of some rows from their short form, if there is one. */
  private words({ type, layout }: ValueColumn, data: Data, stage: ColumnStage, window: Window, short: Short | undefined, out: Buffer64): number {
    if (short === undefined || window.rows === 0) return gatherWide(this.instance, stage, data, layout, window, out);
    return lengthened(this.instance, type, short, window, out);
  }

  private withoutNulls(index: number, gathered: number, bitmap: Bitmap | undefined, window: Window, ids: number): Stretch {
    let [words, kept, count] = [gathered, ids, window.count];
    if (bitmap !== undefined) {
      kept = this.compactIds.ensure(count * 4);
      words = this.compactValues.ensure(count * 8);
      count = this.instance.kernels.compact64(gathered, bitmap.pointer, bitmap.bitOffset, window.rows, count, ids, words, kept);
    }
    let keys: number | undefined;
    return { words, ids: kept, count, keys: () => (keys ??= this.keysOf(index, words, count)) };
  }

  /** Words that order as the values do; spans are what they are. */
  private keysOf(index: number, words: number, count: number): number {
    const { column } = this.placed[index]!;
    const { flip } = signsOf(column);
    if (isSpans(column.layout) || (column.layout.kind !== 'float' && flip === 0n)) return words;
    const out = this.keys.ensure(count * 8);
    this.instance.kernels.orderKeys(column.layout.kind === 'float' ? 1 : 0, words, count, flip, out);
    return out;
  }

  private withTimes(index: number, gathered: number, bitmap: Bitmap | undefined, times: EventTimes, window: Window, ids: number): TimedStretch {
    const { wide, keys, times: kept, ids: keptIds } = this.timed;
    const layout = { kind: 'int', bytes: times.bytes, signed: true } as const;
    const allTimes = gatherWide(this.instance, times.stage, times.data, layout, window, wide);
    const timeBitmap = times.stage.stageBitmap(times.data, window.start, window.length);
    const allKeys = this.keysOf(index, gathered, window.count);
    const ties = times.ties && this.tiesOf(times.ties, bitmap, timeBitmap, window);
    if (bitmap === undefined && timeBitmap === undefined) return { keys: allKeys, times: allTimes, ties, ids, count: window.count };
    const out = { keys: keys.ensure(window.count * 8), times: kept.ensure(window.count * 8), ids: keptIds.ensure(window.count * 4) };
    const count = this.instance.kernels.compactTimed(
      allKeys, allTimes, ids, window.rows, window.count, bitmap?.pointer ?? 0, bitmap?.bitOffset ?? 0,
      timeBitmap?.pointer ?? 0, timeBitmap?.bitOffset ?? 0, out.keys, out.times, out.ids,
    );
    return { ...out, ties, count };
  }

  /** The tie breakers of the rows that have a value and a time. */
  private tiesOf(
    { data, stage, layout }: NonNullable<EventTimes['ties']>, bitmap: Bitmap | undefined, timeBitmap: Bitmap | undefined, window: Window,
  ): NonNullable<TimedStretch['ties']> {
    const { kernels } = this.instance;
    const { count, rows } = window;
    let words = gatherWide(this.instance, stage, data, layout, window, this.tied.wide);
    if (layout.kind === 'int' && !layout.signed) {
      const keys = this.tied.keys.ensure(count * 8);
      kernels.orderKeys(0, words, count, -(1n << 63n), keys);
      words = keys;
    }
    const tieBitmap = stage.stageBitmap(data, window.start, window.length);
    const out = { words: this.tied.ties.ensure(count * 8), there: this.tied.there.ensure(count * 8) };
    kernels.compactTies(
      words, tieBitmap?.pointer ?? 0, tieBitmap?.bitOffset ?? 0, rows, count, bitmap?.pointer ?? 0, bitmap?.bitOffset ?? 0,
      timeBitmap?.pointer ?? 0, timeBitmap?.bitOffset ?? 0, out.words, out.there,
    );
    return out;
  }

  /** The common list, narrow. */
  private tryAddNarrow(
    data: readonly Data[], stages: readonly ColumnStage[], bitmaps: readonly (Bitmap | undefined)[], window: Window, ids: number, shorts: readonly (Short | undefined)[],
  ): boolean {
    const { narrow } = this;
    const [first, second] = this.placed;
    if (narrow === undefined || narrow.capacity === 0 || !this.areShort(shorts)) return false;
    const doubles = this.filledAt(0, first!, data, stages, bitmaps, window, shorts);
    const short = second && { pointer: this.shortsAt(shorts[1]!, window), scale: shorts[1]!.scale };
    let integers: number | undefined;
    return narrow.add({ doubles, shorts: short, ids, count: window.count }, (from, count) => {
      this.areRowsEmpty = false;
      if (second === undefined) return this.accumulate(0, first!.what | stateRows, { words: doubles + from * 8, ids: ids + from * 4, count }, 0);
      integers ??= this.filledAt(1, second, data, stages, bitmaps, window, shorts);
      this.accumulatePair(first!, second, doubles + from * 8, integers + from * 8, ids + from * 4, count);
    });
  }

  private shortsAt({ data, stage }: Short, { start, length, rows, count }: Window): number {
    const values = stage.stageFixed(data, start, length);
    if (rows === 0) return values;
    const pointer = this.shorts.ensure(count * 4);
    this.instance.kernels.gather32(values, rows, count, pointer);
    return pointer;
  }

  /** The first two columns in one visit, where they are the common pair: a sum of doubles, then extremes of integers. */
  private tryAddPair(
    data: readonly Data[], stages: readonly ColumnStage[], bitmaps: readonly (Bitmap | undefined)[], window: Window, ids: number, shorts: readonly (Short | undefined)[],
  ): boolean {
    const [first, second] = this.placed;
    if (first === undefined || second === undefined) return false;
    const fits = first.column.layout.kind === 'float' && first.column.sum && second.column.layout.kind === 'int';
    if (!fits || second.column.sum || second.what === 0) return false;
    if (!isDense(first, first.what, bitmaps[0]) || !isDense(second, second.what, bitmaps[1])) return false;
    const [doubles, integers] = [this.filledAt(0, first, data, stages, bitmaps, window, shorts), this.filledAt(1, second, data, stages, bitmaps, window, shorts)];
    this.accumulatePair(first, second, doubles, integers, ids, window.count);
    return true;
  }

  private accumulatePair(first: Placed, second: Placed, doubles: number, integers: number, ids: number, count: number): void {
    const { pointer, stride, capacity } = this.groups;
    this.instance.kernels.accumulatePair(
      first.what, second.what, doubles, integers, ids, count, pointer, stride, capacity, first.floatSum!.wides, second.start, signsOf(second.column).flip,
    );
  }

  /** The values of one of the first two columns, nulls filled. */
  private filledAt(
    index: 0 | 1, placed: Placed, data: readonly Data[], stages: readonly ColumnStage[], bitmaps: readonly (Bitmap | undefined)[], window: Window,
    shorts: readonly (Short | undefined)[],
  ): number {
    const [gathered, filled] = index === 0 ? [this.wide, this.compactValues] : [this.secondWide, this.keys];
    const words = this.words(placed.column, data[index]!, stages[index]!, window, shorts[index], gathered);
    return this.filled(placed, placed.what, words, bitmaps[index], window, filled);
  }

  /** Values with, in place of nulls, what changes none of these states. */
  private filled(placed: Placed, what: number, words: number, bitmap: Bitmap | undefined, window: Window, out: Buffer64): number {
    if (bitmap === undefined) return words;
    const full = out.ensure(window.count * 8);
    this.instance.kernels.fillNulls(words, bitmap.pointer, bitmap.bitOffset, window.rows, window.count, identityOf(placed.column, what)!, full);
    return full;
  }

  private accumulate(index: number, what: number, { words, ids, count }: Pick<Stretch, 'words' | 'ids' | 'count'>, offset: number): void {
    const { column, floatSum } = this.placed[index]!;
    const { flip, signs } = signsOf(column);
    const { pointer, stride, capacity } = this.groups;
    this.instance.kernels.accumulate(isDouble(column), what, words, ids, count, pointer + offset, stride, capacity, floatSum?.wides ?? 0, flip, signs);
  }

  /**
   * Merges partial states: for each column its state columns in the order of `stateFields`. A group's rows are the count of
   * the first column; what other columns count differently is theirs to have in nulls, be it less than none.
   */
  merge(data: readonly (readonly Data[])[], stages: readonly (readonly ColumnStage[])[], window: Window, ids: number): void {
    const { kernels } = this.instance;
    this.settle();
    this.placed.forEach(({ column, states }, i) => {
      const source = this.sourceOf(i, data[i]!, stages[i]!, window, ids);
      const rows = this.sourceOf(0, data[0]!, stages[0]!, window, ids).words(0, 0);
      if (i === 0) kernels.mergeCounts(rows, ids, window.count, this.groups.pointer, this.groups.stride);
      else kernels.mergeNulls(rows, source.words(0, 1), ids, window.count, this.groups.countedAt(i, 'nulls'));
      let next = 1;
      for (const { kind, state } of states) {
        const end = next + kind.fields(column).length;
        state.merge(this.sourceOf(i, data[i]!.slice(next, end), stages[i]!.slice(next, end), window, ids));
        next = end;
      }
    });
  }

  private sourceOf(
    index: number, data: readonly Data[], stages: readonly ColumnStage[], window: Window, ids: number,
  ): StateSource {
    const { column } = this.placed[index]!;
    const bitmapOf = (i: number): Bitmap | undefined => stages[i]!.stageBitmap(data[i]!, window.start, window.length);
    return {
      data,
      stages,
      window,
      ids,
      words: (i, slot) => {
        while (this.stateWords.length <= slot) this.stateWords.push(new Buffer64(this.instance));
        return gatherWide(this.instance, stages[i]!, data[i]!, wordLayout, window, this.stateWords[slot]!);
      },
      values: (i, layout = column.layout) =>
        this.withoutNulls(index, this.gather(index, data[i]!, stages[i]!, layout, window), bitmapOf(i), window, ids),
      timed: (i, times, ties) => {
        const words = this.gather(index, data[i]!, stages[i]!, column.layout, window);
        return this.withTimes(index, words, bitmapOf(i), {
          data: data[times]!, stage: stages[times]!, bytes: 8, ties: ties === undefined ? undefined : { data: data[ties]!, stage: stages[ties]!, layout: wordLayout },
        }, window, ids);
      },
    };
  }

  /** Sees to it that the rows of groups have all that was added. */
  settle(): void {
    this.narrow?.widen();
    this.areRowsEmpty = false;
    this.groups.settle();
  }

  /** Whether values of any column are counted, not nulls: rows that are added in passing would have to count. */
  private get areValuesCounted(): boolean {
    return this.placed.some((_, i) => this.groups.areValuesCounted(i));
  }

  /** Where the states are. Holds until something is added or merged here. */
  get memory(): AccumulatorMemory {
    if (this.areValuesCounted) this.settle();
    const { narrow, areRowsEmpty } = this;
    return {
      states: this.groups.pointer,
      stride: this.groups.stride,
      nulls: [...this.groups.settle()],
      wides: this.placed.map(({ floatSum }) => floatSum?.wides ?? 0),
      tables: this.placed.map(({ states }) => states.map(({ state }) => state.tables ?? [])),
      narrow: narrow?.memory,
      isNarrow: areRowsEmpty && narrow?.memory !== undefined && !narrow.isSpilt,
    };
  }

  /**
   * Merges groups that another thread has of the same plan in the same memory. For the own groups there is room (`grow`). What the other holds
   * is copied, not kept.
   */
  mergeMemory(other: AccumulatorMemory, merged: MergedGroups): void {
    const { stride } = this.groups;
    const { ids, first, own, count } = merged;
    const end = first + count;
    if (other.isNarrow && other.nulls.every((nulls) => nulls === 0) && !this.areValuesCounted && this.narrow!.tryMerge(other.narrow!, merged)) return;
    this.settle();
    const others = this.placed.flatMap(({ states }, i) => states.map(({ state, offset }, k) => ({ state, offset, tables: other.tables[i]![k]! })))
      .filter(({ state }) => state.fused === 0);
    // The own id of each group of the other, by its number there.
    const names = ids === 0 && others.length > 0 ? this.numbered(own - first, end) : ids;
    for (let start = first; start < end; start += mergedAtOnce) {
      const length = Math.min(mergedAtOnce, end - start);
      this.mergeFused(other, { first: start, own: own - first + start, count: length, ids: ids && ids + start * 4 });
      for (const { state, offset, tables } of others) state.mergeMemory?.({ pointer: other.states + start * stride + offset, stride, first: start, tables }, names + start * 4, length);
    }
    for (const { state, offset, tables } of others) state.mergeAll?.({ pointer: other.states + offset, stride, first: 0, tables }, names, end);
  }

  /** `from`, `from + 1`, … in memory. */
  private numbered(from: number, count: number): number {
    const pointer = this.someRows.ensure(count * 4);
    const numbers = this.instance.view32(pointer, count);
    for (let i = 0; i < count; i++) numbers[i] = from + i;
    return pointer;
  }

  /** Merges rows, nulls and fused states. `groups`: how the groups are numbered whose rows these are; 0 where it is as they stand. */
  private mergeFused(other: AccumulatorMemory, { first, own, count, ids }: MergedGroups, groups = 0): void {
    const { kernels } = this.instance;
    const { pointer, stride } = this.groups;
    if (other.narrow !== undefined) this.narrow!.widenInto(other.narrow, { first, own, count, ids }, groups);
    this.placed.forEach(({ column, what, start, floatSum }, i) => {
      const nulls = other.nulls[i]!;
      if (nulls !== 0) kernels.mergeNullCounts(nulls, first, ids, own, count, this.groups.countedAt(i, 'nulls'));
      // The rows stand before the first column.
      const [all, at] = i === 0 ? [what | stateRows, 0] : [what, start];
      if (all === 0 || other.isNarrow) return;
      kernels.mergeStates(
        isDouble(column), all, other.states + at, other.wides[i]!, groups, first, ids, own, count, pointer + at, stride, floatSum?.wides ?? 0,
      );
    });
    if (this.placed.length === 0) kernels.mergeStates(0, stateRows, other.states, 0, 0, first, ids, own, count, pointer, stride, 0);
  }

  /** Whether all states are in the rows, so that some of the groups can be merged by themselves. */
  get inRows(): boolean {
    return this.placed.every(({ states }) => states.every(({ state }) => state.fused !== 0));
  }

  /** Whether the states that serve an aggregation are. */
  isInRows(name: string, aggregation: Agg): boolean {
    const { states } = this.placed.find(({ column }) => column.name === name)!;
    return aggregation === 'count' || states.some(({ kind, state }) => kind.serves.includes(aggregation) && state.fused !== 0);
  }

  /** Where the state that serves an aggregation is, of the first group. */
  stateAt(name: string, aggregation: Agg): { readonly pointer: number; readonly stride: number } {
    const { states } = this.placed.find(({ column }) => column.name === name)!;
    const { offset } = states.find(({ kind }) => kind.serves.includes(aggregation))!;
    return { pointer: this.groups.pointer + offset, stride: this.groups.stride };
  }

  /** Merges `count` groups that another thread has, numbered in `groups`, as far as states are in the rows. */
  mergeSome(other: AccumulatorMemory, groups: number, ids: number, count: number): void {
    const { kernels } = this.instance;
    const { stride } = this.groups;
    const rows = this.someRows.ensure(count * stride);
    kernels.gatherRows(other.states, stride, groups, count, rows);
    this.settle();
    const nulls = other.nulls.map((counts, i) => {
      if (counts === 0) return 0;
      const some = this.someNulls[i]!.ensure(count * 8);
      kernels.gather64(counts, groups, count, some);
      return some;
    });
    this.mergeFused({ ...other, states: rows, nulls }, { first: 0, own: 0, count, ids }, groups);
  }

  /** The partial states of these groups, in order. */
  *stateColumns(groups: Uint32Array): Steps<StateColumn[]> {
    this.settle();
    const columns: StateColumn[] = [];
    for (const [index, { column, states }] of this.placed.entries()) {
      const data = [this.groups.column(groups, this.groups.countReading(index, groups))];
      for (const { state } of states) {
        yield;
        data.push(...state.columns(groups));
      }
      columns.push(...stateFields(column).map((field, i) => ({ field, data: data[i]! })));
      yield;
    }
    return columns;
  }

  /**
   * The final values of these outputs. What kernels read out they read some thousand groups at a time, so that the rows of those are in the cache for
   * all of them. `keyText` describes a group, for messages.
   */
  outputs(wanted: readonly Output[], groups: Uint32Array, keyText: (position: number) => string): Data[] {
    return complete(this.reading(wanted, groups, keyText));
  }

  /** The same, in steps. */
  *reading(wanted: readonly Output[], groups: Uint32Array, keyText: (position: number) => string): Steps<Data[]> {
    this.settle();
    const readings = wanted.map((output) => this.readingOf(output, groups));
    const elements = yield* this.groups.reading(groups, readings.flatMap((reading) => reading?.write ?? []));
    return wanted.map(({ column, aggregation }, i) => {
      const reading = readings[i];
      return reading === undefined ? this.stateOf(column, aggregation).output!(aggregation, groups, keyText) : reading.column(elements.shift()!);
    });
  }

  private readingOf({ column, aggregation }: Output, groups: Uint32Array): Reading | undefined {
    if (aggregation !== 'count') return this.stateOf(column, aggregation).reading?.(aggregation, groups);
    return this.groups.countReading(this.placed.findIndex((candidate) => candidate.column.name === column), groups);
  }

  /** The state that serves an aggregation. */
  private stateOf(name: string, aggregation: Agg): State {
    const found = this.placed.find(({ column }) => column.name === name)!.states.find(({ kind }) => kind.serves.includes(aggregation));
    invariant(found !== undefined, `no state serves the ${aggregation} of ${name}`);
    return found.state;
  }
}

/**
 * The bits of a value that changes none of a column's fused states, nor what those of a group without values come out as;
 * undefined where there is none for all of them.
 */
function identityOf(column: ValueColumn, what: number): bigint | undefined {
  if (what === 2) return 0n;
  if (column.layout.kind === 'float') return what === 4 ? nanBits : what === 8 ? minusInfinityBits : undefined;
  const { flip } = signsOf(column);
  return what === 4 ? ~(1n << 63n) ^ flip : what === 8 ? BigInt.asIntN(64, 1n << 63n) ^ flip : undefined;
}

const nanBits = 0x7ff8000000000000n;
const minusInfinityBits = BigInt.asIntN(64, 0xfff0000000000000n);

/** Whether all rows can be added: none is null, or nulls can be filled. */
function isDense({ column }: Placed, what: number, bitmap: Bitmap | undefined): boolean {
  return bitmap === undefined || identityOf(column, what) !== undefined;
}

const isDouble = ({ layout }: ValueColumn): 0 | 1 => (layout.kind === 'float' ? 1 : 0);

/** State columns that are 64 bits wide go as they are, doubles too. */
const wordLayout = { kind: 'int', bytes: 8, signed: true } as const;

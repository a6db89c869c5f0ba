/**
 * Groupers: key columns → dense group ids, in order of first appearance, and back.
 *
 * Every key column has a grouper of its own. Several keys are chained: the ids of the first two make a pair, whose grouper
 * gives an id, which makes a pair with the third, and so on:
 *
 *   country ─▶ id ─┐
 *   city    ─▶ id ─┴▶ (id, id) ─▶ id ─┐
 *   day     ─▶ id ────────────────────┴▶ (id, id) ─▶ group id
 */
import { type Data, DataType, makeData, Type } from '../arrow/arrow.ts';
import { OverflowError } from '../base/errors.ts';
import { boundsOf, type Cut, cutStrings, type SampledKeys, sampledKeys } from './cut.ts';
import type { Instance } from './instance.ts';
import { type Bitmap, Buffer64, ColumnStage, gatherWide } from './staging.ts';
import { type DecimalBuffers, spanColumn, stageDecimals } from './states/spans.ts';
import { type KeyColumn, type TileKey, tileType } from './types.ts';

/** A stretch of a batch: rows [start, start + length), of which `count` are selected (`rows` 0: all). */
export interface Window {
  readonly start: number;
  readonly length: number;
  readonly rows: number;
  readonly count: number;
}

/** Where the rows of groups are counted: 64 bits each, `stride` bytes apart; and, of as many, in the last word of narrow states (kernel/narrow.ts). */
export interface Counted {
  readonly rows: number;
  readonly stride: number;
  readonly count: number;
  readonly narrow: number;
  readonly narrowCount: number;
}

/** `count` ids of another grouper, from `first` on, and own ids in the same order, from `own` on. */
export interface GroupsInOrder {
  readonly first: number;
  readonly own: number;
  readonly count: number;
}

/** Ids of another grouper, and the own id of each: in `ids`, where that is not 0. */
export interface MergedGroups extends GroupsInOrder {
  readonly ids: number;
}

/** The grouper of one key. */
export interface ColumnGrouper {
  readonly name: string;
  /** Announces rows that are to come. */
  expect(rows: number): void;
  /** Makes room for so many groups, before there is one. */
  reserve?(groups: number): void;
  /** Writes the id of each selected row to `ids`. */
  group(data: Data, window: Window, ids: number): void;
  readonly count: number;
  /** Where it is in memory, for the grouper of another thread that takes its keys over. */
  readonly address: number;
  /** Takes over the keys of another grouper of its kind in the same memory, and meets them: writes the own id of each of its ids. */
  merge(other: number, ids: number): void;
  /** Whether ids ascend as keys do, so that nothing is to be looked up or sorted. */
  readonly isInOrder?: boolean;
  /** The same where own ids ascend as those of the other do, without one for each. Undefined where they do not. */
  tryMergeInOrder?(other: number): GroupsInOrder | undefined;
  /** The same for `count` of its ids, all of them keys'. Absent where keys are not cut into parts. */
  mergeSome?(other: number, groups: number, count: number, ids: number): void;
  /** Cuts the keys of groupers of its kind in the same memory into parts. */
  cut?(others: readonly { readonly address: number; readonly count: number }[], parts: number): Cut;
  /** Writes the ids of another's keys by part, and where each part begins. */
  split?(other: number, cut: Cut, search: number, starts: number, ids: number): void;
  /** The keys of some of these rows, in words that order as they do. Absent, as the next, where rows are not cut into parts. */
  sampleRows?(data: Data, window: Window, scratch: Buffer64): SampledKeys;
  /** Writes the part of each selected row, u16. */
  partRows?(data: Data, window: Window, cut: Cut, search: number, out: number): void;
  /**
   * Says where rows are counted for each id: ids may have gaps, and where nothing was counted there is one. Absent, as the next, where there are no gaps. Only of a key column that is alone.
   */
  countsAt?(counted: Counted): void;
  /** Names ids that have no counted rows and are to stay. */
  meet?(ids: number, count: number): void;
  /** Fills `positions`, which has room for all ids, with those of keys, in ascending order of these; returns how many. There may be gaps where there is but one key column. */
  sort(positions: number): number;
  /** The keys of these ids, as a column. */
  column(ids: Uint32Array): Data;
}

/** `alone`: there is no other key, so that ids may have gaps. */
export function columnGrouper(instance: Instance, key: KeyColumn, stage: ColumnStage, alone: boolean): ColumnGrouper {
  const isBytes = key.layout.kind === 'string' || key.layout.kind === 'decimal';
  return isBytes ? new StringGrouper(instance, key, stage) : new IntGrouper(instance, key, stage, alone);
}

class IntGrouper implements ColumnGrouper {
  readonly name: string;
  readonly address: number;
  private readonly wide: Buffer64;

  constructor(
    private readonly instance: Instance,
    private readonly key: KeyColumn,
    private readonly stage: ColumnStage,
    alone: boolean,
  ) {
    this.name = key.name;
    // Slots ascend as signed integers do.
    const maySlots = alone && key.layout.kind === 'int' && (key.layout.signed || key.layout.bytes < 8);
    this.address = instance.kernels.newIntGrouper(maySlots ? 1 : 0) >>> 0;
    this.wide = new Buffer64(instance);
  }

  expect(rows: number): void {
    this.instance.kernels.expectKeys(this.address, rows);
  }

  reserve(groups: number): void {
    this.instance.kernels.reserveInts(this.address, groups);
  }

  group(data: Data, window: Window, ids: number): void {
    const { layout } = this.key;
    const { kernels } = this.instance;
    if (layout.kind === 'int' && layout.bytes === 4) {
      const narrow = this.stage.stageFixed(data, window.start, window.length);
      if (kernels.groupInts32(this.address, narrow, window.rows, window.count, layout.signed ? 1 : 0, ids) === 1) return;
    }
    const keys = gatherWide(this.instance, this.stage, data, layout, window, this.wide);
    kernels.groupInts(this.address, keys, window.count, ids);
  }

  countsAt({ rows, stride, count, narrow, narrowCount }: Counted): void {
    this.instance.kernels.countsAt(this.address, rows, stride, count, narrow, narrowCount);
  }

  meet(ids: number, count: number): void {
    this.instance.kernels.meet(this.address, ids, count);
  }

  get count(): number {
    return this.instance.kernels.groupCount(this.address);
  }

  merge(other: number, ids: number): void {
    this.instance.kernels.mergeInts(this.address, other, ids);
  }

  get isInOrder(): boolean {
    return this.instance.kernels.isOrdered(this.address) === 1;
  }

  tryMergeInOrder(other: number): GroupsInOrder | undefined {
    const { instance, address } = this;
    const out = instance.alloc(12);
    const isDone = instance.kernels.mergeSlots(address, other, out) === 1;
    const [first, count, own] = instance.view32(out, 3) as unknown as [number, number, number];
    instance.free(out, 12);
    return isDone ? { first, count, own } : undefined;
  }

  mergeSome(other: number, groups: number, count: number, ids: number): void {
    this.instance.kernels.mergeSomeInts(this.address, other, groups, count, ids);
  }

  cut(others: readonly { readonly address: number; readonly count: number }[], parts: number): Cut {
    const words = sample(this.instance, others, 1, (address, step, out) => this.instance.kernels.sampleInts(address, this.flip, step, out));
    return { bounds: boundsOf(words, parts), prefix: 0n, skipped: 0 };
  }

  split(other: number, { bounds: { length } }: Cut, search: number, starts: number, ids: number): void {
    this.instance.kernels.partInts(other, this.flip, search, length + 1, starts, ids);
  }

  sampleRows(data: Data, window: Window): SampledKeys {
    const keys = this.instance.view64(gatherWide(this.instance, this.stage, data, this.key.layout, window, this.wide), window.count);
    return someKeys(keys, 1, this.flip);
  }

  partRows(data: Data, window: Window, { bounds: { length } }: Cut, search: number, out: number): void {
    const keys = gatherWide(this.instance, this.stage, data, this.key.layout, window, this.wide);
    this.instance.kernels.partsOfWords(keys, this.flip, window.count, search, length + 1, out);
  }

  /** Turns keys into words that order as they do. */
  private get flip(): bigint {
    return this.signed ? -(1n << 63n) : 0n;
  }

  sort(positions: number): number {
    const { instance, address, count } = this;
    const { kernels } = instance;
    const alive = kernels.aliveIds(address, positions);
    if (this.isInOrder) return alive;
    if (alive === count) {
      sortWords(instance, kernels.intKeys(address) >>> 0, count, this.signed, positions);
      return alive;
    }
    // The keys that are alive, sorted by themselves.
    const [ids, words] = [instance.alloc(alive * 4), instance.alloc(alive * 8)];
    instance.put(instance.view32(positions, alive), ids);
    kernels.gather64(kernels.intKeys(address) >>> 0, ids, alive, words);
    sortWords(instance, words, alive, this.signed, positions);
    const [sorted, alives] = [instance.view32(positions, alive), instance.view32(ids, alive)];
    for (let i = 0; i < alive; i++) sorted[i] = alives[sorted[i]!]!;
    instance.free(words, alive * 8);
    instance.free(ids, alive * 4);
    return alive;
  }

  private get signed(): boolean {
    return this.key.layout.kind === 'int' && this.key.layout.signed;
  }

  column(ids: Uint32Array): Data {
    const { instance, address } = this;
    return intColumn(instance, this.key.type, ids, (some, count, bytes, out) => instance.kernels.keysOfInts(address, some, count, bytes, out));
  }
}

/** The grouper of tiles: event times become tile numbers, and those the starts of tiles. */
export class TileGrouper implements ColumnGrouper {
  readonly name: string;
  readonly address: number;
  private readonly wide: Buffer64;

  constructor(
    private readonly instance: Instance,
    private readonly tile: TileKey,
    private readonly timeBytes: 4 | 8,
    private readonly stage: ColumnStage,
  ) {
    this.name = tile.name;
    this.address = instance.kernels.newIntGrouper(0) >>> 0;
    this.wide = new Buffer64(instance);
  }

  expect(rows: number): void {
    this.instance.kernels.expectKeys(this.address, rows);
  }

  group(data: Data, window: Window, ids: number): void {
    const { kernels } = this.instance;
    const layout = { kind: 'int', bytes: this.timeBytes, signed: true } as const;
    const staged = gatherWide(this.instance, this.stage, data, layout, window, this.wide);
    const times = this.wide.ensure(window.count * 8);
    if (staged !== times) kernels.gather64(staged, 0, window.count, times);
    const bitmap: Bitmap = this.stage.stageBitmap(data, window.start, window.length) ?? { pointer: 0, bitOffset: 0 };
    kernels.tileOf(times, bitmap.pointer, bitmap.bitOffset, window.rows, window.count, this.tile.numerator, this.tile.denominator);
    kernels.groupInts(this.address, times, window.count, ids);
  }

  get count(): number {
    return this.instance.kernels.groupCount(this.address);
  }

  merge(other: number, ids: number): void {
    this.instance.kernels.mergeInts(this.address, other, ids);
  }

  sort(positions: number): number {
    const { instance, address, count } = this;
    sortWords(instance, instance.kernels.intKeys(address) >>> 0, count, true, positions);
    return count;
  }

  column(ids: Uint32Array): Data {
    const tiles = this.instance.view64(this.instance.kernels.intKeys(this.address) >>> 0, this.count);
    const starts = BigInt64Array.from(tiles, (tile) => {
      if (tile === noTile) return 0n;
      const start = tile * this.tile.widthUs;
      if (BigInt.asIntN(64, start) !== start) {
        throw new OverflowError(this.tile.name, `${tile}`, 'the start of this tile does not fit a timestamp in microseconds; check the event times of the source');
      }
      return start;
    });
    const values = new BigInt64Array(ids.length);
    const nullBitmap = new Uint8Array((ids.length + 7) >> 3);
    let nullCount = 0;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      values[i] = starts[id]!;
      if (tiles[id] === noTile) nullCount++;
      else nullBitmap[i >> 3]! |= 1 << (i & 7);
    }
    return makeData({ type: tileType, length: ids.length, nullCount, data: values, ...(nullCount > 0 && { nullBitmap }) });
  }
}

/** What `tileOf` writes for a null event time. */
const noTile = -(1n << 63n);

class StringGrouper implements ColumnGrouper {
  readonly name: string;
  readonly address: number;
  private readonly dictionaryStage: ColumnStage;
  private readonly memo: Buffer64;
  private readonly decimals: DecimalBuffers;
  private dictionary: { readonly data: Data; readonly offsets: number; readonly bytes: number } | undefined;

  constructor(
    private readonly instance: Instance,
    private readonly key: KeyColumn,
    private readonly stage: ColumnStage,
  ) {
    this.name = key.name;
    this.address = instance.kernels.newStringGrouper() >>> 0;
    this.dictionaryStage = new ColumnStage(instance);
    this.memo = new Buffer64(instance);
    this.decimals = { offsets: new Buffer64(instance), bytes: new Buffer64(instance) };
  }

  expect(): void {
    // A string grouper grows as it goes.
  }

  reserve(strings: number): void {
    this.instance.kernels.reserveStrings(this.address, strings);
  }

  group(data: Data, { start, length, rows, count }: Window, ids: number): void {
    const { kernels } = this.instance;
    if (!DataType.isDictionary(data.type)) {
      const { offsets, bytes } = this.stagePlain(data, start, length);
      kernels.groupStrings(this.address, offsets, bytes, rows, count, ids);
      return;
    }
    const dictionary = this.stageDictionary(data.dictionary!.data[0]!);
    const codes = this.stage.stageCodes(data, start, length);
    kernels.groupCodes(this.address, codes, rows, count, this.memo.pointer, dictionary.offsets, dictionary.bytes, ids);
  }

  /** Strings, or decimals as strings. */
  private stagePlain(data: Data, start: number, length: number): { readonly offsets: number; readonly bytes: number } {
    const isDecimal = this.key.layout.kind === 'decimal';
    return isDecimal ? stageDecimals(this.instance, this.stage, data, start, length, this.decimals) : this.stage.stageStrings(data, start, length);
  }

  sampleRows(data: Data, { start, length, rows, count }: Window, scratch: Buffer64): SampledKeys {
    const { offsets, bytes } = this.stagePlain(data, start, length);
    const out = scratch.ensure(count * 16);
    this.instance.kernels.headsOf(this.address, offsets, bytes, rows, count, out);
    return someKeys(this.instance.view64(out, count * 2), 2, 0n);
  }

  partRows(data: Data, { start, length, rows, count }: Window, { bounds: { length: cuts }, prefix, skipped }: Cut, search: number, out: number): void {
    const { offsets, bytes } = this.stagePlain(data, start, length);
    this.instance.kernels.partsOfStrings(this.address, offsets, bytes, rows, count, BigInt.asIntN(64, prefix), skipped, search, cuts + 1, out);
  }

  /** Brings a dictionary into memory once, with a memo of which of its entries have an id. */
  private stageDictionary(data: Data): { readonly offsets: number; readonly bytes: number } {
    if (this.dictionary?.data !== data) {
      const memo = this.memo.ensure(data.length * 4);
      this.instance.bytes.fill(0, memo, memo + data.length * 4);
      this.dictionary = { data, ...this.dictionaryStage.stageStrings(data, 0, data.length) };
    }
    return this.dictionary;
  }

  get count(): number {
    return this.instance.kernels.groupCount(this.address);
  }

  merge(other: number, ids: number): void {
    const { kernels } = this.instance;
    kernels.mergeStrings(this.address, other, 0, kernels.groupCount(other), ids);
  }

  mergeSome(other: number, groups: number, count: number, ids: number): void {
    this.instance.kernels.mergeStrings(this.address, other, groups, count, ids);
  }

  cut(others: readonly { readonly address: number; readonly count: number }[], parts: number): Cut {
    return cutStrings(sample(this.instance, others, 2, (address, step, out) => this.instance.kernels.sampleStrings(address, step, out)), parts);
  }

  split(other: number, { bounds: { length }, prefix, skipped }: Cut, search: number, starts: number, ids: number): void {
    this.instance.kernels.partStrings(other, BigInt.asIntN(64, prefix), skipped, search, length + 1, starts, ids);
  }

  sort(positions: number): number {
    this.instance.kernels.argsortStrings(this.address, positions);
    return this.count;
  }

  column(ids: Uint32Array): Data {
    const { instance } = this;
    const bytes = ids.length * 12;
    const spans = instance.alloc(bytes);
    const wanted = spans + ids.length * 8;
    instance.put(ids, wanted);
    instance.kernels.stringSpans(this.address, wanted, ids.length, spans);
    const found = instance.view32(spans, ids.length * 2).slice();
    instance.free(spans, bytes);
    return spanColumn(instance, this.name, this.key.type, found, { nullCount: 0 });
  }
}

/** Rows of which the keys are looked at. */
const sampledRows = 16_384;

/** Some of these keys, whose words are flipped by `flip` to order as they do. */
function someKeys(keys: BigInt64Array, wordsEach: 1 | 2, flip: bigint): SampledKeys {
  const each = wordsEach * 2;
  const step = each * Math.ceil(keys.length / wordsEach / sampledRows);
  const words = new BigUint64Array(Math.floor((keys.length * 2) / step) * wordsEach);
  // By halves, since a bigint for each takes long.
  const [from, to] = [new Uint32Array(keys.buffer, keys.byteOffset, keys.length * 2), new Uint32Array(words.buffer)];
  const flipHigh = Number(BigInt.asUintN(64, flip) >> 32n);
  for (let at = 0, key = 0; at < to.length; at += each, key += step) {
    for (let half = 0; half < each; half += 2) {
      to[at + half] = from[key + half]!;
      to[at + half + 1] = from[key + half + 1]! ^ flipHigh;
    }
  }
  return { words, wordsEach };
}

/** Words of some of the keys of several groupers, `wordsEach` of each key. */
function sample(
  instance: Instance, others: readonly { readonly address: number; readonly count: number }[], wordsEach: number,
  write: (address: number, step: number, out: number) => number,
): BigUint64Array {
  const all = others.reduce((sum, { count }) => sum + count, 0);
  const step = Math.max(1, Math.floor(all / sampledKeys));
  const words: bigint[] = [];
  for (const { address, count } of others) {
    const bytes = Math.ceil(count / step) * wordsEach * 8;
    const out = instance.alloc(bytes);
    const sampled = write(address, step, out);
    for (const word of instance.view64(out, sampled * wordsEach)) words.push(word);
    instance.free(out, bytes);
  }
  return BigUint64Array.from(words, (word) => BigInt.asUintN(64, word));
}

/** The groupers of one thread by their addresses, and their counts, as another thread is told of them. */
export interface GrouperMemory {
  readonly columns: readonly { readonly address: number; readonly count: number }[];
  readonly pairs: readonly { readonly address: number; readonly count: number }[];
  readonly isInOrder: boolean;
}

/** All keys together. */
export class Grouper {
  private readonly pairs: number[];
  private readonly keyIds: Buffer64[];
  private readonly chainIds: Buffer64;
  private readonly words: Buffer64;
  /** Ids in the order of their keys, until the next time that they are sorted. */
  private readonly positions: Buffer64;

  constructor(
    private readonly instance: Instance,
    readonly columns: readonly ColumnGrouper[],
  ) {
    this.pairs = columns.slice(1).map(() => instance.kernels.newIntGrouper(0) >>> 0);
    this.keyIds = columns.map(() => new Buffer64(instance));
    this.chainIds = new Buffer64(instance);
    this.words = new Buffer64(instance);
    this.positions = new Buffer64(instance);
  }

  expect(rows: number): void {
    for (const column of this.columns) column.expect(rows);
    for (const pair of this.pairs) this.instance.kernels.expectKeys(pair, rows);
  }

  reserve(groups: number): void {
    if (this.columns.length === 1) this.columns[0]!.reserve?.(groups);
  }

  /** Returns where the group ids of the selected rows are; they stay there until the next call. */
  group(data: readonly Data[], window: Window): number {
    const { kernels } = this.instance;
    const { count } = window;
    let ids = this.keyIds[0]!.ensure(count * 4);
    this.columns[0]!.group(data[0]!, window, ids);
    for (let i = 1; i < this.columns.length; i++) {
      const other = this.keyIds[i]!.ensure(count * 4);
      this.columns[i]!.group(data[i]!, window, other);
      const words = this.words.ensure(count * 8);
      const paired = this.chainIds.ensure(count * 4);
      kernels.groupPairs(this.pairs[i - 1]!, ids, this.chainCount(i - 1), other, this.columns[i]!.count, count, words, paired);
      ids = paired;
    }
    return ids;
  }

  /** The same for words in memory, that are the keys of the only column. */
  groupWords(words: number, count: number): number {
    const ids = this.keyIds[0]!.ensure(count * 4);
    this.instance.kernels.groupInts(this.columns[0]!.address, words, count, ids);
    return ids;
  }

  get count(): number {
    return this.chainCount(this.pairs.length);
  }

  /** How many ids the first columns have together, up to and with this one. */
  private chainCount(column: number): number {
    return column === 0 ? this.columns[0]!.count : this.instance.kernels.groupCount(this.pairs[column - 1]!);
  }

  /** As for a column; ids of several columns have no gaps. */
  countsAt(counted: Counted): void {
    if (this.pairs.length === 0) this.columns[0]!.countsAt?.(counted);
  }

  meet(ids: number, count: number): void {
    if (this.pairs.length === 0) this.columns[0]!.meet?.(ids, count);
  }

  get memory(): GrouperMemory {
    const counted = (address: number) => ({ address, count: this.instance.kernels.groupCount(address) });
    const [first, ...more] = this.columns;
    const isInOrder = more.length === 0 && first!.isInOrder === true;
    return { columns: this.columns.map(({ address, count }) => ({ address, count })), pairs: this.pairs.map(counted), isInOrder };
  }

  /** Takes over the groups of another thread's grouper of the same keys: calls `use` with the own id of each. */
  merge(other: GrouperMemory, use: (merged: MergedGroups) => void): void {
    this.expect(Math.max(...[...other.columns, ...other.pairs].map(({ count }) => count)));
    const inOrder = other.pairs.length === 0 ? this.columns[0]!.tryMergeInOrder?.(other.columns[0]!.address) : undefined;
    if (inOrder === undefined) this.mergeByName(other, use);
    else use({ ...inOrder, ids: 0 });
  }

  private mergeByName(other: GrouperMemory, use: (merged: MergedGroups) => void): void {
    const { instance } = this;
    const blocks: { readonly pointer: number; readonly bytes: number }[] = [];
    const block = (count: number): number => {
      const bytes = Math.max(count, 1) * 4;
      const pointer = instance.alloc(bytes);
      blocks.push({ pointer, bytes });
      return pointer;
    };
    const own = other.columns.map(({ address, count }, i) => {
      const ids = block(count);
      this.columns[i]!.merge(address, ids);
      return { ids, count };
    });
    const merged = other.pairs.reduce((before, { address, count }, i) => {
      const ids = block(count);
      instance.kernels.mergePairs(this.pairs[i]!, address, before.ids, this.chainCount(i), own[i + 1]!.ids, this.columns[i + 1]!.count, ids);
      return { ids, count };
    }, own[0]!);
    use({ ...merged, first: 0, own: 0 });
    for (const { pointer, bytes } of blocks) instance.free(pointer, bytes);
  }

  /** Whether keys can be cut into parts: there is one column of them. */
  get isCuttable(): boolean {
    return this.columns.length === 1 && this.columns[0]!.cut !== undefined;
  }

  cut(others: readonly GrouperMemory[], parts: number): Cut {
    return this.columns[0]!.cut!(others.map(({ columns }) => columns[0]!), parts);
  }

  split(other: GrouperMemory, cut: Cut, search: number, starts: number, ids: number): void {
    this.columns[0]!.split!(other.columns[0]!.address, cut, search, starts, ids);
  }

  mergeSome(other: GrouperMemory, groups: number, count: number, ids: number): void {
    this.columns[0]!.mergeSome!(other.columns[0]!.address, groups, count, ids);
  }

  /** Group ids in ascending order of their keys; that of the tile comes before all others. */
  sorted(): Uint32Array {
    const { instance } = this;
    const { kernels } = instance;
    let ranks = this.ranksOf(0);
    let positions = this.positionsOf(this.columns[0]!);
    for (let i = 1; i < this.columns.length; i++) {
      const other = this.ranksOf(i);
      const pair = this.pairs[i - 1]!;
      const count = kernels.groupCount(pair);
      const keys = instance.view32(kernels.intKeys(pair) >>> 0, count * 2);
      const words = new Uint32Array(count * 2);
      const isTile = this.columns[i] instanceof TileGrouper ? 1 : 0;
      for (let group = 0; group < count; group++) {
        words[group * 2 + isTile] = other[keys[group * 2]!]!;
        words[group * 2 + 1 - isTile] = ranks[keys[group * 2 + 1]!]!;
      }
      const block = instance.alloc(words.byteLength);
      const out = instance.alloc(count * 4);
      instance.put(words, block);
      kernels.argsort64(block, count, out);
      positions = instance.view32(out, count).slice();
      ranks = rank(positions);
      instance.free(block, words.byteLength);
      instance.free(out, count * 4);
    }
    return positions;
  }

  private positionsOf(column: ColumnGrouper): Uint32Array {
    const out = this.positions.ensure(column.count * 4);
    const count = column.sort(out);
    return this.instance.lasting32(out, count);
  }

  private ranksOf(index: number): Uint32Array {
    return this.columns.length === 1 ? new Uint32Array(0) : rank(this.positionsOf(this.columns[index]!));
  }

  /** The key columns of these groups, in order. */
  keyColumns(groups: Uint32Array): Data[] {
    const { kernels } = this.instance;
    const columns: Data[] = [];
    let ids = groups;
    for (let i = this.columns.length - 1; i > 0; i--) {
      const pair = this.pairs[i - 1]!;
      const keys = this.instance.view32(kernels.intKeys(pair) >>> 0, kernels.groupCount(pair) * 2);
      const [own, rest] = [new Uint32Array(ids.length), new Uint32Array(ids.length)];
      for (let row = 0; row < ids.length; row++) {
        own[row] = keys[ids[row]! * 2]!;
        rest[row] = keys[ids[row]! * 2 + 1]!;
      }
      columns.unshift(this.columns[i]!.column(own));
      ids = rest;
    }
    columns.unshift(this.columns[0]!.column(ids));
    return columns;
  }
}

function rank(positions: Uint32Array): Uint32Array {
  const ranks = new Uint32Array(positions.length);
  for (let i = 0; i < positions.length; i++) ranks[positions[i]!] = i;
  return ranks;
}

/** Writes the places of words in ascending order. */
export function sortWords(instance: Instance, words: number, count: number, signed: boolean, positions: number): void {
  const { kernels } = instance;
  if (signed) kernels.flipSigns(words, count);
  kernels.argsort64(words, count, positions);
  if (signed) kernels.flipSigns(words, count);
}

/** A column of an integer, date, timestamp or boolean type: of these ids. `write` writes those of some ids, `bytes` wide each, at `out`. */
export function intColumn(
  instance: Instance, type: DataType, ids: Uint32Array, write: (ids: number, count: number, bytes: number, out: number) => void,
): Data {
  const rows = ids.length;
  const isBits = type.typeId === Type.Bool;
  const ArrayType = (isBits ? Uint8Array : type.ArrayType) as new (buffer: ArrayBufferLike) => Uint8Array;
  const width = (ArrayType as unknown as Uint8ArrayConstructor).BYTES_PER_ELEMENT;
  const [buffer] = instance.withPlaced(ids, (wanted) => instance.written(rows, width, [(start, count, out) => write(wanted + start * 4, count, width, out)]));
  const values = new ArrayType(buffer!);
  return makeData({ type, length: rows, nullCount: 0, data: isBits ? packBits(values) : values } as never);
}

function packBits(bytes: Uint8Array): Uint8Array {
  const bits = new Uint8Array((bytes.length + 7) >> 3);
  for (let i = 0; i < bytes.length; i++) bits[i >> 3]! |= bytes[i]! << (i & 7);
  return bits;
}

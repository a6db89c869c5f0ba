/**
 * Rows that are put aside by part and grouped later, a part at a time: where there are so many groups that their states outgrow the
 * processor's cache, each row would wait for memory, and the groups of all threads would have to be merged.
 *
 *   rows ─▶ which part, a range of keys ─▶ columns by part (kernel/aside.ts) ─▶ the rows of one part as a batch ─▶ parts.ts
 *
 * Whether it is worth it is told by the first rows, once for all threads of a run, which share a cell: 0 undecided, 1 no, else where
 * the cut lies (`| parts u32 | skipped u32 | groups u32 | – | prefix u64 | bounds u64 … |`). Rows that cannot be put aside, for want of room or for what their
 * columns are, are grouped at once: what a part has of both is merged.
 */
import { Data, DataType, Field, makeData, RecordBatch, Schema, Struct } from '../arrow/arrow.ts';
import { invariant } from '../base/errors.ts';
import { type Cut, cutForAside } from './cut.ts';
import type { ColumnGrouper, Window } from './grouper.ts';
import { type Instance, slackBytes, type ViewType } from './instance.ts';
import { Buffer64, type ColumnStage, hasNulls } from './staging.ts';
import { type Layout, layoutOf } from './types.ts';

/** Rows that are put aside at a time: what they become, a column at a time, should stay in the cache. */
export const rowsAside = 65_536;

/** A column that is carried along. */
export interface AsideColumn {
  readonly name: string;
  readonly type: DataType;
}

/** What a thread has put aside, as another thread is told of it. */
export interface AsideMemory {
  /** The newest block. */
  readonly block: number;
  /** Of each part. */
  readonly rows: Uint32Array;
  /** Of each column, whether a row has no value. */
  readonly nulls: readonly boolean[];
  readonly cut: Cut;
}

/** What a thread has put aside of one part. */
export interface PartAside {
  readonly block: number;
  readonly part: number;
  readonly rows: number;
  /** How many groups the rows of all threads are likely to be. */
  readonly groups: number;
  readonly nulls: readonly boolean[];
}

export function partAside({ block, rows, nulls, cut }: AsideMemory, part: number): PartAside {
  return { block, part, rows: rows[part]!, groups: cut.groups ?? rows[part]!, nulls };
}

/** How a column lies in a block: the slots of its lanes. */
interface Lanes {
  readonly column: AsideColumn;
  readonly layout: Layout;
  /** Values of 2^shift bytes; the lengths of strings, whose bytes are in the two slots behind; bits, a byte each. */
  readonly shift: number;
  readonly values: number;
  /** A byte for each row, 1 where it has a value. */
  readonly validity: number;
}

const asShift = (bytes: number): number => Math.log2(bytes);

function lanesOf(columns: readonly AsideColumn[]): { readonly lanes: readonly Lanes[]; readonly slots: number } {
  let slots = 0;
  const lanes = columns.map((column) => {
    const layout = layoutOf(column.type);
    const values = slots;
    slots += layout.kind === 'string' ? 4 : 2;
    const shift = layout.kind === 'string' ? 2 : layout.kind === 'decimal' ? 4 : layout.kind === 'bool' ? 0 : 'bytes' in layout ? asShift(layout.bytes) : 0;
    return { column, layout, shift, values, validity: slots - 1 };
  });
  return { lanes, slots };
}

export class Aside {
  private readonly lanes: readonly Lanes[];
  private readonly slots: number;
  private readonly partOfRow: Buffer64;
  private readonly places: Buffer64;
  /** Where lanes are made. */
  private readonly made: Buffer64;
  private readonly sample: Buffer64;
  private readonly slab = { next: 0, end: 0, bytes: 2 ** 19 };
  private readonly nulls: boolean[];
  private block = 0;
  private isDrained = false;
  /** It stays so. */
  private wasDeclined = false;
  private put: { readonly cut: Cut; readonly search: number; readonly rows: Uint32Array } | undefined;

  constructor(
    private readonly instance: Instance,
    private readonly key: ColumnGrouper,
    /** That of the key first. */
    columns: readonly AsideColumn[],
    private readonly stageOf: (name: string) => ColumnStage,
    /** Where it stands whether rows are put aside. */
    private readonly cell: number,
    private readonly options: { readonly rowsExpected: number; readonly bytesMax: number; readonly parts: number | undefined },
  ) {
    const { lanes, slots } = lanesOf(columns);
    this.lanes = lanes;
    this.slots = slots;
    this.nulls = lanes.map(() => false);
    this.partOfRow = new Buffer64(instance);
    this.places = new Buffer64(instance);
    this.made = new Buffer64(instance);
    this.sample = new Buffer64(instance);
  }

  /** Whether rows are put aside, as far as anyone has decided. */
  get isDeclined(): boolean {
    this.wasDeclined ||= this.isDrained || this.decision === declined;
    return this.wasDeclined;
  }

  private get decision(): number {
    return Atomics.load(this.instance.view32(this.cell, 1), 0);
  }

  /** Puts the selected rows aside, `data` being the columns; false where they are to be grouped at once. */
  take(data: readonly Data[], window: Window): boolean {
    if (this.isDeclined || !this.lanes.every(({ column }, i) => isCarried(column, data[i]!))) return false;
    if (this.decision === undecided) this.decide(data[0]!, window);
    const address = this.decision;
    if (address === undecided || address === declined) return false;
    this.put ??= this.begin(address);
    if (!this.makeRoom(this.roomFor(data, window))) return false;
    this.putRows(data, window);
    return true;
  }

  /** Looks at the keys of these rows, and decides for all threads unless another was first. */
  private decide(key: Data, window: Window): void {
    const { instance, options } = this;
    // As many of those that are to come are left out as of these.
    const rows = options.rowsExpected * (window.count / window.length);
    const cut = cutForAside(this.key.sampleRows!(key, window, this.sample), { rows, parts: options.parts });
    if (cut === undefined) return;
    let address = declined;
    if (cut !== 'declined') {
      address = instance.alloc(16 + (cut.bounds.length + 1) * 8);
      instance.view32(address, 3).set([cut.bounds.length + 1, cut.skipped, cut.groups ?? 0]);
      instance.view64(address + 16, 1)[0] = BigInt.asIntN(64, cut.prefix);
      instance.put(cut.bounds, address + 24);
    }
    Atomics.compareExchange(instance.view32(this.cell, 1), 0, undecided, address);
  }

  private begin(address: number): NonNullable<Aside['put']> {
    const { instance } = this;
    const [parts, skipped, groups] = instance.view32(address, 3) as unknown as [number, number, number];
    const [prefix, ...bounds] = instance.view64(address + 16, parts).slice() as unknown as [bigint, ...bigint[]];
    const cut = { bounds: BigUint64Array.from(bounds, (bound) => BigInt.asUintN(64, bound)), prefix: BigInt.asUintN(64, prefix), skipped, ...(groups > 0 && { groups }) };
    return { cut, search: newSearch(instance, cut), rows: new Uint32Array(parts) };
  }

  private putRows(data: readonly Data[], window: Window): void {
    const { instance } = this;
    const { kernels } = instance;
    const { start, length, rows, count } = window;
    const { cut, search, rows: rowsPut } = this.put!;
    const parts = rowsPut.length;
    const partOfRow = this.partOfRow.ensure(count * 2);
    this.key.partRows!(data[0]!, window, cut, search, partOfRow);
    const block = this.cutOff((2 + this.slots) * 4);
    const starts = this.cutOff((parts + 1) * 4);
    const places = this.places.ensure(count * 4);
    kernels.placesOf(partOfRow, count, parts, starts, places);
    const slots = new Array<number>(this.slots).fill(0);
    this.lanes.forEach(({ column, layout, shift, values, validity }, i) => {
      const stage = this.stageOf(column.name);
      const lane = this.made.ensure(count << shift);
      if (layout.kind === 'string') {
        const { offsets, bytes } = stage.stageStrings(data[i]!, start, length);
        const byteStarts = this.cutOff((parts + 1) * 4);
        const size = kernels.scatterLengths(offsets, rows, count, partOfRow, places, parts, byteStarts, lane) >>> 0;
        slots[values] = this.keep(lane, count << shift);
        const made = this.made.ensure(size);
        kernels.scatterBytes(offsets, bytes, rows, count, partOfRow, parts, byteStarts, made);
        slots[values + 1] = this.keep(made, size);
        slots[values + 2] = byteStarts;
      } else if (layout.kind === 'bool') {
        const bits = stage.stageBits(data[i]!, start, length);
        kernels.scatterBits(bits.pointer, bits.bitOffset, rows, count, places, lane);
        slots[values] = this.keep(lane, count);
      } else {
        kernels.scatterLane(shift, stage.stageFixed(data[i]!, start, length), rows, count, places, lane);
        slots[values] = this.keep(lane, count << shift);
      }
      const bitmap = stage.stageBitmap(data[i]!, start, length);
      if (bitmap === undefined) return;
      this.nulls[i] = true;
      const flags = this.made.ensure(count);
      kernels.scatterBits(bitmap.pointer, bitmap.bitOffset, rows, count, places, flags);
      slots[validity] = this.keep(flags, count);
    });
    instance.view32(block, 2 + this.slots).set([this.block, starts, ...slots]);
    this.block = block;
    const begins = instance.view32(starts, parts + 1);
    for (let part = 0; part < parts; part++) rowsPut[part]! += begins[part + 1]! - begins[part]!;
  }

  /** The most that these rows take, each piece rounded up to 16 bytes. */
  private roomFor(data: readonly Data[], { start, length, count }: Window): number {
    const parts = this.put!.rows.length;
    const each = this.lanes.map(({ layout, shift }, i) => {
      const strings = layout.kind === 'string' ? bytesOf(data[i]!, start, length) + parts * 20 : 0;
      return (count << shift) + (hasNulls(data[i]!) ? count : 0) + strings + 128;
    });
    return each.reduce((sum, bytes) => sum + bytes, (parts + this.slots + 8) * 4);
  }

  /** A copy of what was made in the cache. */
  private keep(made: number, bytes: number): number {
    const piece = this.cutOff(bytes);
    this.instance.kernels.copyLane(made, bytes, piece);
    return piece;
  }

  /** Sees to it that there is so much left of a slab; false where that would take too much. */
  private makeRoom(bytes: number): boolean {
    const { slab, instance } = this;
    if (slab.next + bytes <= slab.end) return true;
    const left = this.options.bytesMax - instance.usedBytes;
    let size = Math.max(2 ** Math.ceil(Math.log2(bytes + slackBytes)), Math.min(slab.bytes * 2, slabMax));
    while (size > left && size / 2 >= bytes + slackBytes) size /= 2;
    if (size > left) return false;
    slab.bytes = size;
    slab.next = instance.alloc(size - slackBytes);
    slab.end = slab.next + size - slackBytes;
    return true;
  }

  /** A piece of the slab, aligned to 16, for which room was made. */
  private cutOff(bytes: number): number {
    const { slab } = this;
    const piece = slab.next;
    slab.next += Math.ceil(bytes / 16) * 16;
    invariant(slab.next <= slab.end, 'more was put aside than there was room made for');
    return piece;
  }

  /** From now on nothing is put aside; `add` gets what was, a part at a time. */
  drain(add: (batch: RecordBatch) => void): void {
    const { memory } = this;
    this.isDrained = true;
    this.block = 0;
    if (memory === undefined) return;
    const reader = new AsideReader(this.instance, this.lanes.map(({ column }) => column));
    for (let part = 0; part < memory.rows.length; part++) {
      for (const batch of reader.batches([partAside(memory, part)])) add(batch);
    }
  }

  /** What was put aside so far; undefined where nothing was. */
  get memory(): AsideMemory | undefined {
    if (this.block === 0) return undefined;
    const { rows, cut } = this.put!;
    return { block: this.block, rows: rows.slice(), nulls: [...this.nulls], cut };
  }
}

/** The bounds of parts, ready to be asked (kernel/part.ts). */
export function newSearch(instance: Instance, { bounds }: Cut): number {
  const parts = bounds.length + 1;
  const search = instance.alloc(instance.kernels.searchBytes(parts));
  const block = instance.alloc(bounds.byteLength);
  instance.put(bounds, block);
  instance.kernels.newSearch(block, parts, search);
  instance.free(block, bounds.byteLength);
  return search;
}

const undecided = 0;
const declined = 1;
const slabMax = 2 ** 24;

/** Rows of a part that are brought together at a time, about: as many as are worked on at a time. */
const rowsTogether = 12_288;

/** Brings together what was put aside of a part, as batches. */
export class AsideReader {
  private readonly lanes: readonly Lanes[];
  private readonly schema: Schema;
  private readonly chosen: number;
  /** Of each column: offsets, values, validity. */
  private readonly buffers: readonly (readonly [Buffer64, Buffer64, Buffer64])[];

  constructor(
    private readonly instance: Instance,
    private readonly columns: readonly AsideColumn[],
  ) {
    this.lanes = lanesOf(columns).lanes;
    this.schema = new Schema(columns.map(({ name, type }) => new Field(name, type, true)));
    this.chosen = instance.alloc(16);
    this.buffers = columns.map(() => [new Buffer64(instance), new Buffer64(instance), new Buffer64(instance)]);
  }

  /** What several threads put aside of one part; each batch is good until the next is asked for. */
  *batches(aside: readonly PartAside[]): Generator<RecordBatch> {
    const { instance, chosen } = this;
    for (const { block: newest, part, nulls } of aside) {
      for (let block = newest; block !== 0; ) {
        instance.kernels.blocksOf(block, part, rowsTogether, chosen);
        const [next, blocks, rows] = instance.view32(chosen, 3) as unknown as [number, number, number];
        if (rows > 0) yield this.batchOf({ block, blocks, part, rows }, nulls);
        block = next;
      }
    }
  }

  private batchOf(some: BlocksOfPart, nulls: readonly boolean[]): RecordBatch {
    const { rows } = some;
    const children = this.columns.map(({ type }, i) => new Data(type, 0, rows, nulls[i] ? -1 : 0, this.buffersOf(i, some, nulls[i]!) as never));
    return new RecordBatch(this.schema, makeData({ type: new Struct(this.schema.fields), length: rows, nullCount: 0, children }));
  }

  private buffersOf(column: number, { block, blocks, part, rows }: BlocksOfPart, isNullable: boolean): (ArrayBufferView | undefined)[] {
    const { instance } = this;
    const { kernels } = instance;
    const { column: { type }, layout, shift, values, validity } = this.lanes[column]!;
    const [offsets, words, flags] = this.buffers[column]!;
    const gather = (slot: number, shift: number, into: Buffer64, room = 0): number => {
      const lane = into.ensure((rows << shift) + room);
      kernels.gatherLane(block, blocks, slot, shift, part, lane);
      return lane;
    };
    const gatherBits = (slot: number, into: Buffer64): ArrayBufferView => {
      const lane = gather(slot, 0, into);
      kernels.packBits(lane, rows);
      return instance.view8(lane, (rows + 7) >> 3);
    };
    const bitmap = isNullable ? gatherBits(validity, flags) : undefined;
    if (layout.kind === 'string') {
      const lengths = gather(values, shift, offsets, 4);
      kernels.offsetsOf(lengths, rows);
      const bytes = kernels.bytesOfPart(block, blocks, values + 1, part) >>> 0;
      // Also where all are empty, strings are somewhere.
      const place = words.ensure(bytes + 1);
      kernels.gatherBytes(block, blocks, values + 1, part, place);
      return [new Int32Array(instance.view8(lengths, rows * 4 + 4).buffer, lengths, rows + 1), instance.view8(place, bytes), bitmap];
    }
    if (layout.kind === 'bool') return [undefined, gatherBits(values, words), bitmap];
    const lane = gather(values, shift, words);
    return [undefined, instance.viewAs(type.ArrayType as unknown as ViewType, lane, rows << shift), bitmap];
  }
}

/** Some blocks of one thread, and what they have of one part. */
interface BlocksOfPart {
  readonly block: number;
  readonly blocks: number;
  readonly part: number;
  readonly rows: number;
}

/** Whether a column can be put aside as it is here. */
function isCarried({ type }: AsideColumn, data: Data): boolean {
  return !DataType.isDictionary(data.type) && layoutOf(type).kind !== 'other';
}

function bytesOf(data: Data, start: number, length: number): number {
  const offsets = data.valueOffsets as unknown as Int32Array | BigInt64Array;
  return Number(offsets[start + length] ?? 0) - Number(offsets[start] ?? 0);
}

/**
 * Rows that are put aside by part and grouped later, a part at a time: where there are so many groups that their states outgrow the
 * processor's cache, each row would wait for memory, and the groups of all threads would have to be merged.
 *
 *   rows ─▶ which part, a range of keys ─▶ columns by part (kernel/aside.ts) ─▶ the rows of one part as a batch ─▶ parts.ts
 *
 * Whether it is worth it is told by the first rows, once for all threads of a run, which share a cell: 0 undecided, 1 no, else where
 * the cut lies (`| parts u32 | skipped u32 | prefix u64 | bounds u64 … |`). Rows that cannot be put aside, for want of room or for what their
 * columns are, are grouped at once: what a part has of both is merged.
 */
import { Data, DataType, Field, makeData, RecordBatch, Schema, Struct } from '../arrow/arrow.ts';
import { type Cut, cutForAside } from './cut.ts';
import type { ColumnGrouper, Window } from './grouper.ts';
import type { Instance } from './instance.ts';
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
  /** Of each part: the bytes of its strings. */
  readonly bytes: Float64Array;
  /** Of each column, whether a row has no value. */
  readonly nulls: readonly boolean[];
  readonly cut: Cut;
}

/** What a thread has put aside of one part. */
export interface PartAside {
  readonly block: number;
  readonly part: number;
  readonly rows: number;
  readonly bytes: number;
  readonly nulls: readonly boolean[];
}

export function partAside({ block, rows, bytes, nulls }: AsideMemory, part: number): PartAside {
  return { block, part, rows: rows[part]!, bytes: bytes[part]!, nulls };
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
  private put: { readonly cut: Cut; readonly search: number; readonly rows: Uint32Array; readonly bytes: Float64Array } | undefined;

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
    return this.isDrained || this.decision === declined;
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
    if (this.instance.usedBytes + this.roomFor(data, window) > this.options.bytesMax) return false;
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
      instance.view32(address, 2).set([cut.bounds.length + 1, cut.skipped]);
      instance.view64(address + 8, 1)[0] = BigInt.asIntN(64, cut.prefix);
      instance.put(cut.bounds, address + 16);
    }
    Atomics.compareExchange(instance.view32(this.cell, 1), 0, undecided, address);
  }

  private begin(address: number): NonNullable<Aside['put']> {
    const { instance } = this;
    const [parts, skipped] = instance.view32(address, 2) as unknown as [number, number];
    const [prefix, ...bounds] = instance.view64(address + 8, parts).slice() as unknown as [bigint, ...bigint[]];
    const cut = { bounds: BigUint64Array.from(bounds, (bound) => BigInt.asUintN(64, bound)), prefix: BigInt.asUintN(64, prefix), skipped };
    return { cut, search: newSearch(instance, cut), rows: new Uint32Array(parts), bytes: new Float64Array(parts) };
  }

  private putRows(data: readonly Data[], window: Window): void {
    const { instance } = this;
    const { kernels } = instance;
    const { start, length, rows, count } = window;
    const { cut, search, rows: rowsPut, bytes: bytesPut } = this.put!;
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
        const ends = instance.view32(byteStarts, parts + 1);
        for (let part = 0; part < parts; part++) bytesPut[part]! += ends[part + 1]! - ends[part]!;
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

  /** The most that these rows take. */
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

  /** A piece of a slab, aligned to 16. */
  private cutOff(bytes: number): number {
    const { slab } = this;
    if (slab.next + bytes > slab.end) {
      slab.bytes = Math.max(Math.min(slab.bytes * 2, slabMax), bytes);
      slab.next = this.instance.alloc(slab.bytes);
      slab.end = slab.next + slab.bytes;
    }
    const piece = slab.next;
    slab.next += Math.ceil(bytes / 16) * 16;
    return piece;
  }

  /** From now on nothing is put aside; `add` gets what was, a part at a time. */
  drain(add: (batch: RecordBatch) => void): void {
    const { memory } = this;
    this.isDrained = true;
    this.block = 0;
    if (memory === undefined) return;
    const columns = this.lanes.map(({ column }) => column);
    for (let part = 0; part < memory.rows.length; part++) {
      if (memory.rows[part] === 0) continue;
      const { batch, free } = asideBatch(this.instance, columns, [partAside(memory, part)]);
      add(batch);
      free();
    }
  }

  /** What was put aside so far; undefined where nothing was. */
  get memory(): AsideMemory | undefined {
    if (this.block === 0) return undefined;
    const { rows, bytes, cut } = this.put!;
    return { block: this.block, rows: rows.slice(), bytes: bytes.slice(), nulls: [...this.nulls], cut };
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

/** What several threads have put aside of one part as a batch; `free` gives the memory back that it lies in. */
export function asideBatch(
  instance: Instance, columns: readonly AsideColumn[], aside: readonly PartAside[],
): { readonly batch: RecordBatch; free(): void } {
  const { kernels } = instance;
  const taken: { readonly block: number; readonly bytes: number }[] = [];
  const take = (bytes: number): number => {
    const block = instance.alloc(bytes);
    taken.push({ block, bytes });
    return block;
  };
  const rows = aside.reduce((sum, each) => sum + each.rows, 0);
  const bytes = aside.reduce((sum, each) => sum + each.bytes, 0);
  const view = (ArrayType: ViewType, address: number, length: number): ArrayBufferView => {
    const { buffer } = instance.view8(address, length * ArrayType.BYTES_PER_ELEMENT);
    return new ArrayType(buffer, address, length);
  };
  const gather = (slot: number, shift: number, room = 0): number => {
    const lane = take((rows << shift) + room);
    let done = 0;
    for (const { block, part, rows: some } of aside) {
      kernels.gatherLane(block, slot, shift, part, lane + (done << shift));
      done += some;
    }
    return lane;
  };
  const gatherBits = (slot: number): ArrayBufferView => {
    const flags = gather(slot, 0);
    kernels.packBits(flags, rows);
    return view(Uint8Array, flags, (rows + 7) >> 3);
  };
  const data = lanesOf(columns).lanes.map(({ column: { type }, layout, shift, values, validity }, i) => {
    const isNullable = aside.some(({ nulls }) => nulls[i]!);
    const bitmap = isNullable ? gatherBits(validity) : undefined;
    const buffers: (ArrayBufferView | undefined)[] = [undefined, undefined, bitmap];
    if (layout.kind === 'string') {
      const lengths = gather(values, shift, 4);
      kernels.offsetsOf(lengths, rows);
      const place = take(bytes);
      let size = 0;
      for (const { block, part } of aside) size += kernels.gatherBytes(block, values + 1, part, place + size) >>> 0;
      buffers[0] = view(Int32Array, lengths, rows + 1);
      buffers[1] = view(Uint8Array, place, size);
    } else if (layout.kind === 'bool') {
      buffers[1] = gatherBits(values);
    } else {
      const ArrayType = type.ArrayType as unknown as ViewType;
      buffers[1] = view(ArrayType, gather(values, shift), (rows << shift) / ArrayType.BYTES_PER_ELEMENT);
    }
    return new Data(type, 0, rows, isNullable ? -1 : 0, buffers as never);
  });
  const fields = columns.map(({ name, type }) => new Field(name, type, true));
  const batch = new RecordBatch(new Schema(fields), makeData({ type: new Struct(fields), length: rows, nullCount: 0, children: data }));
  return { batch, free: () => taken.forEach(({ block, bytes }) => instance.free(block, bytes)) };
}

interface ViewType {
  new (buffer: ArrayBufferLike, offset: number, length: number): ArrayBufferView;
  readonly BYTES_PER_ELEMENT: number;
}

/** Whether a column can be put aside as it is here. */
function isCarried({ type }: AsideColumn, data: Data): boolean {
  return !DataType.isDictionary(data.type) && layoutOf(type).kind !== 'other';
}

function bytesOf(data: Data, start: number, length: number): number {
  const offsets = data.valueOffsets as unknown as Int32Array | BigInt64Array;
  return Number(offsets[start + length] ?? 0) - Number(offsets[start] ?? 0);
}

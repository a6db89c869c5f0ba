/**
 * Events that wait in parts by their entities until a part has enough of them: then these are located and added together, while the
 * points and the states of that part, and of no other, are in the processor's cache. Where there are many stretches, each event would
 * wait for its own states otherwise, and for the pages that those are in.
 *
 *   events ─▶ which part, a range of entities ─▶ columns by part (kernel/parted.ts) ─▶ a part is full: located, added
 *
 * Parts are cut by points, so that each has about as many stretches; an entity is in one part. Law: which events wait changes no bit.
 */
import { Data, type DataType } from '../../arrow/arrow.ts';
import type { AsideColumn } from '../aside.ts';
import type { Numbered } from './locator.ts';
import type { Window } from '../grouper.ts';
import type { Instance, ViewType } from '../instance.ts';
import type { Moments } from '../plan.ts';
import { lengthened, type Short } from '../short.ts';
import { Buffer64, type ColumnStage, hasNulls } from '../staging.ts';
import { layoutOf } from '../types.ts';

/** A column of a batch, and its short form where it has one. */
export interface StagedColumn {
  readonly data: Data;
  readonly stage: ColumnStage;
  readonly short: Short | undefined;
}

/** Some events of one part: where the numbers of their entities are, and the columns, of which these are the rows of the window. */
export interface Waiting {
  readonly numbers: number;
  readonly columns: readonly Data[];
  readonly window: Window;
}

export interface PartedOptions {
  /** About how many rows are to come. */
  readonly rowsExpected: number;
  /** Bytes that events may wait in. */
  readonly bytesMax: number;
  /** For tests: so many parts, however few stretches there are, with room for one event each beside those that come at a time. */
  readonly parts?: number | undefined;
}

/** From so many stretches on, of which each part has about so many; what is known of an entity's part are eight bits. */
const stretchesOf = { least: 1 << 17, part: 1 << 14 } as const;
const partsMost = 255;
/** Fewer rows would not fill the parts. */
const rowsLeast = 1 << 20;
/** What the events of a thread wait in, at most: the more wait, the more of them the states of a part are fetched for. */
const waitingBytes = 40 * 2 ** 20;
/** The part of an entity is looked up for at most so many ranges of entities. */
const rangesMost = 1 << 12;

interface Lane {
  readonly shift: number;
  readonly type: DataType;
  readonly pointer: number;
}

/** Events of a part that are located at a time: what is known of them stays in the nearer cache until their states are visited. */
export const locatedAtOnce = 4_096;

/** Where events wait. */
interface Room {
  /** Events of each part. */
  readonly each: number;
  readonly numbers: number;
  readonly lanes: readonly Lane[];
  readonly bytes: readonly { readonly pointer: number; readonly bytes: number }[];
}

interface Cut {
  readonly partOf: Uint8Array;
  readonly shift: number;
  readonly parts: number;
}

export class PartedEvents {
  private readonly partOf: number;
  private readonly fills: number;
  private readonly places: Buffer64;
  private readonly wide: Buffer64;
  private room: Room | undefined;

  private constructor(
    private readonly instance: Instance,
    private readonly columns: readonly AsideColumn[],
    private readonly entities: number,
    private readonly cut: Cut,
    /** Events that come at a time, at most. */
    private readonly batchSize: number,
    private readonly each: number,
    private readonly add: (waiting: Waiting) => void,
  ) {
    this.partOf = instance.placed(cut.partOf);
    this.fills = instance.alloc(cut.parts * 4);
    instance.view32(this.fills, cut.parts).fill(0);
    this.places = new Buffer64(instance);
    this.wide = new Buffer64(instance);
  }

  /** Undefined where it would not pay, or there is no room for it, or the columns cannot wait. `add` is given what has waited. */
  static of(
    instance: Instance, columns: readonly AsideColumn[], moments: Moments, batchSize: number, options: PartedOptions, add: (waiting: Waiting) => void,
  ): PartedEvents | undefined {
    const { count, starts } = moments;
    const isForced = options.parts !== undefined;
    if (count === 0 || !columns.every(({ type }) => isWord(type))) return undefined;
    if (!isForced && (count < stretchesOf.least || options.rowsExpected < rowsLeast)) return undefined;
    const parts = Math.min(options.parts ?? Math.ceil(count / stretchesOf.part), partsMost);
    const cut = cutEntities(starts, count, parts);
    const rowBytes = columns.reduce((sum, { type }) => sum + bytesOf(type), 4);
    const each = isForced ? batchSize + 1 : Math.floor(Math.min(waitingBytes, options.bytesMax) / (cut.parts * rowBytes));
    return each > batchSize ? new PartedEvents(instance, columns, starts.length - 1, cut, batchSize, each, add) : undefined;
  }

  /** Takes these rows; false where they cannot wait. */
  take({ window, firstKey, words }: Numbered, columns: readonly StagedColumn[]): boolean {
    if (window.count > this.batchSize || columns.some(({ data }) => hasNulls(data))) return false;
    const { instance, entities, cut: { shift, parts }, fills } = this;
    const { kernels } = instance;
    const { start, length, rows, count } = window;
    const room = (this.room ??= this.makeRoom());
    const places = this.places.ensure(count * 4);
    kernels.placesInParts(firstKey === undefined ? 0 : 1, words, firstKey ?? 0n, count, entities, shift, this.partOf, parts, fills, room.each, places, room.numbers);
    room.lanes.forEach(({ shift: wide, pointer }, i) => {
      const { data, stage, short } = columns[i]!;
      // Of few rows what is short is read: what it costs is the memory that is touched.
      if (rows !== 0 && short !== undefined) kernels.scatterLane(wide, lengthened(instance, data.type, short, window, this.wide), 0, count, places, pointer);
      else kernels.scatterLane(wide, stage.stageFixed(data, start, length), rows, count, places, pointer);
    });
    // A copy: the memory may grow meanwhile.
    instance.view32(fills, parts).slice().forEach((fill, part) => {
      if (fill > room.each - this.batchSize) this.empty(room, part, fill);
    });
    return true;
  }

  /** Adds all that wait, and gives the room back. */
  settle(): void {
    const { room, instance, fills, cut: { parts } } = this;
    if (room === undefined) return;
    instance.view32(fills, parts).slice().forEach((fill, part) => {
      if (fill > 0) this.empty(room, part, fill);
    });
    this.room = undefined;
    for (const { pointer, bytes } of room.bytes) instance.free(pointer, bytes);
  }

  private empty({ each, numbers, lanes }: Room, part: number, count: number): void {
    const { instance } = this;
    const first = part * each;
    const columns = lanes.map(({ type, shift, pointer }) => columnAt(instance, type, pointer + (first << shift), count << shift, count));
    for (let start = 0; start < count; start += locatedAtOnce) {
      const length = Math.min(locatedAtOnce, count - start);
      this.add({ numbers: numbers + (first + start) * 4, columns, window: { start, length, rows: 0, count: length } });
    }
    instance.view32(this.fills, this.cut.parts)[part] = 0;
  }

  private makeRoom(): Room {
    const { instance, each, cut: { parts } } = this;
    const places = parts * each + 1;
    const taken: { readonly pointer: number; readonly bytes: number }[] = [];
    const take = (bytes: number): number => {
      const pointer = instance.alloc(bytes);
      taken.push({ pointer, bytes });
      return pointer;
    };
    const numbers = take(places * 4);
    const lanes = this.columns.map(({ type }): Lane => {
      const shift = Math.log2(bytesOf(type));
      return { type, shift, pointer: take(places << shift) };
    });
    return { each, numbers, lanes, bytes: taken };
  }
}

/** Whether values are words of up to eight bytes. */
function isWord(type: DataType): boolean {
  const { kind } = layoutOf(type);
  return kind === 'int' || kind === 'float';
}

const bytesOf = (type: DataType): number => (layoutOf(type) as { readonly bytes: number }).bytes;

/** Which part each range of 2^shift entities is in: the next where those before have their share of the points. */
function cutEntities(starts: Uint32Array, points: number, parts: number): Cut {
  const entities = starts.length - 1;
  let shift = 0;
  while (entities > rangesMost << shift) shift++;
  const partOf = new Uint8Array(Math.ceil(entities / 2 ** shift));
  let [part, share] = [0, 0];
  for (let range = 0; range < partOf.length; range++) {
    const reached = Math.floor((starts[range << shift]! / points) * parts);
    if (reached > share) {
      part++;
      share = reached;
    }
    partOf[range] = part;
  }
  return { partOf, shift, parts: part + 1 };
}

function columnAt(instance: Instance, type: DataType, pointer: number, bytes: number, rows: number): Data {
  return new Data(type, 0, rows, 0, [undefined, instance.viewAs(type.ArrayType as unknown as ViewType, pointer, bytes)] as never);
}

/**
 * Tables that live where the engine's threads work. An Arrow table lies in memory of the caller's thread, and a run copies of it what it
 * reads, each time; of a resident table nothing is copied.
 *
 *   | kept: arrays of column 0, column 1, …, one after the other; codes of keys; short forms | what a run needs … |
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Data, DataType, makeData, RecordBatch, Struct, Table, Vector } from '../../arrow/arrow.ts';
import { MemoryLimitError, throwIfCancelled } from '../../base/errors.ts';
import { slackBytes } from '../instance.ts';
import { makeShortForms } from '../beside-columns.ts';
import { encodeColumn, isCodable } from './coded.ts';
import { CommonMemory, forget } from './common-memory.ts';
import { arraysOf } from './packing.ts';

/** What a run needs beside the table: less is never left for it. */
const roomBytes = 2 ** 29;
const residentMax = 2 ** 32 - roomBytes;
/** Copied at a time, before others get their turn. */
const copiedPerTurn = 2 ** 24;
const alignment = 64;
const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

/** By the buffer of its columns. */
const homes = new WeakMap<ArrayBufferLike, CommonMemory>();
const departed = new FinalizationRegistry<number>(forget);

/** The memory that a table lives in. */
export function homeOf({ batches }: Table): CommonMemory | undefined {
  for (const { data } of batches) {
    for (const child of data.children) {
      const array = (child?.values ?? child?.valueOffsets) as ArrayBufferView | undefined;
      const home = array && homes.get(array.buffer);
      if (home !== undefined) return home;
    }
  }
  return undefined;
}

/**
 * The same table in memory that the engine's threads share: `groupBy` reads it in place, on all threads, with nothing copied. For
 * tables that are asked more than once. Keys of text, in a dictionary or not, or of 64-bit integers far apart, of which each value stands in four
 * rows or more get codes, which are grouped by instead (coded.ts). To sort a million of them holds up the event
 * loop for a quarter of a second. Timestamps get a byte a row, by which ranges of time are found (coarse.ts); they and
 * amounts in cents get short forms of two or four bytes, which are read where few rows are wanted (short.ts). Nested columns stay
 * where they are. The memory is returned when the table is garbage; what a question over it needs is taken there too, at most
 * 4 GiB together.
 *
 * Throws MemoryLimitError where the table takes more than 3.5 GiB or the system has no such room, CancelledError when `signal` says so.
 */
export async function residentTable(table: Table, options: { readonly signal?: AbortSignal } = {}): Promise<Table> {
  throwIfCancelled(options.signal, 'residentTable');
  const plan = new ArrayPlan();
  const batches = table.batches.map(({ numRows, data }) => ({ numRows, columns: data.children.map((column) => planColumn(column!, plan)) }));
  const home = makeHome(plan.bytes);
  const place = await copyArrays(plan, home, options.signal);
  const { schema } = table;
  const struct = new Struct(schema.fields);
  const resident = batches.map(({ numRows, columns }) => ({ numRows, children: columns.map((column) => column(place)) }));
  for (const [i, { type }] of schema.fields.entries()) {
    const parts = resident.map(({ children }) => children[i]!);
    const beside = { home, most: residentMax, signal: options.signal };
    if (isCodable(type)) await orWithout(encodeColumn(parts, beside));
    await orWithout(makeShortForms(parts, type, beside));
  }
  return new Table(
    schema,
    resident.map(({ numRows, children }) => new RecordBatch(schema, makeData({ type: struct, length: numRows, nullCount: 0, children }))),
  );
}

/** Arrays that are to be copied, and where each will be, counted from the first. */
class ArrayPlan {
  bytes = 0;
  readonly arrays: { readonly array: ArrayBufferView; readonly at: number }[] = [];
  readonly dictionaries = new Map<Data, (place: Place) => Data>();

  add(array: ArrayBufferView | null | undefined): Planned | undefined {
    if (array === undefined || array === null) return undefined;
    const at = this.bytes;
    this.arrays.push({ array, at });
    this.bytes = aligned(at + array.byteLength + slackBytes);
    return { at, ArrayType: array.constructor as ArrayConstructor, length: array.byteLength / (array as Uint8Array).BYTES_PER_ELEMENT };
  }
}

type ArrayConstructor = new (buffer: ArrayBufferLike, offset: number, length: number) => ArrayBufferView;

interface Planned {
  readonly at: number;
  readonly ArrayType: ArrayConstructor;
  readonly length: number;
}

/** The array that was copied. */
type Place = (planned: Planned | undefined) => ArrayBufferView | undefined;

/** What stands beside columns may find no room: it is the same table. */
async function orWithout(made: Promise<void>): Promise<void> {
  try {
    await made;
  } catch (error) {
    if (!(error instanceof MemoryLimitError)) throw error;
  }
}

/** Plans a column's arrays; what is returned makes the column of them. */
function planColumn(data: Data, plan: ArrayPlan): (place: Place) => Data {
  if (data.children.length > 0) return () => data;
  const { validity, offsets, values, firstByte = 0 } = arraysOf(data, 0, data.length);
  const planned = [plan.add(firstByte === 0 ? offsets : shifted(offsets!, firstByte)), plan.add(values), plan.add(validity)] as const;
  const dictionary = DataType.isDictionary(data.type) ? planDictionary(data.dictionary!, plan) : undefined;
  const nullCount = validity === undefined && !DataType.isNull(data.type) ? 0 : data.nullCount;
  return (place) => new Data(data.type, data.offset & 7, data.length, nullCount, planned.map(place) as never, [], dictionary?.(place));
}

/** Batches share their dictionaries. */
function planDictionary(dictionary: Vector, plan: ArrayPlan): (place: Place) => Vector {
  const chunks = dictionary.data.map((data) => {
    const planned = plan.dictionaries.get(data) ?? once(planColumn(data, plan));
    plan.dictionaries.set(data, planned);
    return planned;
  });
  return (place) => new Vector(chunks.map((chunk) => chunk(place)));
}

function once(make: (place: Place) => Data): (place: Place) => Data {
  let made: Data | undefined;
  return (place) => (made ??= make(place));
}

function shifted(offsets: Int32Array | BigInt64Array, firstByte: number): Int32Array | BigInt64Array {
  return offsets instanceof Int32Array ? offsets.map((offset) => offset - firstByte) : offsets.map((offset) => offset - BigInt(firstByte));
}

function makeHome(bytes: number): CommonMemory {
  if (bytes > residentMax) {
    throw new MemoryLimitError('residentTable', residentMax, `the table takes ${bytes} bytes, of at most ${residentMax}; keep fewer columns or rows resident`);
  }
  try {
    const home = new CommonMemory(bytes + 2 ** 20);
    departed.register(home, home.id);
    return home;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new MemoryLimitError('residentTable', bytes, `the system has no room for a shared memory of ${bytes} bytes; let other resident tables go first`);
  }
}

/** Copies all arrays into a new memory, where they are kept. */
async function copyArrays({ bytes, arrays }: ArrayPlan, home: CommonMemory, signal: AbortSignal | undefined): Promise<Place> {
  const { instance } = home;
  instance.begin(undefined);
  const first = aligned(instance.alloc(bytes + alignment));
  let sinceTurn = 0;
  for (const { array, at } of arrays) {
    for (let start = 0; start < array.byteLength; start += copiedPerTurn) {
      const length = Math.min(copiedPerTurn, array.byteLength - start);
      instance.put(new Uint8Array(array.buffer, array.byteOffset + start, length), first + at + start);
      sinceTurn += length;
      if (sinceTurn < copiedPerTurn) continue;
      sinceTurn = 0;
      await nextTurn();
      throwIfCancelled(signal, 'residentTable');
    }
  }
  home.kept = aligned(first + bytes);
  const { buffer } = instance.view8(first, bytes);
  homes.set(buffer, home);
  return (planned) => planned && new planned.ArrayType(buffer, first + planned.at, planned.length);
}

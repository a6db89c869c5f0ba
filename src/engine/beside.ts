/**
 * What stands beside the columns of resident tables: an array with an element for each row, and facts about it. Found by where the arrays of a
 * column lie, so that slices have theirs too; forgotten with the memory. Some of it travels to threads with a batch.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Data, DataType, Field, Int32, makeData, RecordBatch, Schema, Struct, Uint16, Uint8 } from '../arrow/arrow.ts';
import { throwIfCancelled } from '../base/errors.ts';
import { type Instance, slackBytes } from './instance.ts';
import type { CommonMemory } from './threads/common-memory.ts';

/** Where it comes to stand in the memory of a table, and may not reach beyond. */
export interface BesidePlace {
  readonly home: CommonMemory;
  readonly most: number;
  readonly signal: AbortSignal | undefined;
}

/** Rows that are worked on at a time, and after how many times others get their turn. */
export const rowsAtOnce = 1 << 16;
const chunksPerTurn = 4;

/** Where the elements of all rows of a column are to be made. */
export interface BesideRows {
  readonly instance: Instance;
  readonly at: number;
  readonly rows: number;
  /** Calls `work` for rows of one part after the other, `before` of them being done with, until it says false; whether it never did. */
  each(work: (part: Data, start: number, count: number, before: number) => boolean): Promise<boolean>;
}

/**
 * Has `make` make elements of up to so many bytes for each row of a column that lies in `home`. It says how many it made, as many as there move up what is
 * kept; 0: nothing. Not called where there are no rows, or no room for them.
 */
export async function makeBeside(parts: readonly Data[], { home, most, signal }: BesidePlace, bytesEach: number, make: (rows: BesideRows) => Promise<number>): Promise<void> {
  const rows = parts.reduce((sum, { length }) => sum + length, 0);
  const { instance, kept } = home;
  const endOf = (bytes: number): number => kept + Math.ceil((rows * bytes + slackBytes) / 64) * 64;
  const end = endOf(bytesEach);
  if (rows === 0 || end > most || parts.some((part) => placeOf(part) === undefined || !part.values)) return;
  instance.begin(undefined, end);
  try {
    const made = await make({ instance, at: kept, rows, each: (work) => eachChunk(instance, parts, signal, work) });
    if (made > 0) home.kept = endOf(made);
  } finally {
    instance.begin(undefined, home.kept);
  }
}

async function eachChunk(instance: Instance, parts: readonly Data[], signal: AbortSignal | undefined, work: Parameters<BesideRows['each']>[0]): Promise<boolean> {
  let before = 0;
  let sinceTurn = 0;
  for (const part of parts) {
    for (let start = 0; start < part.length; start += rowsAtOnce) {
      const count = Math.min(rowsAtOnce, part.length - start);
      if (!instance.guard(() => work(part, start, count, before))) return false;
      before += count;
      if (++sinceTurn < chunksPerTurn) continue;
      sinceTurn = 0;
      await nextTurn();
      throwIfCancelled(signal, 'residentTable');
    }
  }
  return true;
}

interface Rows<Elements, Facts> {
  /** Where the values of the first row, or its offset, begin, and how many bytes each row has there. */
  readonly at: number;
  readonly width: number;
  readonly elements: Elements;
  readonly facts: Facts;
}

/** The array of a column that has an element for each row: of text, words of 64 bits, or codes into a dictionary. */
function placeOf({ type, valueOffsets, values }: Data): ArrayBufferView | undefined {
  const array = DataType.isUtf8(type) ? valueOffsets : (values as BigInt64Array | null | undefined);
  return array?.BYTES_PER_ELEMENT === widthOf(type) ? array : undefined;
}

const widthOf = (type: DataType): number => (DataType.isUtf8(type) ? 4 : DataType.isDictionary(type) ? type.indices.bitWidth / 8 : 8);

export class Beside<Elements extends Int32Array | Uint16Array | Uint8Array, Facts> {
  private readonly byBuffer = new WeakMap<ArrayBufferLike, Rows<Elements, Facts>[]>();

  /** `elements`: of the rows of all parts, one after the other. */
  keep(parts: readonly Data[], elements: Elements, facts: Facts): void {
    let start = 0;
    for (const part of parts) {
      const { buffer, byteOffset } = placeOf(part)!;
      const known = this.byBuffer.get(buffer) ?? [];
      this.byBuffer.set(buffer, known);
      known.push({ at: byteOffset, width: widthOf(part.type), elements: elements.subarray(start, start + part.length) as Elements, facts });
      start += part.length;
    }
  }

  /** Of a column, or of a slice of one. */
  of(data: Data): { readonly elements: Elements; readonly facts: Facts } | undefined {
    const place = placeOf(data);
    if (place === undefined) return undefined;
    for (const { at, width, elements, facts } of this.byBuffer.get(place.buffer) ?? []) {
      const first = (place.byteOffset - at) / width;
      if (width === widthOf(data.type) && first >= 0 && first + data.length <= elements.length) return { elements: elements.subarray(first, first + data.length) as Elements, facts };
    }
    return undefined;
  }
}

/** How a travelling array is made: the value that stands for what comes first, and a scale. */
export type Scale = readonly [first: bigint, by: bigint];

/** Where an array stands in batches of a schema. */
interface TravellingField {
  readonly index: number;
  readonly scale: Scale;
}

/** An array that travels with a batch, as a column whose name says of which column it is and how it is made. */
export class Travelling<Elements extends Int32Array | Uint16Array | Uint8Array> extends Beside<Elements, Scale> {
  private readonly bySchema = new WeakMap<Schema, Map<string, TravellingField | 'none'>>();

  constructor(private readonly kind: string) {
    super();
  }

  private prefix(column: string): string {
    return `\0${this.kind} ${column}\0`;
  }

  /** The batch with what stands beside this column, where anything does. */
  joined(batch: RecordBatch, column: string): RecordBatch {
    const { fields } = batch.schema;
    const data = batch.data.children[fields.findIndex(({ name }) => name === column)];
    const beside = data && this.of(data);
    if (beside === undefined) return batch;
    const { elements } = beside;
    const type = elements instanceof Int32Array ? new Int32() : elements instanceof Uint16Array ? new Uint16() : new Uint8();
    const schema = new Schema([...fields, new Field(`${this.prefix(column)}${beside.facts.join(' ')}`, type, false)]);
    const children = [...batch.data.children, makeData({ type, length: batch.numRows, nullCount: 0, data: elements } as never)];
    return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: batch.numRows, nullCount: 0, children: children as never }));
  }

  /** What travels with a batch of this column. */
  found(batch: RecordBatch, column: string): { readonly data: Data; readonly scale: Scale } | undefined {
    let known = this.bySchema.get(batch.schema);
    if (known === undefined) this.bySchema.set(batch.schema, (known = new Map()));
    let field = known.get(column);
    if (field === undefined) known.set(column, (field = this.fieldIn(batch.schema, column) ?? 'none'));
    return field === 'none' ? undefined : { data: batch.data.children[field.index]!, scale: field.scale };
  }

  private fieldIn({ fields }: Schema, column: string): TravellingField | undefined {
    const prefix = this.prefix(column);
    const index = fields.findIndex(({ name }) => name.startsWith(prefix));
    if (index < 0) return undefined;
    return { index, scale: fields[index]!.name.slice(prefix.length).split(' ').map(BigInt) as [bigint, bigint] };
  }
}

/** The columns of a batch that travel with it. */
export const travellingFields = ({ schema: { fields } }: RecordBatch): Field[] => fields.filter(({ name }) => name.startsWith('\0'));

/**
 * The Arrow schema that writers embed in a Parquet footer under `ARROW:schema`: base64 of an encapsulated IPC message,
 * which is a FlatBuffer. Of it is read only what Parquet or ORC cannot say: time zones, seconds, Date64, large offsets,
 * narrow and unsigned integers, halves, Null.
 *
 *   table    | … | back to its vtable, i32 | fields … |       vtable   | its size | table's size | where field 0 is | …
 *
 * apache-arrow reads such messages too, but believes every count in them, and one flipped bit can make it fill the memory.
 * Law: every read is inside the message and the work is bounded by its length. It is a hint: what cannot be understood is
 * as good as absent.
 */
import type { Schema } from '../../arrow/arrow.ts';
import { arrow } from '../../arrow/late.ts';

/** What the embedded schema adds to the type of a column. */
export type EmbeddedType =
  | { readonly kind: 'large' | 'date64' | 'half' | 'null' }
  | { readonly kind: 'integer'; readonly bitWidth: number; readonly isSigned: boolean }
  | { readonly kind: 'timestamp'; readonly unit: number; readonly timezone: string | undefined };

/** The text to embed for this schema. */
export function embeddedSchema(schema: Schema): string {
  const { Schema, Table, tableToIPC } = arrow();
  const stream = tableToIPC(new Table(new Schema(schema.fields)), 'stream');
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  // A marker, the length of the schema's message, and the message; what follows is the end of the stream.
  const end = 8 + view.getInt32(4, true);
  return Buffer.from(stream.buffer, stream.byteOffset, end).toString('base64');
}

const textMax = 16 * 1024 * 1024;

/** Of the top-level columns those to which the schema adds something, by name. */
export function embeddedTypes(text: string | undefined): ReadonlyMap<string, EmbeddedType> {
  const types = new Map<string, EmbeddedType>();
  if (text === undefined || text.length > textMax) return types;
  const bytes = Buffer.from(text, 'base64');
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // Old writers leave out the marker before the length.
    const start = view.getInt32(0, true) === -1 ? 8 : 4;
    const message = tableAt(view, start);
    if (byteOf(message, messageField.headerType) !== schemaMessage) return types;
    for (const field of tablesOf(message.view, pointerOf(tableOf(message, messageField.header), schemaField.fields))) {
      const name = textOf(field, columnField.name);
      const type = embeddedType(field);
      if (name !== undefined && type !== undefined && !types.has(name)) types.set(name, type);
    }
  } catch (thrown) {
    // DataView's way to say that an offset leads out of the message.
    if (!(thrown instanceof RangeError)) throw thrown;
    types.clear();
  }
  return types;
}

const messageField = { headerType: 1, header: 2 } as const;
const schemaField = { fields: 1 } as const;
const columnField = { name: 0, typeKind: 2, type: 3 } as const;
const typeKind = { null: 1, int: 2, float: 3, date: 8, timestamp: 10, largeBinary: 19, largeUtf8: 20 } as const;
const schemaMessage = 1;

function embeddedType(field: FlatTable): EmbeddedType | undefined {
  const type = tableOf(field, columnField.type);
  switch (byteOf(field, columnField.typeKind)) {
    case typeKind.null:
      return { kind: 'null' };
    case typeKind.int:
      return { kind: 'integer', bitWidth: intOf(type, 0), isSigned: byteOf(type, 1) !== 0 };
    case typeKind.float:
      // Halves are the default, and so may be left out.
      return shortOf(type, 0, 0) === 0 ? { kind: 'half' } : undefined;
    case typeKind.date:
      // Milliseconds are the default, and so may be left out.
      return shortOf(type, 0, 1) === 1 ? { kind: 'date64' } : undefined;
    case typeKind.timestamp:
      return { kind: 'timestamp', unit: shortOf(type, 0, 0), timezone: textOf(type, 1) };
    case typeKind.largeBinary:
    case typeKind.largeUtf8:
      return { kind: 'large' };
    default:
      return undefined;
  }
}

interface FlatTable {
  readonly view: DataView;
  readonly at: number;
  readonly vtable: number;
}

/** The table that the offset at `pointer` leads to. */
function tableAt(view: DataView, pointer: number): FlatTable {
  const at = pointer + view.getUint32(pointer, true);
  return { view, at, vtable: at - view.getInt32(at, true) };
}

/** Where a field of the table is, or undefined when it was left out. */
function pointerOf({ view, at, vtable }: FlatTable, field: number): number | undefined {
  const entry = 4 + 2 * field;
  if (entry >= view.getUint16(vtable, true)) return undefined;
  const offset = view.getUint16(vtable + entry, true);
  return offset === 0 ? undefined : at + offset;
}

function tableOf(table: FlatTable, field: number): FlatTable {
  const pointer = pointerOf(table, field);
  if (pointer === undefined) throw new RangeError(`field ${field} is missing`);
  return tableAt(table.view, pointer);
}

function byteOf(table: FlatTable, field: number): number {
  const pointer = pointerOf(table, field);
  return pointer === undefined ? 0 : table.view.getUint8(pointer);
}

function shortOf(table: FlatTable, field: number, missing: number): number {
  const pointer = pointerOf(table, field);
  return pointer === undefined ? missing : table.view.getInt16(pointer, true);
}

function intOf(table: FlatTable, field: number): number {
  const pointer = pointerOf(table, field);
  return pointer === undefined ? 0 : table.view.getInt32(pointer, true);
}

function textOf(table: FlatTable, field: number): string | undefined {
  const pointer = pointerOf(table, field);
  if (pointer === undefined) return undefined;
  const { view } = table;
  const start = pointer + view.getUint32(pointer, true) + 4;
  const size = view.getUint32(start - 4, true);
  if (start + size > view.byteLength) throw new RangeError('a text ends beyond the message');
  return Buffer.from(view.buffer, view.byteOffset + start, size).toString('utf8');
}

function* tablesOf(view: DataView, pointer: number | undefined): Generator<FlatTable, void, void> {
  if (pointer === undefined) return;
  const start = pointer + view.getUint32(pointer, true);
  const count = view.getUint32(start, true);
  // Whatever the count, the message ends after four bytes for each.
  for (let i = 0; i < count; i++) yield tableAt(view, start + 4 + 4 * i);
}

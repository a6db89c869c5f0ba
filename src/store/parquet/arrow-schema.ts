/**
 * The Arrow schema that writers embed in a Parquet footer under `ARROW:schema`: base64 of an encapsulated IPC message.
 * It says what Parquet cannot: dictionaries, time zones, seconds, large offsets.
 */
import { type DataType, RecordBatchReader, Schema, Table, tableToIPC } from '../../arrow/arrow.ts';

const bytesMax = 16 * 1024 * 1024;

/** The text to embed for this schema. */
export function embeddedSchema(schema: Schema): string {
  const stream = tableToIPC(new Table(new Schema(schema.fields)), 'stream');
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  // A marker, the length of the schema's message, and the message; what follows is the end of the stream.
  const end = 8 + view.getInt32(4, true);
  return Buffer.from(stream.buffer, stream.byteOffset, end).toString('base64');
}

/** The types by column name. A hint only: what cannot be understood is as good as absent. */
export function embeddedTypes(text: string | undefined): ReadonlyMap<string, DataType> {
  const types = new Map<string, DataType>();
  if (text === undefined || text.length > bytesMax) return types;
  try {
    const reader = RecordBatchReader.from(Buffer.from(text, 'base64')).open();
    for (const { name, type } of reader.schema.fields) if (!types.has(name)) types.set(name, type);
  } catch {
    // Types newer than this library's Arrow, or damage: the Parquet schema is enough to read by.
    types.clear();
  }
  return types;
}

/**
 * Schemas as bytes, as they go to other threads and into files: an Arrow stream without rows. Each is written once, and the last ones are known by their bytes, since to
 * write or read one takes a third of a millisecond, and threads are told of the same ones again and again. Nobody may write to what is given out.
 */
import { LastAsked } from '../base/last-asked.ts';
import { type Schema, Table, tableFromIPC, tableToIPC } from './arrow.ts';

const streams = new WeakMap<Schema, Uint8Array>();
const known = new LastAsked<string, Schema>(32);

export function streamOfSchema(schema: Schema): Uint8Array {
  let stream = streams.get(schema);
  if (stream === undefined) streams.set(schema, (stream = tableToIPC(new Table(schema), 'stream')));
  return stream;
}

export function schemaOfStream(stream: Uint8Array): Schema {
  const text = Buffer.from(stream.buffer, stream.byteOffset, stream.byteLength).toString('latin1');
  const schema = known.get(text) ?? tableFromIPC(stream).schema;
  known.keep(text, schema);
  return schema;
}

/** The same as text, for files of JSON. */
export function textOfSchema(schema: Schema): string {
  return Buffer.from(streamOfSchema(schema)).toString('base64');
}

export function schemaOfText(text: string): Schema {
  return schemaOfStream(Buffer.from(text, 'base64'));
}

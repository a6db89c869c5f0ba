/**
 * Schemas as bytes, as they go to other threads: an Arrow stream without rows. Each is written once, and the last ones are known by their bytes, since to
 * write or read one takes a third of a millisecond, and threads are told of the same ones again and again. Nobody may write to what is given out.
 */
import { type Schema, Table, tableFromIPC, tableToIPC } from './arrow.ts';

const knownMax = 32;
const streams = new WeakMap<Schema, Uint8Array>();
/** In the order in which they were last asked for. */
const known = new Map<string, Schema>();

export function streamOfSchema(schema: Schema): Uint8Array {
  let stream = streams.get(schema);
  if (stream === undefined) streams.set(schema, (stream = tableToIPC(new Table(schema), 'stream')));
  return stream;
}

export function schemaOfStream(stream: Uint8Array): Schema {
  const text = Buffer.from(stream.buffer, stream.byteOffset, stream.byteLength).toString('latin1');
  const schema = known.get(text) ?? tableFromIPC(stream).schema;
  known.delete(text);
  known.set(text, schema);
  if (known.size > knownMax) known.delete(known.keys().next().value!);
  return schema;
}

/** Schemas as bytes and back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dictionary, Field, Float64, Int32, Int64, Schema, Timestamp, Utf8 } from '../../src/arrow/arrow.ts';
import { schemaOfStream, streamOfSchema } from '../../src/arrow/schema-stream.ts';

const told = ({ fields, metadata }: Schema) => [fields.map(({ name, type, nullable, metadata: of }) => [name, `${type}`, nullable, [...of]]), [...metadata]];

const schemas = [
  new Schema([new Field('a', new Int64(), false), new Field('b', new Timestamp(2, 'UTC'), true)]),
  new Schema([new Field('a', new Int64(), true), new Field('b', new Timestamp(2, 'UTC'), true)]),
  new Schema([new Field('a', new Dictionary(new Utf8(), new Int32(), 7), true)], new Map([['x', 'y']])),
  new Schema([]),
];

test('a schema comes back as it was, and those that differ little are not taken for each other', () => {
  for (const _ of [1, 2]) {
    for (const schema of schemas) assert.deepEqual(told(schemaOfStream(streamOfSchema(schema))), told(schema));
  }
});

test('the same bytes, wherever they are, give the same schema, until many others have been asked for', () => {
  const stream = streamOfSchema(schemas[0]!);
  const elsewhere = new Uint8Array(stream.length + 5);
  elsewhere.set(stream, 5);
  const first = schemaOfStream(stream);
  assert.equal(schemaOfStream(elsewhere.subarray(5)), first);
  for (let i = 0; i < 100; i++) schemaOfStream(streamOfSchema(new Schema([new Field(`c${i}`, new Float64(), true)])));
  const again = schemaOfStream(stream);
  assert.notEqual(again, first);
  assert.deepEqual(told(again), told(first));
});

/** Schemas and partition values as logs of other writers have them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { DamagedFileError, UnsupportedError } from '../../../src/base/errors.ts';
import { deltaConstants } from '../../../src/store/delta/read-partition.ts';
import { tableSchemaOf } from '../../../src/store/delta/read-schema.ts';
import type { Metadata } from '../../../src/store/delta/write-actions.ts';

const metaDataOf = (fields: readonly object[], configuration: Readonly<Record<string, string>> = {}): Metadata => ({
  id: 'x', format: { provider: 'parquet', options: {} }, partitionColumns: [], configuration, schemaString: JSON.stringify({ type: 'struct', fields }),
});
const fieldOf = (name: string, type: unknown, metadata: object = {}) => ({ name, type, nullable: true, metadata });

test('flat columns have a type, nested ones a reason', () => {
  const types = ['byte', 'short', 'integer', 'long', 'float', 'double', 'string', 'binary', 'boolean', 'date', 'timestamp', 'timestamp_ntz', 'decimal(20,3)', 'void'];
  const nested = [fieldOf('s', { type: 'struct', fields: [] }), fieldOf('l', { type: 'array', elementType: 'long' }), fieldOf('m', { type: 'map' })];
  const { schema, passedOver, rename } = tableSchemaOf('t', metaDataOf([...types.map((type) => fieldOf(type, type)), ...nested]));
  assert.deepEqual(schema.fields.map(({ type }) => String(type)), [
    'Int8', 'Int16', 'Int32', 'Int64', 'Float32', 'Float64', 'Utf8', 'Binary', 'Bool', 'Date32<DAY>', 'Timestamp<MICROSECOND, UTC>', 'Timestamp<MICROSECOND>', 'Decimal[20e+3]', 'Null',
  ]);
  assert.deepEqual(passedOver.map(({ column }) => column), ['s', 'l', 'm']);
  assert.equal(rename, undefined);
  assert.throws(() => tableSchemaOf('t', metaDataOf([fieldOf('v', 'variant')])), UnsupportedError);
  for (const schemaString of ['', '[]', '{"fields":[{"name":1}]}', 'null']) assert.throws(() => tableSchemaOf('t', { ...metaDataOf([]), schemaString }), DamagedFileError);
});

test('columns are mapped by name, or by field id', () => {
  const mapped = fieldOf('a', 'long', { 'delta.columnMapping.physicalName': 'col-1', 'delta.columnMapping.id': 7 });
  const by = (mode: string) => tableSchemaOf('t', metaDataOf([mapped], { 'delta.columnMapping.mode': mode }));
  assert.deepEqual([...by('name').rename!], [['a', 'col-1']]);
  assert.deepEqual([...by('id').rename!], [['a', 7]]);
  assert.equal(by('id').physicalName('a'), 'col-1');
  assert.equal(by('none').rename, undefined);
  assert.throws(() => by('magic'), UnsupportedError);
  assert.throws(() => tableSchemaOf('t', metaDataOf([fieldOf('a', 'long')], { 'delta.columnMapping.mode': 'name' })), DamagedFileError);
});

test('partition values of every type', () => {
  const values: readonly (readonly [string, string | null, unknown])[] = [
    ['integer', '-7', -7], ['long', '9223372036854775807', 9223372036854775807n], ['short', '', null], ['string', null, null], ['string', 'a=b/c', 'a=b/c'], ['boolean', 'true', true],
    ['double', '1.5', 1.5], ['double', 'NaN', Number.NaN], ['float', '-Infinity', Number.NEGATIVE_INFINITY], ['date', '1969-12-31', -1], ['decimal(10,5)', '-2342342.23423', -234234223423n],
    ['decimal(10,5)', '2E+3', 200000000n], ['decimal(10,5)', '.5', 50000n], ['timestamp', '1970-01-01 00:00:01.5', 1_500_000n], ['timestamp', '1970-01-01T00:00:00.000001Z', 1n],
    ['timestamp_ntz', '1969-12-31 23:59:59', -1_000_000n], ['binary', '\u0001ÿ', Uint8Array.of(1, 255)],
  ];
  for (const [type, text, value] of values) {
    const columns = tableSchemaOf('t', metaDataOf([fieldOf('p', type)]));
    assert.deepEqual(deltaConstants('t', columns, ['p'], { p: text }).map((each) => each.value), [value], `${type} ${text}`);
  }
  for (const [type, text] of [['integer', 'x'], ['byte', '128'], ['boolean', 'yes'], ['double', ' '], ['double', '1,5'], ['date', 'soon'], ['decimal(10,5)', '0.000001'], ['timestamp', '12:00']] as const) {
    const columns = tableSchemaOf('t', metaDataOf([fieldOf('p', type)]));
    assert.throws(() => deltaConstants('t', columns, ['p'], { p: text }), (thrown) => thrown instanceof DamagedFileError && thrown.message.includes(text), `${type} ${text}`);
  }
  const mapped = tableSchemaOf('t', metaDataOf([fieldOf('p', 'long', { 'delta.columnMapping.physicalName': 'col-1', 'delta.columnMapping.id': 1 })], { 'delta.columnMapping.mode': 'name' }));
  assert.deepEqual(deltaConstants('t', mapped, ['p'], { 'col-1': '5' }).map(({ value }) => value), [5n]);
});

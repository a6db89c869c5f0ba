/** The Arrow schema in an ORC file: what ORC has no type for can be known again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Field, Null, Schema } from '../../../src/arrow/arrow.ts';
import { encodeOrc } from '../../../src/store/orc/encode.ts';
import { embeddedTypes } from '../../../src/store/parquet/arrow-schema.ts';
import { openOracle } from '../../oracle/orc-streams.ts';
import { writable } from '../parquet/support.ts';

test('the user metadata says of each column what its ORC type does not', () => {
  const schema = new Schema([...Object.entries(writable), ['none', new Null()] as const].map(([name, type]) => new Field(name, type, true)));
  const [pair] = openOracle(encodeOrc(schema, [])).footer.metadata;
  assert.equal(pair!.name, 'ARROW:schema');
  const types = embeddedTypes(Buffer.from(pair!.value!).toString());
  const integer = (bitWidth: number, isSigned: boolean): object => ({ kind: 'integer', bitWidth, isSigned });
  const timestamp = (unit: number, timezone: string | undefined): object => ({ kind: 'timestamp', unit, timezone });
  assert.deepEqual(Object.fromEntries(types), {
    int8: integer(8, true), int16: integer(16, true), int32: integer(32, true), int64: integer(64, true),
    uint8: integer(8, false), uint16: integer(16, false), uint32: integer(32, false), uint64: integer(64, false),
    half: { kind: 'half' }, largeUtf8: { kind: 'large' }, largeBinary: { kind: 'large' }, date64: { kind: 'date64' }, none: { kind: 'null' },
    s: timestamp(0, undefined), ms: timestamp(1, undefined), us: timestamp(2, undefined), ns: timestamp(3, undefined),
    sZone: timestamp(0, 'Europe/Berlin'), msZone: timestamp(1, 'UTC'), usZone: timestamp(2, 'UTC'), nsZone: timestamp(3, 'America/New_York'),
  });
});

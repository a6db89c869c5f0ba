/** Files of Apache ORC's own tests, value for value as they are expected there, or refused with the right reason. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { gunzipSync } from 'node:zlib';
import { valueReader } from '../../../src/arrow/values.ts';
import { DamagedFileError, UnsupportedError } from '../../../src/base/errors.ts';
import { fixtures, readOrc } from './support.ts';

const skip = fixtures === undefined ? 'the fixtures are not beside the project' : false;
const folder = fixtures ?? '';
const expected = skip === false ? (JSON.parse(readFileSync(join(folder, 'EXPECTED.json'), 'utf8')) as Record<string, { rows?: number; schema?: string[]; error?: string }>) : {};

/** A value as `expected/*.jsn.gz` has it; numbers as text, since some are beyond doubles. */
function shown(value: unknown): string {
  if (value === null) return 'null';
  if (value instanceof Uint8Array) return `[${[...value].join(', ')}]`;
  if (typeof value === 'string') {
    const [, date, time, rest] = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d+))?Z$/.exec(value) ?? [];
    return date === undefined ? value : `${date} ${time}.${rest ?? '0'}`;
  }
  return String(value);
}

/** Floats are written with fewer digits than some have. */
function same(found: string, wanted: string): boolean {
  return found === wanted || (wanted !== '' && Number(found) === Number(wanted)) || Math.fround(Number(found)) === Math.fround(Number(wanted));
}

test('every file with an answer gives it, every other is refused', { skip }, async () => {
  let read = 0;
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.orc'))) {
    const bytes = new Uint8Array(readFileSync(join(folder, name)));
    if (expected[name]?.error !== undefined) {
      await assert.rejects(readOrc(bytes), (thrown) => thrown instanceof UnsupportedError || thrown instanceof DamagedFileError, name);
      continue;
    }
    const { batches, rows, schema } = await readOrc(bytes);
    assert.equal(rows, expected[name]!.rows, name);
    const answers = join(folder, 'expected', name.replace('.orc', '.jsn.gz'));
    if (!existsSync(answers)) continue;
    // Integers beyond doubles stay text.
    const lines = gunzipSync(readFileSync(answers)).toString().split('\n').filter((line) => line !== '').map((line) => JSON.parse(line.replace(/: (-?\d{16,})/g, ': "$1"')) as Record<string, unknown>);
    assert.equal(lines.length, rows, name);
    let row = 0;
    for (const batch of batches) {
      const readers = schema.fields.map((field, i): readonly [string, (row: number) => unknown] => [field.name, valueReader(batch.data.children[i]!)]);
      for (let i = 0; i < batch.numRows; i++, row++) {
        for (const [column, reader] of readers) {
          const wanted = lines[row]?.[column];
          const text = Array.isArray(wanted) ? `[${wanted.join(', ')}]` : String(wanted);
          const found = shown(reader(i));
          if (!same(found, text)) assert.fail(`${name}, row ${row}, ${column}: ${found}, expected ${text}`);
        }
      }
    }
    read++;
  }
  assert.ok(read >= 10, `${read} files with answers`);
});

test('files of flat columns are read by these types', { skip }, async () => {
  const types: Readonly<Record<string, string>> = { 'int32': 'Int32', 'int64': 'Int64', 'int16': 'Int16', 'int8': 'Int8', 'string': 'Utf8', 'bool': 'Bool', 'float': 'Float32', 'double': 'Float64', 'binary': 'Binary', 'date32[day]': 'Date32<DAY>', 'timestamp[ns]': 'Timestamp<NANOSECOND>' };
  for (const [name, { schema: lines }] of Object.entries(expected)) {
    if (lines === undefined || name.includes('/') || lines.some((line) => line.startsWith(' '))) continue;
    const { schema } = await readOrc(new Uint8Array(readFileSync(join(folder, name))));
    for (const [i, field] of schema.fields.entries()) {
      const wanted: string | undefined = types[lines[i]!.slice(field.name.length + 2)];
      if (wanted !== undefined) assert.equal(`${field.type}`, wanted, `${name}: ${field.name}`);
    }
  }
});

test('damaged files and encrypted ones are refused by name', { skip }, async () => {
  for (const name of readdirSync(join(folder, 'corrupt'))) await assert.rejects(readOrc(new Uint8Array(readFileSync(join(folder, 'corrupt', name)))), DamagedFileError, name);
  await assert.rejects(readOrc(new Uint8Array(readFileSync(join(folder, 'encrypted/sample1.orc')))), (thrown) => thrown instanceof UnsupportedError && /encrypted/.test(thrown.message));
});

/** JSON and CSV: what is written reads back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { Float64, Int64, Table, tableFromIPC, Utf8, vectorFromArray } from '../../src/arrow/arrow.ts';
import { arrowBytes, csvChunks, csvField, jsonChunks, plainJson } from '../../src/cli/formats.ts';

const table = new Table({
  id: vectorFromArray([1n, 2n ** 53n + 1n, null], new Int64()),
  name: vectorFromArray(['a,"b"', '', null], new Utf8()),
  spent: vectorFromArray([0.1, Number.NaN, null], new Float64()),
});

test('usage: JSON is an array with one object to a line', () => {
  assert.equal(
    [...jsonChunks(table)].join(''),
    '[\n  {"id": 1, "name": "a,\\"b\\"", "spent": 0.1},\n  {"id": 9007199254740993, "name": "", "spent": "NaN"},\n  {"id": null, "name": null, "spent": null}\n]\n',
  );
  assert.equal([...jsonChunks(table.slice(0, 0))].join(''), '[]\n');
});

test('usage: CSV has a header and CRLF; null is empty, the empty string is quoted', () => {
  assert.equal([...csvChunks(table)].join(''), 'id,name,spent\r\n1,"a,""b""",0.1\r\n9007199254740993,"",NaN\r\n,,\r\n');
});

test('any text survives CSV', () => {
  fc.assert(fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 1 }), (texts) => {
    assert.deepEqual(readCsvLine(texts.map(csvField).join(',')), texts);
  }));
});

test('JSON of any finite doubles and texts is what JSON.parse reads', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.string({ unit: 'grapheme' })), { minLength: 1 }), (rows) => {
      const given = new Table({
        x: vectorFromArray(rows.map(([x]) => x), new Float64()),
        s: vectorFromArray(rows.map(([, s]) => s), new Utf8()),
      });
      const read = JSON.parse([...jsonChunks(given)].join('')) as { x: number; s: string }[];
      assert.deepEqual(read, rows.map(([x, s]) => ({ x, s })));
    }),
  );
});

test('large tables come in chunks', () => {
  const large = new Table({ x: vectorFromArray(Array.from({ length: 50_000 }, (_, i) => i), new Float64()) });
  const chunks = [...csvChunks(large)];
  assert.ok(chunks.length > 3 && chunks.every((chunk) => chunk.length < 70_000));
  assert.equal(chunks.join('').split('\r\n').length, 50_002);
});

test('Arrow IPC reads back', () => {
  assert.deepEqual(tableFromIPC(arrowBytes(table)).toString(), table.toString());
});

test('plain data: bigints with all digits, dates in ISO 8601, nothing undefined', () => {
  assert.equal(
    plainJson({ a: 2n ** 64n, b: new Date(0), c: undefined, d: [1, null], e: {}, f: Number.NaN }),
    '{\n  "a": 18446744073709551616,\n  "b": "1970-01-01T00:00:00.000Z",\n  "d": [\n    1,\n    null\n  ],\n  "e": {},\n  "f": "NaN"\n}',
  );
});

/** Reads one record the way RFC 4180 says. */
function readCsvLine(line: string): string[] {
  const fields: string[] = [];
  for (let at = 0; at <= line.length; at++) {
    let text = '';
    if (line[at] === '"') {
      for (at++; !(line[at] === '"' && line[at + 1] !== '"'); at++) {
        if (line[at] === '"') at++;
        text += line[at];
      }
      at++;
    } else {
      while (at < line.length && line[at] !== ',') text += line[at++];
    }
    fields.push(text);
  }
  return fields;
}

/**
 * Arrow tables as bytes: JSON, CSV, Arrow IPC. Each is a sequence of chunks, so that a large table is never one text.
 *
 *   json    an array of objects, one to a line; NaN and the infinities are the strings "NaN", "Infinity", "-Infinity"
 *   csv     RFC 4180: a header, CRLF; null is an empty field and the empty string is ""
 *   arrow   the IPC file format
 */
import { type Table, tableToIPC } from '../arrow/arrow.ts';
import { formatJson, formatValue, type Value, valueReader } from '../arrow/values.ts';

const chunkCharacters = 1 << 16;

export function* jsonChunks(table: Table): Generator<string> {
  const { fields } = table.schema;
  const names = fields.map((field) => JSON.stringify(field.name));
  yield* inChunks('[', `${table.numRows === 0 ? '' : '\n'}]\n`, table, (values, isFirst) => {
    const members = values.map((value, column) => `${names[column]}: ${formatJson(value, fields[column]!.type)}`);
    return `${isFirst ? '' : ','}\n  {${members.join(', ')}}`;
  });
}

export function* csvChunks(table: Table): Generator<string> {
  const { fields } = table.schema;
  const line = (texts: readonly (string | undefined)[]): string => `${texts.map(csvField).join(',')}\r\n`;
  yield* inChunks(line(fields.map((field) => field.name)), '', table, (values) =>
    line(values.map((value, column) => formatValue(value, fields[column]!.type))),
  );
}

/** One field of a CSV line; undefined is null. */
export function csvField(text: string | undefined): string {
  if (text === undefined) return '';
  return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function arrowBytes(table: Table): Uint8Array {
  return tableToIPC(table, 'file');
}

function* inChunks(
  head: string,
  tail: string,
  table: Table,
  format: (values: readonly Value[], isFirst: boolean) => string,
): Generator<string> {
  let chunk = head;
  let isFirst = true;
  for (const batch of table.batches) {
    const readers = batch.data.children.map(valueReader);
    for (let row = 0; row < batch.numRows; row++) {
      chunk += format(readers.map((read) => read(row)), isFirst);
      isFirst = false;
      if (chunk.length >= chunkCharacters) {
        yield chunk;
        chunk = '';
      }
    }
  }
  yield chunk + tail;
}

/** Any plain value of the library as indented JSON: bigints with all digits, dates as ISO 8601, nothing undefined. */
export function plainJson(value: unknown, indent = ''): string {
  const inner = `${indent}  `;
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Date) return JSON.stringify(value.toISOString());
  if (typeof value === 'number' && !Number.isFinite(value)) return JSON.stringify(String(value));
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const [open, close, parts] = Array.isArray(value)
    ? ['[', ']', value.map((item) => plainJson(item, inner))]
    : ['{', '}', membersOf(value).map(([key, member]) => `${JSON.stringify(key)}: ${plainJson(member, inner)}`)];
  if (parts.length === 0) return open + close;
  return `${open}\n${parts.map((part) => inner + part).join(',\n')}\n${indent}${close}`;
}

function membersOf(value: object): [string, unknown][] {
  return Object.entries(value).filter(([, member]) => member !== undefined && typeof member !== 'function');
}

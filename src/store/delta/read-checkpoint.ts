/**
 * Checkpoints of a Delta log, classic and V2, of any writer: the actions that make up a version.
 *
 * A Parquet file has a row for each action and a column for each kind; a JSON file has a line for each. V2 checkpoints name
 * sidecars, Parquet files with more of their rows. Statistics may stand in columns of their own (`stats_parsed`) in place of JSON.
 */
import { type DataType, type Field, MapRow, type Schema, StructRow, tableFromIPC, type Table, Type, Vector } from '../../arrow/arrow.ts';
import { DamagedFileError } from '../../base/errors.ts';
import { formatInstant } from '../../base/time.ts';
import { CodecError, decodeNested } from '../parquet/codec.ts';
import { openParquet } from '../parquet/file.ts';
import { type Actions, actionsOf, decodeActions } from './write-decode.ts';

export interface CheckpointFile {
  readonly actions: Actions;
  /** Names of files in `_sidecars`, or their URIs. */
  readonly sidecars: readonly string[];
}

/** `name` is the file's place, for messages. */
export async function decodeCheckpoint(name: string, content: Uint8Array): Promise<CheckpointFile> {
  if (name.endsWith('.json')) {
    const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('utf8');
    return { actions: decodeActions(name, content), sidecars: sidecarsIn(name, text) };
  }
  // Its footer is checked before the decoder sees it.
  const size = content.length;
  const footer = await openParquet({ name, size, read: async (start, end) => content.slice(start, end) });
  const table = tableOf(name, content);
  if (table.numRows !== footer.rows) throw new DamagedFileError(name, `has ${table.numRows} rows, but its footer says ${footer.rows}`);
  const rows = rowsOf(table);
  return { actions: actionsOf(name, rows), sidecars: rows.flatMap(({ sidecar }) => (sidecar === undefined ? [] : [textOf(name, (sidecar as { path?: unknown }).path)])) };
}

function tableOf(name: string, content: Uint8Array): Table {
  try {
    return tableFromIPC(decodeNested(content));
  } catch (thrown) {
    if (!(thrown instanceof CodecError)) throw thrown;
    throw new DamagedFileError(name, 'is no Parquet file that can be read; restore it, or remove it if the commits before it are there', thrown);
  }
}

function sidecarsIn(name: string, text: string): string[] {
  const lines = text.split('\n').filter((line) => line.includes('"sidecar"')).map((line) => JSON.parse(line) as { readonly sidecar?: { readonly path?: unknown } | null });
  return lines.flatMap(({ sidecar }) => (sidecar == null ? [] : [textOf(name, sidecar.path)]));
}

function textOf(name: string, path: unknown): string {
  if (typeof path === 'string') return path;
  throw new DamagedFileError(name, 'names a sidecar without a path');
}

const kinds = ['protocol', 'metaData', 'txn', 'add', 'remove', 'sidecar'] as const;

/** Each row as a line of the log would have it. */
function rowsOf(table: Table): Readonly<Record<string, unknown>>[] {
  const columns = kinds.flatMap((kind) => {
    const column = table.getChild(kind);
    return column === null ? [] : [{ kind, column }];
  });
  return Array.from({ length: table.numRows }, (_, row) => {
    const found = columns.find(({ column }) => column.get(row) !== null);
    if (found === undefined) return {};
    const { kind, column } = found;
    const action = plainOf(column.get(row)) as Record<string, unknown>;
    // A path says whether a nullable struct is there at all, in files of writers that keep no nulls for it.
    if ((kind === 'add' || kind === 'remove') && action.path === null) return {};
    if (kind === 'add' && typeof action.stats !== 'string') {
      const parsed = (column.get(row) as StructRow & Record<string, unknown>).stats_parsed;
      action.stats = parsed === null || parsed === undefined ? null : statsText(parsed as StructRow, statsType(table.schema));
    }
    return { [kind]: action };
  });
}

function statsType(schema: Schema): DataType | undefined {
  const add = schema.fields.find(({ name }) => name === 'add')?.type;
  return ((add?.children ?? []) as Field[]).find(({ name }) => name === 'stats_parsed')?.type;
}

/** Arrow's values as JSON has them: structs and maps are objects, lists arrays, whole numbers numbers where they are exact. */
function plainOf(value: unknown): unknown {
  if (typeof value === 'bigint') return BigInt.asIntN(54, value) === value ? Number(value) : value;
  if (value instanceof MapRow || value instanceof StructRow) {
    return Object.fromEntries(Array.from(value as Iterable<[unknown, unknown]>, ([key, each]) => [String(key), plainOf(each)]));
  }
  if (value instanceof Vector) return Array.from(value as Iterable<unknown>, plainOf);
  return value;
}

/** Typed statistics as the JSON of Delta. Bounds that JSON cannot tell exactly are left out, or made wider. */
function statsText(stats: StructRow, type: DataType | undefined): string {
  const fieldsOf = (of: DataType | undefined, name: string): DataType | undefined => ((of?.children ?? []) as Field[]).find((field) => field.name === name)?.type;
  const objectText = (row: unknown, of: DataType | undefined, valueText: (value: unknown, type: DataType | undefined) => string | undefined): string => {
    if (!(row instanceof StructRow)) return '{}';
    const entries = Array.from(row as Iterable<[unknown, unknown]>).flatMap(([key, value]) => {
      const child = fieldsOf(of, String(key));
      const text = value === null ? undefined : value instanceof StructRow ? undefined : valueText(value, child);
      return text === undefined ? [] : [`${JSON.stringify(String(key))}:${text}`];
    });
    return `{${entries}}`;
  };
  const row = Object.fromEntries(Array.from(stats as Iterable<[string, unknown]>));
  const part = (name: string, valueText: (value: unknown, type: DataType | undefined) => string | undefined): string => `"${name}":${objectText(row[name], fieldsOf(type, name), valueText)}`;
  const rows = typeof row.numRecords === 'bigint' || typeof row.numRecords === 'number' ? [`"numRecords":${row.numRecords}`] : [];
  const parts = [...rows, part('minValues', boundText('min')), part('maxValues', boundText('max')), part('nullCount', (value) => String(value))];
  return `{${parts}}`;
}

const boundText = (side: 'min' | 'max') => (value: unknown, type: DataType | undefined): string | undefined => {
  switch (type?.typeId) {
    case Type.Int:
      return String(value);
    case Type.Float:
      return Number.isFinite(value as number) ? String(value) : undefined;
    case Type.Utf8:
      return JSON.stringify(value);
    case Type.Date:
      return JSON.stringify(formatInstant(BigInt(Math.floor(value as number)) * 1_000n).slice(0, 10));
    case Type.Timestamp:
      // In milliseconds, moved outwards: far from 1970 Arrow's number is a little off, too.
      return JSON.stringify(formatInstant(BigInt(side === 'min' ? Math.ceil(value as number) - 1 : Math.floor(value as number) + 1) * 1_000n));
    default:
      return undefined;
  }
};

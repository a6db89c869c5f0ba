/**
 * Stored rows that were read, kept in memory column by column: what is served again need not be decoded again.
 *
 *   all rows       the columns asked for are read whole, and kept
 *   a few of them  only the row groups that may have them are read, until as many rows were read so as there are: rent until
 *                  you would have bought. Then the columns are kept, and entities are found by halving
 *   edges          rows of the source in a tile that a range cuts: the next read will cut it elsewhere
 *
 * Law: a table is what a read of that version gives. Of each table the newest version that was read is kept; tables that were
 * not asked for the longest go first.
 */
import { type Data, DataType, type Field, type RecordBatch, Schema, type Table } from '../arrow/arrow.ts';
import { canonicalTable, tableOfColumns } from '../arrow/canonical.ts';
import type { Literal } from '../arrow/expression.ts';
import { columnOf, pickRows } from '../arrow/rows.ts';
import { filterBatch } from '../engine/filter.ts';
import type { ScanOptions, Snapshot } from '../store/table.ts';
import type { EntityFilter } from './entities.ts';

interface Kept {
  readonly version: string;
  readonly columns: Map<string, { readonly field: Field; readonly data: Data }>;
  /** By the start of the tile. */
  readonly edges: Map<bigint, Table>;
  /** How often the rows of a tile would have been of use, had they been there. */
  readonly edgesMissed: Map<bigint, number>;
  bytes: number;
  /** Rows that were read for the sake of a few. */
  rowsRented: number;
}

interface Signal {
  readonly signal?: AbortSignal;
}

/** About what a value takes. */
const bytesOfValue = 10;

/** Tiles of a set whose rows are kept: those where its windows begin and end. */
const edgesMax = 16;

export class FeatureCache {
  /** By the table's name, the one asked for last at the end. */
  private readonly kept = new Map<string, Kept>();

  /** Keeps at most so many bytes. */
  constructor(private readonly bytesMax: number) {}

  clear(): void {
    this.kept.clear();
  }

  /** Whole columns, as a canonical table. It may share memory with what is kept: do not give it to callers. */
  async columns(features: Snapshot, names: readonly string[], options: Signal = {}): Promise<Table> {
    const kept = this.keptOf(features);
    const missing = names.filter((name) => !kept.columns.has(name));
    const read = new Map<string, { readonly field: Field; readonly data: Data }>();
    if (missing.length > 0) {
      const batches: RecordBatch[] = [];
      for await (const batch of features.scan({ columns: missing, ...options })) batches.push(batch);
      const table = canonicalTable(schemaOf(features, missing), batches);
      table.schema.fields.forEach((field, i) => {
        read.set(field.name, { field, data: table.batches[0]!.data.children[i]! });
      });
      this.keep(kept, read);
    }
    const columns = names.map((name) => read.get(name) ?? kept.columns.get(name)!);
    return tableOfColumns(new Schema(columns.map(({ field }) => field)), columns.map(({ data }) => data), columns[0]?.data.length ?? 0);
  }

  /** The rows of some entities, ascending; `keys` are the columns that rows ascend by. Copies. */
  async rowsOf(features: Snapshot, names: readonly string[], keys: readonly string[], { expression, columns }: EntityFilter, options: Signal = {}): Promise<Table> {
    const wanted = [...new Set([...keys, ...names])];
    const kept = this.keptOf(features);
    const isKept = wanted.every((name) => kept.columns.has(name));
    const schema = schemaOf(features, names);
    if (!isKept) {
      const scan: ScanOptions = { columns: wanted, ...anyOf(columns, keys), ...options };
      const { rows, rowsTotal } = await features.plan(scan);
      kept.rowsRented += rows;
      if (kept.rowsRented <= rowsTotal) {
        const found: RecordBatch[] = [];
        for await (const batch of features.scan(scan)) found.push(filterBatch(batch, expression));
        return canonicalTable(schema, found);
      }
    }
    const table = await this.columns(features, wanted, options);
    const found = findRows(table, keys, columns);
    const rows = found === undefined ? canonicalTable(table.schema, table.batches.map((batch) => filterBatch(batch, expression))) : pickRows(table, found);
    return canonicalColumns(rows, names);
  }

  /** A part of the rows, at least those of the scan; `columns` are named in it. The batches may share memory with what is kept. */
  async batches(table: Snapshot, scan: ScanOptions & { readonly columns: readonly string[] }): Promise<{ readonly rows: number; readonly batches: AsyncIterable<RecordBatch> | Iterable<RecordBatch> }> {
    const { rows, rowsTotal } = await table.plan(scan);
    const kept = this.keptOf(table);
    const isKept = scan.columns.every((name) => kept.columns.has(name));
    if (!isKept) {
      kept.rowsRented += rows;
      const wouldTake = rowsTotal * scan.columns.length * bytesOfValue;
      if (kept.rowsRented <= rowsTotal || wouldTake > this.bytesMax / 2) return { rows, batches: table.scan(scan) };
    }
    const { batches } = await this.columns(table, scan.columns, scan.signal === undefined ? {} : { signal: scan.signal });
    return { rows, batches };
  }

  /** What is there of the rows of a tile, or how often they were missed. */
  edgeState(features: Snapshot, tileStartUs: bigint): { readonly rows: number } | { readonly missed: number } {
    const kept = this.keptOf(features);
    const edge = kept.edges.get(tileStartUs);
    return edge === undefined ? { missed: kept.edgesMissed.get(tileStartUs) ?? 0 } : { rows: edge.numRows };
  }

  missEdge(features: Snapshot, tileStartUs: bigint): void {
    const { edgesMissed } = this.keptOf(features);
    edgesMissed.set(tileStartUs, (edgesMissed.get(tileStartUs) ?? 0) + 1);
  }

  /** Rows of the source that belong to a version of the features, in one tile. `read` reads them where they are not kept. */
  async edge(features: Snapshot, tileStartUs: bigint, read: () => Promise<Table>): Promise<Table> {
    const known = this.keptOf(features).edges.get(tileStartUs);
    if (known !== undefined) return known;
    const rows = await read();
    const kept = this.keptOf(features);
    const bytes = rows.batches.reduce((sum, batch) => sum + batch.data.byteLength, 0);
    if (bytes <= this.bytesMax / 8) {
      kept.edges.set(tileStartUs, rows);
      kept.bytes += bytes;
      const [oldest] = kept.edges.keys();
      if (kept.edges.size > edgesMax && oldest !== undefined) {
        kept.bytes -= kept.edges.get(oldest)!.batches.reduce((sum, batch) => sum + batch.data.byteLength, 0);
        kept.edges.delete(oldest);
      }
      this.makeRoom();
    }
    return rows;
  }

  private keptOf({ name, version }: Snapshot): Kept {
    let kept = this.kept.get(name);
    if (kept?.version !== version) kept = { version, columns: new Map(), edges: new Map(), edgesMissed: new Map(), bytes: 0, rowsRented: 0 };
    this.kept.delete(name);
    this.kept.set(name, kept);
    return kept;
  }

  private keep(kept: Kept, read: Kept['columns']): void {
    for (const [name, column] of read) {
      if (kept.columns.has(name)) continue;
      kept.columns.set(name, column);
      kept.bytes += column.data.byteLength;
    }
    this.makeRoom();
  }

  private makeRoom(): void {
    let bytes = [...this.kept.values()].reduce((sum, each) => sum + each.bytes, 0);
    for (const [name, each] of this.kept) {
      if (bytes <= this.bytesMax) return;
      bytes -= each.bytes;
      this.kept.delete(name);
    }
  }
}

function schemaOf({ schema }: Snapshot, names: readonly string[]): Schema {
  return new Schema(names.map((name) => schema.fields.find((field) => field.name === name)!));
}

function canonicalColumns(table: Table, names: readonly string[]): Table {
  const fields = names.map((name) => table.schema.fields.find((field) => field.name === name)!);
  return tableOfColumns(new Schema(fields), names.map((name) => columnOf(table, name)), table.numRows);
}

/** What leaves out row groups: the first key, if it is of whole numbers or strings. */
function anyOf(columns: EntityFilter['columns'], keys: readonly string[]): Pick<ScanOptions, 'anyOf'> {
  const values = columns.get(keys[0]!)?.filter((value) => value !== null);
  if (values === undefined || !values.every((value) => typeof value === 'bigint' || typeof value === 'string')) return {};
  return { anyOf: { column: keys[0]!, values } };
}

/** Compares a key's value in a row with a wanted one: negative when the row's comes first. */
type Comparer = (row: number, value: Literal) => number;

/** The positions of entities in rows that ascend by the keys; undefined for a type of key that is not looked for so. */
function findRows(table: Table, keys: readonly string[], columns: EntityFilter['columns']): Int32Array | undefined {
  const comparers = keys.map((key) => comparerOf(columnOf(table, key)));
  if (comparers.some((compare) => compare === undefined)) return undefined;
  const lists = keys.map((key) => columns.get(key)!);
  const found = new Set<number>();
  for (let entity = 0; entity < lists[0]!.length; entity++) {
    const values = lists.map((list): Literal => list[entity] ?? null);
    if (values.includes(null)) continue;
    let [low, high] = [0, table.numRows];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareKeys(comparers as Comparer[], middle, values) < 0) low = middle + 1;
      else high = middle;
    }
    if (low < table.numRows && compareKeys(comparers as Comparer[], low, values) === 0) found.add(low);
  }
  return Int32Array.from(found).sort();
}

function compareKeys(comparers: readonly Comparer[], row: number, values: readonly Literal[]): number {
  for (let key = 0; key < comparers.length; key++) {
    const order = comparers[key]!(row, values[key]!);
    if (order !== 0) return order;
  }
  return 0;
}

function comparerOf(data: Data): Comparer | undefined {
  if (DataType.isInt(data.type)) {
    const values = data.values as ArrayLike<number | bigint>;
    return (row, value) => (values[row]! < (value as bigint) ? -1 : values[row]! > (value as bigint) ? 1 : 0);
  }
  if (!DataType.isUtf8(data.type) && !DataType.isLargeUtf8(data.type)) return undefined;
  const offsets = data.valueOffsets as unknown as ArrayLike<number | bigint>;
  const bytes = data.values as Uint8Array;
  const texts = new Map<Literal, Uint8Array>();
  return (row, value) => {
    let text = texts.get(value);
    if (text === undefined) texts.set(value, (text = Buffer.from(String(value))));
    return Buffer.compare(bytes.subarray(Number(offsets[row]!), Number(offsets[row + 1]!)), text);
  };
}

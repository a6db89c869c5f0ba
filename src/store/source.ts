/**
 * The tables of a layer: whatever stands under a name.
 *
 *   transactions/_log/                       a table of our own
 *   transactions/a.parquet, 2024/b.parquet   a folder, read through all its folders
 *   transactions/day=2024-05-01/a.parquet    key=value folders are columns
 *   transactions.parquet                     a file, or a folder of that name
 *   transactions/_delta_log/                 a Delta table
 *
 * Names that start with `_` or `.` are hidden. A snapshot's version is a digest of the list of files.
 */
import { createHash } from 'node:crypto';
import { Schema } from '../arrow/arrow.ts';
import { ArgumentError, NotFoundError } from '../base/errors.ts';
import { checkName, didYouMean } from '../base/names.ts';
import { type Bytes, type FileStat, mapConcurrently } from './bytes.ts';
import { bytesAt } from './bytes-at.ts';
import { type Constant, unionSchema } from './conform.ts';
import { type DataFile, type DataFiles, metadataOf } from './data-files.ts';
import type { FileFormat, FileMetadata } from './file-format.ts';
import { formatNamed, formatOfContent, formatOfPath } from './file-formats.ts';
import { isDeltaTable, openDeltaTable } from './delta/write.ts';
import { filesSnapshot } from './files-snapshot.ts';
import { isOwnTable, openOwnTable } from './own-table.ts';
import { mightContainConstant, partitionColumns } from './partitions.ts';
import { identityOf, type ListedFile } from './placed-file.ts';
import type { OwnTable, ReadableTable, Snapshot, SnapshotOptions } from './table.ts';

/** The table of that name in a layer: the bytes under the layer's folder, or the path of it. */
export function openSource(layer: Bytes | string, table: string): ReadableTable {
  checkName(table, 'source');
  const bytes = typeof layer === 'string' ? bytesAt(layer) : layer;
  const stored = new StoredTable(bytes, table);
  return {
    name: table,
    async snapshot(options = {}) {
      const place = await findTable(bytes, table);
      return stored.at(place, options);
    },
  };
}

/** The table that stands at exactly this path: a file, a folder, or a table of our own. */
export function openStored(bytes: Bytes, path: string): ReadableTable {
  const name = bytes.locate(path);
  const stored = new StoredTable(bytes, name);
  return {
    name,
    async snapshot(options = {}) {
      const kind = await bytes.kind(path);
      if (kind === undefined) throw new NotFoundError('table', name, 'there is no file and no folder at this path');
      return stored.at({ kind, path }, options);
    },
  };
}

interface Place {
  readonly kind: 'file' | 'folder';
  readonly path: string;
}

async function findTable(bytes: Bytes, table: string): Promise<Place> {
  const found: Place[] = [];
  const candidates = [table, `${table}.parquet`, `${table}.orc`];
  for (const path of candidates) {
    const kind = await bytes.kind(path);
    // A file without an ending says nothing of what it holds.
    if (kind !== undefined && !(kind === 'file' && path === table)) found.push({ kind, path });
  }
  const [place, other] = found;
  if (place === undefined) throw await notFound(bytes, table, candidates);
  if (other !== undefined) {
    throw new ArgumentError(
      'source',
      `${table} could be ${bytes.locate(place.path)} or ${bytes.locate(other.path)}; move one of them away, or give it another name`,
    );
  }
  return place;
}

async function notFound(bytes: Bytes, table: string, candidates: readonly string[]): Promise<NotFoundError> {
  const names = await bytes.names('');
  if (names === undefined) return new NotFoundError('source', table, `the layer's folder ${bytes.locate('')} does not exist; check the path under layers`);
  const tables = [...new Set(names.filter((name) => !isHidden(name)).map((name) => name.replace(/\.(parquet|orc)$/i, '')))];
  const there = tables.length === 0 ? 'there is no table at all' : `there are ${tables.slice(0, 20).join(', ')}${tables.length > 20 ? ', …' : ''}`;
  return new NotFoundError(
    'source', table,
    `looked for ${candidates.map((path) => bytes.locate(path)).join(', ')}; in that folder ${there}${didYouMean(table, tables)}`,
  );
}

/** Remembers the metadata of the last snapshot's files, so that the next one reads only those of new files. */
class StoredTable {
  private known = new Map<string, FileMetadata>();
  /** Of the last snapshot's files: as long as they stay, it is the same object. */
  private union: { readonly metadata: readonly FileMetadata[]; readonly schema: Schema } | undefined;
  private delta: { readonly path: string; readonly table: OwnTable } | undefined;
  private own: { readonly path: string; readonly table: OwnTable } | undefined;

  constructor(
    private readonly bytes: Bytes,
    private readonly name: string,
  ) {}

  async at({ kind, path }: Place, options: SnapshotOptions): Promise<Snapshot> {
    if (kind === 'file') {
      this.refuseVersion(path, options);
      const file = await this.bytes.stat(path);
      if (file === undefined) throw new NotFoundError('table', this.name, `${this.bytes.locate(path)} was removed while it was opened`);
      return this.snapshotOf('', [file], formatOfPath(path) ?? (await this.formatWithin(path)));
    }
    if (await isOwnTable(this.bytes, path)) {
      if (this.own?.path !== path) this.own = { path, table: openOwnTable(this.bytes, path, { name: this.name }) };
      return this.own.table.snapshot(options);
    }
    if (await isDeltaTable(this.bytes, path)) {
      if (this.delta?.path !== path) this.delta = { path, table: openDeltaTable(this.bytes, path, { name: this.name }) };
      return this.delta.table.snapshot(options);
    }
    this.refuseVersion(path, options);
    const files = await this.bytes.list(path, isHidden);
    const format = this.formatOf(path, files);
    return this.snapshotOf(path, files.filter((file) => formatOfPath(file.path) === format), format);
  }

  private refuseVersion(path: string, { version, timestampUs }: SnapshotOptions): void {
    if (version === undefined && timestampUs === undefined) return;
    throw new ArgumentError(version === undefined ? 'timestamp' : 'version', `${this.bytes.locate(path)} has no log, so only what is there now can be read`);
  }

  /** Of a file whose name does not say: what its content says; else Parquet, whose reader says what it is not. */
  private async formatWithin(path: string): Promise<FileFormat> {
    const file = await this.bytes.open(path);
    try {
      return (file && (await formatOfContent(file))) ?? formatNamed('parquet');
    } finally {
      await file?.close();
    }
  }

  /** The one format of the data files in a folder. */
  private formatOf(folder: string, files: readonly FileStat[]): FileFormat {
    const where = this.bytes.locate(folder);
    const firstOf = new Map<FileFormat, FileStat>();
    for (const file of files) {
      const format = formatOfPath(file.path);
      if (format !== undefined && !firstOf.has(format)) firstOf.set(format, file);
    }
    const [first, second] = [...firstOf];
    if (second !== undefined) {
      const names = [first![1], second[1]].map((file) => file.path.slice(folder.length + 1));
      throw new ArgumentError('source', `${where} holds both ${first![0].title} and ${second[0].title} files (${names.join(', ')}); move one kind to a folder of its own`);
    }
    if (first !== undefined) return first[0];
    const others = files.length === 0 ? '' : `, only ${files.slice(0, 3).map((file) => file.path.slice(folder.length + 1)).join(', ')}${files.length > 3 ? ', …' : ''}`;
    throw new NotFoundError('table', this.name, `there are no Parquet or ORC files in ${where}${others}`);
  }

  private async snapshotOf(folder: string, files: readonly FileStat[], format: FileFormat): Promise<Snapshot> {
    const metadata = await this.readMetadata(files, format);
    const partitions = partitionColumns(this.name, files.map((file) => file.path.slice(folder.length)));
    const own = this.unionOf(metadata);
    const fields = own.fields.filter((field) => !partitions.some((column) => column.field.name === field.name));
    const schema = partitions.length === 0 ? own : new Schema([...fields, ...partitions.map((column) => column.field)]);
    const dataFiles = files.map((file, index): DataFile => {
      const constants = partitions.map(({ field, values }): Constant => ({ field, value: values[index]! }));
      return this.dataFile(file, format, metadata[index]!, constants);
    });
    const passedOver = metadata.flatMap((file) => file.passedOver).filter(({ column }) => !schema.fields.some(({ name }) => name === column));
    const table: DataFiles = { name: this.name, schema, files: dataFiles, passedOver };
    return filesSnapshot({ format: format.name, version: fingerprint(files) }, table, files);
  }

  private unionOf(metadata: readonly FileMetadata[]): Schema {
    const { union } = this;
    const isKnown = union?.metadata.length === metadata.length && metadata.every((each, i) => each === union.metadata[i]);
    if (!isKnown) this.union = { metadata, schema: unionSchema(this.name, metadata) };
    return this.union!.schema;
  }

  private async readMetadata(files: readonly FileStat[], { name: format }: FileFormat): Promise<FileMetadata[]> {
    const { bytes, known } = this;
    const metadata = await mapConcurrently(files, 8, async (stat) => {
      const file = listed(stat);
      return known.get(identityOf(file)) ?? metadataOf({ format, bytes, file });
    });
    this.known = new Map(files.map((file, index) => [identityOf(listed(file)), metadata[index]!]));
    return metadata;
  }

  private dataFile(file: FileStat, format: FileFormat, metadata: FileMetadata, constants: readonly Constant[]): DataFile {
    const { bytes } = this;
    return {
      name: bytes.locate(file.path),
      format: format.name,
      bytes,
      file: listed(file),
      rows: metadata.rows,
      parts: format.partsOf(metadata),
      constants,
      mightContain: ({ column, range }) => mightContainConstant(constants, column, range),
      metadata: async () => metadata,
    };
  }
}

function listed({ path, size, modifiedNs, etag }: FileStat): ListedFile {
  return { kind: 'listed', path, size, modifiedNs, ...(etag !== undefined && { etag }) };
}


/** `_key=value` folders are data, as Spark has it. */
function isHidden(name: string): boolean {
  return name.startsWith('.') || (name.startsWith('_') && !name.includes('='));
}

function fingerprint(files: readonly FileStat[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${identityOf(listed(file))}\0`);
  return hash.digest('hex').slice(0, 32);
}

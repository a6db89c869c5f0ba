/** A version of a Delta table as something to plan and scan. */
import { createHash } from 'node:crypto';
import { UnsupportedError } from '../../base/errors.ts';
import { type Bytes, joinPath, mapConcurrently, type OpenFile } from '../bytes.ts';
import { type DataFile, type DataFiles, metadataOf } from '../data-files.ts';
import type { DeletedRows } from '../deleted-rows.ts';
import type { FileMetadata } from '../file-format.ts';
import { filesSnapshot } from '../files-snapshot.ts';
import { localBytes } from '../local-bytes.ts';
import { mightContainConstant } from '../partitions.ts';
import type { ImmutableFile } from '../placed-file.ts';
import { type FileStats, mightContainTime, tryStats } from '../stats.ts';
import type { OwnSnapshot } from '../table.ts';
import { type DeletionVector, readDeletionVector } from './deletion-vector.ts';
import { deltaConstants } from './read-partition.ts';
import { type TableSchema, tableSchemaOf } from './read-schema.ts';
import type { AddFile } from './write-actions.ts';
import { fileId, inRowOrder, tagOf, tryAbsolutePath, tryPathOfUri } from './write-entry.ts';
import { exactSchema } from './write-exact.ts';
import type { DeltaVersion } from './write-log.ts';

export class DeltaFiles {
  private readonly metadata = new Map<string, Promise<FileMetadata>>();

  constructor(
    private readonly bytes: Bytes,
    private readonly folder: string,
    private readonly table: string,
  ) {}

  async snapshotOf(version: DeltaVersion): Promise<OwnSnapshot> {
    checkReadable(this.table, version);
    const logged = inRowOrder(version.files.values());
    const columns = tableSchemaOf(this.table, version.metaData);
    const files = this.asData(exactColumns(columns, version), logged, version);
    const counted = await withRows(files, logged);
    const { content } = version;
    const listed = logged.map(({ path, size, modificationTime }) => ({ path: tryPathOfUri(path) ?? path, size, modifiedNs: BigInt(modificationTime) * 1_000_000n }));
    return {
      ...filesSnapshot({ format: 'delta', version: versionText(version) }, counted, listed),
      versionNumber: version.version,
      info: content.info,
      rows: counted.files.reduce((sum, { rows }) => sum + rows, 0),
      bytes: logged.reduce((sum, { size }) => sum + size, 0),
      committedAtMs: content.committedAtMs,
    };
  }

  /** Files of a version, as data to plan and scan. */
  asData(columns: TableSchema, logged: readonly AddFile[], version: Pick<DeltaVersion, 'version' | 'metaData'>): DataFiles {
    const { schema, passedOver } = columns;
    return { name: this.table, schema, passedOver, files: logged.map((file) => this.dataFile(columns, file, version)) };
  }

  private dataFile(columns: TableSchema, add: AddFile, { version, metaData }: Pick<DeltaVersion, 'version' | 'metaData'>): DataFile {
    const { path: uri, size, partitionValues, stats: text, tags, deletionVector } = add;
    const place = this.placeOf(uri);
    const checksum = tags?.[tagOf.checksum] ?? undefined;
    const file: ImmutableFile = { kind: 'immutable', path: place.path, size, version, ...(checksum !== undefined && { checksum }) };
    const constants = deltaConstants(this.table, columns, metaData.partitionColumns, partitionValues);
    let stats: FileStats | undefined;
    // Other writers cut times in statistics to milliseconds.
    const cutUs = checksum === undefined ? 999n : 0n;
    return {
      name: place.bytes.locate(place.path),
      id: fileId({ path: uri, deletionVector }),
      format: 'parquet',
      bytes: place.bytes,
      file,
      rows: (loggedRows(add) ?? 0) - (deletionVector?.cardinality ?? 0),
      parts: Number(tags?.[tagOf.parts] ?? 1),
      constants,
      ...(columns.rename !== undefined && { rename: columns.rename }),
      mightContain: ({ column, range }) => {
        if (!mightContainConstant(constants, column, range)) return false;
        const wider = range.startUs === undefined ? range : { ...range, startUs: range.startUs - cutUs };
        stats ??= text === undefined ? undefined : tryStats(text);
        return stats === undefined || mightContainTime(stats, columns.physicalName(column), wider);
      },
      ...(deletionVector !== undefined && { deletedRows: () => this.deletedRows(file, place.bytes, deletionVector) }),
      metadata: () => this.metadataOf(file, place.bytes),
    };
  }

  /** Where a file of the log stands: in the table's folder; beside it in the same part of an object store; or anywhere on the same disk. */
  private placeOf(uri: string): { readonly bytes: Bytes; readonly path: string } {
    const path = tryPathOfUri(uri);
    if (path !== undefined) return { bytes: this.bytes, path: joinPath(this.folder, path) };
    const [root, url] = [`${this.bytes.locate('').replace(/\/$/, '')}/`, uri.replace(/^s3[an]:/, 's3:')];
    const beside = root.startsWith('s3:') && url.startsWith(root) ? tryPathOfUri(url.slice(root.length)) : undefined;
    if (beside !== undefined) return { bytes: this.bytes, path: beside };
    const absolute = this.bytes.root === undefined ? undefined : tryAbsolutePath(uri);
    if (absolute === undefined) throw new UnsupportedError(this.table, 'absolute path', `its log names ${uri}, which is not in the table's folder, and cannot be reached from there`);
    return { bytes: localBytes('/'), path: absolute.slice(1) };
  }

  private metadataOf(file: ImmutableFile, bytes: Bytes): Promise<FileMetadata> {
    const name = bytes.locate(file.path);
    const known = this.metadata.get(name) ?? metadataOf({ format: 'parquet', bytes, file });
    this.metadata.set(name, known);
    known.catch(() => this.metadata.delete(name));
    return known;
  }

  private async deletedRows(file: ImmutableFile, bytes: Bytes, vector: DeletionVector): Promise<DeletedRows> {
    const { rows } = await this.metadataOf(file, bytes);
    const open = async (place: { readonly path: string } | { readonly uri: string }): Promise<OpenFile | undefined> => {
      if ('path' in place) return this.bytes.open(joinPath(this.folder, place.path));
      const found = this.placeOf(place.uri);
      return found.bytes.open(found.path);
    };
    return readDeletionVector(vector, { name: bytes.locate(file.path), rows, open });
  }
}

/** The number of a version alone would be that of a table which was deleted and made anew, too; and a commit need not have an id. */
function versionText({ metaData, content }: DeltaVersion): string {
  return `${content.version}-${createHash('sha256').update(`${metaData.id}\0${content.commitId}`).digest('hex').slice(0, 8)}`;
}

const readableFeatures: readonly string[] = ['timestampNtz', 'deletionVectors', 'vacuumProtocolCheck', 'columnMapping', 'v2Checkpoint', 'typeWidening', 'typeWidening-preview'];

function checkReadable(table: string, { protocol, metaData }: DeltaVersion): void {
  const { minReaderVersion, readerFeatures = [] } = protocol;
  const { provider } = metaData.format;
  if (provider !== 'parquet') throw new UnsupportedError(table, provider, `its log says that its files are ${provider}; Delta tables of Parquet files are read`);
  if (!(minReaderVersion >= 1 && minReaderVersion <= 3)) throw new UnsupportedError(table, `reader version ${minReaderVersion}`, `the table asks for reader version ${minReaderVersion}; this library knows 1 to 3`);
  const feature = readerFeatures.find((each) => !readableFeatures.includes(each));
  if (feature !== undefined) throw new UnsupportedError(table, feature, `the table uses ${feature}, which this library does not read`);
}

/** The types that a writer of ours declared, where Delta's stand for them still. */
function exactColumns(columns: TableSchema, { metaData }: DeltaVersion): TableSchema {
  return { ...columns, schema: exactSchema(columns.schema, metaData.configuration) };
}

/** Files stay the same from version to version, and every version says how many rows it has. */
const rowsOfFiles = new WeakMap<AddFile, { readonly rows: number | undefined }>();

/** As the file's statistics say, deleted ones too. */
function loggedRows(add: AddFile): number | undefined {
  let known = rowsOfFiles.get(add);
  if (known === undefined) {
    known = { rows: add.stats === undefined ? undefined : tryStats(add.stats)?.rows };
    rowsOfFiles.set(add, known);
  }
  return known.rows;
}

/** The log need not say how many rows a file has; then the file does. */
async function withRows(files: DataFiles, logged: readonly AddFile[]): Promise<DataFiles> {
  const counted = await mapConcurrently(files.files.map((file, i) => ({ file, add: logged[i]! })), 8, async ({ file, add }) => {
    if (loggedRows(add) !== undefined) return file;
    return { ...file, rows: (await file.metadata()).rows - (add.deletionVector?.cardinality ?? 0) };
  });
  return { ...files, files: counted };
}

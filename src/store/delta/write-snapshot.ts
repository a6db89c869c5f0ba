/** A version of a Delta table as something to plan and scan. */
import type { Schema } from '../../arrow/arrow.ts';
import { ArgumentError, UnsupportedError } from '../../base/errors.ts';
import type { TimeRange } from '../../base/time.ts';
import { type Bytes, joinPath, type OpenFile } from '../bytes.ts';
import { type DataFile, type DataFiles, metadataOf } from '../data-files.ts';
import type { DeletedRows } from '../deleted-rows.ts';
import type { FileMetadata } from '../file-format.ts';
import { filesSnapshot } from '../files-snapshot.ts';
import { partitionConstants } from '../partition-values.ts';
import { mightContainConstant } from '../partitions.ts';
import type { ImmutableFile } from '../placed-file.ts';
import { type FileStats, mightContainTime, tryStats } from '../stats.ts';
import type { OwnSnapshot } from '../table.ts';
import { type DeletionVector, deletionVectorId, readDeletionVector } from './deletion-vector.ts';
import type { AddFile } from './write-actions.ts';
import { inRowOrder, tagOf, tryPathOfUri } from './write-entry.ts';
import type { DeltaVersion } from './write-log.ts';
import { schemaOf } from './write-plan.ts';

export class DeltaFiles {
  private readonly metadata = new Map<string, Promise<FileMetadata>>();

  constructor(
    private readonly bytes: Bytes,
    private readonly folder: string,
    private readonly table: string,
  ) {}

  snapshotOf(version: DeltaVersion): OwnSnapshot {
    checkReadable(this.table, version);
    const schema = schemaOf(this.table, version);
    const logged = inRowOrder(version.files.values());
    const files = this.asData(schema, logged, version.version);
    const { content } = version;
    const listed = logged.map(({ path, size, modificationTime }) => ({ path: tryPathOfUri(path) ?? path, size, modifiedNs: BigInt(modificationTime) * 1_000_000n }));
    return {
      ...filesSnapshot({ format: 'delta', version: `${content.version}-${content.commitId.slice(0, 8)}` }, files, listed),
      versionNumber: version.version,
      info: content.info,
      rows: files.files.reduce((sum, { rows }) => sum + rows, 0),
      bytes: logged.reduce((sum, { size }) => sum + size, 0),
      committedAtMs: content.committedAtMs,
    };
  }

  asData(schema: Schema, logged: readonly AddFile[], version: number): DataFiles {
    return { name: this.table, schema, passedOver: [], files: logged.map((file) => this.dataFile(schema, file, version)) };
  }

  private dataFile(schema: Schema, { path: uri, size, partitionValues, stats: text, tags, deletionVector }: AddFile, version: number): DataFile {
    const path = tryPathOfUri(uri);
    if (path === undefined) throw new UnsupportedError(this.table, 'path', `${uri} is outside`);
    const checksum = tags?.[tagOf.checksum] ?? undefined;
    const file: ImmutableFile = { kind: 'immutable', path: joinPath(this.folder, path), size, version, ...(checksum !== undefined && { checksum }) };
    const constants = partitionConstants(this.table, schema, partitionValues);
    const stats = text === undefined ? undefined : tryStats(text);
    // Other engines cut instants off at milliseconds.
    const slackUs = checksum === undefined ? 1_000n : 0n;
    return {
      name: this.bytes.locate(file.path),
      id: fileId({ path: uri, deletionVector }),
      format: 'parquet',
      bytes: this.bytes,
      file,
      rows: (stats?.rows ?? 0) - (deletionVector?.cardinality ?? 0),
      parts: Number(tags?.[tagOf.parts] ?? 1),
      constants,
      mightContain: ({ column, range }) => mightContainConstant(constants, column, range) && (stats === undefined || mightContainAbout(stats, column, range, slackUs)),
      ...(deletionVector !== undefined && { deletedRows: () => this.deletedRows(file, deletionVector) }),
      metadata: () => this.metadataOf(file),
    };
  }

  private metadataOf(file: ImmutableFile): Promise<FileMetadata> {
    const known = this.metadata.get(file.path) ?? metadataOf({ format: 'parquet', bytes: this.bytes, file });
    this.metadata.set(file.path, known);
    known.catch(() => this.metadata.delete(file.path));
    return known;
  }

  private async deletedRows(file: ImmutableFile, vector: DeletionVector): Promise<DeletedRows> {
    const { rows } = await this.metadataOf(file);
    const open = async (place: { readonly path: string } | { readonly uri: string }): Promise<OpenFile | undefined> => {
      if ('path' in place) return this.bytes.open(joinPath(this.folder, place.path));
      throw new UnsupportedError(this.table, 'absolute path', `its log names ${place.uri}, which is not in the table's folder`);
    };
    return readDeletionVector(vector, { name: this.bytes.locate(file.path), rows, open });
  }
}

function mightContainAbout(stats: FileStats, column: string, { startUs, endUs }: TimeRange, slackUs: bigint): boolean {
  try {
    return mightContainTime(stats, column, { ...(startUs !== undefined && { startUs: startUs - slackUs }), ...(endUs !== undefined && { endUs }) });
  } catch (thrown) {
    if (!(thrown instanceof ArgumentError)) throw thrown;
    return true;
  }
}

/** What tells a file of a version from others, and from itself with other rows deleted. A path is never used again. */
export function fileId({ path, deletionVector: vector }: Pick<AddFile, 'path' | 'deletionVector'>): string {
  return vector === undefined ? path : `${path}\0${deletionVectorId(vector)}`;
}

const readableFeatures: readonly string[] = ['timestampNtz', 'deletionVectors', 'vacuumProtocolCheck', 'columnMapping'];

function checkReadable(table: string, { protocol, metaData }: DeltaVersion): void {
  const { minReaderVersion, readerFeatures = [] } = protocol;
  if (!(minReaderVersion >= 1 && minReaderVersion <= 3)) throw new UnsupportedError(table, `reader version ${minReaderVersion}`, `the table asks for reader version ${minReaderVersion}; this library knows 1 to 3`);
  const feature = readerFeatures.find((each) => !readableFeatures.includes(each))
    ?? ((metaData.configuration['delta.columnMapping.mode'] ?? 'none') === 'none' ? undefined : 'columnMapping');
  if (feature !== undefined) throw new UnsupportedError(table, feature, `the table uses ${feature}, which this library does not read`);
}

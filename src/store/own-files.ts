/** The data files of a table of our own: written where no reader looks, read wherever they stand. */
import { randomUUID } from 'node:crypto';
import type { RecordBatch, Schema } from '../arrow/arrow.ts';
import { invariant, UnsupportedError } from '../base/errors.ts';
import { type Bytes, joinPath, type OpenFile } from './bytes.ts';
import { checksumOf } from './checksum.ts';
import { type DataFile, type DataFiles, metadataOf } from './data-files.ts';
import type { FileEncodeOptions, FileFormat, FileFormatName, FileMetadata } from './file-format.ts';
import { formatNamed, formatOfPath, readMetadata } from './file-formats.ts';
import type { LoggedFile, TableFacts } from './log.ts';
import { partitionConstants, partitionFolder } from './partition-values.ts';
import { mightContainConstant } from './partitions.ts';
import { type CommittedFile, stagedPath } from './placed-file.ts';
import { type FileLimits, stageFiles, type StageOptions, storedSchema } from './staging.ts';
import { type FileStats, mightContainTime, parseStats, StatsBuilder } from './stats.ts';
import type { StagedFile } from './table.ts';

/** Small enough that a stretch of time is a small part of a file, large enough to decode fast. */
const partRowsDefault = 1 << 17;

export class OwnFiles {
  /** Of files that were read or planned, by path. */
  private readonly metadata = new Map<string, Promise<FileMetadata>>();

  constructor(
    private readonly bytes: Bytes,
    private readonly folder: string,
    /** The table's, for messages. */
    private readonly table: string,
  ) {}

  stage(
    { schema, format, partitionBy }: TableFacts, limits: FileLimits, batches: AsyncIterable<RecordBatch> | Iterable<RecordBatch>, options: StageOptions,
  ): Promise<StagedFile[]> {
    const stored = storedSchema(schema, partitionBy);
    const write = async (pending: readonly RecordBatch[], index: number, values: StagedFile['partitionValues'] & object): Promise<StagedFile> => {
      const name = `part-${String(index).padStart(5, '0')}-${randomUUID()}${formatNamed(format).ending}`;
      const path = joinPath(partitionFolder(this.table, partitionBy, values), name);
      const { content, staged } = await encodeDataFile(formatNamed(format), path, stored, pending, { partRows: limits.partRows });
      await this.writeStaged(path, content);
      return partitionBy.length === 0 ? staged : { ...staged, partitionValues: values };
    };
    const discard = ({ path }: StagedFile): Promise<boolean> => this.bytes.delete(stagedPath(this.folder, path));
    return stageFiles({ table: this.table, limits, partitionBy, write, discard }, schema, batches, options);
  }

  /** As data to plan and scan; `version` is the one that needs them. */
  asData(schema: Schema, logged: Iterable<LoggedFile>, version: number): DataFiles {
    return { name: this.table, schema, passedOver: [], files: Array.from(logged, (file) => this.dataFile(schema, file, version)) };
  }

  forgetOthers(live: ReadonlyMap<string, unknown>): void {
    for (const path of this.metadata.keys()) if (!live.has(path)) this.metadata.delete(path);
  }

  private async writeStaged(path: string, content: Uint8Array): Promise<void> {
    const place = stagedPath(this.folder, path);
    try {
      await this.bytes.writeNew(place, content);
    } catch (thrown) {
      // It may be there nevertheless, if only the answer was lost.
      await this.bytes.delete(place).catch(() => undefined);
      throw thrown;
    }
  }

  /** Where a file of a version stands. */
  placed({ path, size, checksum }: LoggedFile, version: number): CommittedFile {
    return { kind: 'committed', folder: this.folder, path, size, checksum, version };
  }

  private dataFile(schema: Schema, logged: LoggedFile, version: number): DataFile {
    const { bytes, folder } = this;
    const { path, rows, parts } = logged;
    const name = bytes.locate(joinPath(folder, path));
    const format = formatOfPath(path)?.name;
    if (format === undefined) throw new UnsupportedError(name, 'its ending', 'the commit log names it as a data file, but its ending is that of no format known here; update this library');
    const file = this.placed(logged, version);
    const constants = partitionConstants(this.table, schema, logged.partitionValues);
    let stats: FileStats | undefined;
    return {
      name,
      format,
      bytes,
      file,
      rows,
      parts,
      constants,
      mightContain: ({ column, range }) => {
        stats ??= parseStats(logged.stats);
        return mightContainConstant(constants, column, range) && mightContainTime(stats, column, range);
      },
      metadata: () => this.metadataOf(format, file),
    };
  }

  private metadataOf(format: FileFormatName, file: CommittedFile): Promise<FileMetadata> {
    const known = this.metadata.get(file.path);
    if (known !== undefined) return known;
    const metadata = metadataOf({ format, bytes: this.bytes, file });
    this.metadata.set(file.path, metadata);
    metadata.catch(() => this.metadata.delete(file.path));
    return metadata;
  }
}

/** The bytes of a data file, read back as far as its metadata, and what a log is to know of it. */
export async function encodeDataFile(
  format: FileFormat, path: string, schema: Schema, batches: readonly RecordBatch[], { partRows = partRowsDefault, compression }: FileEncodeOptions = {},
): Promise<{ readonly content: Uint8Array; readonly staged: StagedFile }> {
  const stats = new StatsBuilder(schema);
  for (const batch of batches) stats.add(batch);
  const content = format.encode(schema, batches, { partRows, compression });
  const rows = batches.reduce((sum, batch) => sum + batch.numRows, 0);
  const metadata = await readMetadata(format, async () => contentFile(path, content));
  invariant(metadata.rows === rows, `${rows} rows were encoded as ${metadata.rows}`);
  return { content, staged: { path, rows, parts: format.partsOf(metadata), bytes: content.length, checksum: checksumOf(content), stats: stats.finish() } };
}

/** A file that is still in memory. */
function contentFile(name: string, content: Uint8Array): OpenFile {
  return {
    name,
    size: content.length,
    modifiedNs: 0n,
    read: async (start, end) => content.slice(start, end),
    stat: async () => ({ size: content.length, modifiedNs: 0n }),
    close: async () => undefined,
  };
}

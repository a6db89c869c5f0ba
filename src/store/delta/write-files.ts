/** The data files of a Delta table that we write: at their place at once, where nobody finds them but by the log. */
import { randomUUID } from 'node:crypto';
import type { RecordBatch, Schema } from '../../arrow/arrow.ts';
import { DataType } from '../../arrow/arrow.ts';
import { ArgumentError } from '../../base/errors.ts';
import { type Bytes, joinPath } from '../bytes.ts';
import type { ParquetCompression } from '../file-format.ts';
import { formatNamed } from '../file-formats.ts';
import { encodeDataFile } from '../own-files.ts';
import { inAscii, partitionFolder, type PartitionValues } from '../partition-values.ts';
import { type FileLimits, stageFiles, type StageOptions, storedSchema as withoutPartitions } from '../staging.ts';
import { storedBatch, storedSchema } from '../stored-types.ts';
import type { StagedFile } from '../table.ts';

export interface DeltaStaging {
  readonly bytes: Bytes;
  readonly folder: string;
  /** The table's, for messages. */
  readonly name: string;
  readonly schema: Schema;
  readonly partitionBy: readonly string[];
  readonly limits: FileLimits;
  readonly compression: ParquetCompression;
}

/** Throws OverflowError for a value that its column in Delta does not hold. */
export function stageDeltaFiles(
  { bytes, folder, name, schema, partitionBy, limits, compression }: DeltaStaging, batches: AsyncIterable<RecordBatch> | Iterable<RecordBatch>, options: StageOptions,
): Promise<StagedFile[]> {
  const format = formatNamed('parquet');
  const inFiles = withoutVoids(storedSchema(withoutPartitions(schema, partitionBy)));
  const write = async (pending: readonly RecordBatch[], index: number, values: PartitionValues): Promise<StagedFile> => {
    checkValues(name, values);
    const file = `part-${String(index).padStart(5, '0')}-${randomUUID()}-c000${compression === 'uncompressed' ? '' : `.${compression}`}${format.ending}`;
    // Nobody reads values from these names. Spark's vacuum takes files for forgotten whose names have letters beyond ASCII that the log escapes.
    const path = joinPath(partitionFolder(name, partitionBy, values, inAscii), file);
    const stored = pending.map((batch) => storedBatch(batch.select(inFiles.names as never[]), inFiles));
    const { content, staged } = await encodeDataFile(format, path, inFiles, stored, { partRows: limits.partRows, compression });
    await writeNew(bytes, joinPath(folder, path), content);
    return partitionBy.length === 0 ? staged : { ...staged, partitionValues: values };
  };
  const discard = ({ path }: StagedFile): Promise<boolean> => bytes.delete(joinPath(folder, path));
  return stageFiles({ table: name, limits, partitionBy, write, discard }, schema, batches, options);
}

/** Columns that hold only nulls are not in files, by Delta's protocol. */
function withoutVoids(schema: Schema): Schema {
  return schema.select(schema.fields.filter(({ type }) => !DataType.isNull(type)).map(({ name }) => name) as never[]);
}

/** In Delta, the empty string is how a partition says null. */
function checkValues(table: string, values: PartitionValues): void {
  const empty = Object.keys(values).find((column) => values[column] === '');
  if (empty === undefined) return;
  throw new ArgumentError('partitionBy', `column ${empty} of ${table} has the empty string, which a Delta table cannot tell from null where it is partitioned by it; write null, or do not partition by it`);
}

async function writeNew(bytes: Bytes, path: string, content: Uint8Array): Promise<void> {
  try {
    await bytes.writeNew(path, content);
  } catch (thrown) {
    // It may be there nevertheless, if only the answer was lost.
    await bytes.delete(path).catch(() => undefined);
    throw thrown;
  }
}

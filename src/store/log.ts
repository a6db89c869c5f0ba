/**
 * The entries of a commit log. One numbered file per version, one JSON action per line, named and shaped as in Delta's:
 *
 *   _log/00000000000000000007.json
 *     {"commitInfo":{"commitId":…,"timestamp":…,"operation":"append","readVersion":6,"info":{…}}}
 *     {"protocol":{…}}  {"metaData":{…}}          in version 0 and every overwrite: such an entry needs none before it
 *     {"remove":{"path":…}}  {"add":{"path":…,"size":…,"stats":…,"tags":{"checksum":…}}}
 *     {"checksum":{"crc32":…}}                    of all the lines above; the last line, so a truncated entry has none
 *
 * It is not called `_delta_log`, and does not claim to be one: files may stand in `_staged` or `_superseded`, and the
 * Arrow schema is kept beside Delta's. Pure; own-log.ts reads and writes the files.
 */
import { crc32 } from 'node:zlib';
import type { Schema } from '../arrow/arrow.ts';
import { schemaOfText, textOfSchema } from '../arrow/schema-stream.ts';
import { DamagedFileError, UnsupportedError } from '../base/errors.ts';
import { checkPath } from './bytes.ts';
import { deltaSchemaString } from './delta/write-schema.ts';
import type { FileFormatName } from './file-format.ts';
import type { PartitionValues } from './partition-values.ts';

export interface LoggedFile {
  readonly path: string;
  readonly size: number;
  readonly rows: number;
  /** Row groups, or stripes. */
  readonly parts: number;
  readonly checksum: string;
  readonly stats: string;
  readonly modificationTime: number;
  readonly partitionValues: PartitionValues;
  /** Of a compaction: the first of the files whose rows these are, whose place among the others it takes. */
  readonly replaces: string | undefined;
}

/** What is the same for all versions from an overwrite to the next. */
export interface TableFacts {
  readonly id: string;
  readonly schema: Schema;
  readonly format: FileFormatName;
  readonly partitionBy: readonly string[];
}

/** One version of a table, as its entry in the log tells it. */
export interface LogEntry {
  readonly version: number;
  /** Unique to the commit, so that a writer who got no answer can recognise its own entry. */
  readonly commitId: string;
  /** A compaction has the rows of the version before it. */
  readonly kind: 'append' | 'overwrite' | 'compact';
  readonly readVersion: number;
  readonly committedAtMs: number;
  readonly info: Readonly<Record<string, unknown>>;
  /** In version 0 and every overwrite. */
  readonly table: TableFacts | undefined;
  readonly remove: readonly string[];
  readonly add: readonly LoggedFile[];
}

export function entryName(version: number): string {
  return `${String(version).padStart(20, '0')}.json`;
}

/** The version that a file of the log holds, or undefined when it is no entry. */
export function versionOf(name: string): number | undefined {
  return /^\d{20}\.json$/.test(name) ? Number(name.slice(0, 20)) : undefined;
}

export function encodeEntry(entry: LogEntry): Uint8Array {
  const { commitId, committedAtMs, kind, readVersion, info, table } = entry;
  const actions: object[] = [{ commitInfo: { commitId, timestamp: committedAtMs, operation: kind, readVersion, info } }];
  if (table !== undefined) {
    actions.push({ protocol: { minReaderVersion: 1, minWriterVersion: 1 } });
    actions.push({
      metaData: {
        id: table.id,
        format: { provider: table.format, options: {} },
        schemaString: deltaSchemaString(table.schema),
        partitionColumns: table.partitionBy,
        configuration: { arrowSchema: textOfSchema(table.schema) },
        createdTime: committedAtMs,
      },
    });
  }
  const dataChange = kind !== 'compact';
  for (const path of entry.remove) actions.push({ remove: { path, deletionTimestamp: committedAtMs, dataChange } });
  for (const { path, partitionValues, size, modificationTime, stats, checksum, rows, parts, replaces } of entry.add) {
    const tags = { checksum, rows: String(rows), rowGroups: String(parts), replaces };
    actions.push({ add: { path, partitionValues, size, modificationTime, dataChange, stats, tags } });
  }
  const body = Buffer.from(actions.map((action) => `${JSON.stringify(action)}\n`).join(''));
  return Buffer.concat([body, Buffer.from(`${JSON.stringify({ checksum: { crc32: crc32(body) } })}\n`)]);
}

/** `name` is the entry's place, for messages. */
export function decodeEntry(name: string, version: number, content: Uint8Array): LogEntry {
  try {
    return readActions(name, version, verifiedLines(name, content));
  } catch (thrown) {
    if (thrown instanceof DamagedFileError || thrown instanceof UnsupportedError) throw thrown;
    throw new DamagedFileError(name, 'is not an entry of a commit log', thrown);
  }
}

function verifiedLines(name: string, content: Uint8Array): string[] {
  const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const lastLine = text.lastIndexOf('\n', -2) + 1;
  const closing = /^\{"checksum":\{"crc32":(\d+)\}\}\n$/.exec(text.toString('utf8', lastLine));
  if (closing === null) throw new DamagedFileError(name, 'the entry of the commit log is truncated or damaged: it does not end with its checksum');
  const body = text.subarray(0, lastLine);
  if (crc32(body) !== Number(closing[1])) {
    throw new DamagedFileError(name, 'the entry of the commit log is damaged: its checksum differs. Restore the file, or write the table again');
  }
  return body.toString('utf8').split('\n').filter((line) => line !== '');
}

// biome-ignore lint/suspicious/noExplicitAny: the checksum has vouched for the shape
type Action = Readonly<Record<string, any>>;

function readActions(name: string, version: number, lines: readonly string[]): LogEntry {
  const actions = lines.map((line): Action => JSON.parse(line));
  const first = <Kind extends string>(kind: Kind): Action | undefined => actions.find((action) => kind in action)?.[kind];
  const [commit, protocol, metaData] = [first('commitInfo'), first('protocol'), first('metaData')];
  if (commit === undefined) throw new DamagedFileError(name, 'is not an entry of a commit log of this library: it has no commitInfo');
  if (protocol !== undefined && protocol.minReaderVersion !== 1) {
    throw new UnsupportedError(name, `reader version ${protocol.minReaderVersion}`, 'was written by a newer version of this library; update it');
  }
  return {
    version,
    commitId: String(commit.commitId),
    kind: commit.operation === 'append' || commit.operation === 'compact' ? commit.operation : 'overwrite',
    readVersion: Number(commit.readVersion),
    committedAtMs: Number(commit.timestamp),
    info: commit.info ?? {},
    table: metaData && {
      id: String(metaData.id),
      schema: schemaOfText(metaData.configuration.arrowSchema),
      format: metaData.format.provider === 'orc' ? 'orc' : 'parquet',
      partitionBy: metaData.partitionColumns.map(String),
    },
    remove: actions.flatMap((action) => (action.remove === undefined ? [] : [filePath(action.remove.path)])),
    add: actions.flatMap(({ add }) =>
      add === undefined ? [] : [{
        path: filePath(add.path),
        size: Number(add.size),
        rows: Number(add.tags.rows),
        parts: Number(add.tags.rowGroups),
        checksum: String(add.tags.checksum),
        stats: String(add.stats),
        modificationTime: Number(add.modificationTime),
        partitionValues: add.partitionValues,
        replaces: add.tags.replaces === undefined ? undefined : filePath(add.tags.replaces),
      }],
    ),
  };
}

/** Data files have no folders but those of their partition: whether they live is told by their place, not by the log. */
function filePath(path: unknown): string {
  const checked = checkPath(String(path));
  const folders = checked.split('/').slice(0, -1);
  if (checked === '' || folders.some((folder) => !folder.includes('='))) throw new TypeError(`${JSON.stringify(path)} is not the name of a data file`);
  return checked;
}

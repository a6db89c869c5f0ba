/** Properties of a Delta table that bind who writes it. What is not understood counts as its default. */

import type { ParquetCompression } from '../file-format.ts';

type Properties = Readonly<Record<string, string>>;

const dayMs = 86_400_000;

const unitMs: Readonly<Record<string, number>> = { week: 7 * dayMs, day: dayMs, hour: 3_600_000, minute: 60_000, second: 1_000, millisecond: 1 };

/** How long files that were removed stay, for readers of older versions. */
export function deletedFileRetentionMs(properties: Properties): number {
  return tryIntervalMs(properties['delta.deletedFileRetentionDuration']) ?? 7 * dayMs;
}

/** How long versions can be asked for; undefined where they stay for good. */
export function logRetentionMs(properties: Properties): number | undefined {
  if (!isSet(properties, 'delta.enableExpiredLogCleanup', true)) return undefined;
  return tryIntervalMs(properties['delta.logRetentionDuration']) ?? 30 * dayMs;
}

/** Of a text such as `interval 7 days`. */
function tryIntervalMs(text = ''): number | undefined {
  const parts = [...text.matchAll(/(\d{1,9})\s+(week|day|hour|minute|second|millisecond)s?\b/gi)];
  if (!/^\s*(interval)?(\s*\d+\s+[a-z]+)+\s*$/i.test(text) || parts.length === 0) return undefined;
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * unitMs[unit!.toLowerCase()]!, 0);
}

/** A checkpoint is written every so many versions. */
export function checkpointInterval(properties: Properties): number {
  const interval = Number(properties['delta.checkpointInterval'] ?? 10);
  return Number.isSafeInteger(interval) && interval > 0 ? interval : 10;
}

export interface CheckpointStats {
  readonly asJson: boolean;
  readonly asStruct: boolean;
}

/** What checkpoints say of statistics. */
export function checkpointStats(properties: Properties): CheckpointStats {
  return { asJson: isSet(properties, 'delta.checkpoint.writeStatsAsJson', true), asStruct: isSet(properties, 'delta.checkpoint.writeStatsAsStruct', false) };
}

const codecs: Readonly<Record<string, ParquetCompression>> = {
  none: 'uncompressed', uncompressed: 'uncompressed', snappy: 'snappy', gzip: 'gzip', brotli: 'brotli', zstd: 'zstd',
  // What Parquet first had under this name cannot be told from what else has it.
  lz4: 'lz4_raw', lz4_raw: 'lz4_raw',
};

/** How data files are compressed. */
export function compressionOf(properties: Properties): ParquetCompression {
  const name = properties['delta.parquet.compression.codec']?.toLowerCase() ?? '';
  return Object.hasOwn(codecs, name) ? codecs[name]! : 'snappy';
}

function isSet(properties: Properties, key: string, otherwise: boolean): boolean {
  return (properties[key]?.toLowerCase() ?? String(otherwise)) === 'true';
}

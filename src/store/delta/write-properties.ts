/** Properties of a Delta table that bind who writes it. What is not understood counts as its default. */

type Properties = Readonly<Record<string, string>>;

const dayMs = 86_400_000;

const unitMs: Readonly<Record<string, number>> = { week: 7 * dayMs, day: dayMs, hour: 3_600_000, minute: 60_000, second: 1_000, millisecond: 1 };

/** How long files that were removed stay, for readers of older versions: `interval 7 days`. */
export function deletedFileRetentionMs(properties: Properties): number {
  const text = properties['delta.deletedFileRetentionDuration'] ?? '';
  const parts = [...text.matchAll(/(\d{1,9})\s+(week|day|hour|minute|second|millisecond)s?\b/gi)];
  if (!/^\s*(interval)?(\s*\d+\s+[a-z]+)+\s*$/i.test(text) || parts.length === 0) return 7 * dayMs;
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * unitMs[unit!.toLowerCase()]!, 0);
}

/** A checkpoint is written every so many versions. */
export function checkpointInterval(properties: Properties): number {
  const interval = Number(properties['delta.checkpointInterval'] ?? 10);
  return Number.isSafeInteger(interval) && interval > 0 ? interval : 10;
}

/** What checkpoints say of statistics; undefined where that asks for what we do not write. */
export function checkpointStats(properties: Properties): { readonly asJson: boolean } | undefined {
  const isSet = (key: string, otherwise: boolean): boolean => (properties[key]?.toLowerCase() ?? String(otherwise)) === 'true';
  if (isSet('delta.checkpoint.writeStatsAsStruct', false)) return undefined;
  return { asJson: isSet('delta.checkpoint.writeStatsAsJson', true) };
}

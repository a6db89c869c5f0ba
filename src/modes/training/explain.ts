/** What a training set would read and hold, in words for a person and as data for a program. */
import type { ScanPlan } from '../../store/table.ts';
import { costText } from '../decide.ts';
import { rangeText } from '../stored-road.ts';
import type { PlannedTrainingSet } from '../training-set.ts';
import type { RoadChoice, TrainingRoad } from './roads.ts';
import { type SlicedSet, slicesOf } from './slices.ts';

export interface TrainingExplanation {
  /** Some lines of text. */
  readonly text: string;
  readonly sets: readonly SetExplanation[];
}

export interface SetExplanation {
  readonly featureSet: string;
  readonly source: { readonly name: string; readonly version: string };
  /** Events outside it are of no label. */
  readonly range: string;
  /** Slices of the labels that have a pass of their own, so that memoryLimit is kept. */
  readonly slices: number;
  /** Of the slice that has most. */
  readonly entities: number;
  /** Different moments that ranges of labels start or end at, of the slice that has most. */
  readonly moments: number;
  /** Bytes beside the rows that are under way: moments, which each thread has, and at most the states between them. Of the slice that takes most. */
  readonly memoryBytes: number;
  /** Of the source, where that is the road. */
  readonly scan: ScanPlan;
  /** `merged`: stored tiles, and rows of the source where those do not do. */
  readonly road: TrainingRoad;
  /** In milliseconds, where both roads were looked at. */
  readonly costMs: RoadChoice['costMs'];
  readonly reasons: readonly string[];
  /** Where the road `merged` is open: what it reads. */
  readonly merged: { readonly tiles: readonly string[]; readonly rows: readonly string[]; readonly newFiles: number } | undefined;
}

export async function explainTraining({ labels, request, sets }: PlannedTrainingSet): Promise<TrainingExplanation> {
  const explained: SetExplanation[] = [];
  for (const sliced of sets) explained.push(await explainSet(sliced));
  const lines = [`${labels.numRows} labels by ${request.timestamp}, ${request.columns.length} features`, ...explained.flatMap(linesOf)];
  return { text: lines.join('\n'), sets: explained };
}

async function explainSet(sliced: SlicedSet): Promise<SetExplanation> {
  const { first: { plan: { groupBy, scan }, choice: { road, merge, costMs, reasons } }, source, set } = sliced;
  let [slices, entities, moments, memoryBytes] = [0, 0, 0, 0];
  for await (const { plan } of slicesOf(sliced)) {
    const points = plan.groupBy.moments!.count;
    slices++;
    entities = Math.max(entities, plan.entities);
    moments = Math.max(moments, points);
    memoryBytes = Math.max(memoryBytes, plan.bytes.moments + points * plan.bytes.state);
  }
  return {
    featureSet: set.definition.name,
    source: { name: source.name, version: source.version },
    range: rangeText(groupBy.range),
    slices,
    entities,
    moments,
    memoryBytes,
    scan: await source.plan(scan),
    road,
    costMs,
    reasons,
    merged: merge && { tiles: merge.tiles.map(rangeText), rows: merge.rows.map(rangeText), newFiles: merge.change.added.size },
  };
}

function linesOf({ featureSet, source, range, slices, entities, moments, memoryBytes, scan, road, costMs, reasons, merged }: SetExplanation): string[] {
  const passes = slices === 1 ? 'one pass' : `${slices} passes, one for each slice of the labels,`;
  const lines = [
    `${featureSet}: ${road === 'source' ? `${passes} of` : `stored tiles, merged with rows of`} ${source.name}, version ${source.version}`,
    `  because ${reasons.join('; ')}`,
    `  events in ${range}; ${scan.rows} of ${scan.rowsTotal} rows in ${scan.files} of ${scan.filesTotal} files, ${scan.bytes} bytes, columns ${scan.columns.join(', ')}`,
  ];
  if (merged !== undefined) {
    const rows = merged.rows.length === 0 ? 'none' : merged.rows.join(', ');
    lines.push(`  road merged${costMs.merged === undefined ? '' : `, ${costText({ costMs: costMs.merged })}`}: tiles in ${merged.tiles.join(', ')}; rows in ${rows}, and of ${merged.newFiles} new files`);
  }
  lines.push(`  ${entities} entities with ${moments} moments; at most ${Math.ceil(memoryBytes / 2 ** 20)} MiB beside the rows under way`);
  return lines;
}

/** What a training set would read and hold, in words for a person and as data for a program. */
import type { ScanPlan } from '../../store/table.ts';
import { costText } from '../decide.ts';
import { rangeText } from '../stored-road.ts';
import type { RoadChoice, TrainingRoad } from './roads.ts';
import type { PlannedTrainingSet } from '../training-set.ts';

export interface TrainingExplanation {
  /** Some lines of text. */
  readonly text: string;
  readonly sets: readonly {
    readonly featureSet: string;
    readonly source: { readonly name: string; readonly version: string };
    /** Events outside it are of no label. */
    readonly range: string;
    readonly entities: number;
    /** Different moments that ranges of labels start or end at. */
    readonly moments: number;
    /** Bytes beside the rows that are under way: moments, which each thread has, and at most the states between them. */
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
  }[];
}

export async function explainTraining({ labels, request, sets }: PlannedTrainingSet): Promise<TrainingExplanation> {
  const explained = [];
  for (const { plan: { set, source, groupBy, scan, entities, bytes }, choice: { road, merge, costMs, reasons } } of sets) {
    explained.push({
      featureSet: set.definition.name,
      source: { name: source.name, version: source.version },
      range: rangeText(groupBy.range),
      entities,
      moments: groupBy.moments!.points.length,
      memoryBytes: bytes.moments + bytes.states,
      scan: await source.plan(scan),
      road,
      costMs,
      reasons,
      merged: merge && { tiles: merge.tiles.map(rangeText), rows: merge.rows.map(rangeText), newFiles: merge.change.added.size },
    });
  }
  const lines = [`${labels.numRows} labels by ${request.timestamp}, ${request.columns.length} features`];
  for (const { featureSet, source, range, entities, moments, memoryBytes, scan, road, costMs, reasons, merged } of explained) {
    lines.push(
      `${featureSet}: ${road === 'source' ? 'one pass of' : 'stored tiles, merged with rows of'} ${source.name}, version ${source.version}`,
      `  because ${reasons.join('; ')}`,
      `  events in ${range}; ${scan.rows} of ${scan.rowsTotal} rows in ${scan.files} of ${scan.filesTotal} files, ${scan.bytes} bytes, columns ${scan.columns.join(', ')}`,
    );
    if (merged !== undefined) {
      const rows = merged.rows.length === 0 ? 'none' : merged.rows.join(', ');
      lines.push(`  road merged${costMs.merged === undefined ? '' : `, ${costText({ costMs: costMs.merged })}`}: tiles in ${merged.tiles.join(', ')}; rows in ${rows}, and of ${merged.newFiles} new files`);
    }
    lines.push(`  ${entities} entities with ${moments} moments; at most ${Math.ceil(memoryBytes / 2 ** 20)} MiB beside the rows under way`);
  }
  return { text: lines.join('\n'), sets: explained };
}

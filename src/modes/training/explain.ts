/** What a training set would read and hold, in words for a person and as data for a program. */
import type { ScanPlan } from '../../store/table.ts';
import { rangeText } from '../stored-road.ts';
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
    readonly scan: ScanPlan;
  }[];
}

export async function explainTraining({ labels, request, sets }: PlannedTrainingSet): Promise<TrainingExplanation> {
  const explained = [];
  for (const { set, source, groupBy, scan, entities, bytes } of sets) {
    explained.push({
      featureSet: set.definition.name,
      source: { name: source.name, version: source.version },
      range: rangeText(groupBy.range),
      entities,
      moments: groupBy.moments!.points.length,
      memoryBytes: bytes.moments + bytes.states,
      scan: await source.plan(scan),
    });
  }
  const lines = [`${labels.numRows} labels by ${request.timestamp}, ${request.columns.length} features; always computed from the sources`];
  for (const { featureSet, source, range, entities, moments, memoryBytes, scan } of explained) {
    lines.push(
      `${featureSet}: one pass of ${source.name}, version ${source.version}`,
      `  events in ${range}; ${scan.rows} of ${scan.rowsTotal} rows in ${scan.files} of ${scan.filesTotal} files, ${scan.bytes} bytes, columns ${scan.columns.join(', ')}`,
      `  ${entities} entities with ${moments} moments; at most ${Math.ceil(memoryBytes / 2 ** 20)} MiB beside the rows under way`,
    );
  }
  return { text: lines.join('\n'), sets: explained };
}

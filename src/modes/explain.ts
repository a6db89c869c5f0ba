/** What a read would do and why, in words for a person and as data for a program. */
import { CancelledError, reasonOf } from '../base/errors.ts';
import { formatDuration, formatInstant } from '../base/time.ts';
import type { Mode } from '../config/definition.ts';
import type { ScanPlan, Snapshot } from '../store/table.ts';
import { sourceScan, spanOf, tileColumn } from './compute.ts';
import { costText, type WeighedRoad } from './decide.ts';
import { NotMaterializedError } from './errors.ts';
import type { ReadContext, ReadFacts } from './read.ts';
import type { ReadRequest } from './request.ts';
import { partsOf, rangeText, type StoredRoad } from './stored-road.ts';
import { rateText, type Throughputs, workKinds } from './throughput.ts';

export interface Explanation {
  /** Some lines of text. */
  readonly text: string;
  readonly decision: {
    readonly featureSet: string;
    readonly mode: Mode;
    /** `none`: the read would fail, and the reasons say why. */
    readonly road: 'features' | 'tiles' | 'merged' | 'source' | 'none';
    readonly stale: boolean;
    readonly range: string;
    readonly asOf: string;
    readonly reasons: readonly string[];
    readonly source: { readonly name: string; readonly version: string } | { readonly unreachable: string };
    readonly stored: { readonly version: number; readonly computedAt: string; readonly sourceVersion: string } | undefined;
    /** Mode hybrid: all roads, with what they would cost in milliseconds, and why each is open or not. */
    readonly roads: readonly WeighedRoad[] | undefined;
    /** Mode hybrid: what work has cost here, or is taken to cost where none was measured. */
    readonly throughputs: Throughputs | undefined;
    /** What would be read on that road. */
    readonly scan: ScanPlan | undefined;
  };
}

export async function explanationOf(request: ReadRequest, facts: ReadFacts, context: ReadContext): Promise<Explanation> {
  const chosen = choose(request, facts);
  const { scan, problem } = await tryScanOf(request, facts, context, chosen.road);
  const { stored, source } = facts;
  const road = chosen.stored;
  const range = road !== undefined && road.kind !== 'none' ? road.range : request.range;
  const asOfUs = road !== undefined && road.kind !== 'none' ? road.asOfUs : request.asOfUs;
  const isWeighed = request.mode === 'hybrid' && request.definition.kind !== 'written';
  const decision: Explanation['decision'] = {
    featureSet: request.definition.name,
    mode: request.mode,
    road: chosen.road,
    stale: chosen.stale,
    range: rangeText(range),
    asOf: formatInstant(asOfUs),
    reasons: problem === undefined ? chosen.reasons : [...chosen.reasons, problem],
    source: 'error' in source
      ? { unreachable: source.error instanceof Error ? source.error.message : String(source.error) }
      : { name: source.name, version: source.version },
    stored: stored && {
      version: stored.features.versionNumber,
      computedAt: new Date(stored.computedAtMs).toISOString(),
      sourceVersion: stored.facts.sourceVersion,
    },
    roads: isWeighed ? facts.decision.roads : undefined,
    throughputs: isWeighed ? facts.decided.throughputs : undefined,
    scan,
  };
  return { text: textOf(decision, request), decision };
}

interface Choice {
  readonly road: Explanation['decision']['road'];
  readonly stored: StoredRoad | undefined;
  readonly stale: boolean;
  readonly reasons: readonly string[];
}

function choose(request: ReadRequest, facts: ReadFacts): Choice {
  if (request.definition.kind === 'written') {
    return { road: facts.stored === undefined ? 'none' : 'features', stored: facts.road, stale: false, reasons: ['these rows are written, not computed'] };
  }
  if (request.mode === 'virtualized') {
    return 'error' in facts.source
      ? { road: 'none', stored: undefined, stale: false, reasons: ['the source cannot be reached'] }
      : { road: 'source', stored: undefined, stale: false, reasons: ['mode virtualized always computes from the source'] };
  }
  if (request.mode === 'materialized') return chooseMaterialized(request, facts);
  const { decision, road } = facts;
  if (decision.road === 'stored') return { road: kindOf(road), stored: road, stale: decision.stale, reasons: decision.reasons };
  return { road: decision.road, stored: undefined, stale: false, reasons: decision.reasons };
}

function chooseMaterialized(request: ReadRequest, facts: ReadFacts): Choice {
  const { stored, road, source } = facts;
  if (stored === undefined || road === undefined || road.kind === 'none') {
    const missing = new NotMaterializedError(request.definition.name, 'nothing that fits is stored');
    return { road: 'none', stored: undefined, stale: false, reasons: [missing.message, ...(road?.reasons ?? [])] };
  }
  const stale = 'error' in source || source.version !== stored.facts.sourceVersion;
  return { road: road.kind, stored: road, stale, reasons: ['mode materialized never computes', ...road.reasons] };
}

function kindOf(road: StoredRoad | undefined): 'features' | 'tiles' | 'none' {
  return road?.kind ?? 'none';
}

/** Files that would be read may be damaged: that is for the read to say, and worth knowing before. */
async function tryScanOf(...asked: Parameters<typeof scanOf>): Promise<{ readonly scan: ScanPlan | undefined; readonly problem?: string }> {
  try {
    return { scan: await scanOf(...asked) };
  } catch (error) {
    if (error instanceof CancelledError) throw error;
    return { scan: undefined, problem: `what would be read cannot be planned: ${reasonOf(error)}` };
  }
}

async function scanOf(
  request: ReadRequest,
  facts: ReadFacts,
  context: ReadContext,
  road: Explanation['decision']['road'],
): Promise<ScanPlan | undefined> {
  if (road === 'features') return facts.stored?.features.plan();
  if (road === 'tiles' && facts.stored?.facts.tilesVersion !== undefined && facts.road?.kind === 'tiles') {
    const tiles: Snapshot = await context.tables.tiles.snapshot({ version: facts.stored.facts.tilesVersion });
    const span = spanOf(facts.road.parts.map((part) => part.range));
    return tiles.plan(span === undefined ? {} : { timeRange: { column: tileColumn, range: span } });
  }
  if (road !== 'source' || 'error' in facts.source) return undefined;
  if (request.definition.kind !== 'aggregated') return facts.source.plan();
  const parts = partsOf(request, request.range, request.asOfUs);
  return facts.source.plan(sourceScan(facts.source, { definition: request.definition, parts }, request.definition.filter, undefined));
}

const roadTexts: Readonly<Record<Explanation['decision']['road'], string>> = {
  features: 'read the stored features as they are',
  tiles: 'merge stored tiles',
  merged: 'merge what is stored with what is new',
  source: 'compute from the source',
  none: 'no answer is to be had',
};

function textOf(decision: Explanation['decision'], request: ReadRequest): string {
  const { definition } = request;
  const lines = [
    `${decision.featureSet}, mode ${decision.mode}: ${roadTexts[decision.road]}${decision.stale ? ' (stale)' : ''}`,
    ...decision.reasons.map((reason) => `  because ${reason}`),
    `  range    ${decision.range}`,
    `  as of    ${decision.asOf}`,
    `  tiles    ${formatDuration(definition.tileUs)}`,
    'unreachable' in decision.source
      ? `  source   cannot be reached: ${decision.source.unreachable}`
      : `  source   ${decision.source.name}, version ${decision.source.version}`,
    decision.stored === undefined
      ? '  stored   nothing'
      : `  stored   version ${decision.stored.version}, computed at ${decision.stored.computedAt}, of source version ${decision.stored.sourceVersion}`,
  ];
  for (const { road, open, stale, costMs, reasons } of decision.roads ?? []) {
    const cost = costMs === undefined ? '' : `, ${costText({ costMs })}`;
    lines.push(`  road     ${road}: ${open ? `open${stale ? ', stale' : ''}` : 'closed'}${cost} (${reasons.join('; ')})`);
  }
  if (decision.throughputs !== undefined) {
    for (const kind of workKinds) lines.push(`  speed    ${kind}: ${rateText(decision.throughputs[kind])}`);
  }
  const { scan } = decision;
  if (scan !== undefined) {
    lines.push(
      `  reads    ${scan.rows} of ${scan.rowsTotal} rows, ${scan.units} of ${scan.unitsTotal} row groups, ` +
        `${scan.files} of ${scan.filesTotal} files, ${scan.bytes} bytes, columns ${scan.columns.join(', ')}`,
    );
  }
  return lines.join('\n');
}

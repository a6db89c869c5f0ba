/**
 * What a read asks for, once every option has its meaning. Pure: the instant comes in from outside.
 *
 *   no timeRange, no asOf   every row counts, null event times too; windows end now
 *   asOf only               events before it
 *   timeRange: '30d'        events in [asOf − 30d, asOf)
 *   timeRange: {start,end}  events inside, and before asOf where one is given
 *   timeRange: 'all'        every row counts, whatever asOf says about the windows
 */
import { ArgumentError, NotFoundError } from '../base/errors.ts';
import { didYouMean } from '../base/names.ts';
import { formatInstant, type Instant, parseDuration, parseInstant, resolveTimeRange, type TimeRange, type TimeRangeInput } from '../base/time.ts';
import { type FeatureSetDefinition, type Mode, modeNames, resultColumns, type Stretch, stretchesOf } from '../config/definition.ts';
import type { OutputColumn } from '../engine/plan.ts';
import { type Road, roads } from './decide.ts';
import { type EntityFilter, entityFilter } from './entities.ts';
import type { Schema } from '../arrow/arrow.ts';

/** The options of `getFeatures` and `explain`. */
export interface FeatureOptions {
  /** `'30d'`, `'all'`, or `{ start?, end? }`. */
  readonly timeRange?: TimeRangeInput;
  /** The moment that is asked about; events stamped at it or later are not seen. By default now. */
  readonly asOf?: Instant;
  /** Only these entities: a list of values for a single key, or one list per key column, row by row. */
  readonly entities?: readonly unknown[] | Readonly<Record<string, readonly unknown[]>>;
  /** Only these columns of the result, in this order, after the keys. */
  readonly features?: readonly string[];
  /** This mode instead of the configured one, for this call. */
  readonly mode?: Mode;
  /** How old a stored answer may be where a fresh one is not to be had, or not wanted: `'15m'`. */
  readonly maxStaleness?: string;
  /** Mode hybrid: this road, whatever it costs and however old the answer. */
  readonly road?: Road;
  readonly signal?: AbortSignal;
}

export interface ReadRequest {
  readonly definition: FeatureSetDefinition;
  readonly mode: Mode;
  readonly asOfUs: bigint;
  /** Whether the caller named the instant, or a range that depends on it. */
  readonly asOfGiven: boolean;
  /** Undefined: every row counts. */
  readonly range: TimeRange | undefined;
  readonly outputs: readonly OutputColumn[];
  /** Columns over a stretch that ends at the instant. */
  readonly windows: readonly Stretch[];
  /** The columns of the answer after the keys; undefined for sets whose rows something else made, when all are wanted. */
  readonly columns: readonly string[] | undefined;
  readonly entities: FeatureOptions['entities'];
  readonly maxStalenessUs: bigint | undefined;
  readonly road: Road | undefined;
  readonly signal: AbortSignal | undefined;
}

export function planRead(
  definition: FeatureSetDefinition,
  options: FeatureOptions,
  defaults: { readonly mode: Mode; readonly nowUs: bigint; readonly maxStalenessUs: bigint | undefined },
): ReadRequest {
  const mode = options.mode ?? defaults.mode;
  if (!modeNames.includes(mode)) {
    throw new ArgumentError('mode', `'${mode}' is not a mode; one of ${modeNames.join(', ')}${didYouMean(String(mode), modeNames)}`);
  }
  const timed = options.timeRange !== undefined || options.asOf !== undefined;
  if (timed && definition.timestamp === undefined && definition.kind === 'aggregated') {
    throw new ArgumentError(
      options.timeRange !== undefined ? 'timeRange' : 'asOf',
      `feature set ${definition.name} names no event time; add 'timestamp: <column>' to it (${definition.where})`,
    );
  }
  const asOfUs = options.asOf === undefined ? defaults.nowUs : parseInstant(options.asOf, 'asOf');
  const range = requestedRange(options, asOfUs);
  return {
    definition,
    mode,
    asOfUs,
    asOfGiven: timed,
    range,
    ...chosenOutputs(definition, options.features),
    entities: options.entities,
    maxStalenessUs:
      options.maxStaleness === undefined ? defaults.maxStalenessUs : parseDuration(options.maxStaleness, 'maxStaleness'),
    road: requestedRoad(options.road, mode),
    signal: options.signal,
  };
}

/** Only hybrid has a choice of roads; the other modes may be told the one they take. */
function requestedRoad(road: Road | undefined, mode: Mode): Road | undefined {
  if (road === undefined) return undefined;
  if (!roads.includes(road)) throw new ArgumentError('road', `'${road}' is not a road; one of ${roads.join(', ')}${didYouMean(String(road), roads)}`);
  const own = { hybrid: road, materialized: 'stored', virtualized: 'source' }[mode];
  if (road !== own) throw new ArgumentError('road', `mode ${mode} always takes the road ${own}; name another road in mode hybrid`);
  return road;
}

function requestedRange(options: FeatureOptions, asOfUs: bigint): TimeRange | undefined {
  if (options.timeRange === 'all') return undefined;
  if (options.timeRange === undefined) return options.asOf === undefined ? undefined : { endUs: asOfUs };
  const range = resolveTimeRange(options.timeRange, asOfUs);
  if (options.asOf === undefined || (range.endUs !== undefined && range.endUs <= asOfUs)) return range;
  if (range.startUs !== undefined && range.startUs > asOfUs) {
    throw new ArgumentError('timeRange', `starts after asOf ${formatInstant(asOfUs)}`);
  }
  return { ...range, endUs: asOfUs };
}

function chosenOutputs(
  definition: FeatureSetDefinition,
  features: readonly string[] | undefined,
): Pick<ReadRequest, 'outputs' | 'windows' | 'columns'> {
  if (definition.kind !== 'aggregated') return { outputs: [], windows: [], columns: features };
  const windows = stretchesOf(definition);
  const inStretches = new Set(windows.flatMap((window) => window.outputs.map((output) => output.name)));
  const outputs = definition.outputs.filter((output) => !inStretches.has(output.name));
  const all = resultColumns(definition).slice(definition.entityKeys.length);
  if (features === undefined) return { outputs, windows, columns: all };
  for (const feature of features) {
    if (!all.includes(feature)) {
      throw new NotFoundError(
        `feature set ${definition.name}: feature`,
        feature,
        `there is ${all.join(', ')}${didYouMean(feature, all)}`,
      );
    }
  }
  const wanted = (output: OutputColumn): boolean => features.includes(output.name);
  return {
    outputs: outputs.filter(wanted),
    windows: windows
      .map((window) => ({ ...window, outputs: window.outputs.filter(wanted) }))
      .filter((window) => window.outputs.length > 0),
    columns: [...new Set(features)],
  };
}

/** The condition on keys that a request's `entities` mean against a table of this schema. */
export function requestedEntities(request: ReadRequest, schema: Schema): EntityFilter | undefined {
  if (request.entities === undefined) return undefined;
  return entityFilter(request.entities, request.definition, schema);
}

/**
 * The shape of the configuration: what `load.ts` checks a file against, and the JSON Schema that editors read. Durations,
 * names and what one part says of another are checked in `definitions.ts`.
 */
import { z } from 'zod';
import { aggregationNames } from '../engine/plan.ts';
import { layerNames, modeNames, storageFormats } from './definition.ts';

const duration = z.string().describe('A length of time: 15m, 6h, 30d, 4w');
const aggregation = z.enum(aggregationNames);
const names = z.union([z.string(), z.array(z.string()).min(1)]);

export const featureSetShape = z
  .strictObject({
    entity_keys: names.describe('The column, or columns, that name an entity'),
    source: z.string().describe('The source table, in source_schema, or silver.<table> / gold.<table>').optional(),
    timestamp: z.string().describe('The event time column').optional(),
    aggregations: z
      .record(z.string(), z.union([aggregation, z.array(aggregation).min(1)]))
      .describe('Column → one aggregation or several; the result is <column>_<aggregation>')
      .optional(),
    compute: z.string().describe('A compute function instead: path/to/module.js#exportedName, in the project folder').optional(),
    tile: duration.describe('The grain of stored partial results; 1d by default').optional(),
    windows: z.array(duration).describe('Also as <column>_<aggregation>_<window>').optional(),
    description: z.string().optional(),
    owner: z.string().optional(),
    tags: z.record(z.string(), z.string()).optional(),
  })
  .describe('What a feature set is');

export const inputShape = z.union([
  z.strictObject({
    feature_store: z.literal(true),
    feature_set: z.string().describe('The feature set to load'),
    time_range: duration.describe('Only recent data').optional(),
  }),
  z.strictObject({ source: z.string().describe('A source table, as it is') }),
]);

export const nodeShape = z
  .strictObject({
    function: z.string().describe('path/to/module.js#exportedName, in the project folder'),
    inputs: names.describe('Names of inputs, in the order of the function’s parameters'),
    output: z.strictObject({ feature_store: z.literal(true), feature_set: z.string() }),
  })
  .describe('A function of the project, whose result is stored as a feature set');

export const configurationShape = z.strictObject({
  feature_store: z
    .strictObject({
      mode: z.enum(modeNames).default('materialized').describe('Where answers come from'),
      storage_path: z.string().default('data/feature_store').describe('Where computed features are kept'),
      storage_format: z.enum(storageFormats).default('parquet'),
      source_schema: z.enum(layerNames).default('silver').describe('The layer of sources that name none'),
      max_staleness: duration.describe('How old a stored answer may be where a fresh one is not to be had').optional(),
    })
    .optional(),
  layers: z
    .strictObject({
      silver: z.string().default('data/silver').describe('Where the silver layer lives'),
      gold: z.string().default('data/gold').describe('Where the gold layer lives'),
    })
    .optional(),
  feature_sets: z.record(z.string(), featureSetShape).optional(),
  inputs: z.record(z.string(), inputShape).optional(),
  nodes: z.record(z.string(), nodeShape).optional(),
});

export type ConfigurationInput = z.infer<typeof configurationShape>;
export type FeatureSetShape = z.infer<typeof featureSetShape>;

/** The JSON Schema of `global.yaml`, for editors. */
export function configurationJsonSchema(): object {
  const schema = z.toJSONSchema(configurationShape, { io: 'input' });
  return { title: 'tauro-feature-store configuration', ...schema };
}

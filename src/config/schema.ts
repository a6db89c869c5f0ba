/**
 * The shape of the configuration: what files and objects are checked against, and the JSON Schema that editors read.
 * What no shape can say (durations, names, what one part says of another) is checked in feature-set.ts and project.ts.
 */
import type { z } from 'zod';
import { sizePattern } from '../base/size.ts';
import { aggregationNames } from '../engine/plan.ts';
import { layerNames, modeNames, storageFormats } from './definition.ts';
import { withZod, zod } from './zod.ts';

/** What holds where a project says nothing. */
export const defaults = {
  mode: 'materialized',
  storage_path: 'data/feature_store',
  storage_format: 'parquet',
  source_schema: 'silver',
  layers: { silver: 'data/silver', gold: 'data/gold' },
  tile: '1d',
  background_materialization: true,
} as const;

const durationPattern = String.raw`^\s*\d{1,9}[smhdw]\s*$`;
/** The files for one section each, such as `feature_sets.yaml`; `global.yaml` may have the sections too. */
export const sectionNames = ['feature_sets', 'inputs', 'nodes'] as const;
export type SectionName = (typeof sectionNames)[number];

/** The shape of `global.yaml` and of a configuration object, of its sections, and of what is in these. */
export const shapes = withZod((z) => {
  const duration = (description: string) =>
    z.string().meta({ description: `${description}. A length of time: 15m, 6h, 30d, 4w`, pattern: durationPattern });
  const text = (description: string) => z.string().min(1).describe(description);
  const path = (description: string) => text(`${description}. Relative to the project folder, the parent of config/, or absolute`);

  const aggregation = z.enum(aggregationNames);

  const featureSet = z
    .strictObject({
      entity_keys: z
        .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
        .describe('The column, or the columns, that name an entity')
        .optional(),
      source: text('The source table, in source_schema; or silver.<table>, gold.<table>').optional(),
      timestamp: text('The event time column').optional(),
      aggregations: z
        .record(z.string().min(1), z.union([aggregation, z.array(aggregation).min(1)]))
        .describe('Column → one aggregation or several; the result is <column>_<aggregation>. first and last go by the timestamp; any and all are of booleans; std and var are of a sample')
        .optional(),
      compute: text('A compute function instead: path/to/module.js#exportedName, inside the project folder').optional(),
      tile: duration('The grain of stored partial results').default(defaults.tile),
      windows: z.array(duration('A window')).describe('Also as <column>_<aggregation>_<window>, over the time before the read').optional(),
      tolerance: duration('How old the value of last may be at the moment that is asked about; by default any age').optional(),
      tie_breaker: text('The column that orders values of first and last at one event time, such as created: first has that with the least, last with the greatest; of equal ones the greatest value').optional(),
      arrival: text('The column that says when a row arrived, such as ingested_at: a question about an instant sees only rows that had arrived before it').optional(),
      description: z.string().describe('What the features mean, for people').optional(),
      owner: z.string().describe('Whom to ask').optional(),
      tags: z.record(z.string(), z.string()).describe('Anything else, for people and their tools').optional(),
    })
    .meta({
      description: 'What a feature set is. With neither aggregations nor compute, rows come by store.write',
      anyOf: [{ required: ['entity_keys'] }, { required: ['compute'] }],
    });

  const input = z.union([
    z
      .strictObject({
        feature_store: z.literal(true).describe('The input is a feature set'),
        feature_set: text('The feature set to load'),
        time_range: duration('Only events of this long before the read').optional(),
      })
      .describe('Features'),
    z.strictObject({ source: text('A source table; or silver.<table>, gold.<table>') }).describe('The rows of a source, as they are'),
  ]);

  const node = z
    .strictObject({
      function: text('path/to/module.js#exportedName, inside the project folder'),
      inputs: z.union([z.string().min(1), z.array(z.string().min(1))]).describe('Names of inputs, in the order of the function’s parameters'),
      output: z
        .strictObject({
          feature_store: z.literal(true).describe('The result is stored as a feature set'),
          feature_set: text('The feature set it is stored as, declared under feature_sets'),
        })
        .describe('Where the result goes'),
    })
    .describe('A function of the project, called with inputs; what it returns is stored as a feature set');

  const sections = {
    feature_sets: z.record(z.string(), featureSet).nullish().describe('Feature sets, by name'),
    inputs: z.record(z.string(), input).nullish().describe('What store.loadInput loads, by name'),
    nodes: z.record(z.string(), node).nullish().describe('Pipeline nodes, by name'),
  } satisfies Record<SectionName, z.ZodType>;

  const configuration = z.strictObject({
    feature_store: z
      .strictObject({
        mode: z
          .enum(modeNames)
          .default(defaults.mode)
          .describe('Where answers come from. materialized: what was stored; virtualized: the source; hybrid: both, fresh and fast'),
        storage_path: path('Where computed features are kept').default(defaults.storage_path),
        storage_format: z.enum(storageFormats).default(defaults.storage_format).describe('The format of stored features'),
        source_schema: z.enum(layerNames).default(defaults.source_schema).describe('The layer of sources that name none'),
        max_staleness: duration('How old a stored answer may be where a fresh one is not to be had; by default not at all').optional(),
        storage_budget: z
          .string()
          .meta({
            description: 'How much room stored features may take: 500MB, 10GB. Beyond it, hybrid gives up what saves least per byte; by default nothing is given up',
            pattern: sizePattern,
          })
          .optional(),
        background_materialization: z
          .boolean()
          .default(defaults.background_materialization)
          .describe('Whether hybrid reads materialize in the background what they keep paying for'),
      })
      .nullish()
      .describe('How features are stored and read'),
    layers: z
      .strictObject({
        silver: path('Where the silver layer lives').default(defaults.layers.silver),
        gold: path('Where the gold layer lives').default(defaults.layers.gold),
      })
      .nullish()
      .describe('Where the layers of source tables live'),
    ...sections,
  });

  return { configuration, sections, featureSet, input, node };
});

/** The shape of a file for one section. */
export function sectionShape(section: SectionName): z.ZodType {
  return zod().strictObject({ [section]: shapes().sections[section] });
}

type Shapes = ReturnType<typeof shapes>;
export type ConfigurationShape = z.input<Shapes['configuration']>;
export type FeatureSetShape = z.input<Shapes['featureSet']>;
export type InputShape = z.input<Shapes['input']>;
export type NodeShape = z.input<Shapes['node']>;

/** The JSON Schema of the configuration files, for editors. It takes what the loader takes, `${NAME}` included. */
export function configurationJsonSchema(): object {
  const schema = zod().toJSONSchema(shapes().configuration, {
    io: 'input',
    target: 'draft-7',
    override: ({ jsonSchema }) => {
      const { enum: choices, pattern, ...others } = jsonSchema;
      if (choices === undefined && pattern === undefined) return;
      for (const key of ['enum', 'pattern', 'type'] as const) delete jsonSchema[key];
      Object.assign(jsonSchema, {
        ...others,
        anyOf: [
          { type: 'string', ...(choices === undefined ? { pattern } : { enum: choices }) },
          { type: 'string', pattern: String.raw`\$\{` },
        ],
      });
      delete (jsonSchema as { type?: unknown }).type;
    },
  });
  return { ...schema, title: 'tauro-feature-store configuration' };
}

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${…} is what the configuration reads.
import assert from 'node:assert/strict';
import test from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import { configurationJsonSchema } from '../../src/config/schema.ts';

interface JsonSchema {
  readonly [key: string]: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | false;
  readonly anyOf?: readonly JsonSchema[];
}

const schema = configurationJsonSchema() as JsonSchema;
const accepts = (yaml: string): boolean => z.fromJSONSchema(schema as never).safeParse(parse(yaml)).success;

test('editors accept what the loader accepts', () => {
  for (const yaml of [
    '{}',
    'feature_store: { mode: hybrid }',
    'feature_store: { mode: "${MODE:-hybrid}", storage_path: /data, storage_format: orc, source_schema: gold, max_staleness: 6h }',
    'feature_store: { storage_budget: 1.5 TB, background_materialization: false }',
    'feature_store:\nlayers: { silver: s3://x/silver }',
    'feature_sets: { a: { entity_keys: [a, b], source: t, timestamp: d, aggregations: { x: [sum, mean], y: max }, tile: 1d, windows: [7d], tags: { team: ml } } }',
    'feature_sets: { a: { compute: f.js#f, source: t } }',
    'inputs: { a: { feature_store: true, feature_set: b, time_range: 30d }, c: { source: t } }',
    'nodes: { a: { function: f.js, inputs: [b], output: { feature_store: true, feature_set: c } } }',
  ]) assert.ok(accepts(yaml), yaml);
});

test('editors refuse what the loader refuses', () => {
  for (const yaml of [
    'feature_stor: {}',
    'feature_store: { mode: hybird }',
    'feature_store: { storage_path: 5 }',
    'feature_store: { max_staleness: 30 parsecs }',
    'feature_store: { storage_budget: 10 }',
    'feature_store: { storage_budget: 10 parsecs }',
    'feature_store: { background_materialization: maybe }',
    'layers: { bronze: x }',
    'feature_sets: { a: { entity_keys: [] } }',
    'feature_sets: { a: { entity_keys: id, aggregations: { x: summ } } }',
    'inputs: { a: { feature_store: true } }',
    'inputs: { a: { source: t, time_range: 30d } }',
    'nodes: { a: { function: f.js } }',
  ]) assert.ok(!accepts(yaml), yaml);
});

test('every key has a description, and the defaults are said', () => {
  assert.equal(schema.$schema, 'http://json-schema.org/draft-07/schema#');
  const bare: string[] = [];
  const visit = (at: JsonSchema, path: string): void => {
    for (const [key, value] of Object.entries(at.properties ?? {})) {
      if (typeof value.description !== 'string') bare.push(`${path}.${key}`);
      visit(value, `${path}.${key}`);
    }
    if (typeof at.additionalProperties === 'object') visit(at.additionalProperties, `${path}.*`);
    for (const branch of at.anyOf ?? []) visit(branch, path);
  };
  visit(schema, '');
  assert.deepEqual(bare, []);
  const settings = schema.properties?.feature_store?.anyOf?.[0]?.properties ?? {};
  assert.deepEqual(Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, value.default])), {
    mode: 'materialized', storage_path: 'data/feature_store', storage_format: 'parquet', source_schema: 'silver', max_staleness: undefined,
    storage_budget: undefined, background_materialization: true,
  });
});

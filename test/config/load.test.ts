// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${…} is what the configuration reads.
import assert from 'node:assert/strict';
import { join, relative } from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { dayUs } from '../../src/base/time.ts';
import { ConfigurationError } from '../../src/base/errors.ts';
import type { ProjectConfig } from '../../src/config/definition.ts';
import { readDocument } from '../../src/config/document.ts';
import { loadProject, projectFromObject } from '../../src/config/load.ts';
import { MistakeList } from '../../src/config/mistakes.ts';
import { projectOf } from '../../src/config/project.ts';
import { shapes } from '../../src/config/schema.ts';
import { configurationErrorOf, type Files, loadError, projectFolder } from './support.ts';

// The blocks of the documentation, letter by letter.
const printedHybrid = `feature_store:
  mode: hybrid
`;
const printedMaterialized = `feature_store:
  mode: materialized
  storage_path: /data/feature_store
  storage_format: parquet  # parquet, delta, orc
`;
const printedVirtualized = `feature_store:
  mode: virtualized
  source_schema: silver  # or gold
`;
const printedFeatureSets = `feature_sets:
  customer_demographics:
    entity_keys: customer_id        # or a list
    source: transactions            # in source_schema, or silver.transactions / gold.transactions
    timestamp: date                 # the event time column
    aggregations:
      amount: [sum, mean, count]
      date: max
    tile: 1d                        # the grain of stored partial results
    windows: [7d, 30d]              # optional: also as amount_sum_7d, …
    description: What a customer spends
    owner: growth
    tags: { team: ml }
`;
const printedInputs = `inputs:
  customer_features:
    feature_store: true
    feature_set: customer_demographics
    time_range: 30d  # Optional: recent data
`;
const printedLayers = 'layers: { silver: data/silver, gold: data/gold }\n';

const folderOf = (t: Parameters<typeof projectFolder>[0], files: Files): string => projectFolder(t, { 'config/global.yaml': '', ...files });
const load = async (t: Parameters<typeof projectFolder>[0], files: Files, env: Record<string, string> = {}): Promise<ProjectConfig> =>
  loadProject(folderOf(t, files), { env });

test('a project folder becomes a validated configuration', async (t) => {
  const folder = projectFolder(t, {
    'config/global.yaml': printedHybrid,
    'config/feature_sets.yaml': printedFeatureSets,
    'config/inputs.yaml': printedInputs,
  });
  const config = await loadProject(folder, { env: {} });
  const file = (name: string): string => join(folder, 'config', name);
  assert.deepEqual(config, {
    folder,
    mode: 'hybrid',
    storagePath: join(folder, 'data/feature_store'),
    storageFormat: 'parquet',
    sourceSchema: 'silver',
    backgroundMaterialization: true,
    layers: { silver: join(folder, 'data/silver'), gold: join(folder, 'data/gold') },
    featureSets: [
      {
        name: 'customer_demographics',
        entityKeys: ['customer_id'],
        source: { table: 'transactions' },
        timestamp: 'date',
        kind: 'aggregated',
        outputs: [
          { column: 'amount', aggregation: 'sum', name: 'amount_sum' },
          { column: 'amount', aggregation: 'mean', name: 'amount_mean' },
          { column: 'amount', aggregation: 'count', name: 'amount_count' },
          { column: 'date', aggregation: 'max', name: 'date_max' },
        ],
        tileUs: dayUs,
        windows: [
          { text: '7d', lengthUs: 7n * dayUs },
          { text: '30d', lengthUs: 30n * dayUs },
        ],
        description: 'What a customer spends',
        owner: 'growth',
        tags: { team: 'ml' },
        where: `${file('feature_sets.yaml')}:2:3`,
      },
    ],
    inputs: [
      { kind: 'feature_set', name: 'customer_features', featureSet: 'customer_demographics', timeRange: '30d', where: `${file('inputs.yaml')}:2:3` },
    ],
    nodes: [],
  });
});

test('each printed feature_store block works as printed', async (t) => {
  assert.equal((await load(t, { 'config/global.yaml': printedHybrid })).mode, 'hybrid');
  const materialized = await load(t, { 'config/global.yaml': printedMaterialized });
  assert.deepEqual([materialized.mode, materialized.storagePath, materialized.storageFormat], ['materialized', '/data/feature_store', 'parquet']);
  const virtualized = await load(t, { 'config/global.yaml': printedVirtualized });
  assert.deepEqual([virtualized.mode, virtualized.sourceSchema], ['virtualized', 'silver']);
  const all = await load(t, { 'config/global.yaml': printedHybrid + printedLayers + printedFeatureSets + printedInputs });
  assert.deepEqual([all.featureSets.length, all.inputs.length, all.layers.gold], [1, 1, join(all.folder, 'data/gold')]);
});

test('what is not said has its default', async (t) => {
  for (const global of ['', '# nothing\n', '{}', '---\n', 'feature_store:\n', 'layers:\nfeature_sets:\ninputs:\nnodes:\n', '\uFEFFfeature_store: {}\n']) {
    const config = await load(t, { 'config/global.yaml': global });
    assert.deepEqual(
      [config.mode, config.storagePath, config.storageFormat, config.sourceSchema, config.maxStalenessUs],
      ['materialized', join(config.folder, 'data/feature_store'), 'parquet', 'silver', undefined],
      JSON.stringify(global),
    );
    assert.deepEqual(config.layers, { silver: join(config.folder, 'data/silver'), gold: join(config.folder, 'data/gold') });
  }
});

test('relative paths start at the project folder, URLs and absolute paths stay', async (t) => {
  const config = await load(t, { 'config/global.yaml': 'feature_store: { storage_path: ../store }\nlayers: { silver: s3://bucket/silver, gold: /gold }\n' });
  assert.equal(config.storagePath, join(config.folder, '../store'));
  assert.deepEqual(config.layers, { silver: 's3://bucket/silver', gold: '/gold' });
});

test('the file itself may be named, under any name', async (t) => {
  const folder = projectFolder(t, { 'config/global.yaml': printedHybrid, 'config/test.yaml': printedVirtualized, 'config/feature_sets.yaml': printedFeatureSets });
  assert.deepEqual(await loadProject(join(folder, 'config/global.yaml'), { env: {} }), await loadProject(folder, { env: {} }));
  const other = await loadProject(join(folder, 'config/test.yaml'), { env: {} });
  assert.deepEqual([other.folder, other.mode, other.featureSets.length], [folder, 'virtualized', 1]);
});

test('a missing project says what was looked for, and how to make one', async (t) => {
  const folder = projectFolder(t, { 'readme.txt': '' });
  const error = await configurationErrorOf(() => loadProject(folder, { env: {} }));
  assert.ok(error.message.includes(join(folder, 'config/global.yaml')));
  assert.match(error.message, /tauro-features init/);
  const nowhere = await configurationErrorOf(() => loadProject(join(folder, 'nowhere'), { env: {} }));
  assert.match(nowhere.message, /no such file or folder.*tauro-features init/);
});

test('places are named from the working directory, when they lie below it', async (t) => {
  const folder = projectFolder(t, { 'config/global.yaml': 'mode: hybrid\n' }, join(process.cwd(), 'build'));
  const error = await configurationErrorOf(() => loadProject(folder, { env: {} }));
  assert.equal(error.where, `${relative(process.cwd(), folder)}/config/global.yaml:1:1`);
});

test('${NAME} reads the environment, in any text', async (t) => {
  const global = [
    'feature_store:',
    '  mode: ${MODE}',
    '  storage_path: "${ROOT:-/var}/a$${B}/${EMPTY:-e}${EMPTY}"',
    'layers: { silver: "${ROOT:-}x" }',
    'inputs: { a: { source: ${T} } }',
  ];
  const config = await load(t, { 'config/global.yaml': global.join('\n').replace('${T}', '"${T}"') }, { MODE: 'virtualized', EMPTY: '', T: 'gold.t' });
  assert.equal(config.mode, 'virtualized');
  assert.equal(config.storagePath, '/var/a${B}/e');
  assert.equal(config.layers.silver, join(config.folder, 'x'));
  assert.deepEqual(config.inputs.map((input) => input.kind === 'source' && input.source), ['gold.t']);
});

test('a feature set may be written by something else: keys are enough', async (t) => {
  const config = await load(t, { 'config/feature_sets.yaml': 'feature_sets:\n  scores: { entity_keys: [a, b] }\n' });
  assert.deepEqual(config.featureSets.map(({ kind, entityKeys, source, outputs }) => ({ kind, entityKeys, source, outputs })), [
    { kind: 'written', entityKeys: ['a', 'b'], source: { table: '' }, outputs: [] },
  ]);
});

test('nodes name a function, its inputs and a written feature set', async (t) => {
  const config = await load(t, {
    'config/global.yaml': 'feature_sets: { scores: { entity_keys: id } }\ninputs: { raw: { source: transactions } }\nfeature_store: { max_staleness: 6h, storage_budget: 10GB, background_materialization: false }\n',
    'config/nodes.yaml': 'nodes:\n  score:\n    function: nodes/score.js#score\n    inputs: [raw]\n    output: { feature_store: true, feature_set: scores }\n',
  });
  assert.equal(config.maxStalenessUs, dayUs / 4n);
  assert.equal(config.storageBudget, 10_000_000_000);
  assert.equal(config.backgroundMaterialization, false);
  assert.deepEqual(config.nodes, [
    { name: 'score', function: 'nodes/score.js#score', inputs: ['raw'], output: { featureSet: 'scores' }, where: join(config.folder, 'config/nodes.yaml:2:3') },
  ]);
});

test('a compute function of the project is imported and understood', async (t) => {
  const config = await load(t, {
    'config/feature_sets.yaml': [
      'feature_sets:',
      '  understood: { source: flights, compute: features/airport.js#computeFeatures, timestamp: date, windows: [7d] }',
      '  opaque: { entity_keys: origin, source: gold.flights, compute: features/airport.mjs }',
    ].join('\n'),
    'package.json': '{ "type": "module" }',
    'features/airport.js': "export const computeFeatures = (df) => df.groupBy('origin').agg({ delay: ['sum', 'mean'], date: 'max' });\n",
    'features/airport.mjs': 'export default async function (df) { return df.collect(); }\n',
  });
  const [understood, opaque] = config.featureSets;
  assert.deepEqual([understood?.kind, understood?.entityKeys, understood?.outputs.map(({ name }) => name)], ['aggregated', ['origin'], ['delay_sum', 'delay_mean', 'date_max']]);
  assert.deepEqual([opaque?.kind, opaque?.source], ['opaque', { layer: 'gold', table: 'flights' }]);
  assert.match(String(opaque?.compute), /df\.collect\(\)/);
});

const oneSet = (lines: string): string => `feature_sets:\n  spend:\n    entity_keys: id\n    source: transactions\n${lines.replace(/^/gm, '    ')}\n`;
const sums = 'aggregations: { amount: sum }';

interface Wrong {
  readonly name: string;
  readonly global?: string;
  readonly sets?: string;
  readonly inputs?: string;
  readonly nodes?: string;
  readonly files?: Files;
  /** `file:line:column` of the first mistake. */
  readonly where: string;
  readonly says: readonly (string | RegExp)[];
}

const wrongs: readonly Wrong[] = [
  { name: 'a syntax error', sets: 'feature_sets:\n  a: [1,\n  b: }\n', where: 'feature_sets.yaml:3:3', says: ['not valid YAML'] },
  { name: 'a tab', global: 'feature_store:\n\tmode: hybrid\n', where: 'global.yaml:2:1', says: [/tab/i] },
  { name: 'a key given twice', global: 'feature_store:\n  mode: hybrid\n  mode: virtualized\n', where: 'global.yaml:3:3', says: ["'mode'", 'twice', 'line 2'] },
  { name: 'two documents', global: 'layers:\n---\nlayers:\n', where: 'global.yaml:2:1', says: ['several YAML documents'] },
  { name: 'a tag', global: 'feature_store: !!js/function "x"\n', where: 'global.yaml:1:16', says: ['js/function', 'tag'] },
  { name: 'an alias of nothing', global: 'feature_store:\n  mode: *there\n', where: 'global.yaml:2:9', says: ['*there'] },
  { name: 'a list at the top', global: '- a\n- b\n', where: 'global.yaml:1:1', says: ['expected a mapping', 'a list'] },
  { name: 'text at the top', sets: 'hello\n', where: 'feature_sets.yaml:1:1', says: ['expected a mapping', "'hello'"] },
  { name: 'a key that is a mapping', global: '{ a: 1 }: 2\n', where: 'global.yaml:1:1', says: ['a key must be plain text'] },
  { name: 'the key __proto__', sets: 'feature_sets:\n  __proto__: { entity_keys: id }\n', where: 'feature_sets.yaml:2:3', says: ['__proto__'] },
  { name: 'an unknown key at the top', global: 'feature_stor:\n  mode: hybrid\n', where: 'global.yaml:1:1', says: ['feature_stor', 'layers', "'feature_store'"] },
  { name: 'an unknown key', global: 'feature_store:\n  mod: hybrid\n', where: 'global.yaml:2:3', says: ['feature_store.mod:', 'storage_path', "did you mean 'mode'?"] },
  { name: 'a section in the wrong file', inputs: 'feature_sets: {}\n', where: 'inputs.yaml:1:1', says: ['feature_sets', 'allowed: inputs'] },
  { name: 'a misspelt mode', global: 'feature_store:\n  mode: hybird\n', where: 'global.yaml:2:9', says: ['feature_store.mode', "'hybird'", 'materialized, virtualized or hybrid', "did you mean 'hybrid'?"] },
  { name: 'a misspelt format', global: 'feature_store: { storage_format: parket }\n', where: 'global.yaml:1:34', says: ['parquet, delta or orc', "'parquet'?"] },
  { name: 'a misspelt layer', global: 'feature_store: { source_schema: sliver }\n', where: 'global.yaml:1:33', says: ['silver or gold', "'silver'?"] },
  { name: 'an unknown layer', global: 'layers: { bronze: data/bronze }\n', where: 'global.yaml:1:11', says: ['layers.bronze', 'silver, gold'] },
  { name: 'a mode left out', global: 'feature_store:\n  mode:\n', where: 'global.yaml:2:3', says: ['nothing', 'hybrid'] },
  { name: 'a number for a path', global: 'feature_store: { storage_path: 5 }\n', where: 'global.yaml:1:32', says: ['expected text', 'the number 5', '"5"'] },
  { name: 'an empty path', global: "layers: { silver: '' }\n", where: 'global.yaml:1:19', says: ['expected text', 'empty'] },
  { name: 'a path with a NUL', global: 'layers: { silver: "a\\0b" }\n', where: 'global.yaml:1:19', says: ['control characters'] },
  { name: 'a list for feature_store', global: 'feature_store: [hybrid]\n', where: 'global.yaml:1:16', says: ['expected a mapping', 'a list'] },
  { name: 'a bad max_staleness', global: 'feature_store: { max_staleness: never }\n', where: 'global.yaml:1:33', says: ["'never'", '30d'] },
  { name: 'a bad storage_budget', global: 'feature_store: { storage_budget: lots }\n', where: 'global.yaml:1:34', says: ["'lots'", '10GB'] },
  { name: 'a number for a storage_budget', global: 'feature_store: { storage_budget: 10 }\n', where: 'global.yaml:1:34', says: ['expected text', 'the number 10'] },
  { name: 'a word for a switch', global: 'feature_store: { background_materialization: maybe }\n', where: 'global.yaml:1:46', says: ['expected true or false', "'maybe'"] },
  { name: 'a misspelt budget', global: 'feature_store: { storage_buget: 10GB }\n', where: 'global.yaml:1:18', says: ["did you mean 'storage_budget'?"] },
  { name: 'an unset variable', global: 'feature_store:\n  storage_path: ${NOWHERE}/x\n', where: 'global.yaml:2:17', says: ['NOWHERE', '${NOWHERE:-default}'] },
  { name: 'a variable without an end', global: 'feature_store:\n  storage_path: a${b\n', where: 'global.yaml:2:17', says: ['${NAME}', '$${'] },
  { name: 'a variable in a flow', global: 'layers: { silver: ${A}/x }\n', where: 'global.yaml:1:', says: ['quotes'] },
  { name: 'a hostile name', sets: 'feature_sets:\n  ../../etc: { entity_keys: id }\n', where: 'feature_sets.yaml:2:3', says: ['../../etc', 'cannot be a name'] },
  { name: 'an empty name', sets: 'feature_sets:\n  "": { entity_keys: id }\n', where: 'feature_sets.yaml:2:3', says: ['cannot be a name'] },
  { name: 'a set without keys', sets: `feature_sets:\n  spend:\n    source: t\n    ${sums}\n`, where: 'feature_sets.yaml:2:3', says: ["'entity_keys' is missing"] },
  { name: 'no keys', sets: 'feature_sets:\n  spend:\n    entity_keys: []\n', where: 'feature_sets.yaml:3:18', says: ['entity_keys', 'at least one'] },
  { name: 'an empty key', sets: 'feature_sets:\n  spend:\n    entity_keys: [a, ""]\n', where: 'feature_sets.yaml:3:22', says: ['entity_keys[1]', 'empty'] },
  { name: 'a key named twice', sets: 'feature_sets:\n  spend:\n    entity_keys: [a, b, a]\n', where: 'feature_sets.yaml:3:25', says: ["'a' is named twice"] },
  { name: 'a number as key', sets: 'feature_sets:\n  spend:\n    entity_keys: 5\n', where: 'feature_sets.yaml:3:18', says: ['expected text, or a list', 'the number 5'] },
  { name: 'a misspelt key of a set', sets: 'feature_sets:\n  spend:\n    entity_key: id\n', where: 'feature_sets.yaml:3:5', says: ["did you mean 'entity_keys'?"] },
  { name: 'no source', sets: `feature_sets:\n  spend:\n    entity_keys: id\n    ${sums}\n`, where: 'feature_sets.yaml:2:3', says: ["'source' is missing"] },
  { name: 'a source in no layer', sets: oneSet(sums).replace('transactions', 'bronze.transactions'), where: 'feature_sets.yaml:4:13', says: ['silver and gold', 'silver.<table>'] },
  { name: 'a source of many dots', sets: oneSet(sums).replace('transactions', 'gold.a.b'), where: 'feature_sets.yaml:4:13', says: ['too many dots'] },
  { name: 'a source that is a path', sets: oneSet(sums).replace('transactions', '../x'), where: 'feature_sets.yaml:4:13', says: ['../x'] },
  { name: 'a misspelt aggregation', sets: oneSet('aggregations:\n  amount: [sum, meen]'), where: 'feature_sets.yaml:6:21', says: ['aggregations.amount[1]', "'meen'", 'sum, mean, count', "'mean'?"] },
  { name: 'a misspelt single aggregation', sets: oneSet('aggregations:\n  amount: summ'), where: 'feature_sets.yaml:6:15', says: ["'summ'", "'sum'?"] },
  { name: 'aggregations of nothing', sets: oneSet('aggregations: {}'), where: 'feature_sets.yaml:5:19', says: ['at least one column'] },
  { name: 'no aggregation of a column', sets: oneSet('aggregations: { amount: [] }'), where: 'feature_sets.yaml:5:29', says: ['at least one'] },
  { name: 'an aggregation left out', sets: oneSet('aggregations:\n  amount:'), where: 'feature_sets.yaml:6:7', says: ['nothing', 'sum, mean'] },
  { name: 'an aggregation asked for twice', sets: oneSet('aggregations: { amount: [sum, sum] }'), where: 'feature_sets.yaml:5:21', says: ['the sum of amount', 'twice'] },
  { name: 'a column called like a key', sets: oneSet('aggregations: { amount: sum }').replace('id', 'amount_sum'), where: 'feature_sets.yaml:5:21', says: ["entity key 'amount_sum'", "'amount_sum'"] },
  { name: 'a windowed column called like a key', sets: oneSet('aggregations: { amount: sum }\ntimestamp: date\nwindows: [7d]').replace('id', 'amount_sum_7d'), where: 'feature_sets.yaml:5:21', says: ['over 7d', "'amount_sum_7d'"] },
  { name: 'windows without a timestamp', sets: oneSet(`${sums}\nwindows: [7d]`), where: 'feature_sets.yaml:6:5', says: ["'timestamp'"] },
  { name: 'windows of a written set', sets: oneSet('timestamp: date\nwindows: [7d]'), where: 'feature_sets.yaml:6:5', says: ['need aggregations'] },
  { name: 'a bad window', sets: oneSet(`${sums}\ntimestamp: date\nwindows: [7d, 30 parsecs]`), where: 'feature_sets.yaml:7:19', says: ['windows[1]', "'30 parsecs'", '30d'] },
  { name: 'a bad tile', sets: oneSet(`${sums}\ntile: 1 day`), where: 'feature_sets.yaml:6:11', says: ["'1 day'", '6h'] },
  { name: 'a tag that is a list', sets: oneSet('tags: { team: [ml] }'), where: 'feature_sets.yaml:5:19', says: ['tags.team', 'expected text', 'a list'] },
  { name: 'aggregations and compute', sets: oneSet(`${sums}\ncompute: f.mjs`), files: { 'f.mjs': 'export default () => 1' }, where: 'feature_sets.yaml:6:5', says: ['not both'] },
  { name: 'compute outside the project', sets: oneSet('compute: ../f.js#f'), where: 'feature_sets.yaml:5:14', says: ['leads out of the project'] },
  { name: 'compute elsewhere', sets: oneSet('compute: /tmp/f.js#f'), where: 'feature_sets.yaml:5:14', says: ['leads out of the project'] },
  { name: 'compute that is no JavaScript', sets: oneSet('compute: f.py#f'), where: 'feature_sets.yaml:5:14', says: ['.js or .mjs'] },
  { name: 'compute that is not there', sets: oneSet('compute: f.mjs#f'), where: 'feature_sets.yaml:5:14', says: ['there is no file', 'f.mjs'] },
  { name: 'compute that cannot be loaded', sets: oneSet('compute: f.mjs#f'), files: { 'f.mjs': 'throw new Error("not today")' }, where: 'feature_sets.yaml:5:14', says: ['not today'] },
  { name: 'compute that is not exported', sets: oneSet('compute: f.mjs#computeFeature'), files: { 'f.mjs': 'export const computeFeatures = () => 1;' }, where: 'feature_sets.yaml:5:14', says: ["'computeFeature'", "'computeFeatures'?"] },
  { name: 'compute that fails', sets: oneSet('compute: f.mjs'), files: { 'f.mjs': 'export default (df) => df.nonsense()' }, where: 'feature_sets.yaml:5:14', says: ['nonsense'] },
  { name: 'compute by other keys', sets: oneSet('compute: f.mjs'), files: { 'f.mjs': "export default (df) => df.groupBy('other').agg({ a: 'sum' })" }, where: 'feature_sets.yaml:3:18', says: ['groups by other, not by id'] },
  { name: 'an input of an unknown set', global: printedFeatureSets, inputs: 'inputs:\n  a:\n    feature_store: true\n    feature_set: customer_demografics\n', where: 'inputs.yaml:4:18', says: ["'customer_demografics'", "did you mean 'customer_demographics'?"] },
  { name: 'an input without a set', inputs: 'inputs:\n  a:\n    feature_store: true\n', where: 'inputs.yaml:2:3', says: ["'feature_set' is missing"] },
  { name: 'an input that is not of the store', inputs: 'inputs:\n  a:\n    feature_store: false\n    feature_set: b\n', where: 'inputs.yaml:3:20', says: ['expected true', 'found false'] },
  { name: 'a misspelt key of an input', inputs: 'inputs:\n  a: { sorce: transactions }\n', where: 'inputs.yaml:2:8', says: ["'source'?"] },
  { name: 'an input that is a text', inputs: 'inputs:\n  a: transactions\n', where: 'inputs.yaml:2:6', says: ['expected a mapping'] },
  { name: 'a bad time_range', global: printedFeatureSets, inputs: printedInputs.replace('30d ', '30 parsecs '), where: 'inputs.yaml:5:17', says: ["'30 parsecs'", '30d'] },
  { name: 'a time_range without a time', global: oneSet(sums), inputs: 'inputs:\n  a: { feature_store: true, feature_set: spend, time_range: 1d }\n', where: 'inputs.yaml:2:61', says: ['names no timestamp'] },
  { name: 'an input from no layer', inputs: 'inputs:\n  a: { source: bronze.x }\n', where: 'inputs.yaml:2:16', says: ['silver and gold'] },
  { name: 'a node with an unknown input', global: 'feature_sets: { s: { entity_keys: id } }\ninputs: { raw: { source: t } }\n', nodes: 'nodes:\n  n: { function: f.js, inputs: [rwa], output: { feature_store: true, feature_set: s } }\n', where: 'nodes.yaml:2:33', says: ["'rwa'", "'raw'?"] },
  { name: 'a node that takes a feature set for an input', global: 'feature_sets: { spend: { entity_keys: id } }\n', nodes: 'nodes:\n  n: { function: f.js, inputs: spend, output: { feature_store: true, feature_set: spend } }\n', where: 'nodes.yaml:2:32', says: ["'spend' is a feature set", 'declare an input'] },
  { name: 'a node into nowhere', nodes: 'nodes:\n  n: { function: f.js, inputs: [], output: { feature_store: true, feature_set: s } }\n', where: 'nodes.yaml:2:', says: ["no feature set 's'"] },
  { name: 'a node into a computed set', global: oneSet(sums), nodes: 'nodes:\n  n: { function: f.js, inputs: [], output: { feature_store: true, feature_set: spend } }\n', where: 'nodes.yaml:2:', says: ['computed from its source'] },
  { name: 'a node outside the project', global: 'feature_sets: { s: { entity_keys: id } }\n', nodes: 'nodes:\n  n: { function: ../f.js, inputs: [], output: { feature_store: true, feature_set: s } }\n', where: 'nodes.yaml:2:18', says: ['leads out of the project'] },
  { name: 'a set in two files', global: oneSet(sums), sets: oneSet(sums), where: 'feature_sets.yaml:2:3', says: ['spend', 'twice', 'config/global.yaml:2:3'] },
  { name: 'an input in two files', global: 'inputs: { a: { source: t } }\n', inputs: 'inputs: { a: { source: u } }\n', where: 'inputs.yaml:1:11', says: ['twice', 'config/global.yaml:1:11'] },
  { name: 'sets that differ in case', sets: 'feature_sets:\n  Spend: { entity_keys: a }\n  spend: { entity_keys: a }\n', where: 'feature_sets.yaml:3:3', says: ["'Spend'", 'case'] },
  { name: 'bytes that are no text', files: { 'config/global.yaml': Uint8Array.of(0xff, 0xfe, 0x61, 0) }, where: 'global.yaml', says: ['UTF-8'] },
  { name: 'an absurd size', global: `# ${'x'.repeat(10_000_001)}\n`, where: 'global.yaml', says: ['10000000 bytes'] },
  { name: 'absurd depth in brackets', global: `layers:\n  silver: ${'['.repeat(1_000_000)}`, where: 'global.yaml:2:111', says: ['nested too deeply'] },
  { name: 'absurd depth in dashes', global: '- '.repeat(100_000), where: 'global.yaml:1:201', says: ['nested too deeply'] },
  { name: 'absurdly many words', global: '- a\n'.repeat(400_000), where: 'global.yaml:', says: ['too large for a configuration'] },
  { name: 'very many aliases', global: `x: &x 1\n${Array.from({ length: 20_000 }, (_, i) => `k${i}: *x\n`).join('')}`, where: 'global.yaml:102:7', says: ['more than 100 aliases'] },
  {
    name: 'aliases that multiply',
    global: `a: &a [x,x,x,x,x,x,x,x,x]\n${[...'bcdefgh'].map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]\n`).join('')}`,
    where: 'global.yaml:2:8',
    says: ['aliases'],
  },
];

for (const wrong of wrongs) {
  test(`refused, with its place: ${wrong.name}`, async (t) => {
    const parts = { global: wrong.global, feature_sets: wrong.sets, inputs: wrong.inputs, nodes: wrong.nodes };
    const files: Record<string, string | Uint8Array> = { ...wrong.files };
    for (const [name, text] of Object.entries(parts)) if (text !== undefined) files[`config/${name}.yaml`] = text;
    const error = await loadError(t, files);
    const isExact = /:\d+$/.test(wrong.where) || !wrong.where.includes(':');
    if (isExact) assert.equal(error.where, `config/${wrong.where}`, error.message);
    else assert.ok(error.where.startsWith(`config/${wrong.where}`), error.message);
    assert.ok(error.message.startsWith(error.where));
    assert.equal(error.message.split('\n').length, 1, `one mistake, one line: ${error.message}`);
    for (const words of wrong.says) {
      assert.ok(typeof words === 'string' ? error.message.includes(words) : words.test(error.message), `${String(words)} in: ${error.message}`);
    }
  });
}

test('all mistakes are told at once, in the order they stand', async (t) => {
  const error = await loadError(t, {
    'config/global.yaml': 'feature_store:\n  mode: hybird\n  storage_formt: orc\n',
    'config/feature_sets.yaml': oneSet('aggregations:\n  amount: [summ, mean]\ntile: soon'),
    'config/inputs.yaml': 'inputs:\n  a: { feature_store: true, feature_set: speed }\n  b: [\n',
  });
  assert.equal(error.where, 'config/global.yaml:2:9');
  assert.equal(error.key, 'feature_store.mode');
  assert.deepEqual(error.message.split('\n').map((line) => line.split(': ')[0]), [
    'config/global.yaml:2:9',
    'config/global.yaml:3:3',
    'config/feature_sets.yaml:6:16',
    'config/inputs.yaml:4:1',
  ]);
});

test('very many mistakes are told in part, and soon', async () => {
  const keys = Array.from({ length: 20_000 }, (_, i) => `  a${i}: { sorce: x }\n`).join('');
  const started = performance.now();
  const error = await configurationErrorOf(() => loadText(`inputs:\n${keys}`));
  assert.ok(performance.now() - started < 20_000);
  assert.equal(error.where, 'global.yaml:2:9');
  assert.equal(error.message.split('\n').length, 51);
  assert.match(error.message, /\nand 19950 more$/);
});

test('what an import threw is the cause', async (t) => {
  const error = await loadError(t, { 'config/feature_sets.yaml': oneSet('compute: f.mjs'), 'f.mjs': 'throw new RangeError("not today")' });
  assert.ok(error.cause instanceof RangeError);
});

test('anchors and aliases work in reason', async (t) => {
  const config = await load(t, { 'config/feature_sets.yaml': 'feature_sets:\n  a: &a { entity_keys: id, tags: { team: ml } }\n  b: *a\n' });
  assert.deepEqual(config.featureSets.map(({ name, tags }) => [name, tags]), [['a', { team: 'ml' }], ['b', { team: 'ml' }]]);
  const error = await loadError(t, { 'config/feature_sets.yaml': 'feature_sets:\n  a: &a { entity_keys: id, tile: soon }\n  b: *a\n' });
  assert.equal(error.message.split('\n').length, 2);
});

test('an object of the same shape is a project too', async () => {
  const object = {
    feature_store: { mode: 'virtualized' },
    feature_sets: { spend: { entity_keys: 'id', source: 'transactions', aggregations: { amount: ['sum'] } } },
    inputs: { a: { feature_store: true, feature_set: 'spend' } },
  };
  const before = structuredClone(object);
  const config = await projectFromObject(object, { folder: '/project' });
  assert.deepEqual(object, before);
  assert.deepEqual([config.folder, config.mode, config.storagePath], ['/project', 'virtualized', '/project/data/feature_store']);
  assert.deepEqual(config.featureSets.map(({ name, where }) => [name, where]), [['spend', 'configuration object']]);
});

test('mistakes in an object are told without a place', async () => {
  const error = await configurationErrorOf(() => projectFromObject({ feature_store: { mode: 'hybird', storage_format: 'orc ' } }, { folder: '.' }));
  assert.equal(error.where, 'configuration object');
  assert.match(error.message, /^configuration object: feature_store\.mode: 'hybird'.*\nconfiguration object: feature_store\.storage_format: 'orc '/);
  const cyclic: Record<string, unknown> = {};
  cyclic.feature_store = cyclic;
  assert.match((await configurationErrorOf(() => projectFromObject(cyclic, { folder: '.' }))).message, /contains itself/);
  for (const strange of [null, [], 5, 'text', new Date(0), new Map()]) {
    assert.match((await configurationErrorOf(() => projectFromObject(strange as object, { folder: '.' }))).message, /expected a mapping/);
  }
});

/** Loads a text as global.yaml, without a disk. */
async function loadText(text: string): Promise<ProjectConfig> {
  const mistakes = new MistakeList();
  const document = readDocument(text, 'global.yaml', {}, mistakes);
  return projectOf(document === undefined ? [] : [{ document, shape: shapes().configuration }], '/project', document !== undefined, mistakes);
}

async function failsOnlyWell(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    assert.match(error.where, /^(global\.yaml:[1-9]\d*:[1-9]\d*|configuration object)$/);
  }
}

test('law: no text gives anything but a project or a ConfigurationError with a place', async () => {
  const tokens = fc.constantFrom(
    'feature_store', 'mode', 'hybrid', 'feature_sets', 'entity_keys', 'id', 'aggregations', 'sum', 'windows', '7d', 'inputs', 'source', 'nodes', 'layers',
    ': ', ':\n', '\n', '\n  ', '\n    ', '- ', '[', ']', '{', '}', ', ', '&a ', '*a', '!!set ', '!x ', '"', "'", '|\n', '? ', '<<', '${A}', '${', '__proto__', '\t', '#', '%', '---\n', '~', '1', 'null', '\u0000', '\uFEFF',
  );
  await fc.assert(fc.asyncProperty(fc.array(tokens, { maxLength: 40 }), async (parts) => failsOnlyWell(() => loadText(parts.join('')))), { numRuns: 1_500 });
  await fc.assert(fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 60 }), async (text) => failsOnlyWell(() => loadText(text))), { numRuns: 500 });
});

test('law: a changed letter in a good text gives a project or a ConfigurationError with a place', async () => {
  const good = printedMaterialized + printedLayers + printedFeatureSets + printedInputs;
  const change = fc.record({ at: fc.nat(good.length - 1), cut: fc.nat(12), put: fc.string({ maxLength: 4 }) });
  await fc.assert(
    fc.asyncProperty(change, async ({ at, cut, put }) => failsOnlyWell(() => loadText(good.slice(0, at) + put + good.slice(at + cut)))),
    { numRuns: 700 },
  );
});

test('law: no object gives anything but a project or a ConfigurationError', async () => {
  const key = fc.constantFrom('feature_store', 'layers', 'feature_sets', 'inputs', 'nodes', 'mode', 'a', 'entity_keys', 'aggregations', 'source', 'windows', '__proto__', 'toString', '');
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof({ maxDepth: 5, withCrossShrink: true }, fc.anything(), fc.constantFrom('id', 'sum', '7d', true), fc.dictionary(key, tie('value')), fc.array(tie('value'), { maxLength: 3 })),
  }));
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.dictionary(key, value), fc.object({ withBigInt: true, withNullPrototype: true, withMap: true }), fc.anything()), async (object) =>
      failsOnlyWell(() => projectFromObject(object as object, { folder: '/project', env: {} }))),
    { numRuns: 700 },
  );
});

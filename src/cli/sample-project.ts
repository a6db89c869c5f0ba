/** The text files of the project that `init` writes, by their path in it. */

export function sampleProjectFiles(program: string): Map<string, string> {
  return new Map([
    ['config/global.yaml', globalYaml],
    ['config/feature_sets.yaml', featureSetsYaml],
    ['config/inputs.yaml', inputsYaml],
    ['features/merchant_sales.mjs', merchantSales],
    ['README.md', readme(program)],
  ]);
}

const globalYaml = `# How features are stored and read. Everything here has a default; this file says what it means.
feature_store:
  # materialized  what was computed and stored before: fast, may be stale
  # virtualized   computed from the source on every read: fresh, slower
  # hybrid        stored where that is the same answer, computed where it is not: fresh, and nearly as fast
  mode: hybrid

  # Where computed features are kept, relative to this project's folder, and in which format.
  storage_path: data/feature_store
  storage_format: parquet

  # The layer that sources are in when a feature set names none.
  source_schema: silver

# Where the layers are: the source 'transactions' of layer silver is data/silver/transactions/.
layers:
  silver: data/silver
  gold: data/gold
`;

const featureSetsYaml = `# What the features are: one entry per feature set.
feature_sets:
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

  # The same in code: a function of a lazy frame, which is understood, not just called.
  merchant_sales:
    entity_keys: merchant
    source: transactions
    timestamp: date
    compute: features/merchant_sales.mjs#computeFeatures
    description: What a merchant sells
`;

const merchantSales = `/** @param {import('tauro-feature-store').Frame} df */
export const computeFeatures = (df) =>
  df.groupBy('merchant').agg({ amount: ['sum', 'mean', 'min', 'max'], customer_id: 'count', date: 'max' });
`;

const inputsYaml = `# What a pipeline or a notebook loads by name: store.loadInput('customer_features').
inputs:
  customer_features:
    feature_store: true
    feature_set: customer_demographics
    time_range: 30d  # Optional: recent data
`;

const readme = (program: string): string => `# A small feature store project

\`data/silver/transactions/\` holds 50,000 generated purchases of the 120 days before this project was made.
\`config/feature_sets.yaml\` says which features of customers and merchants they make; \`config/global.yaml\` says how those
are kept; \`features/merchant_sales.mjs\` is a feature set written as a function.

\`\`\`sh
${program} validate                          # does the configuration fit the data?
${program} materialize --all                 # compute the features and store them
${program} status                            # what is stored, and is it fresh?
${program} get customer_demographics --limit 10
${program} get customer_demographics --time-range 30d --limit 10
${program} get customer_demographics --entities 17,42 --format json
${program} get customer_demographics --out features.csv
${program} get merchant_sales --features amount_sum,amount_max
${program} explain customer_demographics --time-range 30d
${program} inspect silver.transactions       # the source: schema, files, first rows
\`\`\`

Things to try: read with \`--mode virtualized\` and \`--mode materialized\` and compare; add a Parquet file to
\`data/silver/transactions/\` and ask for the \`status\` again; misspell something in \`config/\` and \`validate\`.

The same from code:

\`\`\`js
import { FeatureStore, toRows } from 'tauro-feature-store';

const store = await FeatureStore.open('.');
const { table, reasons } = await store.getFeatures('customer_demographics', { timeRange: '30d' });
console.log(toRows(table).slice(0, 3), reasons);
await store.close();
\`\`\`
`;

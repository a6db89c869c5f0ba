/** The commands, in the order a newcomer meets them. Each is loaded when it runs: help and wrong words need no engine. */
import type { CommandSpec } from './command-line.ts';
import type { Context } from './context.ts';

export interface Command extends CommandSpec {
  readonly run: (context: Context) => Promise<void>;
}

const readOptions = ['mode', 'time-range', 'as-of', 'max-staleness', 'road', 'entities', 'features'];

export const commands: readonly Command[] = [
  {
    name: 'init',
    words: ['[folder]'],
    options: [],
    summary: 'Writes a small project with generated data, ready to run',
    notes: ['Files that are already there are never overwritten.'],
    run: async (context) => (await import('./commands/init.ts')).init(context),
  },
  {
    name: 'validate',
    words: [],
    options: ['project', 'format', 'out'],
    summary: 'Checks the configuration, and the feature sets against the schemas of their sources',
    notes: ['Exit code 2 when the configuration is wrong, 1 when a set does not fit its source.'],
    run: async (context) => (await import('./commands/validate.ts')).validate(context),
  },
  {
    name: 'materialize',
    words: ['[set…]'],
    options: ['project', 'all', 'full', 'as-of', 'format', 'out', 'threads'],
    summary: 'Computes feature sets from their sources and stores them',
    notes: ['A set whose source has not changed is left as it is, unless --full is given.'],
    run: async (context) => (await import('./commands/materialize.ts')).materialize(context),
  },
  {
    name: 'get',
    words: ['<set>'],
    options: ['project', ...readOptions, 'format', 'out', 'limit', 'threads'],
    summary: 'Reads features',
    notes: [
      'examples:',
      '  tauro-features get customer_demographics --time-range 30d --limit 10',
      '  tauro-features get customer_demographics --entities 17,42 --format json',
      '  tauro-features get customer_demographics --as-of 2026-01-01 --out features.parquet',
      '',
      'In a terminal 20 rows are shown unless --limit says otherwise; a pipe or a file gets all of them.',
    ],
    run: async (context) => (await import('./commands/get.ts')).get(context),
  },
  {
    name: 'explain',
    words: ['<set>'],
    options: ['project', ...readOptions, 'format', 'out'],
    summary: 'Tells what get with the same options would do, and why',
    notes: ['Reads no rows.'],
    run: async (context) => (await import('./commands/explain.ts')).explain(context),
  },
  {
    name: 'training-set',
    words: [],
    options: ['project', 'labels', 'features', 'timestamp', 'time-range', 'road', 'save', 'explain', 'utc', 'full-names', 'format', 'out', 'limit', 'threads'],
    summary: "Joins features to labels, as they were known at each label's moment",
    notes: [
      'examples:',
      '  tauro-features training-set --labels labels.parquet --timestamp decided_at --features spend:amount_sum,visits --out train.parquet',
      '  tauro-features training-set --labels labels.parquet --timestamp decided_at --features spend --save churn_v1 --format json --limit 5',
      '',
      "The answer has the labels' rows and columns, in their order, then the features; null where nothing was known.",
    ],
    run: async (context) => (await import('./commands/training-set.ts')).trainingSet(context),
  },
  {
    name: 'status',
    words: ['[set]'],
    options: ['project', 'format', 'out'],
    summary: 'Shows what is stored, and how it stands to the sources',
    notes: [],
    run: async (context) => (await import('./commands/status.ts')).status(context),
  },
  {
    name: 'inspect',
    words: ['<path|set>'],
    options: ['project', 'format', 'out', 'limit'],
    summary: 'Shows the schema, version, files and first rows of a table',
    notes: ['Takes the path of any table or file, a feature set, or a source table such as silver.transactions.'],
    run: async (context) => (await import('./commands/inspect.ts')).inspect(context),
  },
  {
    name: 'compact',
    words: ['[set…]'],
    options: ['project', 'format', 'out'],
    summary: 'Puts the small files together that many writes have left; answers stay what they are',
    notes: ['Without names, of all feature sets. The old files stay until vacuum.'],
    run: async (context) => (await import('./commands/compact.ts')).compact(context),
  },
  {
    name: 'vacuum',
    words: ['[set…]'],
    options: ['project', 'format', 'out'],
    summary: 'Deletes stored files that no version in use refers to',
    notes: ['Without names, of all feature sets.'],
    run: async (context) => (await import('./commands/vacuum.ts')).vacuum(context),
  },
];

/** What a command gets from the outside: its words, the streams, the clock. And what all commands do alike with them. */
import type { Writable } from 'node:stream';
import type { Table } from '../arrow/arrow.ts';
import { ArgumentError } from '../base/errors.ts';
import { FeatureStore } from '../index.ts';
import { arrowBytes, csvChunks, jsonChunks } from './formats.ts';
import { countOption, formatOption, type OptionValues, type OutputFormat, textOption } from './options.ts';
import { checkWritable, type Chunks, writeToFile, writeToStream } from './output.ts';
import { parquetBytes } from './parquet-bytes.ts';
import { ProgressBar, type ProgressTerminal } from './progress.ts';
import { findProject } from './project.ts';
import { arrowTableLines, type TableLayout } from './text-table.ts';
import { escapeControls } from './text-width.ts';

export interface Context {
  readonly words: readonly string[];
  readonly values: OptionValues;
  readonly folder: string;
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => Date;
  readonly signal: AbortSignal;
  /** How to start this program again, as a person would type it. */
  readonly program: string;
}

/** Opens the project that the command is about, and closes it whatever happens. */
export async function withStore<T>(context: Context, work: (store: FeatureStore) => Promise<T>): Promise<T> {
  const { values, signal, env, now } = context;
  const threads = countOption(values, 'threads', 1);
  const project = findProject(textOption(values, 'project'), context.folder);
  const logger = (line: string): void => note(context, line);
  const store = await FeatureStore.open(project, { now, env, signal, logger, ...(threads !== undefined && { threads }) });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** A line for the person, on stderr; silent with `--quiet`. */
export function note(context: Context, line: string): void {
  if (context.values.quiet !== true) context.stderr.write(`${escapeControls(line)}\n`);
}

/** A progress bar, drawn only when stderr is a terminal. */
export function progressBar(context: Context, label: string): ProgressBar {
  const { stderr, values } = context;
  const visible = stderr.isTTY === true && values.quiet !== true && context.env.TERM !== 'dumb';
  const terminal: ProgressTerminal = {
    get columns() {
      return stderr.columns ?? 80;
    },
    write: (text) => stderr.write(text),
  };
  return new ProgressBar(label, visible ? terminal : undefined, () => performance.now());
}

/** The width and the emphasis that the output has: a terminal's, or none. */
export function layoutOf(context: Context): TableLayout {
  const { stdout, env } = context;
  if (stdout.isTTY !== true || textOption(context.values, 'out') !== undefined) return {};
  const codes = { header: ['\x1b[1m', '\x1b[22m'], faint: ['\x1b[2m', '\x1b[22m'] } as const;
  const plain = (env.NO_COLOR ?? '') !== '' || env.TERM === 'dumb';
  return {
    width: stdout.columns ?? 80,
    style: plain ? undefined : (text, kind) => codes[kind][0] + text + codes[kind][1],
  };
}

/** Sends chunks to `--out`, or to the standard output. */
export async function sendChunks(context: Context, chunks: Chunks): Promise<void> {
  const out = textOption(context.values, 'out');
  if (out === undefined || out === '-') return writeToStream(context.stdout, chunks, context.signal);
  await writeToFile(out, chunks, context.signal);
}

export async function sendLines(context: Context, lines: readonly string[]): Promise<void> {
  await sendChunks(context, [`${lines.join('\n')}\n`]);
}

const rowsInTerminal = 20;

/** Sends a table in the format that was asked for. In a terminal, 20 rows unless `--limit` says more. */
export async function sendTable(context: Context, table: Table): Promise<void> {
  const format = formatOption(context.values);
  const limit = countOption(context.values, 'limit', 0);
  if (format === 'table') {
    const layout = layoutOf(context);
    const shown = limit ?? (layout.width === undefined ? table.numRows : rowsInTerminal);
    return sendLines(context, arrowTableLines(table, shown, layout));
  }
  await sendChunks(context, await tableChunks(limit === undefined ? table : table.slice(0, limit), format));
}

async function tableChunks(table: Table, format: Exclude<OutputFormat, 'table'>): Promise<Chunks> {
  if (format === 'json') return jsonChunks(table);
  if (format === 'csv') return csvChunks(table);
  return [format === 'arrow' ? arrowBytes(table) : await parquetBytes(table)];
}

/** Checks before any work what would only fail after it. */
export async function checkOutput(context: Context): Promise<void> {
  const format = formatOption(context.values);
  countOption(context.values, 'limit', 0);
  const out = textOption(context.values, 'out') ?? '-';
  if ((format === 'arrow' || format === 'parquet') && out === '-' && context.stdout.isTTY === true) {
    throw new ArgumentError('--format', `${format} is no text for a terminal; name a file with --out, or pipe it`);
  }
  if (out !== '-') await checkWritable(out);
}

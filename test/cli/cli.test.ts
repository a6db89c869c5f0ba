/** The command line as people and scripts meet it: the built program, as a child process, in folders of its own. */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Table, tableFromIPC } from '../../src/arrow/arrow.ts';
import { openTable, tablesEqual } from '../../src/index.ts';

const program = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'tauro-cli-'));
const shop = join(root, 'shop');

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly bytes: Buffer;
  readonly err: string;
}

interface RunOptions {
  readonly folder?: string;
  readonly env?: Record<string, string>;
  /** Sends Ctrl-C so long after the program has begun to listen for it. */
  readonly interruptAfterMs?: number;
}

function run(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = spawn(process.execPath, [program, ...argv], {
    cwd: options.folder ?? shop,
    env: { ...process.env, NO_COLOR: '1', ...options.env, ...interruption(options.interruptAfterMs) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  return new Promise((resolve) => {
    child.on('close', (code) => {
      const bytes = Buffer.concat(out);
      resolve({ code, bytes, out: bytes.toString(), err: Buffer.concat(err).toString() });
    });
  });
}

/** From outside nobody can see when the program is ready for a signal; so it is made to send one to itself. */
function interruption(afterMs: number | undefined): Record<string, string> {
  if (afterMs === undefined) return {};
  const preload = join(root, 'interrupt.mjs');
  const code = `process.on('newListener', (name) => name === 'SIGINT' && setTimeout(() => process.kill(process.pid, 'SIGINT'), ${afterMs}).unref());`;
  writeFileSync(preload, code);
  return { NODE_OPTIONS: `--import ${preload}` };
}

async function succeeds(argv: readonly string[], options?: RunOptions): Promise<Outcome> {
  const outcome = await run(argv, options);
  assert.equal(outcome.code, 0, outcome.err);
  return outcome;
}

/** The work ends with this code and one readable paragraph; nothing on stdout, no stack. */
async function fails(argv: readonly string[], code: number, message: RegExp, options?: RunOptions): Promise<void> {
  const outcome = await run(argv, options);
  assert.match(outcome.err, message);
  assert.equal(outcome.code, code, outcome.err);
  assert.equal(outcome.out, '');
  assert.match(outcome.err, /^error: [^\n]+\n( {2}cause: [^\n]+\n)*$/);
}

/** A copy of the project, to be spoilt. */
function copyOfShop(name: string): string {
  const folder = join(root, name);
  // Tests run side by side: what one of them is writing there may be gone before it is copied.
  cpSync(shop, folder, { recursive: true, preserveTimestamps: true, filter: (path) => !path.endsWith('.tmp') });
  return folder;
}

before(async () => {
  await succeeds(['init', 'shop'], { folder: root });
  await succeeds(['materialize', '--all']);
});
after(() => rmSync(root, { recursive: true, force: true }));

describe('from nothing to features', { concurrency: 4 }, () => {
  test('usage: init, and every command it prints works as printed', async () => {
    const { out } = await succeeds(['init', 'first shop'], { folder: root });
    assert.match(out, /config\/global\.yaml\n/);
    const lines = out.split('\n').filter((line) => /^ {2}(cd|node|npx|tauro-features) /.test(line));
    assert.deepEqual(lines.length, 6);
    const shell = spawn('sh', ['-e', '-c', lines.join('\n')], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: process.env });
    let text = '';
    shell.stdout.on('data', (chunk) => (text += chunk));
    shell.stderr.on('data', (chunk) => (text += chunk));
    assert.equal(await new Promise((resolve) => shell.on('close', resolve)), 0, text);
    assert.match(text, /The configuration is valid, and 2 feature sets fit their sources\./);
    assert.match(text, /customer_id +amount_sum +amount_mean +amount_count +date_max/);
  });

  test('init writes the configuration of the documentation letter by letter, and overwrites nothing', async () => {
    assert.match(readFileSync(join(shop, 'config/feature_sets.yaml'), 'utf8'), /\n {4}aggregations:\n {6}amount: \[sum, mean, count\]\n {6}date: max\n/);
    assert.match(readFileSync(join(shop, 'config/inputs.yaml'), 'utf8'), /inputs:\n {2}customer_features:\n {4}feature_store: true\n {4}feature_set: customer_demographics\n {4}time_range: 30d/);
    const before = readdirSync(shop, { recursive: true }).sort();
    await fails(['init', 'shop'], 1, /there is already config\/global\.yaml, .*nothing was written/, { folder: root });
    assert.deepEqual(readdirSync(shop, { recursive: true }).sort(), before);
    const partial = join(root, 'partial');
    mkdirSync(partial);
    writeFileSync(join(partial, 'README.md'), 'mine');
    await fails(['init', partial], 1, /there is already README\.md;/, { folder: root });
    assert.deepEqual(readdirSync(partial), ['README.md']);
  });

  test('materialize: a table, or JSON; what has not changed is not computed again', async () => {
    const folder = copyOfShop('again');
    const materialize = async (...argv: string[]): Promise<{ changed: boolean; sourceRows: number; rows: number; rowsWithNullKey: number }> =>
      JSON.parse((await succeeds(['materialize', ...argv, '--format', 'json'], { folder })).out)[0];
    const { sourceRows, rows, rowsWithNullKey } = await materialize('customer_demographics');
    assert.deepEqual([sourceRows, rows], [50_000, 2_000]);
    assert.ok(rowsWithNullKey > 400);
    await materialize('merchant_sales');
    assert.equal((await materialize('merchant_sales')).changed, false);
    assert.equal((await materialize('merchant_sales', '--full')).changed, true);
    const { out } = await succeeds(['materialize', 'customer_demographics', '--as-of', '2026-01-01'], { folder });
    assert.match(out, /^feature set +version +rows/);
    await fails(['materialize'], 2, /name the feature sets, or --all; there is customer_demographics, merchant_sales/, { folder });
    await fails(['materialize', '--all', 'customer_demographics'], 2, /--all: says all sets/, { folder });
    await fails(['materialize', 'customer_demografics'], 2, /feature set customer_demografics: .*did you mean 'customer_demographics'/, { folder });
  });

  test('status: what is stored, and whether the source has changed since', async () => {
    const { out } = await succeeds(['status']);
    assert.match(out, /customer_demographics +fresh +0 /);
    const [status] = JSON.parse((await succeeds(['status', 'customer_demographics', '--format', 'json'])).out);
    assert.equal(status.state, 'fresh');
    assert.match(status.newestEvent, /^\d{4}-\d\d-\d\dT[\d:]+Z$/);
    const folder = copyOfShop('changed');
    rmSync(join(folder, 'data/silver/transactions/part-1.parquet'));
    assert.match((await succeeds(['status'], { folder })).out, /customer_demographics +stale/);
    rmSync(join(folder, 'data/silver/transactions'), { recursive: true });
    assert.match((await succeeds(['status'], { folder })).out, /customer_demographics +source missing/);
  });

  test('explain tells the road and its reasons; JSON has the whole decision', async () => {
    assert.match((await succeeds(['explain', 'customer_demographics', '--features', 'amount_sum'])).out, /mode hybrid: /);
    assert.match((await succeeds(['explain', 'customer_demographics', '--road', 'source'])).out, /compute from the source\n {2}because road source was asked for\n/);
    const { out } = await succeeds(['explain', 'customer_demographics', '--mode', 'virtualized', '--format', 'json']);
    const decision = JSON.parse(out);
    assert.equal(decision.road, 'source');
    assert.equal(decision.scan.rowsTotal, 50_000);
  });

  test('validate: ok, and what is wrong with which set, exit code 1', async () => {
    assert.match((await succeeds(['validate'])).out, /customer_demographics +silver\.transactions +ok/);
    const folder = copyOfShop('misfit');
    const file = join(folder, 'config/feature_sets.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('amount: [sum', 'amuont: [sum'));
    const outcome = await run(['validate'], { folder });
    assert.equal(outcome.code, 1);
    assert.match(outcome.out, /customer_demographics +silver\.transactions +wrong/);
    assert.match(outcome.out, /amuont.*feature_sets\.yaml:3/);
  });

  test('inspect: a path, a feature set, a source', async () => {
    const { out } = await succeeds(['inspect', 'data/silver/transactions', '--limit', '3']);
    assert.match(out, /format +parquet\n/);
    assert.match(out, /rows +50000\nfiles +4\n/);
    assert.match(out, /customer_id +int64 +allowed\n/);
    assert.match(out, /… the first 3 of 50000 rows/);
    const json = JSON.parse((await succeeds(['inspect', 'silver.transactions', '--format', 'json', '--limit', '2'])).out);
    assert.equal(json.rows, 50_000);
    assert.equal(json.firstRows.length, 2);
    assert.equal(json.schema[2].type, 'timestamp[us]');
    assert.match((await succeeds(['inspect', 'customer_demographics'])).out, /amount_sum_30d +float64/);
    await fails(['inspect', 'nothing-like-it'], 2, /it is no file, no folder, no feature set and no source/);
    await fails(['inspect', 'nothing'], 2, /no such file or folder, and no project here/, { folder: root });
    await succeeds(['inspect', join(shop, 'data/silver/transactions/part-2.parquet')], { folder: root });
  });

  test('compact says how many files it put together', async () => {
    assert.match((await succeeds(['compact'])).out, /customer_demographics +0 +0/);
    assert.deepEqual(JSON.parse((await succeeds(['compact', 'customer_demographics', '--format', 'json'])).out), [{ featureSet: 'customer_demographics', filesBefore: 0, filesAfter: 0 }]);
  });

  test('vacuum says what it deleted', async () => {
    assert.match((await succeeds(['vacuum'])).out, /customer_demographics +0 +0 B/);
  });
});

describe('get', { concurrency: 4 }, () => {
  const asOf = ['--as-of', '2099-01-01', '--features', 'amount_sum,amount_count,date_max'];
  const read = async (...argv: string[]): Promise<Table> =>
    tableFromIPC((await succeeds(['get', 'customer_demographics', ...asOf, '--format', 'arrow', ...argv])).bytes);

  test('usage: the same rows in every format, on stdout or in a file', async () => {
    const table = await read();
    assert.deepEqual(table.schema.names, ['customer_id', 'amount_sum', 'amount_count', 'date_max']);
    assert.ok(table.numRows > 1_900);
    await succeeds(['get', 'customer_demographics', ...asOf, '--out', 'x.parquet']);
    assert.ok(tablesEqual(await (await openTable(join(shop, 'x.parquet'))).read(), table));
    await succeeds(['get', 'customer_demographics', ...asOf, '--out', 'x.arrow']);
    assert.ok(tablesEqual(tableFromIPC(readFileSync(join(shop, 'x.arrow'))), table));
    const json = JSON.parse((await succeeds(['get', 'customer_demographics', ...asOf, '--format', 'json'])).out);
    assert.equal(json.length, table.numRows);
    assert.deepEqual(json.map((row: { amount_sum: number }) => row.amount_sum), [...table.getChild('amount_sum')!]);
    await succeeds(['get', 'customer_demographics', ...asOf, '--out', 'x.csv']);
    const csv = readFileSync(join(shop, 'x.csv'), 'utf8').split('\r\n');
    assert.equal(csv[0], 'customer_id,amount_sum,amount_count,date_max');
    assert.equal(csv.length, table.numRows + 2);
    assert.match(csv[1]!, /^1,-?[\d.]+,\d+,20\d\d-\d\d-\d\dT[\d:]+Z$/);
  });

  test('the three modes give the same bits', async () => {
    const [materialized, virtualized, hybrid] = await Promise.all([
      read('--mode', 'materialized'), read('--mode', 'virtualized'), read('--mode', 'hybrid'),
    ]);
    assert.ok(tablesEqual(materialized, virtualized));
    assert.ok(tablesEqual(hybrid, virtualized));
  });

  test('entities, as words or JSON; a time range; a limit', async () => {
    const ids = async (...argv: string[]): Promise<unknown[]> => [...(await read(...argv)).getChild('customer_id')!].map(String);
    assert.deepEqual(await ids('--entities', '42,17'), ['17', '42']);
    assert.deepEqual(await ids('--entities', '[42, 17]'), ['17', '42']);
    assert.deepEqual(await ids('--entities', '[{"customer_id": 42}]'), ['42']);
    assert.deepEqual(await ids('--limit', '2'), ['1', '2']);
    const recent = JSON.parse((await succeeds(['get', 'customer_demographics', '--time-range', '30d', '--format', 'json'])).out);
    const counts = recent.reduce((sum: number, row: { amount_count: number }) => sum + row.amount_count, 0);
    assert.ok(counts > 11_000 && counts < 14_000, `a quarter of 50,000 events: ${counts}`);
  });

  test('in a table 20 rows would do for a person, and --limit says so; notes go to stderr, none with --quiet', async () => {
    const { out, err } = await succeeds(['get', 'customer_demographics', ...asOf, '--limit', '20']);
    assert.equal(out.split('\n').length, 20 + 3 + 1 + 1);
    assert.match(out, /^customer_id +amount_sum +amount_count +date_max\n +int64 +float64 +int64 +timestamp\[us\]\n/);
    assert.match(out, /… 1,\d{3} more rows\n$/);
    assert.match(err, /rows, mode hybrid, /);
    assert.equal((await succeeds(['get', 'customer_demographics', ...asOf, '--quiet'])).err, '');
  });

  test('a reader that stops reading is no failure', async () => {
    const { status, stderr } = await new Promise<{ status: number | null; stderr: string }>((resolve) => {
      const shell = spawn('bash', ['-o', 'pipefail', '-c', `"${process.execPath}" "${program}" get customer_demographics --format csv --quiet | head -1`], { cwd: shop });
      let stderr = '';
      shell.stderr.on('data', (chunk) => (stderr += chunk));
      shell.on('close', (status) => resolve({ status, stderr }));
    });
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  });

  test('a file is replaced as a whole or not at all; what is no regular file is written into', async () => {
    const folder = copyOfShop('files');
    writeFileSync(join(folder, 'kept.csv'), 'before');
    await fails(['get', 'customer_demographics', '--time-range', '30 parsecs', '--out', 'kept.csv'], 2, /--time-range: '30 parsecs' is not a duration/, { folder });
    assert.equal(readFileSync(join(folder, 'kept.csv'), 'utf8'), 'before');
    await fails(['get', 'customer_demographics', '--out', 'no/such/folder/x.csv'], 1, /no\/such\/folder\/x\.csv: cannot be written: its folder does not exist/, { folder });
    await fails(['get', 'customer_demographics', '--out', 'config'], 1, /config: cannot be written: it is a folder/, { folder });
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const piped = promisify(execFile)('cat', [pipe], { timeout: 20_000 });
    await succeeds(['get', 'customer_demographics', '--limit', '1', '--out', 'pipe', '--format', 'csv'], { folder });
    assert.match((await piped).stdout, /^customer_id,/);
    assert.ok(statSync(pipe).isFIFO());
    assert.deepEqual(readdirSync(folder).filter((name) => name.endsWith('.tmp')), []);
  });

  test('a link to a file stays a link', async () => {
    writeFileSync(join(shop, 'real.csv'), 'before');
    symlinkSync('real.csv', join(shop, 'link.csv'));
    await succeeds(['get', 'customer_demographics', '--limit', '1', '--out', 'link.csv']);
    assert.match(readFileSync(join(shop, 'real.csv'), 'utf8'), /^customer_id,/);
  });
});

describe('mistakes', { concurrency: 4 }, () => {
  test('wrong words: exit code 2, with the nearest right word', async () => {
    await fails(['materialise'], 2, /there is no such command; .*did you mean 'materialize'\?/);
    await fails(['get', 'customer_demographics', '--formt', 'json'], 2, /--formt: there is no such option; did you mean '--format'\?/);
    await fails(['get', 'customer_demographic'], 2, /did you mean 'customer_demographics'/);
    await fails(['get', 'customer_demographics', '--road', 'sorce'], 2, /--road: 'sorce' is not a road; one of stored, merged, source.*did you mean 'source'/);
    await fails(['get', 'customer_demographics', '--mode', 'hybird'], 2, /--mode: 'hybird' is not a mode; .*did you mean 'hybrid'/);
    await fails(['get', 'customer_demographics', '--time-range', '30 parsecs'], 2, /30d or 4w/);
    await fails(['get', 'customer_demographics', '--as-of', 'yesterday'], 2, /--as-of: 'yesterday' is not an instant/);
    await fails(['get', 'customer_demographics', '--features', 'amount_smu'], 2, /did you mean 'amount_sum'/);
    await fails(['get', 'customer_demographics', '--entities', 'one'], 2, /--entities: "one" cannot be a value of key customer_id/);
    await fails(['get', 'customer_demographics', '--threads', '0'], 2, /--threads: '0' is not a whole number of at least 1/);
    const nothing = await run([]);
    assert.equal(nothing.code, 2);
    assert.match(nothing.err, /usage: tauro-features <command>/);
  });

  test('no project here, or where --project points', async () => {
    await fails(['status'], 2, /there is no project here: neither this folder nor one above it holds config\/global\.yaml/, { folder: root });
    await fails(['status', '--project', 'elsewhere'], 2, /elsewhere holds no config\/global\.yaml/, { folder: root });
    await succeeds(['status', '--project', 'shop'], { folder: root });
    await succeeds(['status'], { folder: join(shop, 'data/silver') });
  });

  test('wrong configuration: exit code 2, with file, line, column and the nearest right word', async () => {
    const folder = copyOfShop('misspelt');
    const file = join(folder, 'config/global.yaml');
    const text = readFileSync(file, 'utf8');
    const [line] = text.split('\n').flatMap((each, i) => (/^ {2}mode:/.test(each) ? [i + 1] : []));
    writeFileSync(file, text.replace('  mode: hybrid', '  mode: hybird'));
    await fails(['status'], 2, new RegExp(`config/global\\.yaml:${line}:\\d+: .*hybird.*did you mean 'hybrid'`), { folder });
    writeFileSync(file, 'feature_store: [');
    await fails(['validate'], 2, /config\/global\.yaml:1:/, { folder });
  });

  test('a damaged source: exit code 1, naming the file, and nothing written', async () => {
    const folder = copyOfShop('damaged');
    const file = join(folder, 'data/silver/transactions/part-3.parquet');
    writeFileSync(file, readFileSync(file).subarray(0, 10_000));
    await fails(['materialize', '--all', '--full'], 1, /part-3\.parquet/, { folder });
    await fails(['get', 'customer_demographics', '--mode', 'virtualized'], 1, /part-3\.parquet/, { folder });
    writeFileSync(file, 'this is no Parquet file at all, whatever its name says');
    await fails(['get', 'customer_demographics', '--mode', 'virtualized', '--out', 'x.json'], 1, /part-3\.parquet/, { folder });
    assert.equal(existsSync(join(folder, 'x.json')), false);
  });

  test('the stack is for those who ask', async () => {
    const { err } = await run(['get', 'customer_demographics', '--mode', 'hybird'], { env: { TAURO_DEBUG: '1' } });
    assert.match(err, /\n {4}at /);
  });

  test('Ctrl-C: exit code 130, and the stored features are what they were, or as new', async () => {
    const folder = copyOfShop('stopped');
    const codes: (number | null)[] = [];
    for (const interruptAfterMs of [0, 150, 300, 450]) {
      const { code, err } = await run(['materialize', '--all', '--full'], { folder, interruptAfterMs });
      if (code === 130) assert.match(err, /stopped; nothing half-written is left\n$/);
      codes.push(code);
    }
    assert.equal(codes[0], 130);
    assert.ok(codes.every((code) => code === 130 || code === 0), `exit codes ${codes}`);
    const { out } = await succeeds(['get', 'customer_demographics', '--mode', 'materialized', '--format', 'csv'], { folder });
    assert.equal(out.split('\r\n').length, 2_002);
  });
});

test('help and version', async () => {
  assert.match((await succeeds(['--help'])).out, /materialize \[set…\] +Computes/);
  assert.match((await succeeds(['get', '--help'])).out, /--time-range RANGE +30d/);
  assert.match((await succeeds(['--version'])).out, /^\d+\.\d+\.\d+\n$/);
});

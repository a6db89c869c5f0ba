/**
 * The bench suite: `npm run bench -- [filter…] [--toy] [--list] [--write]`.
 *
 *   filter    only what has one of them in its name: `ladder`, `parquet/string`, `limits`; `group-by` is the 100 k question
 *   --toy     few rows, one process for all, no targets: that it runs, and that the answers are right
 *   --list    says what it would run
 *   --write   writes bench/RESULTS.md; only a full run may
 *
 * Exits with 1 when an answer is wrong or something fails. A target that is missed is said, and fails nothing: how fast a
 * machine is today is not a fault of the code. Each full-size run writes bench/results.json.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Job, Message } from './ask.ts';
import { questions } from './questions.ts';
import { countLine, machine, markdown, terminal } from './support/report.ts';
import { isMet, type Result } from './support/result.ts';

/** A process that takes longer hangs. */
const minutesMost = 15;
const lawNames = ['limits/100M-rows', 'limits/main-thread', 'limits/import', 'limits/bytes', 'modes/hybrid', 'modes/lookup', 'training/as-of', 'training/windows', 'delta/reading', 'orc/zlib', 'orc/snappy', 'orc/none'];
const root = join(fileURLToPath(import.meta.url), '../../..');

const known = ['--toy', '--list', '--write'];
const words = process.argv.slice(2);
const flags = words.filter((word) => word.startsWith('--'));
const filters = words.filter((word) => !word.startsWith('--'));
const [toy, list, write] = known.map((flag) => flags.includes(flag)) as [boolean, boolean, boolean];
const names = [...questions, ...lawNames.map((name) => ({ name, alias: undefined }))]
  .filter(({ name, alias }) => filters.length === 0 || filters.some((filter) => name.includes(filter) || alias?.includes(filter)))
  .map(({ name }) => name);

const unknown = flags.find((flag) => !known.includes(flag));
if (unknown !== undefined) stop(`${unknown} is no option; there is ${known.join(', ')}`);
if (names.length === 0) stop(`nothing is called ${filters.join(' or ')}; --list says what there is`);
if (write && (toy || filters.length > 0)) stop('--write keeps a full run: leave out --toy and filters');
if (list) {
  console.log(names.join('\n'));
  process.exit(0);
}

console.log(`${names.length} of ${questions.length + lawNames.length} benches: ${names.join(', ')}\n`);
const folder = mkdtempSync(join(tmpdir(), 'tauro-bench-'));
let child: ChildProcess | undefined;
process.on('exit', () => {
  child?.kill();
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

const started = performance.now();
const results: Result[] = [];
let failed = 0;
const jobs = toy ? [names] : names.map((name) => [name]);
for (const asked of jobs) {
  await run({ names: asked, folder, toy });
  if (!toy) save();
}
console.log(countLine(results, failed, toy, performance.now() - started));
if (write && failed === 0) writeFileSync(join(root, 'bench/RESULTS.md'), markdown(results));
process.exit(failed === 0 ? 0 : 1);

/** One process for a job. What it cannot say itself, because it died, is said for it. */
async function run(job: Job): Promise<void> {
  const asked = fork(join(root, 'build/bench/ask.js'), [JSON.stringify(job)], {
    cwd: root,
    execArgv: ['--max-old-space-size=12288'],
    env: { ...process.env, POLARS_MAX_THREADS: '2' },
    serialization: 'advanced',
    timeout: minutesMost * 60_000,
  });
  let told = 0;
  child = asked;
  asked.on('message', (message: Message) => {
    told++;
    if (message.kind === 'failed') {
      failed++;
      console.log(`${message.name}\n  FAILED: ${message.error}\n`);
    } else {
      results.push(message.result);
      console.log(`${terminal(message.result, toy)}\n`);
    }
  });
  const ended = await new Promise<string>((resolve) => asked.on('exit', (code, signal) => resolve(signal ?? `exit code ${code}`)));
  if (told < job.names.length) {
    failed++;
    console.log(`${job.names[told]}\n  FAILED: its process ended early, ${ended}\n`);
  }
}

function save(): void {
  const all = results.map((result) => ({ ...result, met: isMet(result) }));
  writeFileSync(join(root, 'bench/results.json'), `${JSON.stringify({ machine: machine(), results: all }, null, 2)}\n`);
}

function stop(message: string): never {
  console.error(message);
  process.exit(2);
}

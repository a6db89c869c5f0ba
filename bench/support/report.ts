/** Results for people: on a terminal as they come, and as Markdown when a run is kept. */
import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Fact, isMet, type Limits, type Race, ratioOf, type Result } from './result.ts';

/** One result as a block of lines. Of few rows a target says nothing. */
export function terminal(result: Result, toy: boolean): string {
  const title = `${result.name}: ${result.text}`;
  return [title, ...(result.kind === 'race' ? raceLines(result, toy) : factLines(result, toy)).map((line) => `  ${line}`)].join('\n');
}

function raceLines(race: Race, toy: boolean): string[] {
  const lines = race.timings.map(({ name, minimumMs, medianMs }, i) => {
    const times = `${name.padEnd(12)} min ${ms(minimumMs)}  median ${ms(medianMs)}`;
    if (i === 0) return times;
    const aim = toy || name !== 'DuckDB' ? '' : `  wanted ≥ ${race.target}×  ${isMet(race) ? 'met' : 'MISSED'}`;
    return `${times}  ${ratioOf(race, name)!.toFixed(2).padStart(6)}×${aim}`;
  });
  return [...lines, ...Object.entries(race.absent).map(([name, why]) => `${name.padEnd(12)} skipped: ${why}`)];
}

function factLines({ facts }: Limits, toy: boolean): string[] {
  const width = Math.max(...facts.map(({ what }) => what.length));
  return facts.map((fact) => {
    const limit = fact.most === undefined || toy ? '' : `  at most ${fact.most}  ${isHeld(fact) ? 'met' : 'MISSED'}`;
    return `${fact.what.padEnd(width)}  ${amount(fact)}${limit}`;
  });
}

export function countLine(results: readonly Result[], failed: number, toy: boolean, elapsedMs: number): string {
  const missed = results.filter((result) => !isMet(result)).map(({ name }) => name);
  const targets = toy ? '' : `, ${results.length - missed.length} met their targets${missed.length > 0 ? `, missed: ${missed.join(', ')}` : ''}`;
  return `${results.length} done in ${(elapsedMs / 1000).toFixed(0)} s${targets}${failed > 0 ? `, ${failed} FAILED` : ''}`;
}

/** bench/RESULTS.md. */
export function markdown(results: readonly Result[]): string {
  const races = results.filter((result) => result.kind === 'race');
  const rivals = [...new Set(races.flatMap(({ timings }) => timings.slice(1).map(({ name }) => name)))];
  const sections = groupedBySection(races);
  const tables = [...sections].map(([section, all]) => `## ${section}\n\n${raceTable(all, rivals)}`);
  const limits = results.filter((result) => result.kind === 'limits');
  const facts = machine();
  return `# The last full run

Written by \`npm run bench -- --write\`; see [questions.ts](questions.ts) for what is asked. Sum, mean and count of an amount
in cents, and the newest date, per key. Times are medians in milliseconds of 5 to 15 rounds, contenders taking turns in one process per
question, each after two seconds of warming up; in brackets how many times as long as ours. Every answer was checked first. \`wanted\` is against native DuckDB.
Everybody has two threads, but for duckdb-wasm and arquero, which have one. Tables in memory were brought into each contender's own
memory first, ours by \`residentTable\`; \`copied\` is ours over an Arrow table as it comes.

- ${facts.cpu}, ${facts.cores} cores, ${facts.memory}
- ${facts.platform}, Node ${facts.node}
- ${Object.entries(facts.versions).map(([name, version]) => `${name} ${version}`).join(', ')}
- ${facts.date}

${tables.join('\n\n')}

## limits

${limitsTable(limits)}
`;
}

function raceTable(races: readonly Race[], rivals: readonly string[]): string {
  const present = rivals.filter((rival) => races.some(({ timings }) => timings.some(({ name }) => name === rival)));
  const rows = races.map((race) => {
    const cells = present.map((rival) => {
      const timing = race.timings.find(({ name }) => name === rival);
      return timing === undefined ? '' : `${short(timing.medianMs)} (${ratioOf(race, rival)!.toFixed(2)}×)`;
    });
    return [race.name, race.text, short(race.timings[0]!.medianMs), ...cells, `≥ ${race.target}×`, isMet(race) ? 'met' : '**missed**'];
  });
  return table(['', 'question', 'tauro', ...present, 'wanted', ''], rows);
}

function limitsTable(limits: readonly Limits[]): string {
  return table(
    ['', 'what', 'measured', 'at most', ''],
    limits.flatMap(({ name, facts }) =>
      facts.map((fact) => [name, fact.what, amount(fact).trim(), fact.most === undefined ? '' : String(fact.most), fact.most === undefined ? '' : isHeld(fact) ? 'met' : '**missed**']),
    ),
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function sectionOf({ name }: Result): string {
  return name.split('/')[0]!;
}

function groupedBySection(races: readonly Race[]): Map<string, Race[]> {
  const sections = new Map<string, Race[]>();
  for (const race of races) sections.set(sectionOf(race), [...(sections.get(sectionOf(race)) ?? []), race]);
  return sections;
}

function isHeld({ measured, most }: Fact): boolean {
  return most === undefined || measured <= most;
}

function amount({ measured, unit }: Fact): string {
  return `${measured.toFixed(unit === '×' ? 2 : unit === 'ms' ? 1 : 0).padStart(8)}${unit === '×' ? '×' : ` ${unit}`}`;
}

function ms(value: number): string {
  return `${short(value).padStart(7)} ms`;
}

function short(value: number): string {
  return value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en');
}

const root = join(fileURLToPath(import.meta.url), '../../../..');

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memory: string;
  readonly platform: string;
  readonly node: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly date: string;
}

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown processor',
    cores: cpus().length,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    versions: {
      ...versions(root, ['@duckdb/node-api', 'apache-arrow']),
      ...versions(join(root, 'bench/rivals'), ['nodejs-polars', '@duckdb/duckdb-wasm', 'arquero']),
    },
    date: new Date().toISOString().slice(0, 10),
  };
}

function versions(folder: string, names: readonly string[]): Record<string, string> {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, Record<string, string>>;
  const wanted: Record<string, string | undefined> = { ...dependencies, ...devDependencies };
  return Object.fromEntries(names.flatMap((name) => (wanted[name] === undefined ? [] : [[name, wanted[name].replace('^', '')]])));
}

/** Answers one question from Parquet in a process of its own: `node one-answer.js <folder> <table> <rounds> <out>`. */
import { writeFileSync } from 'node:fs';
import { serialize } from 'node:v8';
import { answerOf, fromParquet } from '../contenders/tauro.ts';
import type { Answer } from '../support/answer.ts';
import { measure } from '../support/measure.ts';

export interface OneAnswer {
  readonly medianMs: number;
  readonly residentBytes: number;
  readonly answer: Answer;
}

const [folder, table, rounds, out] = process.argv.slice(2) as [string, string, string, string];
const run = await fromParquet({ key: 'integer', days: 'all' }, folder, table);
const answer = answerOf(await run(), { key: 'integer' });
const [timing] = await measure(new Map([['tauro', { run }]]), Number(rounds));
// In KiB.
const residentBytes = process.resourceUsage().maxRSS * 1024;
writeFileSync(out, serialize({ medianMs: timing!.medianMs, residentBytes, answer } satisfies OneAnswer));

/**
 * Answers questions and laws in this process, in turn, and tells the parent what was found: what a full run forks once for
 * each, so that neither memory nor compiled code of one is there in the next. `node ask.js <job as JSON>`, with an IPC
 * channel.
 */
import { bytesLaw } from './laws/bytes.ts';
import { deltaLaw } from './laws/delta.ts';
import { importLaw } from './laws/import.ts';
import type { Law } from './laws/law.ts';
import { mainThreadLaw } from './laws/main-thread.ts';
import { hybridLaw, lookupLaw } from './laws/modes.ts';
import { orcLaws } from './laws/orc.ts';
import { scaleLaw } from './laws/scale.ts';
import { asOfLaw, windowLaw } from './laws/training.ts';
import { asToy, questions } from './questions.ts';
import { race } from './race.ts';
import type { Result } from './support/result.ts';

export interface Job {
  readonly names: readonly string[];
  readonly folder: string;
  readonly toy: boolean;
}

export type Message = { readonly kind: 'found'; readonly result: Result } | { readonly kind: 'failed'; readonly name: string; readonly error: string };

export const toyRows = 50_000;
const laws: readonly Law[] = [scaleLaw, mainThreadLaw, importLaw, bytesLaw, hybridLaw, lookupLaw, asOfLaw, windowLaw, deltaLaw, ...orcLaws];

async function resultOf(name: string, { folder, toy }: Job): Promise<Result> {
  const law = laws.find((each) => each.name === name);
  if (law !== undefined) return { kind: 'limits', name, text: law.text, facts: await law.measure({ toy, folder }) };
  const question = questions.find((each) => each.name === name)!;
  return toy ? race(asToy(question, toyRows), folder, 2) : race(question, folder, 5);
}

const job = JSON.parse(process.argv[2]!) as Job;
const tell = (message: Message): Promise<void> => new Promise((resolve) => process.send!(message, () => resolve()));
for (const name of job.names) {
  try {
    await tell({ kind: 'found', result: await resultOf(name, job) });
  } catch (error) {
    await tell({ kind: 'failed', name, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}
process.exit(0);

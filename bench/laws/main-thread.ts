/**
 * The caller's thread is never blocked for more than 25 ms while workers work: a timer that should come every millisecond. Of later runs it is the longest
 * block of five, and of three such series the median: what else the machine does stops a thread for some ten milliseconds now and then.
 */
import { fromParquet, openTauro } from '../contenders/tauro.ts';
import { parquetPath, type Place } from '../contenders/contender.ts';
import { writeParquet } from '../contenders/duckdb.ts';
import { asToy, questions } from '../questions.ts';
import { makeDataset } from '../support/dataset.ts';
import { median } from '../support/measure.ts';
import type { Fact } from '../support/result.ts';
import type { Law } from './law.ts';
import { existsSync } from 'node:fs';

const asked = ['ladder/100k', 'ladder/1M', 'keys/string', 'parquet/integer', 'parquet/string'];

export const mainThreadLaw: Law = {
  name: 'limits/main-thread',
  text: 'longest block of the main thread, two threads',
  async measure({ toy, folder }) {
    const facts: Fact[] = [];
    for (const name of asked) {
      const wanted = questions.find((question) => question.name === name)!;
      const question = toy ? asToy(wanted, 50_000) : wanted;
      const place: Place = { question, dataset: makeDataset(question), folder, table: `blocked_${question.key}` };
      if (question.from === 'parquet' && !existsSync(parquetPath(place))) await writeParquet(place);
      const run = question.from === 'memory' ? (await openTauro(place)).run : await fromParquet(question, folder, place.table);
      // The first run compiles kernels and starts workers; both are the caller's time too.
      facts.push({ what: `${name}, first run`, unit: 'ms', measured: await longestBlock(run), most: 25 });
      const longest: number[] = [];
      for (let series = 0; series < 3; series++) {
        const blocks: number[] = [];
        for (let round = 0; round < (toy ? 2 : 5); round++) blocks.push(await longestBlock(run));
        longest.push(Math.max(...blocks));
      }
      facts.push({ what: `${name}, later`, unit: 'ms', measured: median(longest), most: 25 });
    }
    return facts;
  },
};

async function longestBlock(run: () => Promise<unknown>): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 20));
  let last = performance.now();
  let longest = 0;
  const look = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last - 1);
    last = now;
  };
  const timer = setInterval(look, 1);
  await run();
  // A block at the very end would keep the timer from coming.
  look();
  clearInterval(timer);
  return longest;
}

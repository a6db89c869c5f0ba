/** arquero, plain JavaScript over Arrow columns. Slow at this size, and asked few questions. */
import { arrowStream, since } from '../support/dataset.ts';
import { keyColumns, type KeyValue } from '../support/keys.ts';
import type { Open } from './contender.ts';
import { importRival, notInstalled } from './rivals.ts';

interface ArqueroTable {
  params(values: object): ArqueroTable;
  filter(condition: string): ArqueroTable;
  groupby(...keys: string[]): ArqueroTable;
  rollup(values: Readonly<Record<string, string>>): ArqueroTable;
  array(name: string): ArrayLike<never>;
}

interface Arquero {
  fromArrow(bytes: Uint8Array, options: { readonly useDate: boolean; readonly useBigInt: boolean }): ArqueroTable;
}

export const openArquero: Open = async ({ question, dataset }) => {
  if (question.from === 'parquet') return { absent: 'it reads no Parquet' };
  const arquero = await importRival<Arquero>('arquero');
  if (arquero === undefined) return notInstalled;
  // Times become milliseconds, as numbers.
  const table = arquero.fromArrow(arrowStream(dataset), { useDate: false, useBigInt: true });
  const keys = keyColumns(question.key).map(({ name }) => name);
  const ask = (): ArqueroTable => {
    const rows = question.days === 'all' ? table : table.params({ since: Number(since.us / 1000n) }).filter('(d, $) => d.date >= $.since');
    return rows.groupby(...keys).rollup({
      total: 'd => op.sum(d.amount)',
      average: 'd => op.mean(d.amount)',
      counted: 'd => op.valid(d.amount)',
      newest: 'd => op.max(d.date)',
    });
  };
  return {
    run: async () => ask(),
    async answer() {
      const result = ask();
      const newest = Array.from(result.array('newest') as ArrayLike<number>, (ms) => ms * 1000);
      return { keys: keys.map((name) => result.array(name) as ArrayLike<KeyValue>), sums: result.array('total'), means: result.array('average'), counts: result.array('counted'), newest };
    },
    isSlow: true,
    close: async () => undefined,
  };
};

/** Parquet as a format of data files; its parts are row groups. */
import type { FileFormat } from '../file-format.ts';
import { encodeParquet } from './encode.ts';
import { cutPlan, openParquet, type ParquetFile, type ParquetPlan, parquetTimeSpan, planParquet, scanParquet } from './file.ts';
import { magic } from './marks.ts';

export const parquetFormat: FileFormat<ParquetFile, ParquetPlan> = {
  name: 'parquet',
  title: 'Parquet',
  ending: '.parquet',
  beginning: Buffer.from(magic).toString('latin1'),
  open: openParquet,
  partsOf: (file) => file.rowGroups.length,
  plan: planParquet,
  timeSpan: parquetTimeSpan,
  partsRead: (plan) => plan.rowGroups.length,
  stretchesOf(file, plan) {
    let end = 0;
    const stretches = file.rowGroups.map(({ rows }) => {
      end += rows;
      return { first: end - rows, rows };
    });
    return plan.rowGroups.map((index) => stretches[index]!);
  },
  cut: cutPlan,
  scan: (bytes, file, plan, { signal, pruned, lent, memory }) => scanParquet(bytes, file, plan, { pruned, lent, memory, ...(signal && { signal }) }),
  encode: (schema, batches, { partRows: rowGroupRows, compression }) => encodeParquet(schema, batches, { rowGroupRows, compression }),
};

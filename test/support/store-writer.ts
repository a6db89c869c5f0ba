/** A writer in a process of its own: `node store-writer.js <folder or s3://bucket> <append|overwrite> <first> <count> <commits> [format]`. */
import { bytesAt } from '../../src/store/bytes-at.ts';
import { openWritable, type TableFormat } from '../../src/store/tables.ts';
import { events } from './store.ts';

const [folder, kind, first, count, commits, format = 'parquet'] = process.argv.slice(2);
const table = openWritable(bytesAt(folder!), 't', format as TableFormat, { fileRowsMax: Math.ceil(Number(count) / 3) });
for (let done = 0; done < Number(commits); ) {
  const rows = events(Number(first) + done * Number(count), Number(count));
  const readVersion = (await table.trySnapshot())?.versionNumber ?? -1;
  const add = await table.stage(rows.schema, rows.batches);
  const result = await table.commit({ readVersion, kind: kind as 'append', schema: rows.schema, add, info: { first: Number(first) + done * Number(count) } });
  if (result.kind === 'conflict') {
    await table.discard(add);
    continue;
  }
  done++;
  process.stdout.write(`${result.version}\n`);
}

/** Reading one column and one day of a table of 2 GB fetches less than a twentieth of its bytes: counted where they are read. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { dayUs } from '../../src/base/time.ts';
import type { Bytes, OpenFile } from '../../src/store/bytes.ts';
import { localBytes } from '../../src/store/local-bytes.ts';
import { openStored } from '../../src/store/source.ts';
import { connect } from '../contenders/duckdb.ts';
import { firstDayUs } from '../support/dataset.ts';
import type { Law } from './law.ts';

const files = 10;
const columns = 8;

/** The same bytes, and how many of them were read. */
function counted(bytes: Bytes): { readonly bytes: Bytes; read(): number } {
  let read = 0;
  const open = async (path: string): Promise<OpenFile | undefined> => {
    const file = await bytes.open(path);
    return file && {
      ...file,
      read: (start, end) => {
        read += end - start;
        return file.read(start, end);
      },
    };
  };
  return { bytes: { ...bytes, open }, read: () => read };
}

export const bytesLaw: Law = {
  name: 'limits/bytes',
  text: 'one column and one day of a year, in a table of 2 GB',
  async measure({ toy, folder }) {
    // About eight bytes for each value, since all are random.
    const rows = toy ? 400_000 : 30_000_000;
    const place = join(folder, 'year');
    mkdirSync(join(place, 'events'), { recursive: true });
    const connection = await connect();
    const values = Array.from({ length: columns }, (_, i) => `(hash(i + ${i + 1}000000000) / 2)::BIGINT AS value_${i}`).join(', ');
    for (let file = 0; file < files; file++) {
      const [from, to] = [(rows / files) * file, (rows / files) * (file + 1)];
      await connection.run(`COPY (SELECT make_timestamp(${firstDayUs} + (i * ${(365n * dayUs) / BigInt(rows)})::BIGINT) AS date, ${values} FROM range(${from}, ${to}) AS numbers(i))
        TO '${join(place, 'events', `part-${file}.parquet`)}' (FORMAT parquet, COMPRESSION snappy${toy ? ', ROW_GROUP_SIZE 2048' : ''})`);
    }
    connection.closeSync();
    const source = counted(localBytes(place));
    const snapshot = await openStored(source.bytes, 'events').snapshot();
    const size = snapshot.files!.reduce((sum, file) => sum + file.size, 0);
    const startUs = BigInt(firstDayUs) + 200n * dayUs;
    let found = 0;
    for await (const batch of snapshot.scan({ columns: ['date', 'value_3'], timeRange: { column: 'date', range: { startUs, endUs: startUs + dayUs } } })) found += batch.numRows;
    assert.ok(found >= rows / 366, `${found} rows of the day`);
    rmSync(place, { recursive: true });
    return [
      { what: 'the table', unit: 'MiB', measured: size / 2 ** 20 },
      { what: 'read of it', unit: 'MiB', measured: source.read() / 2 ** 20 },
      // A small table is mostly footers.
      { what: 'read, as a part of it', unit: '×', measured: source.read() / size, ...(!toy && { most: 0.05 }) },
    ];
  },
};

/** An Arrow table as the bytes of one Parquet file. */
import type { Table } from '../arrow/arrow.ts';
import { encodeParquet } from '../index.ts';

export async function parquetBytes(table: Table): Promise<Uint8Array> {
  return encodeParquet(table.schema, table.batches);
}

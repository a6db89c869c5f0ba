/** ORC files in memory, read whole. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RecordBatch, Schema } from '../../../src/arrow/arrow.ts';
import { type OrcScanOptions, planOrc, scanOrc } from '../../../src/store/orc/file.ts';
import { openOrc } from '../../../src/store/orc/footer.ts';
import type { ScanOptions } from '../../../src/store/table.ts';
import { MemoryFile } from '../parquet/support.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../../..');

/** The fixtures of other engines, or undefined where they are absent. */
export const fixtures = existsSync(join(root, '../shared/fixtures/orc')) ? join(root, '../shared/fixtures/orc') : undefined;

export async function readOrc(bytes: Uint8Array, options: ScanOptions = {}, scan: OrcScanOptions = {}): Promise<{ schema: Schema; batches: RecordBatch[]; rows: number; passedOver: readonly string[] }> {
  const source = new MemoryFile('t.orc', bytes);
  const file = await openOrc(source);
  const batches: RecordBatch[] = [];
  for await (const batch of scanOrc(source, file, planOrc(file, options), scan)) batches.push(batch);
  return { schema: file.schema, batches, rows: batches.reduce((sum, batch) => sum + batch.numRows, 0), passedOver: file.passedOver.map(({ column }) => column) };
}

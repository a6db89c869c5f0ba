/**
 * DuckDB in WebAssembly, one thread. It is given its table as an Arrow stream. It would fetch its Parquet reader from the
 * network, so it is asked only what is in memory.
 */
import { join } from 'node:path';
import type { Table } from '../../src/arrow/arrow.ts';
import { arrowStream } from '../support/dataset.ts';
import { keyColumns, type KeyValue } from '../support/keys.ts';
import type { Open } from './contender.ts';
import { notInstalled, requireRival, rivalsFolder } from './rivals.ts';
import { answerSql, questionSql } from './sql.ts';

interface Connection {
  insertArrowFromIPCStream(bytes: Uint8Array, options: { readonly name: string; readonly create: boolean }): void;
  query(sql: string): Table;
  close(): void;
}

interface Database {
  instantiate(): Promise<unknown>;
  connect(): Connection;
}

interface DuckDbWasm {
  createDuckDB(bundles: object, logger: object, runtime: unknown): Promise<Database>;
  readonly VoidLogger: new () => object;
  readonly NODE_RUNTIME: unknown;
}

export const openDuckDbWasm: Open = async ({ question, dataset }) => {
  if (question.from === 'parquet') return { absent: 'its Parquet reader is fetched from the network' };
  const duckdb = await requireRival<DuckDbWasm>('@duckdb/duckdb-wasm/dist/duckdb-node-blocking.cjs');
  if (duckdb === undefined) return notInstalled;
  const dist = join(rivalsFolder, 'node_modules/@duckdb/duckdb-wasm/dist');
  const bundle = (kind: string): object => ({ mainModule: join(dist, `duckdb-${kind}.wasm`), mainWorker: join(dist, `duckdb-node-${kind}.worker.cjs`) });
  const database = await duckdb.createDuckDB({ mvp: bundle('mvp'), eh: bundle('eh') }, new duckdb.VoidLogger(), duckdb.NODE_RUNTIME);
  await database.instantiate();
  const connection = database.connect();
  connection.insertArrowFromIPCStream(arrowStream(dataset), { name: 't', create: true });
  return {
    run: async () => connection.query(`CREATE OR REPLACE TEMP TABLE r AS ${questionSql(question, 't')}`),
    async answer() {
      const table = connection.query(answerSql(question, 't'));
      const columns = table.schema.fields.map((_, i) => table.getChildAt(i)!.toArray() as ArrayLike<never>);
      const [newest, counts, means, sums] = columns.slice(-4).reverse() as ArrayLike<never>[];
      return { keys: columns.slice(0, keyColumns(question.key).length) as ArrayLike<KeyValue>[], sums: sums!, means: means!, counts: counts!, newest: newest! };
    },
    close: async () => connection.close(),
  };
};

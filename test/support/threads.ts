/** What several threads are held against: threads of the pool that listen already, and the answer of one that does it all. */
import type { Table } from '../../src/arrow/arrow.ts';
import { Aggregation } from '../../src/engine/aggregation.ts';
import type { GroupByPlan } from '../../src/engine/plan.ts';
import { createAggregations, type RunOptions } from '../../src/engine/run.ts';
import { workersOf } from '../../src/engine/threads/pool.ts';

export async function startThreads(count: number): Promise<void> {
  // Threads that nothing is awaited of let the process end, and a test with it.
  const awake = setInterval(() => undefined, 60_000);
  try {
    await Promise.all(workersOf(count).map(({ started }) => started));
  } finally {
    clearInterval(awake);
  }
}

/** What a run answers to these plans over a table. */
export async function answersOf(plans: readonly GroupByPlan[], table: Table, options: RunOptions): Promise<readonly Table[]> {
  const run = createAggregations(plans, table.schema, { ...options, table });
  try {
    for (const batch of table.batches) await run.add(batch);
    return await run.finish();
  } finally {
    await run.close();
  }
}

export function onOneThread(plan: GroupByPlan, table: Table, what: 'finish' | 'states'): Table {
  const aggregation = Aggregation.create(plan, table.schema);
  try {
    for (const batch of table.batches) aggregation.add(batch);
    return aggregation[what]();
  } finally {
    aggregation.close();
  }
}

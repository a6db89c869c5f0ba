/** Threads of the pool that listen already, for tests of what happens then. */
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

/**
 * Memories that threads share, each with the instance of the caller's thread on it. A run leases one and gives it back. Most are empty
 * then and serve any run; a memory that a table lives in (resident.ts) serves the runs over that table, one at a time.
 */
import { Instance, sharedMemory, sharedModule } from '../instance.ts';
import { Shelf } from '../shelf.ts';
import { workersListening } from './pool.ts';

export class CommonMemory {
  /** Threads know it by this. */
  readonly id = made++;
  readonly memory: WebAssembly.Memory;
  readonly instance: Instance;
  /** Where the table ends that lives here; 0: there is none. */
  kept = 0;
  /** A run is at work, or one was left in a state that nothing can be built on. */
  isTaken = false;

  /** Throws RangeError where so much address space is not to be had. */
  constructor(bytes?: number) {
    this.memory = sharedMemory(bytes);
    this.instance = new Instance(sharedModule(), this.memory);
  }

  get memoryBytes(): number {
    return this.instance.memoryBytes;
  }

  get usedBytes(): number {
    return this.instance.usedBytes;
  }
}

let made = 0;
const shelf = new Shelf<CommonMemory>(2, ({ id }) => forget(id));

/** A memory for one run: `home`, where the table that it reads lives, unless another run is at work there. */
export function leaseMemory(memoryLimit: number | undefined, home: CommonMemory | undefined): CommonMemory {
  const memory = home === undefined || home.isTaken ? (shelf.take() ?? new CommonMemory()) : home;
  memory.isTaken = true;
  memory.instance.begin(memoryLimit, memory.kept);
  return memory;
}

/** `sound`: nobody works in it any more, and nothing in it is broken. */
export function giveBackMemory(memory: CommonMemory, sound: boolean): void {
  const usable = sound && memory.instance.sound;
  if (memory.kept > 0) {
    // The table can be read as before, by runs in other memories.
    memory.isTaken = !usable;
    return;
  }
  memory.isTaken = false;
  if (usable) shelf.put(memory);
  else forget(memory.id);
}

/** Has all threads let go of a memory. */
export function forget(id: number): void {
  for (const worker of workersListening()) void worker.call('forget', { team: id }).catch(() => undefined);
}

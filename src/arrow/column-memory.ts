/**
 * Memory in which columns are worked on, lent to whoever makes them: what was made there is read in place.
 *
 * Threads share it, and it grows when one of them needs more. Addresses stay what they are; a view taken before may end too early.
 */
export interface ColumnMemory {
  readonly memory: WebAssembly.Memory;
  /** How much may be taken, all in all. */
  readonly bytesMax: number;
  /** A block, from a multiple of 64 on. Throws MemoryLimitError. */
  alloc(bytes: number): number;
  free(at: number, bytes: number): void;
  /** The bytes there, in an array that is known to lie in this memory. */
  view(at: number, bytes: number): Uint8Array;
}

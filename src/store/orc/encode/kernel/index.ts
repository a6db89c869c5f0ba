/**
 * The kernels of the ORC writer, AssemblyScript compiled to WebAssembly: what TypeScript calls, by file.
 *
 *   rle      64-bit integers → run length encoding, version 2
 *   numbers  bounds and sums; timestamps to seconds and nanoseconds; decimals to varints
 *   snappy   bytes → Snappy's block format
 *
 * Every pointer is a byte address in this instance's memory; the caller has made room for the largest result there can be.
 */
export { encodeIntegers } from './rle';
export { summarize, splitTimestamps, writeDecimals } from './numbers';
export { snap } from './snappy';

/** Where the memory is free from on. */
export function heapStart(): usize {
  return __heap_base;
}

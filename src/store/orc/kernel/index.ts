/**
 * The kernels of ORC, AssemblyScript compiled to WebAssembly: what TypeScript calls, by file.
 *
 *   rle      64-bit integers → run length encoding, version 2
 *   numbers  bounds and sums; timestamps to seconds and nanoseconds; decimals to varints
 *   snappy   bytes → Snappy's block format
 *   unrle    run length encodings → 64-bit integers, bytes
 *   unpack   seconds and nanoseconds to timestamps; varints to decimals
 *
 * Every pointer is a byte address in this instance's memory; the caller has made room for the largest result there can be.
 * Bytes that came out of a file are checked against the end that the caller gives.
 */
export { encodeIntegers } from './rle';
export { summarize, splitTimestamps, writeDecimals } from './numbers';
export { snap } from './snappy';
export { decodeIntegers, decodeBytes } from './unrle';
export { joinTimestamps, readDecimals } from './unpack';

/** Where the memory is free from on. */
export function heapStart(): usize {
  return __heap_base;
}

/**
 * The kernels of the page decoder, AssemblyScript compiled to WebAssembly: what TypeScript calls, by file.
 *
 *   tables   what they know by heart
 *   snappy   a compressed page → its bytes
 *   bits     validity bitmaps: copied, filled, counted
 *   hybrid   runs and bit-packed groups → definition levels, dictionary indices
 *   fixed    values of 4 or 8 bytes: spread over the rows, looked up in a dictionary
 *   bytes    byte arrays: lengths taken out, looked up, checked for UTF-8
 *
 * Every pointer is a byte address in the instance's memory, which it may share. What stands there came out of a file: lengths, counts and
 * indices are checked against the end that the caller gives. Behind the end of every block lie 64 bytes of slack, which
 * may be read and written, so that the last value can be moved in whole words.
 */
export { prepare, tablesBytes } from './tables';
export { unsnap } from './snappy';
export { copyBits, copyBytes, setBits } from './bits';
export { decodeLevels, decodeIndices } from './hybrid';
export { spread4, spread8, gather4, gather8 } from './fixed';
export { plainBytes, spreadOffsets, sizeOfCodes, gatherBytes, shiftOffsets, checkUtf8 } from './bytes';

/** Where the memory is free from on. */
export function heapStart(): usize {
  return __heap_base;
}

/**
 * The kernels, AssemblyScript compiled to WebAssembly: what TypeScript calls, by file.
 *
 *   memory    an arena in a memory that instances may share: blocks of powers of two, all given back at once
 *   select    which rows count: time range, validity
 *   gather    values of the selected rows, widened to 64 bits
 *   group     keys → dense group ids: integers, strings, dictionaries, pairs of ids
 *   state     values and group ids → states of all groups, one group's states side by side
 *   split     exact sums of doubles of similar size, split at a fixed bit
 *   wide      the exact accumulator of a group whose sum does not fit two doubles
 *   merge     the states of another thread, in the same memory
 *   output    from states to columns
 *   sort      positions in ascending order of 64-bit words or strings
 *
 * Every pointer is a byte address in this instance's memory. Arrays that come in hold at least `count` elements.
 */
export { alloc, allocZeroed, attach, enlarge, free, reset, setLimit, outOfMemory, usedBytes } from './memory';
export { selectRange64, selectRange32, selectValid } from './select';
export {
  gather64, gatherI8, gatherU8, gatherI16, gatherU16, gatherI32, gatherU32, gatherF32, gatherBits,
  compact64, pairIds, tileOf, shiftOffsets,
} from './gather';
export {
  newIntGrouper, expectKeys, groupInts, groupSlots32, groupCount, intKeys, nameKeys, isOrdered, aliveIds, countsAt, meet, forceHash,
  newStringGrouper, groupStrings, groupCodes, stringPointers, stringLengths, mergeInts, mergeStrings, mergePairs,
} from './group';
export { growStates, accumulate, accumulatePair, countNulls, mergeNulls, mergeHighLow, mergeInt128, mergeCounts } from './state';
export { prepareSums } from './split';
export { wideOf, wideAdd, wideAddLimb, wideFlag, newWideTable } from './wide';
export { argsort64, argsortStrings, ranksOf, flipSigns } from './sort';
export { mergeRows, mergeStates, mergeNullCounts } from './merge';
export { wordsOf, extremesOf, countsOf, sumsOf, meansOf } from './output';

/**
 * The kernels, AssemblyScript compiled to WebAssembly: what TypeScript calls, by file.
 *
 *   memory    an arena per instance: blocks of powers of two, all given back at once
 *   select    which rows count: time range, validity
 *   gather    values of the selected rows, widened to 64 bits
 *   group     keys → dense group ids: integers, strings, dictionaries, pairs of ids
 *   state     values and group ids → states of all groups, one group's states side by side
 *   wide      the exact accumulator of a group whose sum does not fit two doubles
 *   merge     states of another aggregation in the same memory
 *   sort      positions in ascending order of 64-bit words or strings
 *
 * Every pointer is a byte address in this instance's memory. Arrays that come in hold at least `count` elements.
 */
export { alloc, allocZeroed, enlarge, free, reset, setLimit, outOfMemory } from './memory';
export { selectRange64, selectRange32, selectValid } from './select';
export {
  gather64, gatherI8, gatherU8, gatherI16, gatherU16, gatherI32, gatherU32, gatherF32, gatherBits,
  compact64, pairIds, tileOf,
} from './gather';
export {
  newIntGrouper, expectKeys, groupInts, groupCount, intKeys, forceHash,
  newStringGrouper, groupStrings, groupCodes, stringPointers, stringLengths,
} from './group';
export { growStates, accumulate, accumulatePair, countNulls, mergeNulls, mergeHighLow, mergeInt128, mergeCounts } from './state';
export { wideOf, wideAdd, wideAddLimb, wideFlag, newWideTable } from './wide';
export { gatherStates, addToGroups, mergeWides } from './merge';
export { argsort64, argsortStrings, ranksOf, flipSigns } from './sort';

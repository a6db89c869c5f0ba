/**
 * The kernels, AssemblyScript compiled to WebAssembly: what TypeScript calls, by file.
 *
 *   memory    an arena in a memory that instances may share: blocks of powers of two, all given back at once
 *   select    which rows count: time range, validity
 *   gather    values of the selected rows, widened to 64 bits
 *   group     keys → dense group ids: integers, pairs of ids      strings   the same for strings and dictionaries
 *   state     values and group ids → states of all groups, one group's states side by side
 *   split     exact sums of doubles of similar size, split at a fixed bit
 *   wide      the exact accumulator of a group whose sum does not fit two doubles
 *   values    strings and decimals as spans, numbers as keys that order as they do, values with their event times
 *   bytes     least and greatest of strings      pick      the value at the earliest or latest event time
 *   distinct  the distinct values of groups      sketch    about how many they are      hash   what both go by
 *   squares   exact sums of squares of doubles   integers  exact sums of several words
 *   merge     the states of another thread, in the same memory      part      the same, a range of keys at a time
 *   aside     rows put aside by part, to be grouped a part at a time
 *   output    from states to columns
 *   points    points in time of labels, put in order
 *   asof      points in time of entities, and the stretch between two of them that an event lies in
 *   nearest   the latest value of each stretch, where nothing else is asked
 *   parted    events put in parts by their entities, to be located a part at a time
 *   spans     labels, and the stretches in their ranges
 *   arrivals  the same for events that arrive later than they happen
 *   sort      positions in ascending order of 64-bit words or strings
 *
 * Every pointer is a byte address in this instance's memory. Arrays that come in hold at least `count` elements.
 */
export { alloc, allocZeroed, attach, enlarge, free, newRegion, reset, setLimit, outOfMemory, swapRegion, usedBytes } from './memory';
export { selectRange64, selectNear, coarsen, allAlikeInRange64, selectRange32, selectValid } from './select';
export {
  gather64, gather32, gatherI8, gatherU8, gatherI16, gatherU16, gatherI32, gatherU32, gatherF32, gatherBits,
  compact64, tileOf, shiftOffsets,
} from './gather';
export {
  newIntGrouper, expectKeys, reserveInts, groupInts, groupInts32, groupCount, intKeys, keysOfInts, isOrdered, aliveIds, countsAt, meet, forceHash,
  groupPairs, mergeInts, mergeSlots, mergePairs,
} from './group';
export { newStringGrouper, reserveStrings, groupStrings, groupCodes, stringSpans, mergeStrings } from './strings';
export { growStates, accumulate, accumulatePair, countNulls, countBits, invertCounts, fillNulls, mergeNulls, mergeHighLow, mergeInt128, mergeCounts, countRows } from './state';
export { newNarrowing, isSpilt, decideNarrow, addNarrow, areNarrowedAlike, mergeNarrow, widenStates } from './narrow';
export { unitOf, shorten, lengthen, wholeBounds, shortenDoubles, lengthenDoubles } from './short';
export { wideOf, wideAdd, wideAddLimb, wideFlag, newWideTable } from './wide';
export { gatherSpans, gatherCodeSpans, gatherDecimals, lengthOfSpans, concatSpans, orderKeys, compactTimed, compactTies } from './values';
export { extremeSpans } from './bytes';
export { pickByTime, pickByTie, pickAll } from './pick';
export { newDistinct, addDistinct, mergeDistinct, addDistinctBytes, listDistinct, sortValues, spansSize, writeSpans } from './distinct';
export { addSketch, mergeSketches, addSketchBytes, sketchSize, writeSketch, sketchEstimate } from './sketch';
export { newSquareTable, addSquares, mergeSquares, writeSquares, addSquareBytes } from './squares';
export { addIntegerSquares, addDecimals, addDecimalSquares, mergeWords } from './integers';
export { pointsBefore, boundsOf, countPoints, orderPoints, entitiesWithPoints, pointsOfItems } from './points';
export { markParts, numberKeys, rangesOf, mightLocate, locate } from './asof';
export { placesInParts } from './parted';
export { emptyNearest, addNearest, mergeNearest, nearestRows, settleNearest, answersOfNearest, answersInOrder } from './nearest';
export { spansOf, markSpans, wantedOf, fullStretches, knownSpans, fullSpans, nearStretches, pickStretches, nodesOfSpans, lengthOfRanges, knownGroups } from './spans';
export { locateArrivals } from './arrivals';
export { argsort64, argsortStrings, ranksOf, flipSigns } from './sort';
export { newSearch, searchBytes, partsOfWords, partInts, partStrings, sampleInts, sampleStrings, mergeSomeInts, gatherRows } from './part';
export {
  partsOfStrings, headsOf, placesOf, scatterLane, scatterBits, scatterLengths, scatterBytes, copyLane, blocksOf, gatherLane, bytesOfPart, gatherBytes, offsetsOf, packBits,
} from './aside';
export { mergeStates, mergeNullCounts, gatherStates } from './merge';
export { wordsOf, extremesOf, countsOf, fewerThan, enoughValues, sumsOf, meansOf, keysOf } from './output';

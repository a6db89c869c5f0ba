/**
 * The row index of a stripe: which row groups may have wanted rows, and where those begin in each stream.
 *
 *   positions of an entry, stream after stream      compressed: | block | byte in it | values of the run | bits |
 *   (present first; a byte stream has no run)       none:       | byte              | values of the run | bits |
 *
 * Law: an index that is missing, incomplete or contradicts the stripe or itself is as if it were not there.
 */
import { compareKeys, boundsOf, keysWithin, mightHave, type RowFilter } from './statistics.ts';
import { type BloomFilterIndex, type ColumnStatistics, encodingKind, type OrcType, type RowIndex, streamKind, typeKind } from './metadata.ts';
import { hashOf, mightHold } from './bloom-filter.ts';

/** Neighbouring row groups, `end` excluded. */
export interface GroupRange {
  readonly start: number;
  readonly end: number;
}

export interface FilterIndex {
  readonly filter: RowFilter;
  readonly index: RowIndex | undefined;
  readonly blooms: BloomFilterIndex | undefined;
}

/** Of more stretches the neighbours are joined: each decompresses the block that it begins in. */
const rangesMax = 32;

/** More keys than this are hardly ever all missing in a row group. */
const hashedKeysMax = 1_000;

/** The row groups that may have wanted rows, in order; undefined where the index does not tell. */
export function wantedGroups(filters: readonly FilterIndex[], groupRows: readonly number[], stripe: readonly ColumnStatistics[] | undefined): GroupRange[] | undefined {
  if (filters.some(({ filter, index }) => !isCoherent(filter, index, groupRows, stripe?.[filter.column.id]))) return undefined;
  const ranges: { start: number; end: number }[] = [];
  const gapMax = Math.floor(groupRows.length / rangesMax);
  groupRows.forEach((_, group) => {
    if (!filters.every((filter) => mightHaveGroup(filter, group))) return;
    const last = ranges.at(-1);
    if (last !== undefined && group - last.end <= gapMax) last.end = group + 1;
    else ranges.push({ start: group, end: group + 1 });
  });
  return ranges;
}

function mightHaveGroup({ filter, index, blooms }: FilterIndex, group: number): boolean {
  const { statistics } = index!.entries[group]!;
  if (!mightHave(filter, statistics)) return false;
  const bloom = blooms?.filters.length === index!.entries.length ? blooms.filters[group]! : undefined;
  if (bloom === undefined || !('keys' in filter)) return true;
  const keys = keysWithin(filter.keys, statistics && boundsOf(filter.column, statistics));
  return keys.length > hashedKeysMax || keys.some((key) => mightHold(bloom, hashOf(key)));
}

/** Whether the entries are those of the stripe: as many, and together what the stripe's statistics say. */
function isCoherent({ column }: RowFilter, index: RowIndex | undefined, groupRows: readonly number[], stripe: ColumnStatistics | undefined): boolean {
  if (index?.entries.length !== groupRows.length) return false;
  const all = index.entries.map(({ statistics }) => statistics);
  if (all.some((statistics, group) => (statistics?.numberOfValues ?? 0) > groupRows[group]!)) return false;
  if (stripe === undefined) return true;
  const counts = all.map((statistics) => statistics?.numberOfValues);
  const isCounted = stripe.numberOfValues !== undefined && counts.every((count) => count !== undefined);
  if (isCounted && counts.reduce((sum, count) => sum + count, 0) !== stripe.numberOfValues) return false;
  const whole = boundsOf(column, stripe);
  const bounds = all.filter((statistics) => statistics?.numberOfValues !== 0).map((statistics) => statistics && boundsOf(column, statistics));
  if (whole === undefined || bounds.length === 0 || bounds.some((each) => each === undefined)) return true;
  const least = bounds.map((each) => each!.least).reduce((a, b) => (compareKeys(b, a) < 0 ? b : a));
  const greatest = bounds.map((each) => each!.greatest).reduce((a, b) => (compareKeys(b, a) > 0 ? b : a));
  return compareKeys(least, whole.least) === 0 && compareKeys(greatest, whole.greatest) === 0;
}

type Form = 'bits' | 'runs' | 'plain';

/** A stream that the index has positions in. */
export interface IndexedStream {
  readonly kind: number;
  readonly form: Form;
}

/** Where a row group begins: `block` among the stored bytes, `byte` in that block decompressed, then values (bits: bits) to skip. */
export interface Position {
  readonly block: number;
  readonly byte: number;
  readonly skip: number;
}

/** The streams of a column in the order of the positions. */
export function indexedStreams({ kind = 0 }: OrcType, encoding: number, hasPresent: boolean): readonly IndexedStream[] {
  const present: IndexedStream[] = hasPresent ? [{ kind: streamKind.present, form: 'bits' }] : [];
  const isDictionary = encoding === encodingKind.dictionary || encoding === encodingKind.dictionaryV2;
  return [...present, ...valueStreams(kind, isDictionary)];
}

function valueStreams(kind: number, isDictionary: boolean): readonly IndexedStream[] {
  const [data, secondary, length] = [streamKind.data, streamKind.secondary, streamKind.length];
  switch (kind) {
    case typeKind.boolean:
      return [{ kind: data, form: 'bits' }];
    case typeKind.float:
    case typeKind.double:
      return [{ kind: data, form: 'plain' }];
    case typeKind.timestamp:
    case typeKind.timestampInstant:
      return [{ kind: data, form: 'runs' }, { kind: secondary, form: 'runs' }];
    case typeKind.decimal:
      return [{ kind: data, form: 'plain' }, { kind: secondary, form: 'runs' }];
    case typeKind.string:
    case typeKind.varchar:
    case typeKind.char:
    case typeKind.binary:
      return isDictionary ? [{ kind: data, form: 'runs' }] : [{ kind: data, form: 'plain' }, { kind: length, form: 'runs' }];
    default:
      return [{ kind: data, form: 'runs' }];
  }
}

/** By row group and stream; undefined where the entries have other numbers of positions than the streams take. */
export function positionsOf(index: RowIndex | undefined, streams: readonly IndexedStream[], groups: number, isCompressed: boolean): Position[][] | undefined {
  if (index?.entries.length !== groups) return undefined;
  const sizes = streams.map(({ form }) => (isCompressed ? 2 : 1) + (form === 'plain' ? 0 : form === 'runs' ? 1 : 2));
  const size = sizes.reduce((sum, each) => sum + each, 0);
  if (index.entries.some(({ positions }) => positions.length !== size)) return undefined;
  return index.entries.map(({ positions }) => {
    let at = 0;
    const next = (): number => positions[at++]!;
    return streams.map(({ form }) => {
      const block = isCompressed ? next() : 0;
      const byte = next();
      const skip = form === 'plain' ? 0 : form === 'runs' ? next() : next() * 8 + next();
      return { block, byte, skip };
    });
  });
}

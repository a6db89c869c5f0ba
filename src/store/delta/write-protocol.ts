/**
 * Whether a Delta table may be written by us, by its protocol and what of it is in use. Pure.
 *
 *   writer version 2 to 6   stands for a fixed set of features, cumulatively
 *   writer version 7        names its features
 *
 * A feature that we do not know refuses every write. One that we know and do not carry out refuses where it is in use:
 * a constraint that nobody evaluates would let wrong rows in. Law: what passes can be written without doing anything
 * that is not in protocol 1/2, for adding files; removing is checked on top.
 */
import { UnsupportedError } from '../../base/errors.ts';
import { featuresSince } from './write-schema.ts';

/** What the log says of the table, as far as a writer is bound by it. */
export interface WrittenTable {
  readonly name: string;
  readonly minReaderVersion: number;
  readonly minWriterVersion: number;
  readonly readerFeatures?: readonly string[];
  readonly writerFeatures?: readonly string[];
  readonly configuration: Readonly<Record<string, string>>;
  /** The keys of the metadata of all fields, nested ones too. */
  readonly fieldMetadata: readonly string[];
}

/** Files are added; removed with their rows; or replaced by others with the same rows. */
export type WriteKind = 'append' | 'remove' | 'rewrite';

type InUse = (table: WrittenTable, kind: WriteKind) => boolean;

const never: InUse = () => false;
const isSet = (key: string): InUse => ({ configuration }) => configuration[key]?.toLowerCase() === 'true';
const hasField = (...keys: readonly string[]): InUse => ({ fieldMetadata }) => fieldMetadata.some((key) => keys.includes(key));

/** The features that we know, with the question whether this write would have to do something for it that we do not. */
const features: Readonly<Record<string, InUse>> = {
  appendOnly: (table, kind) => kind === 'remove' && isSet('delta.appendOnly')(table, kind),
  invariants: hasField('delta.invariants'),
  checkConstraints: ({ configuration }) => Object.keys(configuration).some((key) => key.startsWith('delta.constraints.')),
  // Whole files that come or go need no change files: readers take the changes from the add and remove actions.
  changeDataFeed: never,
  generatedColumns: hasField('delta.generationExpression'),
  columnMapping: ({ configuration }) => (configuration['delta.columnMapping.mode'] ?? 'none').toLowerCase() !== 'none',
  identityColumns: hasField('delta.identity.start', 'delta.identity.step', 'delta.identity.highWaterMark', 'delta.identity.allowExplicitInsert'),
  timestampNtz: never,
  vacuumProtocolCheck: never,
  inCommitTimestamp: isSet('delta.enableInCommitTimestamps'),
  // Files that go would have to take their deletion vectors with them.
  deletionVectors: (_, kind) => kind !== 'append',
};

/** Throws UnsupportedError, naming the version or the feature, where this write is not ours to make. */
export function checkWritable(table: WrittenTable, kind: WriteKind): void {
  checkVersion(table, 'reader', table.minReaderVersion, 3);
  checkVersion(table, 'writer', table.minWriterVersion, 7);
  for (const feature of featuresOf(table)) {
    const isInUse = Object.hasOwn(features, feature) ? features[feature]! : undefined;
    if (isInUse === undefined) {
      throw new UnsupportedError(table.name, feature, `the table has the feature ${feature}, which this library cannot write; write with an engine that knows it`);
    }
    if (isInUse(table, kind)) {
      throw new UnsupportedError(table.name, feature, `the table uses ${feature}, which does not allow this library to ${wordOf[kind]}; use an engine that carries it out, or turn it off`);
    }
  }
}

const wordOf: Readonly<Record<WriteKind, string>> = { append: 'append rows', remove: 'remove rows', rewrite: 'rewrite files' };

function checkVersion({ name }: WrittenTable, side: 'reader' | 'writer', found: number, known: number): void {
  if (Number.isInteger(found) && found >= 1 && found <= known) return;
  throw new UnsupportedError(name, `${side} version ${found}`, `the table asks for ${side} version ${found}; this library knows 1 to ${known}`);
}

function featuresOf({ minWriterVersion, readerFeatures = [], writerFeatures = [] }: WrittenTable): ReadonlySet<string> {
  if (minWriterVersion === 7) return new Set([...readerFeatures, ...writerFeatures]);
  return new Set(featuresSince.flatMap(([version, since]) => (version <= minWriterVersion ? since : [])));
}

/**
 * An entry of a Delta log as its actions, each field checked: whoever has these need not doubt their shape. Actions and fields
 * that are not known are passed over, by Delta's protocol. Pure.
 */
import { DamagedFileError } from '../../base/errors.ts';
import type { DeletionVector } from './deletion-vector.ts';
import type { AddFile, Metadata, Protocol, RemoveFile, Strings, Transaction } from './write-actions.ts';
import { verifyDeltaEntry } from './write-entry.ts';

export interface Actions {
  readonly commitInfo: unknown;
  readonly protocol: Protocol | undefined;
  readonly metaData: Metadata | undefined;
  readonly transactions: readonly Transaction[];
  readonly remove: readonly RemoveFile[];
  readonly add: readonly AddFile[];
}

/** `name` is the entry's place, for messages. */
export function decodeActions(name: string, content: Uint8Array): Actions {
  const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('utf8');
  verifyDeltaEntry(name, text);
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  if (lines.length === 0) throw new DamagedFileError(name, 'is no entry of a Delta log: it is empty. Restore the file, or write the table again');
  return actionsOf(name, lines.map((line, i) => parsed(name, i, line)));
}

/** The actions of an entry, or a checkpoint, from its rows. */
export function actionsOf(name: string, rows: readonly unknown[]): Actions {
  const lines = rows.map((row, i) => new Fields(name, `line ${i + 1}`, row));
  const all = <Action>(kind: string, read: (fields: Fields) => Action): Action[] => lines.flatMap((line) => line.tryFields(kind)).map(read);
  const one = <Action>(kind: string, read: (fields: Fields) => Action): Action | undefined => {
    const found = all(kind, read);
    if (found.length > 1) throw new DamagedFileError(name, `has ${found.length} ${kind} actions, and one at most is allowed`);
    return found[0];
  };
  return {
    commitInfo: one('commitInfo', (fields) => fields.value), protocol: one('protocol', protocolOf), metaData: one('metaData', metadataOf),
    transactions: all('txn', transactionOf), remove: all('remove', removedOf), add: all('add', addedOf),
  };
}

function parsed(name: string, index: number, line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (thrown) {
    throw new DamagedFileError(name, `is no entry of a Delta log: line ${index + 1} is not JSON. If another engine is writing it now, read again; else restore the file`, thrown);
  }
}

function protocolOf(fields: Fields): Protocol {
  return {
    minReaderVersion: fields.integer('minReaderVersion'), minWriterVersion: fields.integer('minWriterVersion'),
    ...optional('readerFeatures', fields.tryTexts('readerFeatures')), ...optional('writerFeatures', fields.tryTexts('writerFeatures')),
  };
}

function metadataOf(fields: Fields): Metadata {
  const [format] = fields.tryFields('format');
  return {
    id: fields.text('id'), ...optional('name', fields.tryText('name')), ...optional('description', fields.tryText('description')),
    format: { provider: format?.tryText('provider') ?? 'parquet', options: format?.tryStrings('options') ?? {} },
    schemaString: fields.text('schemaString'), partitionColumns: fields.tryTexts('partitionColumns') ?? [],
    configuration: withoutNulls(fields.tryStrings('configuration') ?? {}), ...optional('createdTime', fields.tryInteger('createdTime')),
  };
}

function transactionOf(fields: Fields): Transaction {
  return { appId: fields.text('appId'), version: fields.integer('version'), ...optional('lastUpdated', fields.tryInteger('lastUpdated')) };
}

function addedOf(fields: Fields): AddFile {
  return {
    path: fields.text('path'), partitionValues: fields.tryStrings('partitionValues') ?? {}, size: fields.integer('size'),
    modificationTime: fields.tryInteger('modificationTime') ?? 0, dataChange: fields.isSet('dataChange'), ...optional('stats', fields.tryText('stats')),
    ...optional('tags', fields.tryStrings('tags')), ...optional('deletionVector', vectorOf(fields)),
  };
}

function removedOf(fields: Fields): RemoveFile {
  return {
    path: fields.text('path'), ...optional('deletionTimestamp', fields.tryInteger('deletionTimestamp')), dataChange: fields.isSet('dataChange'),
    ...optional('partitionValues', fields.tryStrings('partitionValues')), ...optional('size', fields.tryInteger('size')), ...optional('deletionVector', vectorOf(fields)),
  };
}

function vectorOf(action: Fields): DeletionVector | undefined {
  const [fields] = action.tryFields('deletionVector');
  return fields && {
    storageType: fields.text('storageType'), pathOrInlineDv: fields.text('pathOrInlineDv'), ...optional('offset', fields.tryInteger('offset')),
    sizeInBytes: fields.integer('sizeInBytes'), cardinality: fields.integer('cardinality'),
  };
}

function optional<Key extends string, Value>(key: Key, value: Value | undefined): { readonly [K in Key]?: Value } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [K in Key]?: Value };
}

function withoutNulls(strings: Strings): Record<string, string> {
  return Object.fromEntries(Object.entries(strings).filter((entry): entry is [string, string] => entry[1] !== null));
}

/** An object of JSON whose fields are asked for by what they must be. Null is absent. */
class Fields {
  private readonly fields: Readonly<Record<string, unknown>>;

  constructor(
    private readonly name: string,
    private readonly where: string,
    readonly value: unknown,
  ) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.wrong('an object', value);
    this.fields = value as Readonly<Record<string, unknown>>;
  }

  text(key: string): string {
    return this.tryText(key) ?? this.missing(key, 'a string');
  }

  tryText(key: string): string | undefined {
    return this.tryAs(key, 'a string', (value) => typeof value === 'string');
  }

  integer(key: string): number {
    return this.tryInteger(key) ?? this.missing(key, 'a whole number');
  }

  tryInteger(key: string): number | undefined {
    return this.tryAs(key, 'a whole number', (value) => typeof value === 'number' && Number.isSafeInteger(value));
  }

  isSet(key: string): boolean {
    return this.tryAs<boolean>(key, 'true or false', (value) => typeof value === 'boolean') ?? false;
  }

  tryTexts(key: string): readonly string[] | undefined {
    return this.tryAs(key, 'a list of strings', (value) => Array.isArray(value) && value.every((each) => typeof each === 'string'));
  }

  tryStrings(key: string): Strings | undefined {
    const isStrings = (value: unknown): boolean =>
      typeof value === 'object' && !Array.isArray(value) && Object.values(value!).every((each) => each === null || typeof each === 'string');
    return this.tryAs(key, 'an object of strings', isStrings);
  }

  /** The object of this key, or none. */
  tryFields(key: string): Fields[] {
    const value = this.own(key);
    return value === undefined ? [] : [new Fields(this.name, `${this.where}, ${key}`, value)];
  }

  private tryAs<Type>(key: string, expected: string, is: (value: unknown) => boolean): Type | undefined {
    const value = this.own(key);
    if (value !== undefined && !is(value)) throw this.wrong(`${key} to be ${expected}`, value);
    return value as Type | undefined;
  }

  private own(key: string): unknown {
    return Object.hasOwn(this.fields, key) ? (this.fields[key] ?? undefined) : undefined;
  }

  private missing(key: string, expected: string): never {
    throw this.wrong(`${key} to be ${expected}`, undefined);
  }

  private wrong(expected: string, found: unknown): DamagedFileError {
    return new DamagedFileError(this.name, `${this.where}: expected ${expected}, found ${found === undefined ? 'none' : JSON.stringify(found).slice(0, 80)}`);
  }
}

/**
 * The one kind of error that leaves this library, and the check for our own mistakes.
 *
 * Every error a caller can meet is a FeatureStoreError: `tag` names the kind, the fields carry the facts, `cause` keeps
 * what was caught below, and the message says where, what was expected, what was found and what to do.
 */

/** What every error of this library is. Switch on `tag`; the fields of each kind are its own. */
export abstract class FeatureStoreError<Tag extends string = string> extends Error {
  abstract readonly tag: Tag;
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
  }
}

/** The configuration or a definition is wrong. `where` is `file:line:column` when it was read from a file. */
export class ConfigurationError extends FeatureStoreError<'Configuration'> {
  readonly tag = 'Configuration';
  constructor(
    readonly where: string,
    readonly key: string,
    detail: string,
    cause?: unknown,
  ) {
    super(`${where}: ${key === '' ? '' : `${key}: `}${detail}`, { cause });
  }
}

/** A call was made with an argument that has no meaning here. */
export class ArgumentError extends FeatureStoreError<'Argument'> {
  readonly tag = 'Argument';
  constructor(
    readonly argument: string,
    detail: string,
    cause?: unknown,
  ) {
    super(`${argument}: ${detail}`, { cause });
  }
}

/** Something asked for by name is not there: a source, a feature set, an input. */
export class NotFoundError extends FeatureStoreError<'NotFound'> {
  readonly tag = 'NotFound';
  constructor(
    readonly what: string,
    readonly missing: string,
    detail: string,
    cause?: unknown,
  ) {
    super(`${what} ${missing}: ${detail}`, { cause });
  }
}

/** The table has no such column, or has it with another type. Check the feature set against the table's schema. */
export class SchemaMismatchError extends FeatureStoreError<'SchemaMismatch'> {
  readonly tag = 'SchemaMismatch';
  constructor(
    readonly table: string,
    readonly column: string,
    detail: string,
    cause?: unknown,
  ) {
    super(`${table}, column ${column}: ${detail}`, { cause });
  }
}

/** A sum, count or key that does not fit the type it is to be stored in. Never wrapped, never rounded. */
export class OverflowError extends FeatureStoreError<'Overflow'> {
  readonly tag = 'Overflow';
  constructor(
    readonly column: string,
    readonly key: string,
    detail: string,
  ) {
    super(`column ${column}, key ${key}: ${detail}`);
  }
}

/** A file is not what it should be: truncated, damaged, foreign, or changed while it was read. */
export class DamagedFileError extends FeatureStoreError<'DamagedFile'> {
  readonly tag = 'DamagedFile';
  constructor(
    readonly file: string,
    detail: string,
    cause?: unknown,
  ) {
    super(`${file}: ${detail}`, { cause });
  }
}

/** The file or table is sound, but asks for something this library does not do; `feature` names it. */
export class UnsupportedError extends FeatureStoreError<'Unsupported'> {
  readonly tag = 'Unsupported';
  constructor(
    readonly where: string,
    readonly feature: string,
    detail: string,
    cause?: unknown,
  ) {
    super(`${where}: ${detail}`, { cause });
  }
}

/** The file system (or object store) refused: no space, no permission, not there. */
export class StorageError extends FeatureStoreError<'Storage'> {
  readonly tag = 'Storage';
  constructor(
    readonly path: string,
    detail: string,
    cause?: unknown,
  ) {
    super(`${path}: ${detail}`, { cause });
  }
}

/** Another writer was faster, and what it wrote cannot stand beside this commit. Read again and retry. */
export class CommitConflictError extends FeatureStoreError<'CommitConflict'> {
  readonly tag = 'CommitConflict';
  constructor(
    readonly table: string,
    readonly version: number,
    detail: string,
  ) {
    super(`${table}, version ${version}: ${detail}`);
  }
}

/** The work was stopped through its AbortSignal; nothing was committed. */
export class CancelledError extends FeatureStoreError<'Cancelled'> {
  readonly tag = 'Cancelled';
  constructor(
    readonly work: string,
    cause?: unknown,
  ) {
    super(`${work} was cancelled`, { cause });
  }
}

/** The work would need more memory than it was allowed. */
export class MemoryLimitError extends FeatureStoreError<'MemoryLimit'> {
  readonly tag = 'MemoryLimit';
  constructor(
    readonly work: string,
    readonly limit: number,
    detail: string,
  ) {
    super(`${work}: ${detail}`);
  }
}

/** A worker thread died: killed, or out of memory. Nothing of its work was kept; ask again, with fewer `threads` if it happens again. */
export class ThreadError extends FeatureStoreError<'Thread'> {
  readonly tag = 'Thread';
  constructor(detail: string, cause: unknown) {
    super(detail, { cause });
  }
}

/** A mistake of this library. Please report it, with the message. */
export class InvariantError extends FeatureStoreError<'Invariant'> {
  readonly tag = 'Invariant';
  constructor(detail: string, cause?: unknown) {
    super(`this is a bug in tauro-feature-store: ${detail}`, { cause });
  }
}

/** States what must be so. A failure is ours, never the caller's. */
export function invariant(condition: unknown, detail: string): asserts condition {
  if (!condition) throw new InvariantError(detail);
}

/** Throws CancelledError if the signal has fired. Called between units of work. */
export function throwIfCancelled(signal: AbortSignal | undefined, work: string): void {
  if (signal?.aborted) throw new CancelledError(work, signal.reason);
}

/** A short text of anything thrown, for the end of a message of ours. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

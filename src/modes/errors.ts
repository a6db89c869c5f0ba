/** What can go wrong with modes, beside what goes wrong below. */
import { FeatureStoreError } from '../base/errors.ts';

/** The set has nothing stored that could answer. Materialize it, or read it as virtualized or hybrid. */
export class NotMaterializedError extends FeatureStoreError<'NotMaterialized'> {
  readonly tag = 'NotMaterialized';
  constructor(
    readonly featureSet: string,
    detail: string,
  ) {
    super(`feature set ${featureSet}: ${detail}`);
  }
}

/** Only an answer older than the caller allows is to be had. */
export class StaleError extends FeatureStoreError<'Stale'> {
  readonly tag = 'Stale';
  constructor(
    readonly featureSet: string,
    detail: string,
    cause?: unknown,
  ) {
    super(`feature set ${featureSet}: ${detail}`, { cause });
  }
}

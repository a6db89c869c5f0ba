/** Failures that another road may get around: of stored files, when the source is there. */
import { DamagedFileError, NotFoundError, reasonOf, StorageError } from '../base/errors.ts';
import type { FeatureTables } from './storage.ts';

/** Whether a failure says that files are not as they should be: others may be. */
export function isDamage(error: unknown): boolean {
  return error instanceof DamagedFileError || error instanceof StorageError || error instanceof NotFoundError;
}

/** Whether a failure is one of stored files. Those of the source are no better read on another road. */
export function isOfStored(error: unknown, { features, tiles }: FeatureTables): boolean {
  return [features, tiles].some(({ name }) => reasonOf(error).includes(name));
}

export function damageText(error: unknown): string {
  return `what is stored cannot be read: ${reasonOf(error)}`;
}

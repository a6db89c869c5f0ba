/** The bytes at a path as users write it: a folder of the disk, or `s3://bucket/prefix`. */
import { basename, dirname, resolve } from 'node:path';
import { ArgumentError, UnsupportedError } from '../base/errors.ts';
import { formatObjectUrl, parseObjectUrl, schemeOf } from '../base/object-url.ts';
import type { Bytes } from './bytes.ts';
import { localBytes } from './local-bytes.ts';
import { s3Bytes } from './s3-bytes.ts';
import type { S3Options } from './s3/client.ts';
import type { Environment } from './s3/credentials.ts';

export interface StorageOptions {
  /** Where `s3://` leads, and who asks; by default what the environment says. */
  readonly s3?: S3Options | undefined;
  /** By default the process's environment. */
  readonly env?: Environment | undefined;
}

/** The bytes under a folder. */
export function bytesAt(path: string, { s3, env }: StorageOptions = {}): Bytes {
  return isInObjectStore(path) ? s3Bytes(path, s3, env) : localBytes(path);
}

/** A file or a folder, as a name in the bytes under the folder above it. */
export function placeAt(path: string, options: StorageOptions = {}): { readonly bytes: Bytes; readonly name: string } {
  if (!isInObjectStore(path)) {
    const absolute = resolve(path);
    return { bytes: localBytes(dirname(absolute)), name: basename(absolute) };
  }
  const { bucket, prefix } = parseObjectUrl(path);
  const end = prefix.lastIndexOf('/');
  const above = formatObjectUrl({ bucket, prefix: prefix.slice(0, Math.max(end, 0)) });
  return { bytes: bytesAt(above, options), name: prefix.slice(end + 1) };
}

function isInObjectStore(path: string): boolean {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) throw new ArgumentError('path', `${JSON.stringify(path)} is not a path`);
  const scheme = schemeOf(path);
  if (scheme !== undefined && scheme !== 's3') throw new UnsupportedError(path, scheme, `local files and s3:// are read and written, not ${scheme}://`);
  return scheme === 's3';
}

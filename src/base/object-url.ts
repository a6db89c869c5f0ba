/** `s3://bucket/prefix`: where a table or a layer lies in an object store. Pure text; nothing here talks to one. */
import { ArgumentError } from './errors.ts';

export interface ObjectUrl {
  readonly bucket: string;
  /** The parts of the key joined by '/', without one at either end; '' is the whole bucket. */
  readonly prefix: string;
}

/** The scheme of a URL, in lower case; undefined for a path of the file system (a drive letter is no scheme). */
export function schemeOf(text: string): string | undefined {
  return /^([a-z][a-z\d+.-]+):\/\//i.exec(text)?.[1]?.toLowerCase();
}

/** Reads `s3://bucket/prefix`. Throws ArgumentError that says what is wrong with it; `argument` names it. */
export function parseObjectUrl(text: string, argument = 'path'): ObjectUrl {
  const wrong = (detail: string): ArgumentError => new ArgumentError(argument, `${JSON.stringify(text)} ${detail}; write s3://bucket/prefix`);
  const scheme = schemeOf(text);
  if (scheme !== 's3') throw wrong(scheme === undefined ? 'is no address of an object store' : `has the scheme ${scheme}, and only s3:// is known`);
  // Keys, credentials and queries of other URLs have no place here; '?' and '#' may stand in a key.
  const [bucket = '', ...parts] = text.slice('s3://'.length).replace(/\/+$/, '').split('/');
  if (bucket.includes('@')) throw new ArgumentError(argument, 'an s3:// address holds no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give s3.credentials');
  if (!/^[a-z\d]([a-z\d._-]{0,61}[a-z\d])?$/i.test(bucket)) throw wrong(bucket === '' ? 'names no bucket' : `names the bucket ${JSON.stringify(bucket)}, which none may be called`);
  if (parts.some((part) => part === '' || part === '.' || part === '..' || /\p{Cc}/u.test(part))) throw wrong("has an empty part, '.', '..' or a control character in its prefix");
  return { bucket, prefix: parts.join('/') };
}

/** The address as it is written everywhere: no '/' at its end. */
export function formatObjectUrl({ bucket, prefix }: ObjectUrl): string {
  return prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`;
}

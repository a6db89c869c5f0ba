/** A page of ListObjectsV2, as plain values. */
import { StorageError } from '../../base/errors.ts';
import { childrenOf, childText, parseXml, type XmlElement } from './xml.ts';

export interface ListedObject {
  readonly key: string;
  readonly size: number;
  readonly modifiedNs: bigint;
  readonly etag: string;
}

export interface Listing {
  readonly objects: readonly ListedObject[];
  /** Keys up to the delimiter, which is their last character. */
  readonly folders: readonly string[];
  /** The token of the next page. */
  readonly next: string | undefined;
}

/** `where` is for messages; every key has to start with `prefix`. */
export function readListing(where: string, prefix: string, body: Uint8Array): Listing {
  const wrong = (detail: string, cause?: unknown): StorageError => new StorageError(where, `cannot list the folder: the answer of the store is no list of objects: ${detail}`, cause);
  let root: XmlElement;
  try {
    root = parseXml(Buffer.from(body).toString('utf8'));
  } catch (thrown) {
    throw wrong((thrown as Error).message, thrown);
  }
  if (root.name !== 'ListBucketResult') throw wrong(`it is <${root.name}>`);
  const isEncoded = childText(root, 'EncodingType') === 'url';
  const keyIn = (element: XmlElement, name: string): string => {
    const text = childText(element, name) ?? '';
    const key = isEncoded ? decode(text) : text;
    if (key === undefined || key === '' || !key.startsWith(prefix)) throw wrong(`${JSON.stringify(text)} is not a key under ${JSON.stringify(prefix)}`);
    return key;
  };
  const objects = childrenOf(root, 'Contents').map((element): ListedObject => {
    const key = keyIn(element, 'Key');
    const [size, modifiedMs, etag] = [childText(element, 'Size'), Date.parse(childText(element, 'LastModified') ?? ''), childText(element, 'ETag')];
    if (!/^\d{1,15}$/.test(size ?? '') || Number.isNaN(modifiedMs) || !etag) throw wrong(`${JSON.stringify(key)} has no size, time or ETag`);
    // Some stores tell parts of a second here, and none where they are asked for one object.
    return { key, size: Number(size), modifiedNs: BigInt(Math.floor(modifiedMs / 1000)) * 1_000_000_000n, etag };
  });
  const folders = childrenOf(root, 'CommonPrefixes').map((element) => keyIn(element, 'Prefix'));
  const isTruncated = childText(root, 'IsTruncated') === 'true';
  const next = childText(root, 'NextContinuationToken');
  if (isTruncated && !next) throw wrong('it says that there is more, and not where');
  return { objects, folders, next: isTruncated ? next : undefined };
}

/** Undefined when it is not percent-encoded UTF-8. Stores write a space as '+', and '+' as %2B. */
function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

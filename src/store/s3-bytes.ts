/**
 * Bytes in an object store that speaks S3.
 *
 *   path        <prefix>/<path> is the key; a folder is a prefix with something under it
 *   put         one PUT with `If-None-Match: *`. It carries an id of its own, so a put whose answer was lost finds out
 *               by that id whether the object there is its own
 *   open        HEAD, or a GET of the beginning where all is wanted; each read asks for the ETag that was found, so a file that was
 *               replaced is never read in parts
 *   move        copy, then delete: the file stands in both places for a moment, and never in none
 *   deleteAll   up to a thousand keys a request; those that the store leaves, one by one
 *
 * Law: `putIfAbsent` never answers false for an object that this call has put. A store that takes the condition and does
 * not keep it would lose commits; it is found out by two puts of one key before the first commit, and refused.
 *
 * Other than on a disk, an open file whose object was moved or deleted reads no further: DamagedFileError.
 */
import { createHash, randomUUID } from 'node:crypto';
import { formatObjectUrl, parseObjectUrl } from '../base/object-url.ts';
import { DamagedFileError, StorageError, UnsupportedError } from '../base/errors.ts';
import { type Bytes, checkPath, checkRange, compareNames, type FileStat, joinPath, mapConcurrently, type OpenFile } from './bytes.ts';
import { type S3Answer, S3Client, type S3Options } from './s3/client.ts';
import type { Environment } from './s3/credentials.ts';
import { deletedKeys, deletionOf } from './s3/deletion.ts';
import { type Listing, readListing } from './s3/listing.ts';

/** A long range is read in parts of this size, some at once: one connection does not fill the line. */
const partBytes = 8 * 1024 * 1024;
const partsAtOnce = 8;

/** What is read along with the look at a file that is wanted whole: all of a log's entry, nearly always. */
const beginningBytes = 1024 * 1024;

const listingBytesMax = 32 * 1024 * 1024;
/** So many keys one request deletes at most, by S3. */
const deletionsMax = 1_000;
const batchesAtOnce = 4;
const deletionsAtOnce = 16;
const deletionAnswerBytesMax = 16 * 1024 * 1024;
const conflictsMax = 20;
const putIdHeader = 'x-amz-meta-put-id';

/** Buckets whose conditional puts were seen to hold, by origin: asked once for each process. */
const proven = new Map<string, Promise<void>>();

/** What lies under `s3://bucket/prefix`. Connects to nothing until it is used. */
export function s3Bytes(url: string, options: S3Options = {}, env: Environment = process.env): Bytes {
  const { bucket, prefix } = parseObjectUrl(url);
  return new S3Bytes(new S3Client(bucket, options, env), prefix);
}

class S3Bytes implements Bytes {
  constructor(
    private readonly client: S3Client,
    private readonly prefix: string,
  ) {}

  readonly locate = (path: string): string => formatObjectUrl({ bucket: this.client.bucket, prefix: this.keyOf(path) });

  readonly kind = async (path: string): Promise<'file' | 'folder' | undefined> => {
    const key = this.keyOf(path);
    if (key !== '' && (await this.head(key)) !== undefined) return 'file';
    const { objects, folders } = await this.page(folderKey(key), '/', undefined, 2);
    return path === '' || objects.length + folders.length > 0 ? 'folder' : undefined;
  };

  readonly stat = async (path: string): Promise<FileStat | undefined> => {
    const key = this.keyOf(path);
    const found = key === '' ? undefined : await this.head(key);
    return found && { path, size: found.size, modifiedNs: found.modifiedNs, etag: found.etag };
  };

  readonly open = async (path: string, { whole = false }: { readonly whole?: boolean } = {}): Promise<OpenFile | undefined> => {
    const key = this.keyOf(path);
    const found = key === '' ? undefined : whole ? await this.beginningOf(key) : await this.head(key);
    if (found === undefined) return undefined;
    const { size, modifiedNs, etag, beginning } = found;
    const name = this.locate(path);
    return {
      name, size, modifiedNs, etag,
      read: async (start, end) => {
        checkRange(name, size, start, end);
        const known = beginning?.slice(start, end) ?? new Uint8Array(0);
        if (known.length === end - start) return known;
        const rest = await this.readRange(key, etag, start + known.length, end);
        if (known.length === 0) return rest;
        const content = new Uint8Array(end - start);
        content.set(known);
        content.set(rest, known.length);
        return content;
      },
      stat: async () => {
        const now = await this.head(key);
        if (now === undefined) throw changed(name, 'it was removed');
        return { size: now.size, modifiedNs: now.modifiedNs, etag: now.etag };
      },
      close: async () => undefined,
    };
  };

  readonly names = async (folder: string): Promise<string[] | undefined> => {
    const start = folderKey(this.keyOf(folder));
    const found: string[] = [];
    let isThere = false;
    for await (const { objects, folders } of this.pages(start, '/')) {
      isThere ||= objects.length + folders.length > 0;
      for (const { key } of objects) if (key !== start) found.push(key.slice(start.length));
      for (const key of folders) found.push(key.slice(start.length, -1));
    }
    return isThere ? [...new Set(found)].sort(compareNames) : undefined;
  };

  readonly list = async (folder: string, skip: (name: string) => boolean = () => false): Promise<FileStat[]> => {
    const start = folderKey(this.keyOf(folder));
    const found: FileStat[] = [];
    for await (const { objects } of this.pages(start, '')) {
      for (const { key, ...state } of objects) {
        const inside = key.slice(start.length);
        // A key that ends with '/' is a folder as consoles draw it.
        if (key.endsWith('/') || inside.split('/').some(skip)) continue;
        found.push({ path: joinPath(folder, inside), ...state });
      }
    }
    return found.sort((a, b) => compareNames(a.path, b.path));
  };

  readonly writeNew = async (path: string, content: Uint8Array): Promise<void> => {
    if (await this.put(this.keyOf(path), content, 'write a new file')) return;
    throw new StorageError(this.locate(path), 'cannot write a new file: it exists already');
  };

  readonly putIfAbsent = async (path: string, content: Uint8Array): Promise<boolean> => {
    const key = this.keyOf(path);
    await this.prove(key);
    return this.put(key, content, 'commit a file');
  };

  readonly move = async (from: string, to: string): Promise<boolean> => {
    const [source, target] = [this.keyOf(from), this.keyOf(to)];
    const answer = await this.client.send({
      method: 'PUT', key: target, headers: { 'x-amz-copy-source': this.client.copySource(source) }, answerBytesMax: 64 * 1024,
      doing: `move ${this.locate(from)} here`, expected: [404],
    });
    if (answer.status === 404) return false;
    if (source !== target) await this.remove(source);
    return true;
  };

  readonly delete = async (path: string): Promise<boolean> => {
    const key = this.keyOf(path);
    if (key === '' || (await this.head(key)) === undefined) return false;
    await this.remove(key);
    return true;
  };

  readonly deleteAll = async (paths: readonly string[]): Promise<readonly string[]> => {
    const keys = [...new Set(paths.map((path) => this.keyOf(path)))];
    const batches = Array.from({ length: Math.ceil(keys.length / deletionsMax) }, (_, i) => keys.slice(i * deletionsMax, (i + 1) * deletionsMax));
    const left = (await mapConcurrently(batches, batchesAtOnce, (batch) => this.removeMany(batch))).flat();
    await mapConcurrently(left, deletionsAtOnce, (key) => this.remove(key));
    return paths;
  };

  private keyOf(path: string): string {
    return joinPath(this.prefix, checkPath(path));
  }

  private async remove(key: string): Promise<void> {
    await this.client.send({ method: 'DELETE', key, doing: 'delete', expected: [404] });
  }

  /** Keys that are still there: the store refused these, or knows no such request at all. One by one they succeed, or fail with a reason. */
  private async removeMany(keys: readonly string[]): Promise<readonly string[]> {
    const body = deletionOf(keys);
    const answer = await this.client.send({
      method: 'POST', key: '', query: { delete: '' }, body, answerBytesMax: deletionAnswerBytesMax, doing: 'delete files', expected: [400, 403, 404, 405, 411, 412, 501],
      headers: { 'content-type': 'application/xml', 'content-md5': createHash('md5').update(body).digest('base64') },
    });
    const deleted = answer.status < 300 ? deletedKeys(answer.body) : new Set();
    return keys.filter((key) => !deleted.has(key));
  }

  private async head(key: string): Promise<Head | undefined> {
    const answer = await this.client.send({ method: 'HEAD', key, doing: 'look at', expected: [404] });
    return answer.status === 404 ? undefined : readHead(this.client.locate(key), answer);
  }

  /** As `head`, with as much of the object as `beginningBytes` are. */
  private async beginningOf(key: string): Promise<Head | undefined> {
    const answer = await this.client.send({
      method: 'GET', key, headers: { range: `bytes=0-${beginningBytes - 1}` }, answerBytesMax: beginningBytes, doing: 'read', expected: [404, 416],
    });
    if (answer.status === 404) return undefined;
    // An object of no bytes has no range. One that is all there may come as a whole.
    if (answer.status === 416) return this.head(key);
    const where = this.client.locate(key);
    const { body, headers } = answer;
    const told = answer.status === 206 ? /^bytes 0-\d+\/(\d+)$/.exec(String(headers['content-range']))?.[1] : body.length;
    const size = Number(told);
    if (told === undefined || body.length !== Math.min(size, beginningBytes)) {
      throw new StorageError(where, `cannot read its beginning: the store answered with others of its bytes (${answer.status}, ${body.length} bytes)`);
    }
    return { ...readHead(where, { ...answer, headers: { ...headers, 'content-length': String(size) } }), beginning: body };
  }

  private async readRange(key: string, etag: string, start: number, end: number): Promise<Uint8Array> {
    if (end - start <= partBytes) return this.readPart(key, etag, start, end);
    const content = new Uint8Array(end - start);
    const starts = Array.from({ length: Math.ceil((end - start) / partBytes) }, (_, part) => start + part * partBytes);
    await mapConcurrently(starts, partsAtOnce, async (first) => {
      content.set(await this.readPart(key, etag, first, Math.min(first + partBytes, end)), first - start);
    });
    return content;
  }

  private async readPart(key: string, etag: string, start: number, end: number): Promise<Uint8Array> {
    if (start === end) return new Uint8Array(0);
    const where = this.client.locate(key);
    const answer = await this.client.send({
      method: 'GET', key, headers: { range: `bytes=${start}-${end - 1}`, 'if-match': etag }, answerBytesMax: end - start,
      doing: 'read', expected: [404, 412, 416],
    });
    if (answer.status === 404) throw changed(where, 'it was removed');
    // A store that does not know the condition tells the ETag all the same.
    if (answer.status >= 300 || answer.headers.etag !== etag) throw changed(where, 'another file was put in its place');
    const expected = `bytes ${start}-${end - 1}/`;
    const isRange = answer.status === 206 ? String(answer.headers['content-range']).startsWith(expected) : start === 0;
    if (!isRange || answer.body.length !== end - start) throw new StorageError(where, `cannot read bytes ${start} to ${end}: the store answered with others (${answer.status}, ${answer.body.length} bytes)`);
    return answer.body;
  }

  /** True if the object is of this call. */
  private async put(key: string, content: Uint8Array, doing: string): Promise<boolean> {
    const putId = randomUUID();
    for (let conflicts = 0; ; conflicts++) {
      const answer = await this.client.send({
        method: 'PUT', key, body: content, headers: { 'if-none-match': '*', [putIdHeader]: putId }, doing,
        expected: [409, 412],
      });
      if (answer.status < 300) return true;
      // There is an object. It may be this one: an attempt before may have been done although its answer was lost.
      if (answer.status === 412) return (answer.wasRepeated || conflicts > 0) && (await this.head(key))?.putId === putId;
      // 409: another put of this key was under way. Which of them wins is known when it has ended.
      if (conflicts === conflictsMax) throw new StorageError(this.client.locate(key), `cannot ${doing}: other writers were at it each time (409 ${answer.code}); try again`);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(1_000, 10 * 2 ** conflicts)));
    }
  }

  /** Refuses a store that does not keep `If-None-Match`. The probe lies where vacuum finds it if it cannot be removed. */
  private prove(key: string): Promise<void> {
    const { origin } = this.client;
    let proof = proven.get(origin);
    if (proof === undefined) {
      proof = this.probe(`${key.slice(0, key.lastIndexOf('/') + 1)}.probe.${randomUUID()}.tmp`);
      proven.set(origin, proof);
      proof.catch(() => proven.delete(origin));
    }
    return proof;
  }

  private async probe(key: string): Promise<void> {
    try {
      const first = await this.put(key, new Uint8Array(1), 'try a conditional put');
      const second = await this.put(key, new Uint8Array(2), 'try a conditional put');
      if (first && !second) return;
    } finally {
      await this.remove(key).catch(() => undefined);
    }
    throw new UnsupportedError(
      `s3://${this.client.bucket}`, 'If-None-Match',
      'this object store ignores conditional writes (PUT with If-None-Match: *), so writers would overwrite the commits of others without a word. Use a store that has them (Amazon S3, MinIO, R2, Ceph of late), or keep the tables on a disk',
    );
  }

  private async *pages(start: string, delimiter: string): AsyncGenerator<Listing, void, void> {
    let token: string | undefined;
    do {
      const page: Listing = await this.page(start, delimiter, token, 1000);
      yield page;
      if (page.next !== undefined && page.next === token) throw new StorageError(this.client.locate(start), 'cannot list the folder: the store gives the same page again and again');
      token = page.next;
    } while (token !== undefined);
  }

  private async page(start: string, delimiter: string, token: string | undefined, keysMax: number): Promise<Listing> {
    const answer = await this.client.send({
      method: 'GET', key: '', doing: `list the folder ${JSON.stringify(start)}`, answerBytesMax: listingBytesMax,
      query: {
        'list-type': '2', 'encoding-type': 'url', 'max-keys': String(keysMax), prefix: start,
        ...(delimiter !== '' && { delimiter }), ...(token !== undefined && { 'continuation-token': token }),
      },
    });
    return readListing(this.client.locate(start), start, answer.body);
  }
}

interface Head {
  readonly size: number;
  readonly modifiedNs: bigint;
  readonly etag: string;
  readonly putId: string | undefined;
  /** The first bytes, where they were read along. */
  readonly beginning?: Uint8Array;
}

function readHead(where: string, { headers }: S3Answer): Head {
  const size = headers['content-length'] === undefined ? Number.NaN : Number(headers['content-length']);
  const modifiedMs = Date.parse(String(headers['last-modified']));
  const { etag } = headers;
  if (!Number.isSafeInteger(size) || Number.isNaN(modifiedMs) || typeof etag !== 'string' || etag === '') {
    throw new StorageError(where, 'cannot look at: the store tells no size, time or ETag of it; it does not keep to the protocol of S3');
  }
  const putId = headers[putIdHeader];
  return { size, modifiedNs: BigInt(Math.floor(modifiedMs / 1000)) * 1_000_000_000n, etag, putId: typeof putId === 'string' ? putId : undefined };
}

function folderKey(key: string): string {
  return key === '' ? '' : `${key}/`;
}

function changed(where: string, detail: string): DamagedFileError {
  return new DamagedFileError(where, `changed while it was read: ${detail}. Read again`);
}

/**
 * A small S3 on loopback: conditional puts, ranges, pages, copies, and every way to fail that the tests ask for.
 * It checks each signature by its own reading of Signature Version 4, so keys and headers are signed as they are sent.
 */
import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type { S3Options } from '../../src/store/s3/client.ts';

export const testKeys = { accessKeyId: 'AKIDTEST', secretAccessKey: 'secret/of+tests' };

/** `before` its effect: it is not done; `after`: it is done, and the answer is lost. */
export type S3Fault =
  | { readonly kind: 'status'; readonly status: number; readonly code: string; readonly effect?: 'before' | 'after'; readonly headers?: Record<string, string> }
  | { readonly kind: 'reset'; readonly effect: 'before' | 'after' }
  | { readonly kind: 'cut' }
  | { readonly kind: 'silent' };

export interface S3Call {
  readonly method: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
}

interface StoredObject {
  readonly content: Uint8Array;
  readonly etag: string;
  readonly modified: Date;
  readonly metadata: Readonly<Record<string, string>>;
}

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string | number>;
  readonly body?: Uint8Array | string;
}

export class S3Server {
  readonly objects = new Map<string, StoredObject>();
  readonly calls: S3Call[] = [];
  /** Bytes of answers to GET of an object. */
  bytesRead = 0;
  /** Asked at every request, which waits for the answer; what it returns is done to it. */
  fault: (call: S3Call, number: number) => S3Fault | undefined | Promise<undefined> = () => undefined;
  ignoresConditions = false;
  ignoresRanges = false;
  /** Keys that a request to delete many leaves, and says so. */
  undeletable: (key: string) => boolean = () => false;
  pageKeysMax = 1000;
  /** Dates objects. Fixed: only ETags tell them apart. */
  now = (): Date => new Date('2026-01-02T03:04:05.678Z');
  private readonly server: Server;
  private puts = 0;

  constructor(readonly bucket = 'bucket') {
    this.server = createServer((request, response) => {
      this.answer(request, response).catch((thrown) => {
        response.writeHead(500, { 'content-type': 'text/plain' });
        response.end(String(thrown));
      });
    });
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.server.unref();
    return this;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get options(): S3Options {
    return { endpoint: this.endpoint, region: 'eu-test-1', credentials: async () => testKeys };
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const [rawPath = '', rawQuery = ''] = request.url!.split('?');
    const key = decodeURIComponent(rawPath).slice(`/${this.bucket}/`.length);
    const call: S3Call = { method: request.method!, key, query: new URLSearchParams(rawQuery), headers: request.headers };
    this.calls.push(call);
    const fault = await this.fault(call, this.calls.length);
    if (fault?.kind === 'silent') return;
    if (fault?.kind === 'reset' && fault.effect === 'before') return void request.socket.destroy();
    if (fault?.kind === 'status' && fault.effect !== 'after') return send(response, call, { ...refusal(fault.status, fault.code), ...(fault.headers && { headers: fault.headers }) });
    const wrong = signatureMistake(request, rawPath, rawQuery, body);
    const answer = wrong === undefined ? this.perform(call, body) : refusal(403, wrong);
    if (fault?.kind === 'status') return send(response, call, refusal(fault.status, fault.code));
    if (fault?.kind === 'reset') return void request.socket.destroy();
    if (call.method === 'GET' && key !== '' && answer.status < 300) this.bytesRead += answer.body!.length;
    if (fault?.kind === 'cut') {
      response.writeHead(answer.status, { ...answer.headers, 'content-length': answer.body?.length ?? 1 });
      response.write(answer.body?.slice(0, answer.body.length >> 1) ?? '');
      return void setImmediate(() => request.socket.destroy());
    }
    return send(response, call, answer);
  }

  private perform(call: S3Call, body: Buffer): Answer {
    const { method, key, headers } = call;
    if (key === '' && method === 'GET') return this.list(call.query);
    if (key === '' && method === 'POST' && call.query.has('delete')) return this.deleteMany(call, body);
    const found = this.objects.get(key);
    if (method === 'PUT') {
      const source = headers['x-amz-copy-source'];
      if (typeof source === 'string') return this.copy(decodeURIComponent(source).slice(`/${this.bucket}/`.length), key);
      if (headers['if-none-match'] === '*' && found !== undefined && !this.ignoresConditions) return refusal(412, 'PreconditionFailed');
      const metadata = Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-'))) as Record<string, string>;
      this.put(key, body, metadata);
      return { status: 200, headers: { etag: this.objects.get(key)!.etag } };
    }
    if (method === 'DELETE') {
      this.objects.delete(key);
      return { status: 204 };
    }
    if (found === undefined) return refusal(404, 'NoSuchKey');
    const { content, etag, modified, metadata } = found;
    const common = { etag, 'last-modified': modified.toUTCString(), ...metadata };
    if (method === 'HEAD') return { status: 200, headers: { ...common, 'content-length': content.length } };
    if (headers['if-match'] !== undefined && headers['if-match'] !== etag && !this.ignoresConditions) return refusal(412, 'PreconditionFailed');
    const range = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '');
    if (range === null || this.ignoresRanges) return { status: 200, headers: common, body: content };
    const [start, last] = [Number(range[1]), Math.min(Number(range[2]), content.length - 1)];
    if (start >= content.length) return refusal(416, 'InvalidRange');
    return { status: 206, headers: { ...common, 'content-range': `bytes ${start}-${last}/${content.length}` }, body: content.slice(start, last + 1) };
  }

  put(key: string, content: Uint8Array, metadata: Record<string, string> = {}): void {
    // As stores that encrypt do: the ETag is no digest of the content, and each put has another.
    const etag = `"${createHash('md5').update(content).update(String(this.puts++)).digest('hex')}"`;
    this.objects.set(key, { content: Uint8Array.from(content), etag, modified: this.now(), metadata });
  }

  private copy(from: string, to: string): Answer {
    const source = this.objects.get(from);
    if (source === undefined) return refusal(404, 'NoSuchKey');
    this.put(to, source.content, source.metadata);
    return { status: 200, body: '<?xml version="1.0" encoding="UTF-8"?>\n<CopyObjectResult><ETag>&quot;x&quot;</ETag></CopyObjectResult>' };
  }

  private deleteMany({ headers }: S3Call, body: Buffer): Answer {
    if (headers['content-md5'] !== createHash('md5').update(body).digest('base64')) return refusal(400, headers['content-md5'] === undefined ? 'MissingContentMD5' : 'BadDigest');
    const keys = [...body.toString().matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key]) => key!.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code))));
    if (keys.length === 0 || keys.length > 1000) return refusal(400, 'MalformedXML');
    const rows = keys.map((key) => {
      if (this.undeletable(key)) return `<Error><Key>${escapeXml(key)}</Key><Code>InternalError</Code></Error>`;
      this.objects.delete(key);
      return `<Deleted><Key>${escapeXml(key)}</Key></Deleted>`;
    });
    return { status: 200, body: `<?xml version="1.0" encoding="UTF-8"?>\n<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${rows.join('')}</DeleteResult>` };
  }

  private list(query: URLSearchParams): Answer {
    const [prefix, delimiter, token] = [query.get('prefix') ?? '', query.get('delimiter') ?? '', query.get('continuation-token') ?? ''];
    const keysMax = Math.min(Number(query.get('max-keys')), this.pageKeysMax);
    const rows = new Map<string, string>();
    for (const [key, { content, etag, modified }] of this.objects) {
      if (!key.startsWith(prefix)) continue;
      const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
      if (end >= 0) rows.set(key.slice(0, end + 1), `<CommonPrefixes><Prefix>${encodeURIComponent(key.slice(0, end + 1))}</Prefix></CommonPrefixes>`);
      else rows.set(key, `<Contents><Key>${encodeURIComponent(key).replaceAll('%20', '+')}</Key><LastModified>${modified.toISOString()}</LastModified><ETag>${etag.replaceAll('"', '&quot;')}</ETag><Size>${content.length}</Size></Contents>`);
    }
    const after = [...rows.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))).filter((key) => Buffer.compare(Buffer.from(key), Buffer.from(token)) > 0);
    const shown = after.slice(0, keysMax);
    const more = after.length > shown.length ? `<IsTruncated>true</IsTruncated><NextContinuationToken>${escapeXml(shown.at(-1)!)}</NextContinuationToken>` : '<IsTruncated>false</IsTruncated>';
    return {
      status: 200,
      body: `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EncodingType>url</EncodingType>${more}${shown.map((key) => rows.get(key)).join('')}</ListBucketResult>`,
    };
  }
}

/** A server that stops with the test. */
export async function startS3(test: TestContext): Promise<S3Server> {
  const server = await new S3Server().start();
  test.after(() => server.stop());
  return server;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function refusal(status: number, code: string): Answer {
  return { status, body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>a &lt;test&gt;</Message></Error>` };
}

function send(response: ServerResponse, { method }: S3Call, { status, headers = {}, body = '' }: Answer): void {
  response.writeHead(status, { ...(method !== 'HEAD' && { 'content-length': Buffer.byteLength(body) }), ...headers });
  response.end(method === 'HEAD' ? undefined : body);
}

/** The code of the refusal if a request is not signed by the test's keys. */
function signatureMistake({ method, headers }: IncomingMessage, path: string, query: string, body: Buffer): string | undefined {
  const hex = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');
  const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
  const match = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8}\/([^/]+)\/s3\/aws4_request), SignedHeaders=([^,]+), Signature=([\da-f]{64})$/.exec(headers.authorization ?? '');
  if (match === null) return 'AuthorizationHeaderMalformed';
  const [, keyId, scope, region, names, signature] = match as unknown as [string, string, string, string, string, string];
  if (keyId !== testKeys.accessKeyId) return 'InvalidAccessKeyId';
  if (headers['x-amz-content-sha256'] !== hex(body)) return 'XAmzContentSHA256Mismatch';
  const needed = ['host', ...Object.keys(headers).filter((name) => name.startsWith('x-amz-'))];
  if (needed.some((name) => !names.split(';').includes(name))) return 'AccessDenied';
  const signed = names.split(';').map((name) => `${name}:${String(headers[name]).trim()}\n`).join('');
  const canonical = [method, path, query.split('&').sort().join('&'), signed, names, hex(body)].join('\n');
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, hex(canonical)].join('\n');
  const key = ['s3', 'aws4_request'].reduce(hmac, hmac(hmac(`AWS4${testKeys.secretAccessKey}`, scope.slice(0, 8)), region));
  return hmac(key, text).toString('hex') === signature ? undefined : 'SignatureDoesNotMatch';
}

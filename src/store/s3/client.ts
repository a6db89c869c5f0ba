/**
 * Requests to one bucket: signed, asked again where that may help, and refused with what to do.
 *
 * Every request here may be sent twice with the effect of once (a conditional PUT recognises its own success, see
 * s3-bytes.ts), so what failed on the way, and what the store itself calls passing, is tried again after a random while
 * that grows. What it refused is not.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ArgumentError, NotFoundError, StorageError } from '../../base/errors.ts';
import { type CredentialsSource, credentialsSource, type Environment, type S3CredentialsProvider } from './credentials.ts';
import { AnswerTooLongError, ConnectionError, exchange, type HttpAnswer } from './transport.ts';
import { childText, parseXml } from './xml.ts';

export interface S3Options {
  /** Asked for credentials when they are needed, and again before they expire; by default AWS_ACCESS_KEY_ID and its like. */
  readonly credentials?: S3CredentialsProvider;
  /** Of a store other than Amazon's, `http://localhost:9000`; by default AWS_ENDPOINT_URL_S3, then AWS_ENDPOINT_URL. */
  readonly endpoint?: string;
  /** By default AWS_REGION, AWS_DEFAULT_REGION, then us-east-1. */
  readonly region?: string;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`; by default where an endpoint is named. */
  readonly pathStyle?: boolean;
  /** How often a request is sent before its failure is told; 6 unless told otherwise. */
  readonly attempts?: number;
  /** One request may take so long, and longer by a second for every 100 kB; 30 s unless told otherwise. */
  readonly timeoutMs?: number;
}

export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE' | 'POST';
  /** '' is the bucket. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** How long the answer may be. */
  readonly answerBytesMax?: number;
  /** What is being done, for messages: 'read', 'list the folder'. */
  readonly doing: string;
  /** Statuses that are answers here, not failures. */
  readonly expected?: readonly number[];
}

export interface S3Answer extends HttpAnswer {
  /** S3's code where it refused, else ''. */
  readonly code: string;
  /** Whether an attempt before was sent, which may have been done although its answer was another, or lost. */
  readonly wasRepeated: boolean;
}

const errorBytesMax = 64 * 1024;
const backoffFirstMs = 50;
const backoffMaxMs = 5_000;
const bytesPerSecondMin = 100_000;
const signingKeysMax = 16;

const passingStatuses = new Set([429, 500, 502, 503, 504]);
const passingCodes = new Set(['SlowDown', 'RequestTimeout', 'InternalError', 'ServiceUnavailable', 'Throttling', 'RequestLimitExceeded']);
const expiredCodes = new Set(['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired']);

export class S3Client {
  /** What tells one bucket of one store from all others. */
  readonly origin: string;
  private readonly base: URL;
  private readonly region: string;
  private readonly credentials: CredentialsSource;
  private readonly attempts: number;
  private readonly timeoutMs: number;
  /** Those that aws4fetch has derived of the secret keys, day by day: four rounds of hashing each. Not shown when this is printed. */
  readonly #signingKeys = new Map<string, ArrayBuffer>();

  constructor(readonly bucket: string, options: S3Options, env: Environment) {
    const endpoint = options.endpoint ?? (env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL || undefined);
    this.region = options.region ?? (env.AWS_REGION || env.AWS_DEFAULT_REGION || 'us-east-1');
    if (!/^[a-z\d-]{1,64}$/i.test(this.region)) throw new ArgumentError('s3.region', `${JSON.stringify(this.region)} is not the name of a region, such as eu-central-1`);
    this.base = baseOf(bucket, endpoint, this.region, options.pathStyle);
    this.origin = this.base.href;
    this.credentials = credentialsSource(options.credentials, env, `s3://${bucket}`);
    this.attempts = positive('s3.attempts', options.attempts ?? 6);
    this.timeoutMs = positive('s3.timeoutMs', options.timeoutMs ?? 30_000);
  }

  locate(key: string): string {
    return key === '' ? `s3://${this.bucket}` : `s3://${this.bucket}/${key}`;
  }

  /** The path of an object as the header of a copy wants it. */
  copySource(key: string): string {
    return `/${this.bucket}/${encodeKey(key)}`;
  }

  /** Throws StorageError, or NotFoundError for a bucket that is not there. */
  async send(request: S3Request): Promise<S3Answer> {
    const where = this.locate(request.key);
    let isRenewed = false;
    for (let attempt = 1; ; attempt++) {
      const isLast = attempt >= this.attempts;
      let retryAfterMs = 0;
      try {
        const answer = await this.attempt(request);
        const code = answer.status >= 300 || isHiddenError(request, answer) ? codeOf(answer) : '';
        const isAnswer = answer.status < 300 ? code === '' : request.expected?.includes(answer.status) && code !== 'NoSuchBucket';
        if (isAnswer) return { ...answer, code, wasRepeated: attempt > 1 };
        const isExpired = expiredCodes.has(code) && !isRenewed;
        if (isExpired) {
          isRenewed = true;
          this.credentials.renew();
        }
        if (isLast || !(isExpired || passingStatuses.has(answer.status) || passingCodes.has(code))) throw this.refusal(where, request, answer, code);
        retryAfterMs = retryAfter(answer);
      } catch (thrown) {
        if (thrown instanceof AnswerTooLongError) throw new StorageError(where, `cannot ${request.doing}: ${thrown.message}. The store does not keep to the protocol of S3; use another`, thrown);
        if (!(thrown instanceof ConnectionError)) throw thrown;
        if (isLast) throw new StorageError(where, `cannot ${request.doing}: ${reasonOfConnection(thrown)}, ${attempt} times. Check the endpoint ${this.base.origin} and the network`, thrown);
      }
      // Full jitter: those that failed at once do not come back at once.
      const backoffMs = Math.random() * Math.min(backoffMaxMs, backoffFirstMs * 2 ** attempt);
      await sleep(Math.max(backoffMs, retryAfterMs));
    }
  }

  private async attempt({ method, key, query = {}, headers = {}, body, answerBytesMax = 0 }: S3Request): Promise<HttpAnswer> {
    const url = new URL(this.base);
    url.pathname += encodeKey(key);
    url.search = Object.entries(query).map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&');
    const signed = await this.sign(method, url, headers, body);
    // How long a list will be is not known; it is never long.
    const bytesExpected = (body?.length ?? 0) + (key === '' ? 0 : answerBytesMax);
    const timeoutMs = this.timeoutMs + Math.floor(bytesExpected / bytesPerSecondMin) * 1000;
    return exchange({ method, url, headers: signed, body, answerBytesMax: Math.max(answerBytesMax, errorBytesMax), timeoutMs });
  }

  private async sign(method: string, url: URL, headers: Readonly<Record<string, string>>, body: Uint8Array | undefined): Promise<Record<string, string>> {
    const { accessKeyId, secretAccessKey, sessionToken } = await this.credentials.get(`s3://${this.bucket}`, Date.now());
    if (this.#signingKeys.size > signingKeysMax) this.#signingKeys.clear();
    // Loaded by the first request only.
    const { AwsV4Signer } = await import('aws4fetch');
    const signer = new AwsV4Signer({
      method, url: url.href, service: 's3', region: this.region, accessKeyId, secretAccessKey, cache: this.#signingKeys,
      ...(sessionToken && { sessionToken }),
      // The body is signed too, so what the store takes is what was sent.
      headers: { ...headers, 'x-amz-content-sha256': createHash('sha256').update(body ?? '').digest('hex') },
    });
    const signed = await signer.sign();
    const all: Record<string, string> = Object.fromEntries(signed.headers);
    // A PUT without content has a length too.
    if (method === 'PUT') all['content-length'] = String(body?.length ?? 0);
    return all;
  }

  private refusal(where: string, { doing }: S3Request, answer: HttpAnswer, code: string): StorageError | NotFoundError {
    const said = `${answer.status}${code === '' ? '' : ` ${code}`}`;
    if (code === 'NoSuchBucket') return new NotFoundError('bucket', this.bucket, `there is none at ${this.base.origin} (${said}); check its name and the endpoint, or make it`);
    return new StorageError(where, `cannot ${doing}: ${remedyOf(answer, code, this.region)} (${said})`);
  }
}

/** Where the keys of a bucket begin; ends with '/'. */
function baseOf(bucket: string, endpoint: string | undefined, region: string, pathStyle: boolean | undefined): URL {
  let url: URL;
  try {
    url = new URL(endpoint ?? `https://s3.${region}.amazonaws.com`);
  } catch (thrown) {
    throw new ArgumentError('s3.endpoint', `${JSON.stringify(endpoint)} is not an address; write https://host or http://host:port`, thrown);
  }
  if (!/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new ArgumentError('s3.endpoint', 'has to be https://host or http://host:port, without credentials and without a query');
  }
  const folder = url.pathname.replace(/\/*$/, '/');
  // A certificate of *.host does not cover a bucket with dots in its name.
  const inPath = pathStyle ?? (endpoint !== undefined || bucket.includes('.'));
  if (!inPath) url.hostname = `${bucket}.${url.hostname}`;
  url.pathname = inPath ? `${folder}${encode(bucket)}/` : folder;
  return url;
}

/** Percent-encoded as signatures want it: everything but letters, digits and `-._~`. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

function encodeKey(key: string): string {
  return key.split('/').map(encode).join('/');
}

/** A copy may fail after its status was sent: then the answer of status 200 is an error. */
function isHiddenError({ headers }: S3Request, { body }: HttpAnswer): boolean {
  return headers?.['x-amz-copy-source'] !== undefined && Buffer.from(body).includes('<Error>');
}

/** S3's code of an error. An answer to HEAD has none, and what stands between may answer in HTML. */
function codeOf({ body, status }: HttpAnswer): string {
  try {
    const root = parseXml(Buffer.from(body).toString('utf8'));
    const code = root.name === 'Error' ? childText(root, 'Code') : undefined;
    return code !== undefined && /^[\w.-]{1,80}$/.test(code) ? code : status < 300 ? 'Error' : '';
  } catch {
    return status < 300 ? 'Error' : '';
  }
}

const remedies: Readonly<Record<string, string>> = {
  AccessDenied: 'access was denied; these credentials need permission to list, read, write and delete there',
  InvalidAccessKeyId: 'the store does not know this access key; check AWS_ACCESS_KEY_ID or s3.credentials',
  SignatureDoesNotMatch: 'the signature is wrong; check the secret access key, the region and the endpoint',
  RequestTimeTooSkewed: 'the clock of this machine is wrong; set it',
  ExpiredToken: 'the session token has expired; get a new one',
  SlowDown: 'the store asks for fewer requests; try again later',
  EntityTooLarge: 'the file is too large for one request; write smaller files',
};

function remedyOf({ status, headers }: HttpAnswer, code: string, region: string): string {
  const known = remedies[code];
  if (known !== undefined) return known;
  const itsRegion = headers['x-amz-bucket-region'];
  if (status === 301 || status === 307 || code === 'AuthorizationHeaderMalformed') {
    return `the bucket is not in the region ${region}${typeof itsRegion === 'string' ? ` but in ${itsRegion}` : ''}; set AWS_REGION or s3.region, and check the endpoint`;
  }
  if (status === 401 || status === 403) return remedies.AccessDenied!;
  if (status === 501) return 'the store does not know this kind of request; it has to speak the protocol of S3, conditional writes too';
  if (passingStatuses.has(status)) return 'the store failed each time; try again later';
  return 'the store refused';
}

function reasonOfConnection(error: ConnectionError): string {
  return error.message === '' ? 'the connection failed' : error.message;
}

function retryAfter({ headers }: HttpAnswer): number {
  const seconds = Number(headers['retry-after']);
  return seconds > 0 ? Math.min(seconds * 1000, backoffMaxMs) : 0;
}

function positive(argument: string, value: number): number {
  if (!Number.isInteger(value) || value < 1) throw new ArgumentError(argument, `${value} is not a whole number above 0`);
  return value;
}

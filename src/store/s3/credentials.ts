/** Who asks: from a function in code, or from the environment. Secrets go from here to the signature and nowhere else. */
import { ArgumentError, FeatureStoreError, StorageError } from '../../base/errors.ts';

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  /** Asked for anew a little before. */
  readonly expiration?: Date | undefined;
}

export type S3CredentialsProvider = () => Promise<S3Credentials> | S3Credentials;

export type Environment = Readonly<Record<string, string | undefined>>;

/** So long before they expire, credentials are asked for anew. */
const renewalMs = 60_000;

/** One provider, asked once for all tables that it serves. */
export class CredentialsSource {
  // Hidden from whoever prints a store.
  #current: Promise<S3Credentials> | undefined;

  constructor(private readonly provider: S3CredentialsProvider) {}

  /** `where` is for messages. */
  async get(where: string, nowMs: number): Promise<S3Credentials> {
    const asked = (this.#current ??= this.ask(where));
    try {
      const credentials = await asked;
      if (credentials.expiration === undefined || credentials.expiration.getTime() - renewalMs > nowMs) return credentials;
    } catch (thrown) {
      this.forget(asked);
      throw thrown;
    }
    this.forget(asked);
    // Not looked at again: credentials that come with less time than that are better than none.
    return (this.#current ??= this.ask(where));
  }

  /** The store has refused them as expired. */
  renew(): void {
    this.#current = undefined;
  }

  private forget(asked: Promise<S3Credentials>): void {
    if (this.#current === asked) this.#current = undefined;
  }

  private async ask(where: string): Promise<S3Credentials> {
    let credentials: S3Credentials;
    try {
      credentials = await this.provider();
    } catch (thrown) {
      if (thrown instanceof FeatureStoreError) throw thrown;
      throw new StorageError(where, 'the function s3.credentials failed; see the cause', thrown);
    }
    const { accessKeyId, secretAccessKey } = credentials ?? {};
    if (typeof accessKeyId !== 'string' || accessKeyId === '' || typeof secretAccessKey !== 'string' || secretAccessKey === '') {
      throw new ArgumentError('s3.credentials', `for ${where} the function gave no accessKeyId or no secretAccessKey`);
    }
    return credentials;
  }
}

const sources = new WeakMap<S3CredentialsProvider, CredentialsSource>();

/** The source of a provider, the same one for the same function. */
export function credentialsSource(provider: S3CredentialsProvider | undefined, env: Environment, where: string): CredentialsSource {
  if (provider === undefined) return new CredentialsSource(() => fromEnvironment(env, where));
  let source = sources.get(provider);
  if (source === undefined) {
    source = new CredentialsSource(provider);
    sources.set(provider, source);
  }
  return source;
}

function fromEnvironment(env: Environment, where: string): S3Credentials {
  const [accessKeyId, secretAccessKey, sessionToken] = [env.AWS_ACCESS_KEY_ID, env.AWS_SECRET_ACCESS_KEY, env.AWS_SESSION_TOKEN];
  if (accessKeyId && secretAccessKey) return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
  const missing = accessKeyId ? 'AWS_SECRET_ACCESS_KEY' : 'AWS_ACCESS_KEY_ID';
  throw new StorageError(where, `there are no credentials: ${missing} is not set. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give s3.credentials in code`);
}

/** One HTTP request and its whole answer. Knows no S3: what an answer means, and whether to ask again, is told elsewhere. */
import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http';

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  /** An answer that is longer is refused, whatever it says of its length. */
  readonly answerBytesMax: number;
  /** From the connection to the last byte of the answer. */
  readonly timeoutMs: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Uint8Array;
}

/** More was answered than may be: the store did not do what it was asked for. */
export class AnswerTooLongError extends Error {}

/** Nothing was answered, or not all of it: the request may have been done or not. */
export class ConnectionError extends Error {}

interface Protocol {
  readonly agent: Agent;
  request(url: URL, options: RequestOptions, answered: (answer: IncomingMessage) => void): ClientRequest;
}

/** As many requests run at once to one store; others wait for their turn. */
const connectionsMax = 32;

const protocols = new Map<string, Promise<Protocol>>();

/** Connections are kept, and keep no process alive. */
function protocolOf(url: URL): Promise<Protocol> {
  let protocol = protocols.get(url.protocol);
  if (protocol === undefined) {
    const settings = { keepAlive: true, maxSockets: connectionsMax };
    protocol = url.protocol === 'http:'
      ? import('node:http').then(({ Agent, request }) => ({ agent: new Agent(settings), request }))
      : import('node:https').then(({ Agent, request }) => ({ agent: new Agent(settings), request }));
    protocols.set(url.protocol, protocol);
  }
  return protocol;
}

/** Throws ConnectionError when the answer does not come, or not whole. */
export async function exchange({ method, url, headers, body, answerBytesMax, timeoutMs }: HttpRequest): Promise<HttpAnswer> {
  const { agent, request } = await protocolOf(url);
  return await new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent }, (answer) => {
      wholeBody(answer, method, answerBytesMax).then((content) => {
        clearTimeout(timer);
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: content });
      }, fail);
    });
    let timer: NodeJS.Timeout | undefined;
    const fail = (thrown: unknown): void => {
      clearTimeout(timer);
      sent.destroy();
      reject(thrown instanceof ConnectionError || thrown instanceof AnswerTooLongError ? thrown : new ConnectionError(thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown }));
    };
    // From when it has a connection: requests that wait for one are not late.
    sent.on('socket', () => {
      timer = setTimeout(() => fail(new ConnectionError(`no whole answer within ${timeoutMs} ms`)), timeoutMs);
    });
    sent.on('error', fail);
    sent.end(body);
  });
}

async function wholeBody(answer: IncomingMessage, method: string, bytesMax: number): Promise<Uint8Array> {
  const announced = answer.headers['content-length'] === undefined ? undefined : Number(answer.headers['content-length']);
  const wanted = method === 'HEAD' ? 0 : announced;
  if (wanted !== undefined && wanted > bytesMax) throw new AnswerTooLongError(`the answer has ${wanted} bytes, more than the ${bytesMax} that it may have`);
  // Filled in place where the length is known; it was compared with what was asked for.
  const content = new Uint8Array(Buffer.allocUnsafeSlow(wanted ?? 0).buffer);
  const chunks: Uint8Array[] = [];
  let filled = 0;
  for await (const chunk of answer as AsyncIterable<Uint8Array>) {
    if (filled + chunk.length > (wanted ?? bytesMax)) throw new AnswerTooLongError(`the answer has more than ${wanted ?? bytesMax} bytes`);
    if (wanted === undefined) chunks.push(chunk);
    else content.set(chunk, filled);
    filled += chunk.length;
  }
  if (!answer.complete || (wanted !== undefined && filled !== wanted)) throw new ConnectionError(`the answer was cut after ${filled} bytes`);
  if (wanted !== undefined) return content;
  // Not a Buffer of the pool, which others share.
  const joined = new Uint8Array(filled);
  let end = 0;
  for (const chunk of chunks) {
    joined.set(chunk, end);
    end += chunk.length;
  }
  return joined;
}

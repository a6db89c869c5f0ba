/** The request and the answer of DeleteObjects, which deletes many objects at once. */
import { childrenOf, childText, parseXml } from './xml.ts';

/** XML 1.0 has no way to write other characters. */
const writableKey = /^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u;

/** The document that names the keys, but for those that XML cannot name. */
export function deletionOf(keys: readonly string[]): Uint8Array {
  const objects = keys.filter((key) => writableKey.test(key)).map((key) => `<Object><Key>${escaped(key)}</Key></Object>`);
  const text = `<?xml version="1.0" encoding="UTF-8"?><Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${objects.join('')}</Delete>`;
  return Buffer.from(text);
}

/** The keys that the store says are deleted. What is no such answer names none. */
export function deletedKeys(body: Uint8Array): ReadonlySet<string> {
  try {
    const root = parseXml(Buffer.from(body).toString('utf8'));
    return new Set(root.name === 'DeleteResult' ? childrenOf(root, 'Deleted').flatMap((element) => childText(element, 'Key') ?? []) : []);
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    return new Set();
  }
}

/** White space too, which readers of XML change otherwise. */
function escaped(key: string): string {
  return key.replace(/[&<>"'\t\n\r]/g, (character) => `&#${character.charCodeAt(0)};`);
}

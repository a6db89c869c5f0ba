/**
 * The few XML answers of S3: elements and text, and nothing else that XML has.
 *
 * Law: what is not well-formed is refused, so a cut answer never reads as a shorter one. Document types are refused too,
 * and with them entities of one's own.
 */

export interface XmlElement {
  readonly name: string;
  readonly children: readonly XmlElement[];
  /** The text directly inside, entities resolved. */
  readonly text: string;
}

interface OpenElement {
  readonly name: string;
  readonly children: XmlElement[];
  text: string;
}

/** Deeper than any answer of S3. */
const depthMax = 16;

const tokens = /<\?[^>]*\?>|<!--[\s\S]*?-->|<(\/?)([A-Za-z_][\w.:-]*)((?:\s+[\w.:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|[^<]+/y;

/** The one element of a document. Throws SyntaxError. */
export function parseXml(text: string): XmlElement {
  const document: OpenElement = { name: '', children: [], text: '' };
  const open: OpenElement[] = [document];
  tokens.lastIndex = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  while (tokens.lastIndex < text.length) {
    const position = tokens.lastIndex;
    const token = tokens.exec(text);
    if (token === null) throw new SyntaxError(`no XML at character ${position}`);
    const [all, closes, name, , isEmpty] = token;
    const top = open.at(-1)!;
    if (name === undefined) {
      if (!all.startsWith('<')) top.text += resolveEntities(all);
    } else if (closes) {
      if (open.length === 1 || top.name !== name || isEmpty) throw new SyntaxError(`</${name}> closes nothing at character ${position}`);
      open.pop();
    } else {
      const element: OpenElement = { name, children: [], text: '' };
      top.children.push(element);
      if (isEmpty) continue;
      if (open.push(element) > depthMax) throw new SyntaxError(`elements lie more than ${depthMax} deep`);
    }
  }
  const [root] = document.children;
  if (open.length !== 1) throw new SyntaxError(`the text ends inside of <${open.at(-1)!.name}>`);
  if (root === undefined || document.children.length > 1 || document.text.trim() !== '') throw new SyntaxError('a document has one element');
  return root;
}

/** The text of the first child of that name. */
export function childText(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text;
}

export function childrenOf(element: XmlElement, name: string): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name);
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function resolveEntities(text: string): string {
  return text.replace(/&([^;&]{0,12};)?/g, (_, found: string | undefined) => {
    const name = found?.slice(0, -1) ?? '';
    const number = /^#(?:x([\da-f]{1,6})|(\d{1,7}))$/i.exec(name);
    const code = number === null ? undefined : number[1] === undefined ? Number(number[2]) : Number.parseInt(number[1], 16);
    const resolved = code === undefined ? (Object.hasOwn(entities, name) ? entities[name] : undefined) : code <= 0x10_ffff ? String.fromCodePoint(code) : undefined;
    if (resolved === undefined) throw new SyntaxError(`&${name} is no entity of XML`);
    return resolved;
  });
}

/**
 * The house keeps its floors: imports point down, engine and store are strangers, and each outside library is imported
 * in one place. Reads the imports of src and says so.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const src = join(root, 'src');

/** What each floor may import from, itself aside. */
const below: Readonly<Record<string, readonly string[]>> = {
  base: [],
  arrow: ['base'],
  engine: ['base', 'arrow'],
  store: ['base', 'arrow'],
  config: ['base', 'arrow', 'engine'],
  modes: ['base', 'arrow', 'engine', 'store', 'config'],
  cli: ['base', 'arrow', 'index.ts'],
  'index.ts': ['base', 'arrow', 'engine', 'store', 'config', 'modes'],
};

/** Config knows the engine's plans, not its machinery. */
const configMayImport = ['engine/plan.ts'];

const onlyIn: Readonly<Record<string, readonly string[]>> = {
  'apache-arrow': ['arrow/arrow.ts', 'arrow/late.ts'],
  'parquet-wasm': ['store/parquet/codec.ts'],
  aws4fetch: ['store/s3/client.ts'],
  fzstd: ['store/orc/zstd.ts'],
  'node:http': ['store/s3/transport.ts'],
  'node:https': ['store/s3/transport.ts'],
  yaml: ['config/'],
  zod: ['config/'],
  'node:fs': ['store/local-bytes.ts', 'config/load.ts', 'cli/'],
  'node:fs/promises': ['store/local-bytes.ts', 'config/load.ts', 'cli/'],
};

interface Import {
  readonly file: string;
  readonly target: string;
}

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !/(^|\/)kernel\//.test(file))
    .map((file) => file.replaceAll('\\', '/'));
}

function imports(): Import[] {
  return sources(src).flatMap((file) => {
    const text = readFileSync(join(src, file), 'utf8');
    return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => ({ file, target: match[1]! }));
  });
}

const floorOf = (file: string): string => file.split('/')[0]!;

test('imports point down', () => {
  const wrong = imports().flatMap(({ file, target }) => {
    if (!target.startsWith('.')) return [];
    const path = relative(src, join(src, dirname(file), target)).replaceAll('\\', '/');
    const [from, to] = [floorOf(file), floorOf(path)];
    if (from === to) return [];
    if (from === 'config' && to === 'engine' && !configMayImport.includes(path)) return [`${file} → ${path}`];
    return below[from]?.includes(to) ? [] : [`${file} → ${path}`];
  });
  assert.deepEqual(wrong, []);
});

test('an outside library is imported in one place', () => {
  const wrong = imports().filter(({ file, target }) => {
    const places = onlyIn[target];
    return places !== undefined && !places.some((place) => file.startsWith(place));
  });
  assert.deepEqual(wrong, []);
});

test('what speaks to object stores is loaded when it is needed, not by importing the package', () => {
  const wrong = sources(src).filter((file) => /^import (?!type)[^;]*from '(aws4fetch|node:https?)'/m.test(readFileSync(join(src, file), 'utf8')));
  assert.deepEqual(wrong, []);
});

test('the engine has no I/O and no clock', () => {
  const wrong = sources(src).filter((file) => {
    if (floorOf(file) !== 'engine' && floorOf(file) !== 'arrow') return false;
    const text = readFileSync(join(src, file), 'utf8');
    return /Date\.now|new Date\(\)|performance\.now|from 'node:(fs|http|https|net)/.test(text);
  });
  assert.deepEqual(wrong, []);
});

test('every dependency at run time is one of the few that were weighed', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.deepEqual(Object.keys(manifest.dependencies).sort(), ['apache-arrow', 'aws4fetch', 'fzstd', 'parquet-wasm', 'yaml', 'zod']);
});

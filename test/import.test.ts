/**
 * Importing the package is light: what takes long is loaded when it is first needed, once, and apache-arrow is always the caller's own.
 * Each test is a process of its own, whose hook records every module that is loaded.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** The modules that a script loads, by their paths below the package; it may print lines of its own. Warnings are none of it. */
function run(script: string): { readonly loaded: readonly string[]; readonly printed: readonly string[] } {
  const hook = `import { writeSync } from 'node:fs';
    export async function load(url, context, next) { writeSync(1, 'loaded ' + url + '\\n'); return next(url, context); }`;
  const prelude = `import { register, createRequire } from 'node:module';
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}));
    process.on('exit', () => Object.keys(createRequire(${JSON.stringify(join(root, 'x.js'))}).cache).forEach((path) => console.log('loaded ' + path)));\n`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', prelude + script], { cwd: root, encoding: 'utf8' });
  assert.equal(stderr, '');
  assert.equal(status, 0);
  const lines = stdout.split('\n').filter((line) => line !== '');
  const loaded = lines.filter((line) => line.startsWith('loaded ')).map((line) => line.replace(/^loaded (file:\/\/)?/, '').replace(`${root}/`, ''));
  return { loaded, printed: lines.filter((line) => !line.startsWith('loaded ')) };
}

const ours = `const ours = await import('./build/src/index.js');\n`;
const table = `const arrow = await import('apache-arrow');
  const table = arrow.tableFromArrays({ id: Int32Array.of(1, 2, 1), amount: Float64Array.of(0.5, 1.5, 2.5) });\n`;

test('importing the package loads no other package, and of the engine only what a plan is', () => {
  const { loaded } = run(ours);
  assert.ok(loaded.includes('build/src/index.js'));
  assert.deepEqual(loaded.filter((path) => path.includes('node_modules')), []);
  assert.deepEqual(loaded.filter((path) => path.startsWith('build/src/engine/')), ['build/src/engine/plan.js']);
  assert.deepEqual(loaded.filter((path) => /build\/src\/(store\/(delta|s3)|modes\/(read|work))/.test(path)), []);
});

test('the command line says its help without them', () => {
  const { loaded, printed } = run(`process.argv.splice(1, 2, 'tauro-features', '--help'); await import('./build/src/cli/main.js');`);
  assert.match(printed.join('\n'), /usage: /i);
  assert.deepEqual(loaded.filter((path) => /node_modules|build\/src\/(engine|store|modes)/.test(path)), []);
});

test('what answers at once does so as the first call, with the apache-arrow of the caller', () => {
  const { loaded, printed } = run(`${ours}${table}
    const file = ours.encodeParquet(table.schema, table.batches);
    console.log(ours.toRows(table).length, ours.tablesEqual(table, table), file.length > 0, ours.encodeOrc(table.schema, table.batches).length > 0);
    console.log(ours.featureSet({ name: 'a', entityKeys: 'id', source: 't', aggregations: { amount: 'sum' } }).kind, typeof ours.configurationJsonSchema().properties);`);
  assert.deepEqual(printed, ['3 true true true', 'aggregated object']);
  assert.deepEqual(loaded.filter((path) => /apache-arrow\/.*\.js$/.test(path)), [], 'a second apache-arrow, of CommonJS');
  assert.deepEqual(loaded.filter((path) => path.endsWith('apache-arrow/table.mjs')).length, 1);
});

test('first calls at once answer alike, while what they need is still being loaded', () => {
  const { printed } = run(`${ours}${table}
    const grouped = () => ours.groupBy(table, 'id').agg({ amount: 'sum' });
    const opened = async () => {
      const store = await ours.FeatureStore.open({ feature_store: { mode: 'virtualized' } });
      store.registerSource('t', table);
      store.define(ours.featureSet({ name: 'a', entityKeys: 'id', source: 't', aggregations: { amount: 'sum' } }));
      const answer = await store.getFeatures('a');
      return store instanceof ours.FeatureStore && answer.table;
    };
    const encoding = Array.from({ length: 20 }, async (_, ms) => {
      await new Promise((resolve) => setTimeout(resolve, 5 * ms));
      return ours.encodeParquet(table.schema, table.batches).length;
    });
    const [a, b, c, d] = await Promise.all([grouped(), grouped(), opened(), opened()]);
    console.log([a, b, c, d].every((each) => each instanceof arrow.Table && ours.tablesEqual(each, a)), new Set(await Promise.all(encoding)).size);`);
  assert.deepEqual(printed, ['true 1']);
});

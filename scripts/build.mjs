// Builds everything into build/: the WebAssembly kernels (AssemblyScript), then the TypeScript, then the JSON Schema.
//
//   build/src/engine/kernel-bytes.js          the compiled kernels as base64, so that the library loads them without any I/O
//   build/src/store/parquet/kernel-bytes.js   those that decode pages
//   build/src/store/orc/kernel-bytes.js       those that encode and decode ORC
//   build/src, build/test, build/bench        the emitted JavaScript
//   build/feature-store.schema.json           the configuration's JSON Schema, for editors
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** Where kernels lie, and the targets each is compiled for: the first word of its name in kernel-bytes.js. */
const kernels = [
  { home: 'src/engine', targets: ['plain', 'shared'] },
  { home: 'src/store/parquet', targets: ['page', 'pageShared'] },
  { home: 'src/store/orc', targets: ['orc'] },
];
const kernelBytes = kernels.map(({ home }) => join(root, 'build', home, 'kernel-bytes.js'));
const bin = (name) => join(root, 'node_modules/.bin', name);
const run = (command, args) => execFileSync(command, args, { cwd: root, stdio: 'inherit' });

function newest(folder) {
  return Math.max(
    ...readdirSync(folder, { withFileTypes: true }).map((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? newest(path) : statSync(path).mtimeMs;
    }),
  );
}

function buildKernels({ home, targets }) {
  const folder = join(home, 'kernel');
  const bytes = join(root, 'build', home, 'kernel-bytes.js');
  if (existsSync(bytes) && statSync(bytes).mtimeMs > newest(join(root, folder))) return;
  mkdirSync(dirname(bytes), { recursive: true });
  const compiled = targets.map((target) => {
    const wasm = join(root, `build/kernel-${target}.wasm`);
    run(bin('asc'), [join(folder, 'index.ts'), '--config', join(folder, 'asconfig.json'), '--target', target, '--outFile', wasm]);
    return `export const ${target}Kernel =\n  '${readFileSync(wasm).toString('base64')}';\n`;
  });
  writeFileSync(bytes, compiled.join('\n'));
}

/** Emitted files whose source is gone would still be found by the test runner: they go too. */
function removeStale(folder, source) {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) removeStale(path, join(source, entry.name));
    else if (entry.name.endsWith('.js') && !kernelBytes.includes(path)) {
      const stem = entry.name.slice(0, -3);
      if (existsSync(join(source, `${stem}.ts`))) continue;
      for (const ending of ['.js', '.js.map', '.d.ts']) rmSync(join(folder, stem + ending), { force: true });
    }
  }
}

kernels.forEach(buildKernels);
for (const folder of ['src', 'test', 'bench']) removeStale(join(root, 'build', folder), join(root, folder));
run(bin('tsc'), ['--project', 'tsconfig.json']);

const { configurationJsonSchema } = await import(pathToFileURL(join(root, 'build/src/config/schema.js')).href);
writeFileSync(join(root, 'build/feature-store.schema.json'), `${JSON.stringify(configurationJsonSchema(), null, 2)}\n`);

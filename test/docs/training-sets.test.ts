/** The example of docs/training-sets.md runs as printed, and prints what it says. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { projectFolder } from '../modes/support.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

test('the example of the page runs, and prints what the page says', async (t) => {
  const page = readFileSync(join(root, 'docs/training-sets.md'), 'utf8');
  const block = (after: string): string => {
    const found = new RegExp(`${after.replace(/[/.]/g, '\\$&')}[^\`]*\n\n\`\`\`\\w*\n([\\s\\S]*?)\`\`\``).exec(page)?.[1];
    assert.ok(found, `the page has no block behind ${after}`);
    return found;
  };
  const files = ['config/global.yaml', 'config/feature_sets.yaml', 'train.mjs'];
  const folder = projectFolder(t, Object.fromEntries(files.map((file) => [file, block(`\`${file}\``)])));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules/tauro-feature-store'));
  symlinkSync(join(root, 'node_modules/apache-arrow'), join(folder, 'node_modules/apache-arrow'));
  writeFileSync(join(folder, 'package.json'), '{}');
  const { stdout } = await promisify(execFile)(process.execPath, ['train.mjs'], { cwd: folder });
  assert.equal(stdout, block('It prints:'));
});

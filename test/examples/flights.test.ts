/** The flights example runs, twice, and says that all is as it should be. It checks its own answers against known truths. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const example = join(root, 'examples/flights');

async function runDemo(): Promise<string> {
  // Rejects, with what was printed, when the exit code is not 0.
  return (await promisify(execFile)(process.execPath, [join(example, 'demo.js')], { cwd: root })).stdout;
}

test('the demo runs, and runs again without computing anything twice', { timeout: 120_000 }, async () => {
  const texts = [await runDemo(), await runDemo()];
  for (const text of texts) {
    assert.match(text, /All is as it should be\./);
    assert.doesNotMatch(text, /✗|DIFFERENT/);
    assert.match(text, /✓ flights, added up over the routes: 3,000,000\n/);
    assert.match(text, /✓ ORD's minutes of delay: 1,542,589\n/);
    assert.equal(text.match(/same bits/g)?.length, 6);
  }
  assert.equal(texts[1]!.match(/nothing to do: the flights have not changed/g)?.length, 3);
});

test('its commands are those of its README', async () => {
  const commands = readFileSync(join(example, 'README.md'), 'utf8').match(/^npx tauro-features .+$/gm)!;
  assert.equal(commands.length, 5);
  const program = join(root, 'build/src/cli/main.js');
  const shell = commands.map((command) => command.replace('npx tauro-features', `"${process.execPath}" "${program}"`)).join('\n');
  const { stdout } = await promisify(execFile)('sh', ['-e', '-c', shell], { cwd: example });
  assert.match(stdout, /^ORD +LAX /m);
});

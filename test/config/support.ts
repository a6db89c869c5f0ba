/** Projects in temporary folders, and the error that loading one gives. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { ConfigurationError } from '../../src/base/errors.ts';
import { loadProject } from '../../src/config/load.ts';

export type Files = Readonly<Record<string, string | Uint8Array>>;

/** A project folder that goes when the test ends. `files` are paths below it with their text. */
export function projectFolder(t: TestContext, files: Files, parent = tmpdir()): string {
  const folder = mkdtempSync(join(parent, 'tauro-config-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

export async function configurationErrorOf(work: () => unknown): Promise<ConfigurationError> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof ConfigurationError, `expected a ConfigurationError, got ${String(error)}`);
    return error;
  }
  return assert.fail('expected a ConfigurationError, but nothing was thrown');
}

/** The error of a project with these files, its paths cut down to those below the folder. */
export async function loadError(t: TestContext, files: Files, env: Record<string, string> = {}): Promise<{ readonly where: string; readonly key: string; readonly message: string; readonly cause: unknown }> {
  const folder = projectFolder(t, { 'config/global.yaml': '', ...files });
  const { where, key, message, cause } = await configurationErrorOf(() => loadProject(folder, { env }));
  const cut = (text: string): string => text.replaceAll(`${folder}/`, '');
  return { where: cut(where), key, message: cut(message), cause };
}

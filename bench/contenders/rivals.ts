/** Brings the modules of bench/rivals, which `npm run bench:install` installs. Undefined: they are not there. */
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const rivalsFolder = join(fileURLToPath(import.meta.url), '../../../../bench/rivals');
export const notInstalled = { absent: 'not installed; npm run bench:install' } as const;

export async function importRival<Module>(name: string): Promise<Module | undefined> {
  return attempt(async (rivals) => (await rivals.load(name)) as Module);
}

export async function requireRival<Module>(path: string): Promise<Module | undefined> {
  return attempt(async (rivals) => rivals.require(path) as Module);
}

interface Rivals {
  load(name: string): Promise<unknown>;
  require(path: string): unknown;
}

async function attempt<Module>(bring: (rivals: Rivals) => Promise<Module>): Promise<Module | undefined> {
  const rivals = (await import(pathToFileURL(join(rivalsFolder, 'load.mjs')).href)) as Rivals;
  try {
    return await bring(rivals);
  } catch (error) {
    // Not installed, or (Polars) without its package for this platform. Anything else is worth seeing.
    if (['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

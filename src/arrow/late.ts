/**
 * apache-arrow for the few modules that are there before it: those of the functions that take a table and answer at once. Importing
 * the package would take five times as long with it, and whoever has a table has loaded it.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type * as Arrow from 'apache-arrow';
import { reasonOf, UnsupportedError } from '../base/errors.ts';

let loaded: typeof Arrow | undefined;

/** arrow.ts says so, with which every floor is loaded. */
export function arrowIsThere(arrow: typeof Arrow): void {
  loaded = arrow;
}

/** The caller's own, never a second one: `require` gives the module that `import` has made, and here there is one to give. */
export function arrow(): typeof Arrow {
  loaded ??= requireArrow();
  return loaded;
}

function requireArrow(): typeof Arrow {
  try {
    return createRequire(import.meta.url)(fileURLToPath(import.meta.resolve('apache-arrow'))) as typeof Arrow;
  } catch (thrown) {
    const cure = 'await another call of this package first, such as openTable, or use Node.js 20.19, 22.12 or newer';
    throw new UnsupportedError('apache-arrow', 'require of a module', `cannot be loaded at once here: ${reasonOf(thrown)}; ${cure}`, thrown);
  }
}

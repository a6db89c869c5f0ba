/** Importing the package takes under 80 ms in a fresh process, and compiles no WebAssembly. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { median } from '../support/measure.ts';
import type { Law } from './law.ts';

export const importLaw: Law = {
  name: 'limits/import',
  text: 'importing the package in a fresh process',
  async measure({ toy }) {
    const child = fileURLToPath(new URL('import-child.js', import.meta.url));
    const runs = Array.from({ length: toy ? 2 : 11 }, () => {
      const [ms, compiled] = execFileSync(process.execPath, [child], { encoding: 'utf8' }).split(' ').map(Number);
      return { ms: ms!, compiled: compiled! };
    });
    return [
      { what: 'median time', unit: 'ms', measured: median(runs.map(({ ms }) => ms)), most: 80 },
      { what: 'WebAssembly compiled or instantiated', unit: 'modules', measured: Math.max(...runs.map(({ compiled }) => compiled)), most: 0 },
    ];
  },
};

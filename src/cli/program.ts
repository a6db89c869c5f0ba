/** How this program was started, as a person would type it again: what `init` prints must work as printed. */
import { existsSync, realpathSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';

const name = 'tauro-features';

/** `tauro-features` when the shell finds it; `npx …` when that started it; else `node` and the path of the script. */
export function programName(script: string, env: Readonly<Record<string, string | undefined>>): string {
  if (/[\\/]_npx[\\/]/.test(script)) return `npx --package tauro-feature-store ${name}`;
  if (env.npm_command === 'exec') return `npx ${name}`;
  const onPath = (env.PATH ?? '').split(delimiter).map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (onPath !== undefined && realpathSync(onPath) === realpathSync(script)) return name;
  const isLocalBin = basename(script) === name && /[\\/]node_modules[\\/]\.bin[\\/]/.test(script);
  return isLocalBin ? `npx ${name}` : `node ${/^[\w./\\:-]+$/.test(script) ? script : JSON.stringify(script)}`;
}

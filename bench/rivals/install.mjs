// `npm run bench:install`: the rivals that the main package.json does not name. Heavy, and for the benches only.
//
//   --force     takes Polars' platform package although it names another platform, or a newer Node than ours. It is named
//               as a dependency because npm leaves out an optional one whose `engines` do not fit; on Node 20 it works.
//   --no-save   leaves the lockfile as it is: the registry lacks some of Polars' other platforms, so `npm ci` refuses it.
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const { status } = spawnSync('npm', ['install', '--no-save', '--force', '--no-audit', '--no-fund'], {
  cwd: dirname(fileURLToPath(import.meta.url)),
  stdio: 'inherit',
  shell: process.platform === 'win32',
});
process.exit(status ?? 1);

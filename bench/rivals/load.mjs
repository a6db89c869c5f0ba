// Imports a rival from this folder's node_modules: `npm run bench:install` puts them there. The benches are emitted to
// build/, from where they would not be found.
import { createRequire } from 'node:module';

export const load = (name) => import(name);
export const require = createRequire(import.meta.url);

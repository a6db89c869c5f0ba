/**
 * zod, loaded when something is first checked: it takes as long as all that importing the package does. As CommonJS, since `featureSet()`
 * answers at once; nothing of zod's own leaves this floor.
 */
import { createRequire } from 'node:module';
import type { z } from 'zod';

let loaded: typeof z | undefined;

export function zod(): typeof z {
  loaded ??= (createRequire(import.meta.url)('zod') as { z: typeof z }).z;
  return loaded;
}

/** What `make` makes with zod, made once, when it is first asked for. */
export function withZod<Made>(make: (zod: typeof z) => Made): () => Made {
  let made: Made | undefined;
  return () => (made ??= make(zod()));
}

/** Functions of a project, named in YAML as `path/to/module.js#exportedName`: which file is meant, and its import. */
import { isAbsolute, join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ArgumentError, reasonOf } from '../base/errors.ts';
import { didYouMean } from '../base/names.ts';

export interface FunctionReference {
  /** Absolute, inside the project folder. */
  readonly file: string;
  /** `default` when none is named. */
  readonly exportedName: string;
}

/** Which function a text names. Throws ArgumentError when it leads out of the project, or to no JavaScript. */
export function parseFunctionReference(text: string, folder: string): FunctionReference {
  const hash = text.indexOf('#');
  const path = hash < 0 ? text : text.slice(0, hash);
  const exportedName = hash < 0 ? 'default' : text.slice(hash + 1);
  const wrong = (detail: string): ArgumentError => new ArgumentError('function', `'${text}' ${detail}; write path/to/module.js#exportedName`);
  if (path === '' || exportedName === '') throw wrong('names no function');
  if (!/\.m?js$/.test(path)) throw wrong('is not a JavaScript module (.js or .mjs)');
  const file = join(folder, path);
  const inside = relative(folder, file);
  if (isAbsolute(path) || isAbsolute(inside) || inside.split(sep)[0] === '..' || path.includes('\0')) {
    throw wrong('leads out of the project folder');
  }
  return { file, exportedName };
}

/** Imports the function that a text names. Throws ArgumentError, with the cause when the module cannot be loaded. */
export async function importFunction(text: string, folder: string): Promise<(...inputs: never[]) => unknown> {
  const { file, exportedName } = parseFunctionReference(text, folder);
  let module: Readonly<Record<string, unknown>>;
  try {
    module = await import(pathToFileURL(file).href);
  } catch (error) {
    const isMissing = (error as { code?: unknown } | null)?.code === 'ERR_MODULE_NOT_FOUND' && reasonOf(error).includes(`'${file}'`);
    throw new ArgumentError('function', isMissing ? `there is no file ${file}` : `${file} cannot be loaded: ${reasonOf(error)}`, error);
  }
  const exported = module[exportedName];
  if (typeof exported === 'function') return exported as (...inputs: never[]) => unknown;
  const names = Object.keys(module).filter((name) => typeof module[name] === 'function');
  const known = names.length === 0 ? 'it exports no function' : `it exports ${names.join(', ')}${didYouMean(exportedName, names)}`;
  throw new ArgumentError('function', `${file} exports no function '${exportedName}'; ${known}`);
}

/** Which project a command is about: the nearest folder upwards that holds `config/global.yaml`. And where its sources are. */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ConfigurationError, NotFoundError } from '../base/errors.ts';
import { schemeOf } from '../base/object-url.ts';
import { type FeatureSetDefinition, openTable, type ProjectConfig } from '../index.ts';

const configFile = join('config', 'global.yaml');

/** The folder named by `--project`, or the nearest one upwards from `folder` that is a project. */
export function findProject(named: string | undefined, folder: string): string {
  if (named !== undefined) {
    const project = resolve(folder, named);
    if (existsSync(join(project, configFile))) return project;
    throw new ConfigurationError('--project', '', `${project} holds no ${configFile}; name the folder that does, or make a project with tauro-features init`);
  }
  const project = tryFindProject(folder);
  if (project !== undefined) return project;
  throw new ConfigurationError(
    folder,
    '',
    `there is no project here: neither this folder nor one above it holds ${configFile}; name one with --project DIR, or make one with tauro-features init`,
  );
}

/** The nearest project upwards from `folder`, or undefined. */
export function tryFindProject(folder: string): string | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    if (existsSync(join(at, configFile))) return at;
    if (dirname(at) === at) return undefined;
  }
}

/** The path of a source table in its layer, or undefined when nothing of that name is there. */
export async function sourcePath(source: FeatureSetDefinition['source'], config: ProjectConfig): Promise<string | undefined> {
  const folder = config.layers[source.layer ?? config.sourceSchema];
  for (const name of [source.table, `${source.table}.parquet`, `${source.table}.orc`]) {
    const path = pathIn(folder, name);
    if (schemeOf(folder) === undefined ? existsSync(path) : await isTable(path)) return path;
  }
  return undefined;
}

/** A path below a folder, which may lie in an object store. */
export function pathIn(folder: string, ...names: readonly string[]): string {
  return schemeOf(folder) === undefined ? join(folder, ...names) : [folder, ...names].join('/');
}

async function isTable(path: string): Promise<boolean> {
  try {
    await openTable(path);
    return true;
  } catch (thrown) {
    if (thrown instanceof NotFoundError && thrown.what === 'table') return false;
    throw thrown;
  }
}

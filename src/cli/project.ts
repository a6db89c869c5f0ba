/** Which project a command is about: the nearest folder upwards that holds `config/global.yaml`. And where its sources are. */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ConfigurationError } from '../base/errors.ts';
import type { FeatureSetDefinition, ProjectConfig } from '../index.ts';

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
export function sourcePath(source: FeatureSetDefinition['source'], config: ProjectConfig): string | undefined {
  const folder = config.layers[source.layer ?? config.sourceSchema];
  return [source.table, `${source.table}.parquet`, `${source.table}.orc`].map((name) => join(folder, name)).find((path) => existsSync(path));
}

/** Which project a command is about: the nearest folder upwards that holds `config/global.yaml`. */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ConfigurationError } from '../base/errors.ts';

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

// The tests against Spark with Delta. Installs both into ~/.cache/tauro-feature-store/spark (Java 17 has to be there), and lets Spark
// fetch Delta's jars from Maven. Arguments narrow the files, as in test.mjs.
import { spawnSync } from 'node:child_process';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Versions that belong together, by Delta's table of compatibility.
const packages = ['pyspark==4.0.1', 'delta-spark==4.0.0'];

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const venv = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'tauro-feature-store/spark');
const python = join(venv, 'bin/python');
const run = (command, args, options = {}) => spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options }).status;
const must = (command, args) => {
  const status = run(command, args);
  if (status !== 0) process.exit(status ?? 1);
};

if (run('java', ['-version'], { stdio: 'ignore' }) !== 0) {
  console.error('Spark needs Java 17: install it, so that `java` is found');
  process.exit(2);
}
const check = `from importlib.metadata import version\nassert all(version(name) == wanted for name, wanted in (each.split('==') for each in ${JSON.stringify(packages)}))`;
if (run(python, ['-c', check], { stdio: 'ignore' }) !== 0) {
  must('python3', ['-m', 'venv', venv]);
  must(join(venv, 'bin/pip'), ['install', '--quiet', ...packages]);
}
const wanted = process.argv.slice(2);
process.exit(run(process.execPath, ['scripts/test.mjs', ...(wanted.length > 0 ? wanted : ['spark/'])], { env: { ...process.env, TAURO_SPARK: python } }) ?? 1);

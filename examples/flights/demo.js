/**
 * The flights example, from raw data to features, in a few seconds: `npm run demo`.
 *
 * Prepares the data, computes three feature sets, reads them in the three modes, and checks every answer against what is
 * known of these flights. Ends with exit code 1 if anything differs. Can be run again and again.
 */
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FeatureStore, openTable, tablesEqual, toRows } from 'tauro-feature-store';
import { prepareFlights } from './prepare-flights.js';
import { count, table, time } from './show.js';

const folder = dirname(fileURLToPath(import.meta.url));
const started = performance.now();
const asOf = '2001-07-01'; // The data end there, with six flights at its first instant, which are not seen then.
const sets = ['airport_delays', 'route_delays', 'long_haul_delays'];
const modes = ['materialized', 'virtualized', 'hybrid'];
const failures = [];

console.log('Three million flights of the first half of 2001, as features.');

section('The data');
const prepared = await prepareFlights(join(folder, 'data/silver/flights'));
const flights = await openTable(prepared.folder);
const facts = await flights.plan();
console.log(`  ${relative(process.cwd(), prepared.folder)}: ${count(facts.rowsTotal)} flights in ${facts.filesTotal} Parquet files, ${prepared.isNew ? `made in ${time(prepared.elapsedMs)}` : 'made before'}`);
console.log(`  ${flights.schema.fields.map((field) => field.name).join(', ')}`);

const store = await FeatureStore.open(folder);

section('Materialize: compute the feature sets once, and store them');
const results = [];
for (const name of sets) results.push(await store.materialize(name));
table(
  ['feature set', 'rows', 'from flights', 'time', ''],
  results.map((result) => [
    result.featureSet,
    count(result.rows),
    count(result.sourceRows),
    time(result.elapsedMs),
    result.changed ? 'stored' : 'nothing to do: the flights have not changed',
  ]),
);

section('Read: three modes, one answer (best of three reads)');
const questions = sets.flatMap((name) => [
  { name, label: `${name}, all flights`, options: {} },
  { name, label: `${name}, 30 days before ${asOf}`, options: { timeRange: '30d', asOf } },
]);
const answers = new Map();
const lines = [];
for (const { name, label, options } of questions) {
  const reads = [];
  for (const mode of modes) reads.push(await bestOfThree(() => store.getFeatures(name, { ...options, mode })));
  const tables = reads.map((read) => read.answer.table);
  const agree = tables.every((each) => tablesEqual(each, tables[0]));
  if (!agree) failures.push(`${label}: the modes do not agree`);
  answers.set(label, toRows(tables[0]));
  lines.push([label, count(tables[0].numRows), ...reads.map((read) => time(read.elapsedMs)), agree ? 'same bits' : 'DIFFERENT']);
}
table(['question', 'rows', ...modes, 'answers'], lines);

section('The busiest airports');
const airports = answers.get('airport_delays, all flights');
const june = new Map(answers.get(`airport_delays, 30 days before ${asOf}`).map((row) => [row.origin, row]));
const busiest = [...airports].sort((a, b) => b.delay_count - a.delay_count).slice(0, 8);
table(
  ['origin', 'flights', 'mean delay', 'longest', 'last flight', 'flights in June', 'mean delay in June'],
  busiest.map((row) => [
    row.origin,
    count(row.delay_count),
    `${row.delay_mean.toFixed(1)} min`,
    `${count(row.delay_max)} min`,
    row.date_max.replace('T', ' ').replace(/:\d\dZ$/, ''),
    count(june.get(row.origin).delay_count),
    `${june.get(row.origin).delay_mean.toFixed(1)} min`,
  ]),
  ['origin', 'last flight'],
);

section('Why: the decision behind one hybrid read');
const { text } = await store.explain('airport_delays', { timeRange: '30d', asOf });
console.log(text.replace(/^/gm, '  ').replaceAll(`${folder}/`, ''));

section('Checks against what is known of these flights');
const routes = answers.get('route_delays, all flights');
const ord = airports.find((row) => row.origin === 'ORD');
check('airports', airports.length, 229);
check('routes', routes.length, 3_399);
for (const [what, rows] of [['airports', airports], ['routes', routes]]) {
  check(`flights, added up over the ${what}`, total(rows, 'delay_count'), 3_000_000);
  check(`minutes of delay, added up over the ${what}`, total(rows, 'delay_sum'), 20_003_603);
}
check("ORD's flights", ord?.delay_count, 166_341);
check("ORD's minutes of delay", ord?.delay_sum, 1_542_589);
check("ORD's last flight", ord?.date_max, '2001-06-30T23:54:00Z');
check('flights in the 30 days before 1 July, over the airports', total([...june.values()], 'delay_count'), 502_222);
check('flights in the 30 days before 1 July, over the routes', total(answers.get(`route_delays, 30 days before ${asOf}`), 'delay_count'), 502_222);
const { table: before } = await store.getFeatures('airport_delays', { asOf });
check('flights before 1 July, without the six at its first instant', total(toRows(before), 'delay_count'), 2_999_994);

await store.close();
console.log(failures.length === 0 ? `\nAll is as it should be. ${time(performance.now() - started)} in all.` : `\n${failures.length} went wrong:\n  ${failures.join('\n  ')}`);
process.exitCode = failures.length === 0 ? 0 : 1;

function section(title) {
  console.log(`\n${title}\n`);
}

async function bestOfThree(read) {
  let best;
  for (let i = 0; i < 3; i++) {
    const start = performance.now();
    const answer = await read();
    const elapsedMs = performance.now() - start;
    if (best === undefined || elapsedMs < best.elapsedMs) best = { answer, elapsedMs };
  }
  return best;
}

function total(rows, column) {
  return rows.reduce((sum, row) => sum + (row[column] ?? 0), 0);
}

function check(what, found, expected) {
  const show = (value) => (typeof value === 'number' ? count(value) : String(value));
  const isRight = found === expected;
  console.log(`  ${isRight ? '✓' : '✗'} ${what}: ${show(found)}${isRight ? '' : `, expected ${show(expected)}`}`);
  if (!isRight) failures.push(what);
}

/** The words of a command line, and the values of its options. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ArgumentError, CancelledError, ConfigurationError, NotFoundError, StorageError } from '../../src/base/errors.ts';
import { type CommandSpec, commandHelp, parseCommandLine } from '../../src/cli/command-line.ts';
import { commandOptions, countOption, entitiesOf, featureOptions, formatOption, timeRangeOf } from '../../src/cli/options.ts';
import { ProgressBar, progressLine } from '../../src/cli/progress.ts';
import { errorLines, exitCodeOf } from '../../src/cli/report-error.ts';

const commands: CommandSpec[] = [
  { name: 'get', words: ['<set>'], options: ['mode', 'limit', 'entities'], summary: 'Reads', notes: [] },
  { name: 'materialize', words: ['[set…]'], options: ['all', 'full'], summary: 'Computes', notes: [] },
];
const parse = (...argv: string[]): ReturnType<typeof parseCommandLine> => parseCommandLine(argv, commands, commandOptions);
const fails = (argv: string[], message: RegExp): void => assert.throws(() => parse(...argv), (error) => error instanceof ArgumentError && message.test(error.message));

test('usage: options before or after the command, with = or a space, short or long', () => {
  assert.deepEqual(parse('--mode', 'hybrid', 'get', 'flights', '--limit=5', '-q'), {
    command: 'get',
    words: ['flights'],
    values: { mode: 'hybrid', limit: '5', quiet: true },
  });
  assert.deepEqual(parse('get', '--', '--odd-name').words, ['--odd-name']);
  assert.deepEqual(parse('materialize', 'a', 'b', 'c').words, ['a', 'b', 'c']);
});

test('every mistake is named with its cure', () => {
  fails(['gte', 'x'], /gte: there is no such command; there is get, materialize; did you mean 'get'\?/);
  fails(['get', 'x', '--lmit', '5'], /--lmit: there is no such option; did you mean '--limit'\?/);
  fails(['get', 'x', '--zzzzzzzz'], /tauro-features get --help lists them/);
  fails(['get', 'x', '--limit'], /--limit: needs a value: --limit N/);
  fails(['get', 'x', '--limit', '--mode', 'hybrid'], /write --limit=--mode/);
  fails(['get', 'x', '--entities', '-5'], /write --entities=-5/);
  fails(['materialize', '--all=yes'], /--all: takes no value/);
  fails(['get'], /<set> is missing; usage: tauro-features get <set>/);
  fails(['get', 'a', 'b'], /'b' is one word too many/);
  fails(['get', 'a', '--full'], /--full: get does not take it; it takes --mode, --limit/);
  fails(['get', 'x', '--constructor'], /no such option/);
});

test('help needs no words, and lists the options of its command', () => {
  assert.equal(parse('get', '--help').values.help, true);
  assert.match(commandHelp(commands[0]!, commandOptions), /usage: tauro-features get <set> \[options\][\s\S]*--limit N {2}/);
});

test('entities: words, JSON lists, lists per key, rows; long integers keep their digits', () => {
  assert.deepEqual(entitiesOf('a, b,c'), ['a', 'b', 'c']);
  assert.deepEqual(entitiesOf('[1, "x"]'), [1, 'x']);
  assert.deepEqual(entitiesOf('[9223372036854775807]'), ['9223372036854775807']);
  assert.deepEqual(entitiesOf('["12345678901234567890"]'), ['12345678901234567890']);
  assert.deepEqual(entitiesOf('{"a": [1], "b": [2]}'), { a: [1], b: [2] });
  assert.deepEqual(entitiesOf('[{"a": 1, "b": 2}, {"b": 4, "a": 3}]'), { a: [1, 3], b: [2, 4] });
  for (const wrong of ['[1', '{"a": 1}', '[{"a": 1}, {"b": 1}]', '[{"a": 1}, 5]']) assert.throws(() => entitiesOf(wrong), /--entities: /);
});

test('time ranges: a length, all, or two ends of which either may be open', () => {
  assert.equal(timeRangeOf('30d'), '30d');
  assert.deepEqual(timeRangeOf('2001-06-01..2001-07-01'), { start: '2001-06-01', end: '2001-07-01' });
  assert.deepEqual(timeRangeOf('2001-06-01..'), { start: '2001-06-01' });
  assert.deepEqual(timeRangeOf('..2001-07-01'), { end: '2001-07-01' });
  const { signal } = new AbortController();
  assert.deepEqual(featureOptions({ 'as-of': '2001-07-01', features: 'a, b' }, signal), { signal, asOf: '2001-07-01', features: ['a', 'b'] });
});

test('formats: as said, or as the ending of the file says', () => {
  assert.equal(formatOption({}), 'table');
  assert.equal(formatOption({ out: 'x.CSV' }), 'csv');
  assert.equal(formatOption({ out: 'x.csv', format: 'json' }), 'json');
  assert.throws(() => formatOption({ format: 'jsno' }), /did you mean 'json'/);
  assert.throws(() => countOption({ limit: '5.5' }, 'limit', 0), /--limit: '5\.5' is not a whole number/);
});

test('exit codes: 2 for wrong words and configuration, 1 for work that failed, 130 for work that was stopped', () => {
  assert.equal(exitCodeOf(new ArgumentError('mode', 'x')), 2);
  assert.equal(exitCodeOf(new ConfigurationError('a.yaml:1:1', 'mode', 'x')), 2);
  assert.equal(exitCodeOf(new NotFoundError('feature set', 'x', 'y')), 2);
  assert.equal(exitCodeOf(new NotFoundError('source', 'x', 'y')), 1);
  assert.equal(exitCodeOf(new StorageError('/x', 'y')), 1);
  assert.equal(exitCodeOf(new TypeError('x')), 1);
  assert.equal(exitCodeOf(new CancelledError('x')), 130);
});

test('errors are one paragraph, name options as they were typed, and add the cause that says more', () => {
  assert.deepEqual(errorLines(new ArgumentError('timeRange', "'30 parsecs' is not a duration"), false), ["error: --time-range: '30 parsecs' is not a duration"]);
  assert.deepEqual(errorLines(new ArgumentError('timeRange.start', 'x'), false), ['error: --time-range.start: x']);
  assert.deepEqual(errorLines(new StorageError('/x', 'cannot be\n  written', new Error('disk on fire\u001b[0m')), false), [
    'error: /x: cannot be written',
    '  cause: disk on fire\\x1b[0m',
  ]);
  assert.deepEqual(errorLines(new StorageError('/x', 'boom', new Error('boom')), false), ['error: /x: boom']);
  assert.match(errorLines(new StorageError('/x', 'boom'), true).join('\n'), /at .*command-line\.test/);
});

test('the progress line: bar, percent, rows, rate, time left; never wider than the terminal', () => {
  const state = { label: 'flights', phase: 'reading the source', rows: 1_500_000, rowsTotal: 3_000_000, elapsedMs: 500 } as const;
  assert.equal(
    progressLine(state, 200),
    'flights  reading the source  ━━━━━━━━━━━━────────────   50 %  1,500,000 of 3,000,000 rows  3.0 M/s  0:01 left',
  );
  assert.equal(progressLine(state, 40).length, 40);
  assert.equal(progressLine({ label: 'x', phase: 'writing tiles', rows: 5, elapsedMs: 0 }, 80), 'x  writing tiles  5 rows');
});

test('the bar redraws at most ten times a second, and wipes itself', () => {
  let text = '';
  let nowMs = 0;
  const bar = new ProgressBar('x', { columns: 80, write: (part) => (text += part) }, () => nowMs);
  for (; nowMs < 1000; nowMs++) bar.update({ phase: 'reading the source', rows: nowMs, rowsTotal: 1000 });
  assert.equal(text.split('\r').length - 1, 10);
  bar.end();
  assert.ok(text.endsWith('\r\x1b[2K'));
  new ProgressBar('x', undefined, () => 0).update({ phase: 'reading the source', rows: 1 });
});

/**
 * The words of a command line, checked against the table of commands: one parse, and every mistake named with its cure.
 *
 * Options may stand before or after the command; `--` ends them.
 */
import { parseArgs } from 'node:util';
import { ArgumentError } from '../base/errors.ts';
import { didYouMean } from '../base/names.ts';

export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  /** How the value is called in the help. */
  readonly value?: string;
  readonly help: string;
}

export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  /** The positional words: `<set>` must be there, `[set]` may be, `[set…]` may be several. */
  readonly words: readonly string[];
  readonly options: readonly string[];
  /** Paragraphs and examples for `--help`. */
  readonly notes: readonly string[];
}

export interface ParsedCommandLine {
  /** Undefined when there is no command: help, or version. */
  readonly command: string | undefined;
  readonly words: readonly string[];
  readonly values: Readonly<Record<string, string | true>>;
}

const shortOptions: Readonly<Record<string, string>> = { h: 'help', q: 'quiet', o: 'out' };

/** Reads the words after the program's name. Throws ArgumentError. */
export function parseCommandLine(
  argv: readonly string[],
  commands: readonly CommandSpec[],
  options: Readonly<Record<string, OptionSpec>>,
): ParsedCommandLine {
  const short = new Map(Object.entries(shortOptions).map(([letter, name]) => [name, letter]));
  const config = Object.fromEntries(
    Object.entries(options).map(([name, { type }]) => [name, { type, ...(short.has(name) && { short: short.get(name)! }) }]),
  );
  const { tokens } = parseArgs({ args: [...argv], options: config, strict: false, allowPositionals: true, tokens: true });
  const words: string[] = [];
  const values: Record<string, string | true> = {};
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const spec = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (spec === undefined) {
      const nearest = didYouMean(token.name, Object.keys(options)).replace(/'(.*)'/, "'--$1'");
      throw new ArgumentError(token.rawName, `there is no such option${nearest || `; ${helpHint(words[0], commands)}`}`);
    }
    values[token.name] = optionValue(token.rawName, spec, token.value, token.inlineValue === true);
  }
  const name = words.shift();
  if (name === undefined) return { command: undefined, words, values };
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined) {
    const names = commands.map((candidate) => candidate.name);
    const nearest = didYouMean(name, names);
    throw new ArgumentError(name, `there is no such command; there is ${names.join(', ')}${nearest}`);
  }
  checkAgainst(command, words, values);
  return { command: name, words, values };
}

function optionValue(rawName: string, spec: OptionSpec, value: string | undefined, inline: boolean): string | true {
  if (spec.type === 'boolean') {
    if (value !== undefined) throw new ArgumentError(rawName, `takes no value, and got '${value}'`);
    return true;
  }
  if (value === undefined || (value === '' && !inline)) throw new ArgumentError(rawName, `needs a value: ${rawName} ${spec.value}`);
  if (!inline && value.startsWith('-') && value !== '-') {
    throw new ArgumentError(rawName, `needs a value: ${rawName} ${spec.value}; write ${rawName}=${value} if the value is '${value}'`);
  }
  return value;
}

const generalOptions = ['help', 'version', 'quiet'];

function checkAgainst(command: CommandSpec, words: readonly string[], values: Readonly<Record<string, unknown>>): void {
  if (values.help === true) return;
  const stray = Object.keys(values).find((name) => !command.options.includes(name) && !generalOptions.includes(name));
  if (stray !== undefined) {
    const taken = command.options.map((option) => `--${option}`).join(', ') || 'no options';
    throw new ArgumentError(`--${stray}`, `${command.name} does not take it; it takes ${taken}`);
  }
  const required = command.words.filter((word) => word.startsWith('<')).length;
  if (words.length < required) {
    throw new ArgumentError(command.name, `${command.words[words.length]} is missing; ${usageLine(command)}`);
  }
  const endless = command.words.some((word) => word.includes('…'));
  if (!endless && words.length > command.words.length) {
    throw new ArgumentError(command.name, `'${words[command.words.length]}' is one word too many; ${usageLine(command)}`);
  }
}

function helpHint(name: string | undefined, commands: readonly CommandSpec[]): string {
  return commands.some((command) => command.name === name) ? `tauro-features ${name} --help lists them` : 'tauro-features --help lists them';
}

function usageLine(command: CommandSpec): string {
  return `usage: tauro-features ${[command.name, ...command.words, ...(command.options.length > 0 ? ['[options]'] : [])].join(' ')}`;
}

/** What `tauro-features --help` prints. */
export function generalHelp(commands: readonly CommandSpec[]): string {
  const width = Math.max(...commands.map((command) => [command.name, ...command.words].join(' ').length));
  return [
    'tauro-features: define features once, store them, read them in three modes.',
    '',
    'usage: tauro-features <command> [options]',
    '',
    ...commands.map((command) => `  ${[command.name, ...command.words].join(' ').padEnd(width)}  ${command.summary}`),
    '',
    'tauro-features <command> --help tells more. --version prints the version.',
    'Exit codes: 0 done; 1 the work failed; 2 wrong usage or configuration; 130 stopped by Ctrl-C.',
  ].join('\n');
}

/** What `tauro-features <command> --help` prints. */
export function commandHelp(command: CommandSpec, options: Readonly<Record<string, OptionSpec>>): string {
  const short = new Map(Object.entries(shortOptions).map(([letter, name]) => [name, letter]));
  const shown = [...command.options, ...generalOptions.filter((name) => name !== 'version')].map((name) => {
    const { value, help } = options[name]!;
    const letter = short.has(name) ? `-${short.get(name)}, ` : '';
    return [`${letter}--${name}${value === undefined ? '' : ` ${value}`}`, help] as const;
  });
  const width = Math.max(...shown.map(([left]) => left.length));
  return [
    usageLine(command),
    '',
    `${command.summary}.`,
    '',
    'options:',
    ...shown.map(([left, help]) => `  ${left.padEnd(width)}  ${help}`),
    ...(command.notes.length === 0 ? [] : ['', ...command.notes]),
  ].join('\n');
}

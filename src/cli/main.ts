#!/usr/bin/env node
/**
 * The command line: the process around the commands. Everything that is the process's own — arguments, streams,
 * signals, the clock, the exit code — is touched here and nowhere else.
 */
import { commandHelp, generalHelp, parseCommandLine } from './command-line.ts';
import { commands } from './commands.ts';
import type { Context } from './context.ts';
import { commandOptions } from './options.ts';
import { writeToStream } from './output.ts';
import { programName } from './program.ts';
import { errorLines, exitCodeOf, exitCodes } from './report-error.ts';
import { packageVersion } from './version.ts';

async function run(signal: AbortSignal): Promise<void> {
  const parsed = parseCommandLine(process.argv.slice(2), commands, commandOptions);
  const command = commands.find((candidate) => candidate.name === parsed.command);
  if (parsed.values.version === true) return print(packageVersion());
  if (parsed.values.help === true) return print(command === undefined ? generalHelp(commands) : commandHelp(command, commandOptions));
  if (command === undefined) {
    process.exitCode = exitCodes.usage;
    return writeToStream(process.stderr, [`${generalHelp(commands)}\n`]);
  }
  const context: Context = {
    words: parsed.words,
    values: parsed.values,
    folder: process.cwd(),
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    now: () => new Date(),
    signal,
    program: programName(process.argv[1]!, process.env),
  };
  await command.run(context);
}

function print(text: string): Promise<void> {
  return writeToStream(process.stdout, [`${text}\n`]);
}

/** The first Ctrl-C asks the work to stop and clean up; the second does not ask. */
function cancelOnSignals(): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    controller.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return controller.signal;
}

/** Who reads our output may stop reading, as `head` does. That is no failure, and there is nobody to tell. */
function endQuietlyWhenUnread(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (isUnread(error)) process.exit(exitCodes.done);
    throw error;
  });
}

function isUnread(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'EPIPE';
}

endQuietlyWhenUnread(process.stdout);
endQuietlyWhenUnread(process.stderr);
const signal = cancelOnSignals();
try {
  await run(signal);
} catch (error) {
  if (isUnread(error)) process.exit(exitCodes.done);
  const debug = (process.env.TAURO_DEBUG ?? '') !== '';
  process.exitCode = signal.aborted ? exitCodes.interrupted : exitCodeOf(error);
  await writeToStream(process.stderr, [`${errorLines(error, debug).join('\n')}\n`]);
}
// Anything still running belongs to work that has failed or was stopped.
process.exit();

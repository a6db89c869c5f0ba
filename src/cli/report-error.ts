/** What a person sees of an error, and what a script does: one paragraph on stderr, and an exit code. */
import { ArgumentError, CancelledError, FeatureStoreError, NotFoundError, reasonOf } from '../base/errors.ts';
import { commandOptions } from './options.ts';
import { escapeControls } from './text-width.ts';

export const exitCodes = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** The code that a script sees: 2 when the words or the configuration are wrong, 1 when the work was tried and failed. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CancelledError) return exitCodes.interrupted;
  if (!(error instanceof FeatureStoreError)) return exitCodes.failed;
  if (error.tag === 'Configuration' || error.tag === 'Argument') return exitCodes.usage;
  // A set, feature or input that the project does not define is a wrong word; a table that is not there is a failure.
  const isName = error instanceof NotFoundError && /(feature set|feature|input|node)$/.test(error.what);
  return isName ? exitCodes.usage : exitCodes.failed;
}

/** `error: …`, and `  cause: …` where the cause says more. With `debug`, the stack of every one of them. */
export function errorLines(error: unknown, debug: boolean): string[] {
  if (error instanceof CancelledError && !debug) return ['stopped; nothing half-written is left'];
  const lines = [`error: ${oneParagraph(messageOf(error))}`];
  let said = messageOf(error);
  for (let cause = causeOf(error); cause !== undefined; cause = causeOf(cause)) {
    const message = messageOf(cause);
    if (!said.includes(message)) lines.push(`  cause: ${oneParagraph(message)}`);
    said += message;
  }
  if (debug) for (let each: unknown = error; each instanceof Error; each = each.cause) lines.push(each.stack ?? String(each));
  return lines;
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}

/** Errors that are not ours are mistakes of ours, unless the system says what it refused. */
function messageOf(error: unknown): string {
  const reason = reasonOf(error);
  if (error instanceof ArgumentError) return asTyped(error);
  if (error instanceof FeatureStoreError) return reason;
  return error instanceof Error && error.name !== 'Error' && !('code' in error) ? `${error.name}: ${reason}` : reason;
}

/** The library names an argument as code spells it, `timeRange`; who typed `--time-range` reads that. */
function asTyped(error: ArgumentError): string {
  const [name = ''] = error.argument.split('.');
  const option = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  if (!Object.hasOwn(commandOptions, option.slice(2))) return error.message;
  return `${option}${error.message.slice(name.length)}`;
}

function oneParagraph(text: string): string {
  return escapeControls(text.replace(/\s*\n\s*/g, ' ').trim());
}

/**
 * Where the account of a set survives the process: `_account/` in the set's folder. Never needed: when it is missing, damaged or
 * of another version, the account starts anew. Of two processes that keep one, the last to write wins, and a lost update costs a
 * little time at worst.
 */
import { reasonOf } from '../../base/errors.ts';
import type { Bytes } from '../../store/bytes.ts';
import { type Rates, type Throughputs, workKinds } from '../throughput.ts';
import type { Account } from './account.ts';
import { readNewest, tryPutAfter } from './numbered-files.ts';

const folder = '_account';
const format = 1;

/** The account as it was saved, or undefined; `log` hears why when there is one that cannot be read. */
export async function loadAccount(bytes: Bytes, log: (line: string) => void): Promise<Account | undefined> {
  try {
    const { content } = await readNewest(bytes, folder);
    return content && accountFromText(new TextDecoder('utf-8', { fatal: true }).decode(content));
  } catch (error) {
    log(`${bytes.locate(folder)}: the account of past reads cannot be read, and starts anew: ${reasonOf(error)}`);
    return undefined;
  }
}

/** Saves the account over whatever is there. False when it could not be, which `log` hears. */
export async function saveAccount(bytes: Bytes, account: Account, log: (line: string) => void): Promise<boolean> {
  try {
    const content = new TextEncoder().encode(`${JSON.stringify({ format, ...account })}\n`);
    for (let attempt = 0; attempt < 3; attempt++) {
      if (await tryPutAfter(bytes, folder, (await readNewest(bytes, folder)).number, content)) return true;
    }
    return false;
  } catch (error) {
    log(`${bytes.locate(folder)}: the account of past reads cannot be saved: ${reasonOf(error)}`);
    return false;
  }
}

/** Every number is looked at: a rate of zero or a rent of infinity would mislead for long. */
function accountFromText(text: string): Account {
  const value = objectOf(JSON.parse(text), 'the account');
  if (value.format !== format) throw new Error(`its format is ${String(value.format)}, and ${format} is read here`);
  const throughputs = objectOf(value.throughputs, 'throughputs');
  const rates = workKinds.map((kind) => [kind, ratesOf(objectOf(throughputs[kind], kind))]);
  return {
    throughputs: Object.fromEntries(rates) as Throughputs,
    storedVersion: numberOf(value, 'storedVersion', -1),
    rentMs: numberOf(value, 'rentMs', 0),
    lastRentMs: numberOf(value, 'lastRentMs', 0),
    dice: Math.min(numberOf(value, 'dice', 0), 1),
    failures: numberOf(value, 'failures', 0),
    benefitMs: numberOf(value, 'benefitMs', 0),
    benefitAtMs: numberOf(value, 'benefitAtMs', Number.MIN_SAFE_INTEGER),
  };
}

function ratesOf(value: Readonly<Record<string, unknown>>): Rates {
  return {
    readNs: numberOf(value, 'readNs', Number.MIN_VALUE),
    fileNs: numberOf(value, 'fileNs', Number.MIN_VALUE),
    rowNs: numberOf(value, 'rowNs', Number.MIN_VALUE),
    byteNs: numberOf(value, 'byteNs', Number.MIN_VALUE),
    observations: numberOf(value, 'observations', 0),
  };
}

function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>;
  throw new Error(`${what} is missing`);
}

function numberOf(value: Readonly<Record<string, unknown>>, name: string, min: number): number {
  const number = value[name];
  if (typeof number === 'number' && Number.isFinite(number) && number >= min) return number;
  throw new Error(`${name} is ${String(number)}`);
}

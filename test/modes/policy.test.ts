/** The account of reads, where it is kept, and rent or buy. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { loadAccount, saveAccount } from '../../src/modes/policy/account-file.ts';
import { type Account, afterFailure, afterRead, benefitNow, openAccount, type ReadCosts } from '../../src/modes/policy/account.ts';
import { narrowLine, purchase } from '../../src/modes/policy/rent-or-buy.ts';
import { learned } from '../../src/modes/throughput.ts';
import type { Bytes } from '../../src/store/bytes.ts';
import { memoryBytes } from '../../src/store/memory-bytes.ts';

const read: ReadCosts = { storedVersion: -1, paidMs: 100, expectedMs: 100, freshMs: 10, sourceMs: 100, survivingShare: 1, nowMs: 0 };
const reads = (account: Account, times: number, change: Partial<ReadCosts> = {}): Account =>
  Array.from({ length: times }).reduce<Account>((so) => afterRead(so, { ...read, ...change }, 0.5), account);

test('rent until you would have bought', () => {
  const price = 300;
  const after = (times: number): boolean => purchase(reads(openAccount(1), times), price).due;
  assert.deepEqual([1, 2, 3, 4, 5].map(after), [false, false, true, true, true], 'some three reads at 90 ms each');
  assert.deepEqual([0, 1].map((dice) => purchase(reads(openAccount(dice), 1), 180).due), [true, false], 'the dice move the line');
  assert.match(purchase(reads(openAccount(1), 3), price).reason, /reads have paid 270 ms .* costs some 300 ms/);
});

test('where there is nothing to save, no number of reads is enough', () => {
  for (const change of [{ freshMs: undefined }, { freshMs: 100 }, { freshMs: 150 }]) {
    assert.equal(reads(openAccount(0.5), 1_000, change).rentMs, 0);
  }
  assert.equal(reads(openAccount(0.5), 1_000, { freshMs: 100, paidMs: 100_000 }).rentMs, 0, 'a pause is no rent');
  assert.equal(reads(openAccount(0.5), 1, { paidMs: 60_000 }).rentMs, 180, 'nor is a cold start');
  assert.equal(purchase(openAccount(0), 0).due, false);
});

test('rent is counted anew for a new stored state, and for a source that is another', () => {
  const paid = reads(openAccount(0.5), 5);
  assert.equal(paid.rentMs, 450);
  assert.equal(reads(paid, 1, { storedVersion: 0 }).rentMs, 90);
  assert.equal(reads(paid, 1, { survivingShare: 0 }).rentMs, 90, 'what was paid for rows that are gone was paid in vain anyway');
  assert.equal(reads(paid, 1, { survivingShare: 0.9 }).rentMs, 450 * 0.9 + 90);
});

test('who has failed to buy waits twice as long', () => {
  const failed = afterFailure(reads(openAccount(1), 5), 1);
  assert.equal(failed.rentMs, 0);
  const reached = (account: Account): number => {
    let count = 0;
    for (let so = account; !purchase(so, 1_000).due; so = afterRead(so, read, 0.5)) count++;
    return count;
  };
  const [first, second] = [reached(openAccount(1)), reached(failed)];
  assert.ok(second >= 2 * first - 1 && second <= 2 * first + 1, `${first}, then ${second}`);
  let hopeless = failed;
  for (let i = 0; i < 10_000; i++) hopeless = afterFailure(hopeless, 1);
  assert.ok(Number.isFinite(purchase(hopeless, 1_000).lineMs), 'and not for ever');
});

test('what was saved long ago counts for less; a clock that goes back makes nothing worth more', () => {
  const account = reads(openAccount(0.5), 10, { nowMs: 1_000 });
  assert.equal(account.benefitMs, 900);
  const week = 7 * 86_400_000;
  assert.equal(benefitNow(account, 1_000 + week), 450);
  assert.equal(benefitNow(account, -week), 900);
  assert.equal(reads(account, 1, { nowMs: -week }).benefitMs, 990);
});

test('whatever reads report, the account stays sound', () => {
  const odd = fc.oneof(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), fc.constantFrom(0, Number.NaN, Infinity, -Infinity));
  const costs = fc.record({
    storedVersion: fc.integer({ min: -1, max: 2 }), paidMs: fc.double({ min: 0, max: 1e9, noNaN: true }), expectedMs: odd, freshMs: fc.option(odd, { nil: undefined }),
    sourceMs: odd, survivingShare: fc.double({ min: 0, max: 1, noNaN: true }), nowMs: fc.integer({ min: -1e12, max: 1e13 }),
  });
  fc.assert(fc.property(fc.array(costs, { maxLength: 40 }), (all) => {
    const account = all.reduce((so, each) => afterRead(so, each, 0.3), openAccount(0.9));
    for (const value of [account.rentMs, account.lastRentMs, account.benefitMs]) assert.ok(value >= 0 && Number.isFinite(value), `${value}`);
    assert.ok(account.rentMs >= account.lastRentMs);
  }));
  for (const dice of [0, 0.5, 0.999]) assert.ok(narrowLine(dice) > 0.5 && narrowLine(dice) <= 1);
});

const silent = (): void => {};

test('the account survives the process', async () => {
  const bytes = memoryBytes();
  assert.equal(await loadAccount(bytes, assert.fail), undefined, 'nothing is there, and nothing is to be said of it');
  const paid = reads(openAccount(0.25), 3, { nowMs: 1_700_000_000_000 });
  const account = { ...paid, throughputs: learned(paid.throughputs, [{ kind: 'source', rows: 1e6, bytes: 1e7, files: 3 }], 77) };
  assert.equal(await saveAccount(bytes, account, assert.fail), true);
  assert.deepEqual(await loadAccount(bytes, assert.fail), account);
  assert.equal(await saveAccount(bytes, openAccount(0.5), assert.fail), true);
  assert.deepEqual(await loadAccount(bytes, assert.fail), openAccount(0.5));
  assert.equal((await bytes.list('')).length, 1, 'what is no longer true is deleted');
});

test('an account that is damaged starts anew, and says so', async () => {
  const good = memoryBytes();
  await saveAccount(good, openAccount(0.5), assert.fail);
  const text = new TextDecoder().decode(await (await good.open((await good.list(''))[0]!.path))!.read(0, 100));
  assert.match(text, /"format":1/);
  const whole = JSON.stringify({ format: 1, ...openAccount(0.5) });
  for (const damaged of [
    '', 'null', '[]', '{}', whole.slice(0, -20), whole.replace('"format":1', '"format":2'), whole.replace('"rentMs":0', '"rentMs":null'),
    whole.replace('"rentMs":0', '"rentMs":-5'), whole.replace(/"rowNs":[\d.e+]+/, '"rowNs":0'), whole.replace('"tiles"', '"tilez"'), '\ufffd\u0000',
  ]) {
    const bytes = memoryBytes();
    await bytes.writeNew('_account/0000000003.json', new TextEncoder().encode(damaged));
    const said: string[] = [];
    assert.equal(await loadAccount(bytes, (line) => said.push(line)), undefined, damaged);
    assert.match(said.join(), /_account.*starts anew/);
    assert.equal(await saveAccount(bytes, openAccount(0.1), assert.fail), true, 'and is written over');
    assert.deepEqual(await loadAccount(bytes, assert.fail), openAccount(0.1));
  }
});

test('an account that cannot be saved fails nothing', async () => {
  const failing: Bytes = { ...memoryBytes(), putIfAbsent: async () => { throw new Error('read-only file system'); } };
  const said: string[] = [];
  assert.equal(await saveAccount(failing, openAccount(0.5), (line) => said.push(line)), false);
  assert.match(said.join(), /cannot be saved: read-only file system/);
});

test('two processes that save at once: one of both is there', async () => {
  await fc.assert(fc.asyncProperty(fc.integer({ min: 2, max: 6 }), async (count) => {
    const bytes = memoryBytes();
    const accounts = Array.from({ length: count }, (_, i) => openAccount(i / 10));
    await Promise.all(accounts.map((account) => saveAccount(bytes, account, silent)));
    const found = await loadAccount(bytes, assert.fail);
    assert.ok(accounts.some((account) => account.dice === found?.dice));
  }), { numRuns: 30 });
});

/** A small heap is made larger while large answers are asked for, and no longer. Each test is a process of its own, whose heap is small. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'node:test';

const module = JSON.stringify(fileURLToPath(new URL('../../src/engine/heap-room.js', import.meta.url)));

/** Megabytes by which the heap is larger after a script. The process ends by itself: what is kept does not keep it. */
function grown(script: string): number {
  const prelude = `import { makeRoomFor } from ${module};
    const used = () => { gc(); return process.memoryUsage().heapUsed / 2 ** 20; };
    const settle = async () => { for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve)); };
    const before = used();\n`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', `${prelude}${script}\nconsole.log(used() - before);`], { encoding: 'utf8' });
  assert.equal(stderr, '');
  assert.equal(status, 0);
  return Number(stdout);
}

test('many answers: some megabytes more, once', () => {
  const many = 'for (let i = 0; i < 9; i++) { makeRoomFor(4e6); await settle(); }';
  const once = grown(many);
  assert.ok(once > 14 && once < 20, `${once} MB`);
  const longer = grown(`${many}${many}`);
  assert.ok(longer > 14 && longer < 20, `${longer} MB`);
});

test('small ones, few ones, and heaps that are large: none', () => {
  assert.ok(grown('for (let i = 0; i < 100; i++) makeRoomFor(1e3); await settle();') < 2);
  assert.ok(grown('makeRoomFor(8e6); makeRoomFor(8e6); await settle();') < 2);
  const large = 'globalThis.kept = Array.from({ length: 2e6 }, (_, i) => ({ i })); const whole = used();';
  assert.ok(grown(`${large} for (let i = 0; i < 9; i++) makeRoomFor(4e6); await settle(); console.log = ((log, more) => () => log(more))(console.log, used() - whole);`) < 2);
});

test('it is given back a while after the last', () => {
  const left = grown(`let pass;
    globalThis.setTimeout = (work) => { pass = work; const timer = { unref: () => timer, refresh: () => timer }; return timer; };
    for (let i = 0; i < 9; i++) makeRoomFor(4e6);
    await settle();
    const kept = used() - before;
    if (kept < 14) throw new Error(kept + ' MB');
    pass();`);
  assert.ok(left < 2, `${left} MB`);
});

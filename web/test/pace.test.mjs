// How far adding has come and how long it will take, by a clock that the test turns.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bundled } from './bundled.mjs';

const { Pace } = await bundled('collections/pace.ts');
const { timeLeft } = await bundled('views/indexing.ts');

test('several files: by what they weigh', () => {
  let now = 0;
  const pace = new Pace(() => now);
  for (const bytes of [100, 300, 600]) pace.expect(bytes);
  pace.reading('a');
  assert.deepEqual(pace.said(), { name: 'a', share: 0, done: 0, total: 3, unit: 'files', perSecond: undefined, secondsLeft: undefined });
  now = 5_000;
  pace.begin('a', 100, 1, 1);
  now += 4_000;
  pace.at(5, 10);
  assert.equal(pace.said().share, 0.05);
  // A twentieth took 4 seconds; what came before the first batch does not count.
  assert.equal(Math.round(pace.said().secondsLeft), 76);
  assert.equal(pace.said().perSecond, 1.25);
  pace.at(10, 10);
  pace.end();
  pace.finished();
  assert.equal(pace.lastPassages, 10);
  // The second is in already.
  pace.passOver(300);
  pace.finished();
  const { share, done } = pace.said();
  assert.equal(share.toFixed(6), (100 / 700).toFixed(6));
  assert.equal(done, 2);
});

test('one file: by passages, or by rows', () => {
  const pace = new Pace(() => 0);
  pace.expect(50);
  pace.begin('book.txt', 50, 1, 1);
  pace.at(3, 12);
  assert.deepEqual([pace.said().done, pace.said().total, pace.said().unit], [3, 12, 'passages']);
  const rows = new Pace(() => 0);
  rows.expect(50);
  rows.begin('t.csv', 25, 64, 128);
  rows.at(64, 64);
  rows.end();
  rows.begin('t.csv', 25, 64, 128);
  rows.at(32, 64);
  assert.deepEqual([rows.said().done, rows.said().total, rows.said().share], [96, 128, 0.75]);
});

test('time is said no finer than it is known', () => {
  assert.deepEqual([3, 44, 130, 7200].map(timeLeft), ['a few seconds left', 'about 40 seconds left', 'about 2 minutes left', 'about 2 hours left']);
});

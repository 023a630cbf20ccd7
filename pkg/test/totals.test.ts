import { expect, test } from 'vitest';
import type { Progress } from '../src/progress.js';
import { Totals } from '../src/totals.js';

function setUp() {
  const told: Progress[] = [];
  return { told, totals: new Totals((step) => told.push(step)) };
}

test('bytes of all files are counted together, under the name of one', () => {
  const { told, totals } = setUp();
  totals.begin('a', 100);
  totals.begin('b', 300);
  totals.add('a', 100);
  totals.end('a');
  totals.add('b', 150);
  expect(told).toEqual([
    { stage: 'download', loaded: 100, total: 400, file: 'a' },
    { stage: 'download', loaded: 100, total: 400, file: 'a' },
    { stage: 'download', loaded: 250, total: 400, file: 'b' },
  ]);
});

test('what was told never falls and is never more than all, though a file begins anew and is shorter', () => {
  const { told, totals } = setUp();
  totals.begin('a', 1000);
  totals.add('a', 900);
  totals.begin('a', 500);
  totals.add('a', 500);
  totals.end('a');
  totals.settle();
  expect(told.map(({ loaded, total }) => [loaded, total])).toEqual([[900, 1000], [900, 1000], [1000, 1000]]);
});

test('a file of unknown length counts as what came', () => {
  const { told, totals } = setUp();
  totals.begin('a', undefined);
  totals.add('a', 10);
  totals.add('a', 10);
  expect(told.map(({ loaded, total }) => [loaded, total])).toEqual([[10, 10], [20, 20]]);
});

test('it is told a hundred times, not for each chunk', () => {
  const { told, totals } = setUp();
  totals.begin('a', 1e6);
  for (let i = 0; i < 1e5; i++) totals.add('a', 10);
  expect(told.length).toBe(100);
});

test('the end is the whole, whatever else was on its way, and then there is no more', () => {
  const { told, totals } = setUp();
  totals.begin('a', 100);
  totals.begin('unwanted', 50);
  totals.add('a', 100);
  totals.settle();
  totals.add('unwanted', 50);
  totals.end('unwanted');
  expect(told.map(({ loaded, total }) => [loaded, total])).toEqual([[100, 150], [150, 150]]);
});

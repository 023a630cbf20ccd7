// Medians, quartiles and cosines, against hand-made cases.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const source = fileURLToPath(new URL('../src/speed/stats.ts', import.meta.url));
const { outputFiles: [script] } = await build({ entryPoints: [source], bundle: true, format: 'esm', write: false });
const { leastCosine, milliseconds, spread } = await import(`data:text/javascript,${encodeURIComponent(script.text)}`);

test('the spread of times, in whatever order they came', () => {
  assert.deepEqual(spread([5, 1, 4, 2, 3]), { median: 3, quartiles: [2, 4], least: 1, most: 5 });
  assert.deepEqual(spread([40, 10, 20, 30]), { median: 25, quartiles: [17.5, 32.5], least: 10, most: 40 });
  assert.deepEqual(spread([7]), { median: 7, quartiles: [7, 7], least: 7, most: 7 });
});

test('the least cosine is that of the worst row', () => {
  assert.equal(leastCosine([1, 0, 0, 2], [3, 0, 0, 5], 2), 1);
  assert.equal(leastCosine([1, 0, 1, 0], [1, 0, 0, 1], 2), 0);
  assert.ok(Math.abs(leastCosine([1, 1], [1, 0], 2) - Math.SQRT1_2) < 1e-12);
});

test('what cannot be compared is no cosine, and what is broken in one row is broken', () => {
  assert.ok(Number.isNaN(leastCosine([1, 0], [1, 0, 0, 1], 2)));
  assert.ok(Number.isNaN(leastCosine([], [], 2)));
  assert.ok(Number.isNaN(leastCosine([1, 0, NaN, 1, 1, 0], [1, 0, 0, 1, 1, 0], 2)));
});

test('times are written with the digits that mean something', () => {
  assert.deepEqual([0.123, 4.56, 99.94, 1234.5].map(milliseconds), ['0.12 ms', '4.6 ms', '99.9 ms', '1,235 ms']);
});

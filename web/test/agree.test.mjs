// How alike two rankings are, against counting by hand and pair by pair.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const source = fileURLToPath(new URL('../src/pooling/agree.ts', import.meta.url));
const { outputFiles: [script] } = await build({ entryPoints: [source], bundle: true, format: 'esm', write: false });
const { kendallTau, moves, overlap } = await import(`data:text/javascript,${encodeURIComponent(script.text)}`);

/** A shuffle that is the same on every run. */
function shuffled(list, seed) {
  const copy = [...list];
  let state = seed;
  for (let at = copy.length - 1; at > 0; at--) {
    state = (state * 1103515245 + 12345) % 2147483648;
    const other = Math.floor((state / 2147483648) * (at + 1));
    [copy[at], copy[other]] = [copy[other], copy[at]];
  }
  return copy;
}

test('the overlap is a share of the first k, or of all there are', () => {
  assert.equal(overlap(['a', 'b', 'c', 'd'], ['b', 'a', 'd', 'c'], 2), 1);
  assert.equal(overlap(['a', 'b', 'c', 'd'], ['c', 'a', 'b', 'd'], 2), 0.5);
  assert.equal(overlap(['a', 'b', 'c'], ['d', 'e', 'f'], 3), 0);
  assert.equal(overlap(['a', 'b'], ['b', 'a'], 10), 1);
  assert.equal(overlap(['a', 'b', 'c', 'd'], ['a', 'b'], 10), 0.5);
});

test('tau is the balance of pairs in the same and in the other order', () => {
  const names = Array.from({ length: 37 }, (_, at) => `passage ${at}`);
  for (let seed = 1; seed <= 20; seed++) {
    const [a, b] = [shuffled(names, seed), shuffled(names, seed * 7919)];
    let balance = 0;
    for (const one of names) {
      for (const other of names) {
        if (one < other) balance += Math.sign((a.indexOf(one) - a.indexOf(other)) * (b.indexOf(one) - b.indexOf(other)));
      }
    }
    assert.ok(Math.abs(kendallTau(a, b) - balance / ((37 * 36) / 2)) < 1e-12, `seed ${seed}`);
  }
});

test('tau at its ends, and over what both rank', () => {
  assert.equal(kendallTau(['a', 'b', 'c'], ['a', 'b', 'c']), 1);
  assert.equal(kendallTau(['a', 'b', 'c'], ['c', 'b', 'a']), -1);
  assert.equal(kendallTau(['a', 'x', 'b'], ['b', 'y', 'a']), -1);
  assert.equal(kendallTau(['a', 'b', 'c', 'd'], ['b', 'a', 'c', 'd']), 1 - 2 / 6);
  assert.equal(kendallTau(['a', 'b'], ['b', 'c']), undefined);
});

test('moves name what is among the first of either, with both ranks', () => {
  assert.deepEqual(moves(['a', 'b', 'c', 'd'], ['c', 'a', 'e', 'b'], 2), [
    { name: 'a', from: 1, to: 2 },
    { name: 'b', from: 2, to: 4 },
    { name: 'c', from: 3, to: 1 },
  ]);
  assert.deepEqual(moves(['a'], ['b'], 1), [{ name: 'a', from: 1, to: undefined }, { name: 'b', from: undefined, to: 1 }]);
});

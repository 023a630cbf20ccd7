// The address carries the question and how it is asked there and back, whatever is in it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bundled } from './bundled.mjs';

const { fromHash, toHash } = await bundled('finding/address.ts');
const { NO_SETTINGS, filterOf, isFiltered } = await bundled('finding/settings.ts');

test('what is asked is there again', () => {
  const asked = [
    { query: 'bees & “honey”?', collection: 'Notes #2 = 50 %', settings: { topK: 20, words: 0.35, kinds: ['pdf', 'markdown'], folder: 'a b/c?d', file: 'a b/c?d/e&f.md' } },
    { query: '', collection: undefined, settings: { ...NO_SETTINGS, words: 1 } },
  ];
  for (const one of asked) assert.deepEqual(fromHash(toHash(one)), one);
  assert.equal(toHash({ query: '', collection: undefined, settings: NO_SETTINGS }), '#search');
});

test('what makes no sense is passed over, and other pages are none of its business', () => {
  const { settings, query } = fromHash('#search?k=7&words=2&q=a');
  assert.deepEqual(settings, NO_SETTINGS);
  assert.equal(query, 'a');
  assert.deepEqual(fromHash('#search?words=-1&k=50').settings, { ...NO_SETTINGS, topK: 50 });
  for (const hash of ['', '#search', '#pooling?q=a', '#app']) assert.equal(fromHash(hash), undefined);
});

test('filters become one condition, and leave out the field that is counted', () => {
  const filters = { kinds: ['pdf'], folder: 'notes', file: undefined };
  assert.deepEqual(filterOf(filters), { kind: { $in: ['pdf'] }, folders: 'notes' });
  assert.deepEqual(filterOf(filters, 'kind'), { folders: 'notes' });
  assert.deepEqual(filterOf(filters, 'folders'), { kind: { $in: ['pdf'] } });
  assert.equal(filterOf({ kinds: ['pdf'], folder: undefined, file: undefined }, 'kind'), undefined);
  assert.equal(isFiltered(filters), true);
  assert.equal(isFiltered(NO_SETTINGS), false);
});

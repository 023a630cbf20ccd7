import { expect, test } from 'vitest';
import { Tunings } from '../src/tuning.js';
import { fakeIndexedDb } from './fake-indexed-db.js';

test('what is kept is found again by the same browser, and by no other', async () => {
  const kept = new Map<string, unknown>();
  const tunings = new Tunings(fakeIndexedDb(kept), 'browser 1');
  expect(await tunings.find('a')).toBeUndefined();
  await tunings.keep('a', 'table');
  await tunings.keep('b', 'choice');
  expect([await tunings.find('a'), await tunings.find('b')]).toEqual(['table', 'choice']);
  const newer = new Tunings(fakeIndexedDb(kept), 'browser 2');
  expect(await newer.find('a')).toBeUndefined();
  await newer.keep('a', 'other');
  expect([await newer.find('a'), await tunings.find('a'), await tunings.find('b')]).toEqual(['other', undefined, 'choice']);
  expect(kept.size).toBe(2);
});

test('storage that is not there, blocked, broken or not ours only means that nothing is kept', async () => {
  const failing = { open: () => { const request = { error: new Error('no'), onerror: () => {} }; queueMicrotask(() => request.onerror()); return request; } };
  const throwing = { open: () => { throw new DOMException('denied', 'SecurityError'); } };
  const blocked = { open: () => { const request = { error: null, onblocked: () => {} }; queueMicrotask(() => request.onblocked()); return request; } };
  for (const factory of [undefined, failing, throwing, blocked]) {
    const tunings = new Tunings(factory as unknown as IDBFactory, 'browser');
    await tunings.keep('a', 'table');
    expect(await tunings.find('a')).toBeUndefined();
  }
  expect(await new Tunings(fakeIndexedDb(new Map([['a', 17]])), 'browser').find('a')).toBeUndefined();
});

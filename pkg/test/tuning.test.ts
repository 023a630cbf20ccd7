import { expect, test } from 'vitest';
import { Tunings } from '../src/tuning.js';

/** A request that was answered. */
const answered = (result: unknown) => {
  const request = { result, onsuccess: () => {}, onerror: () => {} };
  queueMicrotask(() => request.onsuccess());
  return request;
};

/** As much of IndexedDB as is used, over a map. */
const fake = (kept: Map<string, unknown>) => {
  const store = {
    get: (key: string) => answered(kept.get(key)),
    clear: () => answered(void kept.clear()),
    put: (value: unknown, key: string) => answered(void kept.set(key, value)),
  };
  return { open: () => answered({ transaction: () => ({ objectStore: () => store }), close() {} }) } as unknown as IDBFactory;
};

test('what is kept is found again by the same browser, and by no other', async () => {
  const kept = new Map<string, unknown>();
  const tunings = new Tunings(fake(kept), 'browser 1');
  expect(await tunings.find()).toBeUndefined();
  await tunings.keep('table');
  expect(await tunings.find()).toBe('table');
  const newer = new Tunings(fake(kept), 'browser 2');
  expect(await newer.find()).toBeUndefined();
  await newer.keep('other');
  expect([...kept]).toEqual([['browser 2', 'other']]);
});

test('storage that is not there, blocked, broken or not ours only means that nothing is kept', async () => {
  const failing = { open: () => { const request = { error: new Error('no'), onerror: () => {} }; queueMicrotask(() => request.onerror()); return request; } };
  const throwing = { open: () => { throw new DOMException('denied', 'SecurityError'); } };
  const blocked = { open: () => { const request = { error: null, onblocked: () => {} }; queueMicrotask(() => request.onblocked()); return request; } };
  for (const factory of [undefined, failing, throwing, blocked]) {
    const tunings = new Tunings(factory as unknown as IDBFactory, 'browser');
    await tunings.keep('table');
    expect(await tunings.find()).toBeUndefined();
  }
  expect(await new Tunings(fake(new Map([['browser', 17]])), 'browser').find()).toBeUndefined();
});

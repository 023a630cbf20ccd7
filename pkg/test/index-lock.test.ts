import { expect, test, vi } from 'vitest';
import { lock } from '../src/index-lock.js';

/** Locks as browsers have them, as far as they are used. */
class FakeLocks {
  readonly held = new Map<string, Promise<unknown>>();

  async request(name: string, { signal }: { signal: AbortSignal }, work: () => Promise<unknown>): Promise<unknown> {
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
    });
    aborted.catch(() => {});
    while (this.held.has(name)) await Promise.race([this.held.get(name), aborted]);
    const working = work();
    this.held.set(name, working);
    await working;
    this.held.delete(name);
    return undefined;
  }
}

const locks = () => new FakeLocks() as unknown as LockManager;

test('one holds an index at a time; another is told what to do', async () => {
  const all = locks();
  const release = await lock('notes', all, 20);
  await expect(lock('notes', all, 20)).rejects.toMatchObject({
    name: 'HeatseekError', code: 'locked', message: expect.stringMatching(/^the index 'notes' is open already, .* dispose of it there, or close/),
  });
  (await lock('other', all, 20))();
  release();
  (await lock('notes', all, 1000))();
});

test('a worker that is just ending is waited for', async () => {
  const all = locks();
  const release = await lock('notes', all);
  const waiting = lock('notes', all);
  release();
  (await waiting)();
});

test('what the browser refuses is told as it says it', async () => {
  const refusing = { request: vi.fn(async () => Promise.reject(new DOMException('no', 'SecurityError'))) };
  await expect(lock('notes', refusing as unknown as LockManager)).rejects.toMatchObject({ name: 'SecurityError' });
  await expect(lock('notes', {} as LockManager)).rejects.toThrow(/request/);
});

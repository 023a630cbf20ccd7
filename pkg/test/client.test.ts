import { expect, test, vi } from 'vitest';
import { Client, type Port } from '../src/client.js';
import { HeatseekError } from '../src/errors.js';
import type { FromEngine, ToEngine } from '../src/protocol.js';

/** A worker that does nothing by itself. */
class FakeWorker {
  readonly sent: ToEngine[] = [];
  readonly #listeners = new Map<string, Set<(event: never) => void>>();

  postMessage(message: ToEngine) {
    this.sent.push(message);
  }
  addEventListener(type: string, listener: (event: never) => void) {
    this.#listeners.set(type, (this.#listeners.get(type) ?? new Set()).add(listener));
  }
  removeEventListener(type: string, listener: (event: never) => void) {
    this.#listeners.get(type)?.delete(listener);
  }
  say(message: FromEngine) {
    for (const listener of this.#listeners.get('message') ?? []) listener({ data: message } as never);
  }
  fail(message = '') {
    const event = Object.assign(new Event('error'), { message });
    for (const listener of this.#listeners.get('error') ?? []) listener(event as never);
  }
  get listening() {
    return [...this.#listeners.values()].reduce((sum, set) => sum + set.size, 0);
  }
}

function setUp() {
  const worker = new FakeWorker();
  const close = vi.fn();
  return { worker, close, client: new Client(worker as unknown as Port, close) };
}

const settings = { pooling: 'auto', hidden: false } as const;
const embed = (client: Client, text: string, following = {}) =>
  client.call('embed', { texts: [text], settings }, following);

test('answers find their calls, in any order', async () => {
  const { worker, client } = setUp();
  const [first, second] = [embed(client, 'a'), embed(client, 'b')];
  expect(worker.sent).toEqual([
    { type: 'embed', id: 1, quiet: true, texts: ['a'], settings },
    { type: 'embed', id: 2, quiet: true, texts: ['b'], settings },
  ]);
  const answer = (n: number) => ({ data: new Float32Array([n]), shape: [1, 1] as const, tokens: [n], truncated: [false] });
  worker.say({ type: 'result', id: 2, value: answer(2) });
  worker.say({ type: 'result', id: 1, value: answer(1) });
  expect((await first).tokens).toEqual([1]);
  expect((await second).tokens).toEqual([2]);
});

test('errors are rebuilt with their code and cause', async () => {
  const { worker, client } = setUp();
  const call = embed(client, 'a');
  worker.say({ type: 'error', id: 1, error: { code: 'device_lost', message: 'gone', cause: 'driver reset' } });
  const error = await call.catch((e: unknown) => e);
  expect(error).toBeInstanceOf(HeatseekError);
  expect(error).toMatchObject({ name: 'HeatseekError', code: 'device_lost', message: 'gone' });
  expect((error as HeatseekError).cause).toMatchObject({ message: 'driver reset' });
});

test('progress reaches its own call only', () => {
  const { worker, client } = setUp();
  const [first, second] = [vi.fn(), vi.fn()];
  void embed(client, 'a', { onProgress: first }).catch(() => {});
  void embed(client, 'b', { onProgress: second }).catch(() => {});
  worker.say({ type: 'progress', id: 2, progress: { stage: 'embed', loaded: 1, total: 2 } });
  expect(first).not.toHaveBeenCalled();
  expect(second).toHaveBeenCalledWith({ stage: 'embed', loaded: 1, total: 2 });
  expect(worker.sent.every((message) => !('quiet' in message))).toBe(true);
});

test('an abort rejects at once, tells the engine, and drops what comes after', async () => {
  const { worker, client } = setUp();
  const abort = new AbortController();
  const onProgress = vi.fn();
  const call = embed(client, 'a', { signal: abort.signal, onProgress });
  abort.abort('changed my mind');
  await expect(call).rejects.toMatchObject({ code: 'aborted', cause: 'changed my mind' });
  expect(worker.sent.at(-1)).toEqual({ type: 'abort', id: 1 });
  worker.say({ type: 'progress', id: 1, progress: { stage: 'embed', loaded: 1, total: 1 } });
  worker.say({ type: 'error', id: 1, error: { code: 'aborted', message: '' } });
  expect(onProgress).not.toHaveBeenCalled();
});

test('an abort that waits for what came of it rejects when the engine says so, or succeeds if it was too late', async () => {
  const { worker, client } = setUp();
  const abort = new AbortController();
  const following = { signal: abort.signal, settled: true };
  const [stopped, late, failed] = [embed(client, 'a', following), embed(client, 'b', following), embed(client, 'c', following)];
  const outcomes = Promise.allSettled([stopped, late, failed]);
  abort.abort('changed my mind');
  expect(worker.sent.slice(3)).toEqual([{ type: 'abort', id: 1 }, { type: 'abort', id: 2 }, { type: 'abort', id: 3 }]);
  expect(await Promise.race([outcomes, Promise.resolve('waiting')])).toBe('waiting');
  worker.say({ type: 'error', id: 1, error: { code: 'aborted', message: '' } });
  worker.say({ type: 'result', id: 2, value: undefined });
  worker.say({ type: 'error', id: 3, error: { code: 'out_of_memory', message: 'none left' } });
  expect(await outcomes).toMatchObject([
    { status: 'rejected', reason: { code: 'aborted', cause: 'changed my mind' } },
    { status: 'fulfilled' },
    { status: 'rejected', reason: { code: 'out_of_memory' } },
  ]);
});

test('a signal aborted before sends nothing; one aborted after does nothing', async () => {
  const { worker, client } = setUp();
  await expect(embed(client, 'a', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
  expect(worker.sent).toEqual([]);
  const abort = new AbortController();
  const call = embed(client, 'b', { signal: abort.signal });
  worker.say({ type: 'result', id: 1, value: undefined });
  await call;
  abort.abort();
  expect(worker.sent.map(({ type }) => type)).toEqual(['embed']);
});

test('ending rejects what is under way and what comes later, and closes once', async () => {
  const { worker, close, client } = setUp();
  const call = embed(client, 'a');
  client.end(new HeatseekError('disposed', 'bye'));
  client.end(new HeatseekError('internal', 'again'));
  await expect(call).rejects.toMatchObject({ code: 'disposed', message: 'bye' });
  await expect(embed(client, 'b')).rejects.toMatchObject({ code: 'disposed' });
  expect(close).toHaveBeenCalledTimes(1);
  expect(worker.sent.at(-1)).toEqual({ type: 'dispose' });
  expect(worker.listening).toBe(0);
});

test('a worker that does not start is told from one that stops', async () => {
  const never = setUp();
  const first = embed(never.client, 'a');
  never.worker.fail();
  await expect(first).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining('worker-src') });

  const stopped = setUp();
  const second = embed(stopped.client, 'a');
  stopped.worker.say({ type: 'ready' });
  stopped.worker.fail('boom');
  await expect(second).rejects.toMatchObject({ code: 'internal', message: expect.stringContaining('boom') });
  expect(stopped.close).toHaveBeenCalled();
});

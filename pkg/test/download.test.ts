import { describe, expect, test } from 'vitest';
import { HeatseekError } from '../src/errors.js';
import { loading } from './loading.js';
import { memoryCaches, type MemoryCaches } from './memory-caches.js';

const BASE = 'https://models.test/tiny/';
const BYTES = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
const SUM = '4e4c294b331f7a2099a379bec34b9f9fc03dc46ab465d998f4d683da53487e6d';

/** A body of `pieces` that ends with `error`, if there is one. */
function body(pieces: Uint8Array[], error?: Error): ReadableStream<Uint8Array> {
  const left = [...pieces];
  return new ReadableStream({
    pull(controller) {
      const piece = left.shift();
      if (piece) controller.enqueue(piece);
      else if (error) controller.error(error);
      else controller.close();
    },
  });
}

const whole = (headers: Record<string, string> = {}) =>
  new Response(body([BYTES.subarray(0, 600), BYTES.subarray(600)]), {
    headers: { 'content-length': '1000', etag: '"1"', ...headers },
  });

type Answer = (request: { url: string; method: string; signal: AbortSignal }) => Response | Promise<Response>;

function setUp(answers: Answer[], options: { caches?: MemoryCaches; immutable?: boolean; sha256?: Record<string, string>; retries?: number } = {}) {
  const requests: string[] = [];
  const { immutable = false, ...rest } = options;
  const set = loading({
    source: { base: BASE, immutable },
    retries: 1,
    ...rest,
    fetch: async (url, { method, signal }) => {
      requests.push(`${method} ${url.replace(BASE, '')}`);
      const answer = answers.shift();
      if (!answer) throw new Error(`one request too many: ${method} ${url}`);
      return answer({ url, method, signal });
    },
  });
  return { ...set, requests };
}

async function failure(promise: Promise<unknown>): Promise<HeatseekError> {
  const error = await promise.then(() => undefined, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(HeatseekError);
  return error as HeatseekError;
}

/** The addresses of what is kept, and what it is. */
const kept = (caches: MemoryCaches) => [...caches.stores.values()].flatMap((store) => [...store.keys()]);

describe('a download', () => {
  test('brings every byte, and tells how far it is', async () => {
    const { downloader, sink, state, bytes, progress } = setUp([() => whole()]);
    expect(await downloader.file('model.safetensors', sink)).toBeUndefined();
    expect(bytes()).toEqual(Buffer.from(BYTES));
    expect(state.length).toBe(1000);
    expect(progress[0]).toEqual({ stage: 'download', loaded: 600, total: 1000, file: 'model.safetensors' });
    expect(progress.at(-1)).toEqual({ stage: 'download', loaded: 1000, total: 1000, file: 'model.safetensors' });
  });

  test('says that there is no such file, also where an app answers with its page', async () => {
    const page = () => new Response('<!doctype html>', { headers: { 'content-type': 'text/html; charset=utf-8' } });
    for (const answer of [() => new Response('', { status: 404 }), () => new Response('', { status: 403 }), page]) {
      const { downloader, sink, state } = setUp([answer]);
      expect(await downloader.file('modules.json', sink)).toContain(`${BASE}modules.json`);
      expect(state.begun).toBe(0);
    }
  });

  test('that is cut off is tried once more', async () => {
    const cut = () => new Response(body([BYTES.subarray(0, 600)]), { headers: { 'content-length': '1000' } });
    const { downloader, sink, state, bytes } = setUp([cut, () => whole()]);
    expect(await downloader.file('model.safetensors', sink)).toBeUndefined();
    expect(state.begun).toBe(2);
    expect(bytes()).toEqual(Buffer.from(BYTES));
  });

  test('that is cut off twice is an error that says where', async () => {
    const cut = () => new Response(body([BYTES.subarray(0, 600)]), { headers: { 'content-length': '1000' } });
    const { downloader, sink } = setUp([cut, cut]);
    const error = await failure(downloader.file('model.safetensors', sink));
    expect(error.code).toBe('network');
    expect(error.message).toBe(`${BASE}model.safetensors was cut off: 600 of 1000 bytes arrived`);
  });

  test('whose connection breaks is an error with its cause', async () => {
    const broken = () => new Response(body([BYTES.subarray(0, 600)], new TypeError('network error')));
    const { downloader, sink } = setUp([broken, broken]);
    const error = await failure(downloader.file('model.safetensors', sink));
    expect(error.code).toBe('network');
    expect(error.message).toContain('was cut off after 600 bytes');
    expect((error.cause as Error).message).toBe('network error');
  });

  test('is tried again after a server error, and not after a refusal', async () => {
    const again = setUp([() => new Response('', { status: 503 }), () => whole()]);
    expect(await again.downloader.file('a', again.sink)).toBeUndefined();
    const refused = setUp([() => new Response('', { status: 418, statusText: 'no' })]);
    const error = await failure(refused.downloader.file('a', refused.sink));
    expect([error.code, error.message]).toEqual(['network', `${BASE}a could not be fetched: the server answered 418 no`]);
  });

  test('that gets no answer says what to check', async () => {
    const offline = () => Promise.reject(new TypeError('Failed to fetch'));
    const { downloader, sink, requests } = setUp([offline, offline]);
    const error = await failure(downloader.file('a', sink));
    expect(error.code).toBe('network');
    expect(error.message).toContain('no answer');
    expect(requests).toEqual(['GET a', 'GET a']);
  });

  test('does not mistake a compressed length for the file’s', async () => {
    const { downloader, sink, state } = setUp([() => whole({ 'content-encoding': 'br', 'content-length': '1500' })]);
    expect(await downloader.file('a', sink)).toBeUndefined();
    expect(state.length).toBeUndefined();
  });

  test('stops when aborted, before the answer and between chunks', async () => {
    const before = setUp([
      ({ signal }) => new Promise((_, reject) => {
        const stop = () => reject(signal.reason);
        if (signal.aborted) stop();
        else signal.addEventListener('abort', stop);
      }),
    ]);
    const waiting = failure(before.downloader.file('a', before.sink));
    before.abort.abort('enough');
    expect(await waiting).toMatchObject({ code: 'aborted', cause: 'enough' });

    const between = setUp([() => whole()]);
    const sink = { ...between.sink, append: () => between.abort.abort() };
    expect((await failure(between.downloader.file('a', sink))).code).toBe('aborted');
    expect(between.requests).toEqual(['GET a']);
  });

  test('passes on what its sink throws, once', async () => {
    const { downloader, sink, requests } = setUp([() => whole()]);
    const full = { code: 'out_of_memory', message: 'there is no room' };
    const promise = downloader.file('a', { ...sink, append: () => { throw full; } });
    await expect(promise).rejects.toBe(full);
    expect(requests).toEqual(['GET a']);
  });

  test('with another SHA-256 than expected is refused, and not kept', async () => {
    const caches = memoryCaches();
    const { downloader, sink } = setUp([() => whole()], { caches, sha256: { a: '0'.repeat(64) } });
    const error = await failure(downloader.file('a', sink));
    expect(error.code).toBe('model_invalid');
    expect(error.message).toContain(`has SHA-256 ${SUM}`);
    expect(kept(caches)).toEqual([]);
    const right = setUp([() => whole({ 'x-linked-etag': `"${SUM}"` })]);
    expect(await right.downloader.file('a', right.sink)).toBeUndefined();
  });
});

describe('a kept file', () => {
  async function keep() {
    const caches = memoryCaches();
    const { downloader, sink } = setUp([() => whole()], { caches });
    await downloader.file('a', sink);
    expect(kept(caches)).toEqual([`${BASE}a`]);
    return caches;
  }

  test('is used again while the server has the same one', async () => {
    const caches = await keep();
    const { downloader, sink, bytes, requests } = setUp([() => whole()], { caches });
    expect(await downloader.file('a', sink)).toBeUndefined();
    expect(requests).toEqual(['HEAD a']);
    expect(bytes()).toEqual(Buffer.from(BYTES));
  });

  test('is fetched anew when the server has another', async () => {
    const caches = await keep();
    const { downloader, sink, requests } = setUp([() => whole({ etag: '"2"' }), () => whole({ etag: '"2"' })], { caches });
    expect(await downloader.file('a', sink)).toBeUndefined();
    expect(requests).toEqual(['HEAD a', 'GET a']);
  });

  test('is enough when the server cannot be reached, or is busy', async () => {
    const caches = await keep();
    for (const answer of [() => Promise.reject(new TypeError('offline')), () => new Response('', { status: 503 })]) {
      const { downloader, sink, bytes, requests } = setUp([answer], { caches });
      expect(await downloader.file('a', sink)).toBeUndefined();
      expect(bytes()).toEqual(Buffer.from(BYTES));
      expect(requests).toEqual(['HEAD a']);
    }
  });

  test('of a fixed revision is used without asking', async () => {
    const caches = await keep();
    const { downloader, sink, requests } = setUp([], { caches, immutable: true });
    expect(await downloader.file('a', sink)).toBeUndefined();
    expect(requests).toEqual([]);
  });

  test.each(['lost bytes', 'changed'])('that %s is thrown away and fetched anew', async (how) => {
    const caches = await keep();
    for (const store of caches.stores.values()) {
      const entry = store.get(`${BASE}a`)!;
      store.set(`${BASE}a`, { ...entry, body: how === 'changed' ? new ArrayBuffer(1000) : entry.body.slice(0, 10) });
    }
    const options = { caches, immutable: true, sha256: how === 'changed' ? { a: SUM } : {} };
    const { downloader, sink, bytes, requests } = setUp([() => whole()], options);
    expect(await downloader.file('a', sink)).toBeUndefined();
    expect(bytes()).toEqual(Buffer.from(BYTES));
    expect(requests).toEqual(['GET a']);
    const again = setUp([], options);
    expect(await again.downloader.file('a', again.sink), 'it is kept whole again').toBeUndefined();
  });

  test('that there is none is kept too, and asked about', async () => {
    const caches = memoryCaches();
    const missing = setUp([() => new Response('', { status: 404 })], { caches });
    await missing.downloader.file('a', missing.sink);
    const offline = setUp([() => Promise.reject(new TypeError('offline'))], { caches });
    expect(await offline.downloader.file('a', offline.sink)).toBe(`there is no ${BASE}a`);
    const now = setUp([() => whole(), () => whole()], { caches });
    expect(await now.downloader.file('a', now.sink), 'it has come').toBeUndefined();
    expect(now.requests).toEqual(['HEAD a', 'GET a']);
  });

  test('that nobody may have is not kept as missing', async () => {
    const caches = memoryCaches();
    const refused = setUp([() => new Response('', { status: 401 })], { caches });
    expect(await refused.downloader.file('a', refused.sink)).toMatch(/^the server answered 401 for .*headers/);
    expect(kept(caches)).toEqual([]);
  });

  test('is never one that was cut off or an error', async () => {
    const caches = memoryCaches();
    const cut = () => new Response(body([BYTES.subarray(0, 9)]), { headers: { 'content-length': '1000' } });
    const half = setUp([cut, cut], { caches });
    await failure(half.downloader.file('a', half.sink));
    const refused = setUp([() => new Response('no', { status: 400 })], { caches });
    await failure(refused.downloader.file('a', refused.sink));
    expect(kept(caches)).toEqual([]);
  });

  test('that has no room is a warning, not a failure', async () => {
    const caches = Object.assign(memoryCaches(), { room: 999 });
    const { downloader, sink, bytes, full } = setUp([() => whole()], { caches });
    expect(await downloader.file('a', sink)).toBeUndefined();
    expect(bytes()).toEqual(Buffer.from(BYTES));
    expect(full).toEqual([['a', 1000]]);
    expect(kept(caches)).toEqual([]);
  });

  test('is none where storage is blocked', async () => {
    const blocked = () => { throw new DOMException('blocked', 'SecurityError'); };
    for (const open of [blocked, async () => blocked(), async () => ({ match: blocked, put: blocked, keys: blocked, delete: blocked })]) {
      const { downloader, sink, bytes, full } = setUp([() => whole()], { caches: { open } as unknown as MemoryCaches });
      expect(await downloader.file('a', sink)).toBeUndefined();
      expect(bytes()).toEqual(Buffer.from(BYTES));
      expect(full).toEqual([]);
    }
  });
});

import { describe, expect, test } from 'vitest';
import { FileCache } from '../src/cache.js';
import { Downloader, type Sink } from '../src/download.js';
import { HeatseekError } from '../src/errors.js';
import type { Progress } from '../src/progress.js';

const BASE = 'https://models.test/tiny/';
const BYTES = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
const SUM = '4e4c294b331f7a2099a379bec34b9f9fc03dc46ab465d998f4d683da53487e6d';

/** Collects a file, and says how often it began. */
function collector() {
  const state = { begun: 0, bytes: [] as number[], length: undefined as number | undefined };
  const sink: Sink = {
    begin(length) {
      state.begun += 1;
      state.length = length;
      state.bytes = [];
    },
    append: (chunk) => void state.bytes.push(...chunk),
    sha256: () => SUM,
  };
  return { state, sink };
}

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

function setUp(answers: Answer[], options: { cache?: FileCache; immutable?: boolean; sha256?: Record<string, string> } = {}) {
  const abort = new AbortController();
  const progress: Progress[] = [];
  const requests: string[] = [];
  const downloader = new Downloader({
    source: { base: BASE, immutable: options.immutable ?? false },
    cache: options.cache,
    sha256: options.sha256 ?? {},
    signal: abort.signal,
    progress: (step) => progress.push(step),
    fetch: (async (url: string, { method, signal }: { method: string; signal: AbortSignal }) => {
      requests.push(`${method} ${url.replace(BASE, '')}`);
      const answer = answers.shift();
      if (!answer) throw new Error(`one request too many: ${method} ${url}`);
      return answer({ url, method, signal });
    }) as unknown as typeof fetch,
  });
  return { abort, progress, requests, downloader, ...collector() };
}

async function failure(promise: Promise<unknown>): Promise<HeatseekError> {
  const error = await promise.then(() => undefined, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(HeatseekError);
  return error as HeatseekError;
}

/** A Cache API of one cache, that may be out of room. */
function storage(full = false) {
  const entries = new Map<string, { body: ArrayBuffer; headers: Headers }>();
  const cache = {
    async match(url: string) {
      const entry = entries.get(url);
      return entry && new Response(entry.body.slice(0), { headers: entry.headers });
    },
    async put(url: string, response: Response) {
      const bytes = await response.arrayBuffer();
      if (full) throw new DOMException('no room', 'QuotaExceededError');
      entries.set(url, { body: bytes, headers: response.headers });
    },
    delete: async (url: string) => entries.delete(url),
  };
  return { entries, cache: new FileCache({ open: async () => cache } as unknown as CacheStorage) };
}

describe('a download', () => {
  test('brings every byte, and tells how far it is', async () => {
    const { downloader, sink, state, progress } = setUp([() => whole()]);
    expect(await downloader.file('model.safetensors', sink)).toBe(true);
    expect(state.bytes).toEqual([...BYTES]);
    expect(state.length).toBe(1000);
    expect(progress[0]).toEqual({ stage: 'download', loaded: 600, total: 1000, file: 'model.safetensors' });
    expect(progress.at(-1)).toEqual({ stage: 'download', loaded: 1000, total: 1000, file: 'model.safetensors' });
  });

  test('says that there is no such file, also where an app answers with its page', async () => {
    const page = () => new Response('<!doctype html>', { headers: { 'content-type': 'text/html; charset=utf-8' } });
    for (const answer of [() => new Response('', { status: 404 }), () => new Response('', { status: 403 }), page]) {
      const { downloader, sink, state } = setUp([answer]);
      expect(await downloader.file('modules.json', sink)).toBe(false);
      expect(state.begun).toBe(0);
    }
  });

  test('that is cut off is tried once more', async () => {
    const cut = () => new Response(body([BYTES.subarray(0, 600)]), { headers: { 'content-length': '1000' } });
    const { downloader, sink, state } = setUp([cut, () => whole()]);
    expect(await downloader.file('model.safetensors', sink)).toBe(true);
    expect(state.begun).toBe(2);
    expect(state.bytes).toEqual([...BYTES]);
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
    expect(await again.downloader.file('a', again.sink)).toBe(true);
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
    expect(await downloader.file('a', sink)).toBe(true);
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
    const { entries, cache } = storage();
    const { downloader, sink } = setUp([() => whole()], { cache, sha256: { a: '0'.repeat(64) } });
    const error = await failure(downloader.file('a', sink));
    expect(error.code).toBe('model_invalid');
    expect(error.message).toContain(`has SHA-256 ${SUM}`);
    expect(entries.size).toBe(0);
    const right = setUp([() => whole({ 'x-linked-etag': `"${SUM}"` })]);
    expect(await right.downloader.file('a', right.sink)).toBe(true);
  });
});

describe('a kept file', () => {
  async function keep() {
    const { entries, cache } = storage();
    const { downloader, sink } = setUp([() => whole()], { cache });
    await downloader.file('a', sink);
    expect([...entries.keys()]).toEqual([`${BASE}a`]);
    return { entries, cache };
  }

  test('is used again while the server has the same one', async () => {
    const { cache } = await keep();
    const { downloader, sink, state, requests } = setUp([() => whole()], { cache });
    expect(await downloader.file('a', sink)).toBe(true);
    expect(requests).toEqual(['HEAD a']);
    expect(state.bytes).toEqual([...BYTES]);
  });

  test('is fetched anew when the server has another', async () => {
    const { cache } = await keep();
    const { downloader, sink, requests } = setUp([() => whole({ etag: '"2"' }), () => whole({ etag: '"2"' })], { cache });
    expect(await downloader.file('a', sink)).toBe(true);
    expect(requests).toEqual(['HEAD a', 'GET a']);
  });

  test('is enough when the server cannot be reached', async () => {
    const { cache } = await keep();
    const { downloader, sink, state } = setUp([() => Promise.reject(new TypeError('offline'))], { cache });
    expect(await downloader.file('a', sink)).toBe(true);
    expect(state.bytes).toEqual([...BYTES]);
  });

  test('of a fixed revision is used without asking', async () => {
    const { cache } = await keep();
    const { downloader, sink, requests } = setUp([], { cache, immutable: true });
    expect(await downloader.file('a', sink)).toBe(true);
    expect(requests).toEqual([]);
  });

  test('that lost bytes is thrown away and fetched anew', async () => {
    const { entries, cache } = await keep();
    const entry = entries.get(`${BASE}a`);
    if (entry) entry.body = entry.body.slice(0, 10);
    const { downloader, sink, state } = setUp([() => whole()], { cache, immutable: true });
    expect(await downloader.file('a', sink)).toBe(true);
    expect(state.bytes).toEqual([...BYTES]);
  });

  test('is never one that was cut off or an error', async () => {
    const { entries, cache } = storage();
    const cut = () => new Response(body([BYTES.subarray(0, 9)]), { headers: { 'content-length': '1000' } });
    const half = setUp([cut, cut], { cache });
    await failure(half.downloader.file('a', half.sink));
    const refused = setUp([() => new Response('no', { status: 400 })], { cache });
    await failure(refused.downloader.file('a', refused.sink));
    const missing = setUp([() => new Response('no', { status: 404 })], { cache });
    await missing.downloader.file('a', missing.sink);
    expect(entries.size).toBe(0);
  });

  test('that has no room is a warning, not a failure', async () => {
    const { cache } = storage(true);
    const { downloader, sink, state, progress } = setUp([() => whole()], { cache });
    expect(await downloader.file('a', sink)).toBe(true);
    expect(state.bytes).toEqual([...BYTES]);
    expect(progress.at(-1)).toEqual({ stage: 'cache-full', loaded: 0, total: 1000, file: 'a' });
  });
});

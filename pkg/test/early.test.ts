import { expect, test } from 'vitest';
import { Downloader } from '../src/download.js';
import { Early, GUESSES } from '../src/early.js';
import type { Sink } from '../src/files.js';
import { Totals } from '../src/totals.js';

const BASE = 'https://models.test/tiny/';
const BYTES = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);

/** Bodies that bring a chunk when they are told to. */
function slowly() {
  const bodies = new Map<string, ReadableStreamDefaultController<Uint8Array>>();
  const requests: string[] = [];
  let taken = 0;
  const answer = (url: string): Response => {
    const path = url.slice(BASE.length);
    requests.push(path);
    if (path === 'missing.json') return new Response(null, { status: 404 });
    const stream = new ReadableStream<Uint8Array>({ start: (body) => void bodies.set(path, body), pull: () => void (taken += 1) });
    return new Response(stream, { headers: { 'content-length': '1000' } });
  };
  return { bodies, requests, answer, taken: () => taken };
}

function setUp(paths?: readonly string[], sha256: Record<string, string> = {}) {
  const network = slowly();
  const abort = new AbortController();
  const downloader = new Downloader({
    source: { base: BASE, query: '', immutable: false },
    cache: undefined,
    sha256,
    signal: abort.signal,
    totals: new Totals(() => {}),
    cacheFull: () => {},
    retries: 0,
    fetch: (async (url: string, { signal }: { signal: AbortSignal }) => {
      const response = network.answer(url);
      signal.addEventListener('abort', () => network.bodies.get(url.slice(BASE.length))?.error(signal.reason));
      return response;
    }) as unknown as typeof fetch,
  });
  return { ...network, abort, downloader, early: new Early(downloader, paths) };
}

function collector(fault?: object) {
  const state = { begun: 0, bytes: [] as number[] };
  const sink: Sink = {
    begin: () => {
      state.begun += 1;
      state.bytes = [];
    },
    append: (chunk) => {
      if (fault) throw fault;
      state.bytes.push(...chunk);
    },
    sha256: () => `sum of ${state.bytes.length}`,
  };
  return { state, sink };
}

/** Lets everything happen that can. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

test('everything is asked for at once, and what arrived before it was wanted is passed on in order', async () => {
  const { early, bodies, requests } = setUp();
  await settle();
  expect(requests).toEqual([...GUESSES]);
  const body = bodies.get('model.safetensors')!;
  body.enqueue(BYTES.subarray(0, 300));
  await settle();
  body.enqueue(BYTES.subarray(300, 600));
  await settle();
  const { state, sink } = collector();
  const taken = early.take('model.safetensors', sink);
  await settle();
  expect(state).toEqual({ begun: 1, bytes: [...BYTES.subarray(0, 600)] });
  body.enqueue(BYTES.subarray(600));
  body.close();
  expect(await taken, 'it is there').toBeUndefined();
  expect(state.bytes).toEqual([...BYTES]);
  expect(early.take('model.safetensors', sink), 'it is taken once').toBeUndefined();
  expect(early.take('another.json', sink), 'nobody guessed it').toBeUndefined();
});

test('a file that is not there is known to be missing', async () => {
  const { early } = setUp(['missing.json']);
  expect(await early.take('missing.json', collector().sink)).toBe(`there is no ${BASE}missing.json`);
});

test('the sum of a file that arrived early is that of all of it', async () => {
  const { early, bodies } = setUp(['a.bin'], { 'a.bin': 'f'.repeat(64) });
  await settle();
  bodies.get('a.bin')!.enqueue(BYTES);
  bodies.get('a.bin')!.close();
  await settle();
  await expect(early.take('a.bin', collector().sink)).rejects.toMatchObject({
    code: 'model_invalid', message: expect.stringContaining('has SHA-256 sum of 1000'),
  });
});

test('what the sink refuses is told to who wanted the file', async () => {
  const { early, bodies } = setUp(['a.bin']);
  await settle();
  bodies.get('a.bin')!.enqueue(BYTES.subarray(0, 10));
  await settle();
  const fault = { code: 'out_of_memory', message: 'no room' };
  const taken = early.take('a.bin', collector(fault).sink);
  await expect(taken).rejects.toBe(fault);
});

test('a download waits when too much of it does', async () => {
  const { early, bodies, taken } = setUp(['a.bin']);
  await settle();
  const body = bodies.get('a.bin')!;
  const chunk = new Uint8Array(8 << 20);
  for (let i = 0; i < 8; i++) {
    body.enqueue(chunk);
    await settle();
  }
  const before = taken();
  body.enqueue(chunk);
  await settle();
  expect(taken(), 'nobody reads on').toBe(before);
  let bytes = 0;
  void early.take('a.bin', { begin() {}, append: (part) => void (bytes += part.byteLength), sha256: () => '' });
  await settle();
  await settle();
  expect(bytes).toBe(9 * chunk.byteLength);
});

test('stopping stops what nobody has wanted yet, and nothing is left unhandled', async () => {
  const { early, abort, bodies } = setUp(['a.bin']);
  await settle();
  bodies.get('a.bin')!.enqueue(BYTES.subarray(0, 10));
  await settle();
  abort.abort();
  await settle();
  await expect(early.take('a.bin', collector().sink)).rejects.toMatchObject({ code: 'aborted' });
});

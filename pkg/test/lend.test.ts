/** A fetch of the page's, from the other side of a MessagePort. */
import { afterEach, expect, test } from 'vitest';
import { borrow } from '../src/borrow.js';
import { lend, plainHeaders, type Lent } from '../src/lend.js';
import type { Fetch, RequestHeaders } from '../src/model-source.js';
import { loading } from './loading.js';

const BASE = 'https://models.test/';
const BYTES = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251);

let lents: Lent[] = [];
afterEach(() => {
  for (const lent of lents.splice(0)) lent.close();
});

function borrowed(fetch: Fetch, headers?: Exclude<RequestHeaders, HeadersInit>) {
  const lent = lend(fetch, headers);
  lents.push(lent);
  return loading({ source: { base: BASE, headers: { 'x-fixed': '1' } }, retries: 1, fetch: borrow(lent.port) });
}

/** A body in pieces of 50 kB. */
const body = () => new Blob([BYTES]).stream().pipeThrough(new TransformStream({
  transform(chunk: Uint8Array, to) {
    for (let at = 0; at < chunk.length; at += 50_000) to.enqueue(chunk.subarray(at, at + 50_000));
  },
}));

test('a file comes through whole, with its headers', async () => {
  const asked: unknown[] = [];
  const { downloader, sink, state, bytes } = borrowed(
    (url, { method, headers }) => {
      asked.push([method, url, headers]);
      return new Response(body(), { headers: { 'content-length': String(BYTES.length), etag: '"1"' } });
    },
    async (url) => new Headers({ authorization: `for ${url}` }),
  );
  expect(await downloader.file('a', sink)).toBeUndefined();
  expect(bytes().equals(BYTES)).toBe(true);
  expect(state.length).toBe(BYTES.length);
  expect(asked).toEqual([['GET', `${BASE}a`, { authorization: `for ${BASE}a`, 'x-fixed': '1' }]]);
});

test('bytes of the caller’s are not taken from him', async () => {
  const own = BYTES.slice();
  const stream = () => new ReadableStream({ start: (to) => (to.enqueue(own), to.close()) });
  for (let i = 0; i < 2; i++) {
    const { downloader, sink, bytes } = borrowed(() => new Response(stream()));
    await downloader.file('a', sink);
    expect(bytes().equals(BYTES)).toBe(true);
  }
  expect(own.length).toBe(BYTES.length);
});

test('answers without a body come through', async () => {
  const { downloader, sink } = borrowed(() => new Response(null, { status: 404 }));
  expect(await downloader.file('a', sink)).toBe(`there is no ${BASE}a`);
  const signals: AbortSignal[] = [];
  const empty = borrowed((_, { signal }) => (signals.push(signal), new Response(null, { status: 204 })));
  expect(await empty.downloader.file('a', empty.sink)).toBeUndefined();
  while (!signals[0]?.aborted) await new Promise((resolve) => setTimeout(resolve, 5));
});

test('what it rejects with is tried again, and told', async () => {
  let requests = 0;
  const { downloader, sink } = borrowed(() => (requests++, Promise.reject(new TypeError('the proxy is down'))));
  const error = await downloader.file('a', sink).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'network', message: expect.stringContaining('no answer'), cause: { message: 'the proxy is down' } });
  expect(requests).toBe(2);
});

test('a body that breaks is tried again from where it was', async () => {
  let requests = 0;
  const { downloader, sink, bytes, state } = borrowed((_, { headers }) => {
    const from = Number(/bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
    const rest = BYTES.subarray(from);
    const stream = new ReadableStream({
      pull(to) {
        if (requests++ === 0) return to.enqueue(rest.slice(0, 1000));
        if (requests === 2) return to.error(new TypeError('broken'));
        to.enqueue(rest.slice());
        to.close();
      },
    });
    return new Response(stream, {
      status: from ? 206 : 200,
      headers: { 'content-length': String(rest.length), etag: '"1"', ...(from && { 'content-range': `bytes ${from}-299999/300000` }) },
    });
  });
  expect(await downloader.file('a', sink)).toBeUndefined();
  expect(bytes().equals(BYTES)).toBe(true);
  expect(state.begun).toBe(1);
});

test.each<[string, Fetch, Exclude<RequestHeaders, HeadersInit> | undefined, RegExp]>([
  ['something else', () => 'text' as never, undefined, /^fetch gave 'text' for a file of the model; expected a Response$/],
  ['headers that are none', () => new Response(), () => ({ 'a b': 'secret' }), /^what headers gave cannot be sent; expected names and values of HTTP headers$/],
  ['headers that fail', () => new Response(), () => { throw new Error('signed out'); }, /^headers threw for https:\/\/models.test\/a$/],
])('%s is the caller’s mistake', async (_, fetch, headers, message) => {
  const { downloader, sink } = borrowed(fetch, headers);
  await expect(downloader.file('a', sink)).rejects.toMatchObject({ code: 'invalid_input', message: expect.stringMatching(message) });
});

test('a signal ends it on both sides', async () => {
  let stopped: (() => void) | undefined;
  const ended = new Promise<void>((resolve) => { stopped = resolve; });
  const { downloader, sink, state, abort } = borrowed((_, { signal }) => {
    signal.addEventListener('abort', () => stopped?.());
    return new Response(new ReadableStream({ start: (to) => to.enqueue(BYTES.slice(0, 10)) }));
  });
  const waiting = downloader.file('a', sink);
  waiting.catch(() => {});
  while (state.chunks.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  abort.abort('enough');
  await expect(waiting).rejects.toMatchObject({ code: 'aborted', cause: 'enough' });
  await ended;
});

test('closing ends what is under way', async () => {
  const signals: AbortSignal[] = [];
  const { downloader, sink } = borrowed((_, { signal }) => (signals.push(signal), new Promise(() => {})));
  void downloader.file('a', sink).catch(() => {});
  while (signals.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  lents.splice(0).forEach((lent) => lent.close());
  expect(signals[0]?.aborted).toBe(true);
});

test('headers that cannot be sent are refused without telling them', () => {
  expect(plainHeaders('headers', [['Authorization', 'Bearer x']])).toEqual({ authorization: 'Bearer x' });
  for (const wrong of ['secret', { authorization: 'sec\nret' }, 7, null]) {
    expect(() => plainHeaders('headers', wrong as never)).toThrow(/^headers cannot be sent; expected names and values of HTTP headers$/);
  }
});

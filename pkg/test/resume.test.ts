/** Downloads over a real connection that goes wrong, as servers and networks do. */
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { PART_BYTES } from '../src/cache-layout.js';
import { pause } from '../src/files.js';
import { flakyServer, sha256, type FlakyServer } from './flaky-server.js';
import { loading, type LoadingOptions } from './loading.js';
import { memoryCaches } from './memory-caches.js';

const SMALL = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 7 + (i >> 8)) % 251);
const LARGE = Uint8Array.from({ length: 2 * PART_BYTES + 5000 }, (_, i) => (i * 7 + (i >> 8)) % 251);

let server: FlakyServer;
beforeAll(async () => {
  server = await flakyServer({ 'small.bin': SMALL, 'large.bin': LARGE });
});
afterAll(() => server.close());
beforeEach(() => {
  server.asked.length = 0;
  Object.assign(server.state, { etag: true, token: undefined });
  Object.assign(server.files, { 'small.bin': SMALL, 'large.bin': LARGE });
});

const begin = (options: Omit<LoadingOptions, 'source'> & { source?: Partial<LoadingOptions['source']> } = {}) =>
  loading({ ...options, source: { base: server.base, ...options.source } });

/** Methods, ranges and statuses of what was asked. */
const asked = () => server.asked.map(({ method, range = '', status }) => `${method} ${range} ${status}`.replace('  ', ' '));

/** Whether what was told never fell, never went past its total, and ended at it. */
function soundProgress(progress: ReturnType<typeof begin>['progress'], total: number): void {
  let [loaded, most] = [0, 0];
  for (const step of progress) {
    expect(step.loaded).toBeGreaterThanOrEqual(loaded);
    expect(step.total).toBeGreaterThanOrEqual(most);
    expect(step.loaded).toBeLessThanOrEqual(step.total);
    [loaded, most] = [step.loaded, step.total];
  }
  expect([loaded, most]).toEqual([total, total]);
}

test('what breaks off goes on where it was, as often as it brings something', async () => {
  server.next({ breakAfter: 60_000 }, { breakAfter: 50_000 }, { status: 503 });
  const { downloader, sink, state, bytes, progress } = begin();
  expect(await downloader.file('small.bin', sink)).toBeUndefined();
  expect(bytes().equals(SMALL)).toBe(true);
  expect(state.begun, 'nothing was fetched twice').toBe(1);
  const [first, second, third, fourth] = server.asked;
  expect([first?.range, first?.status]).toEqual([undefined, 200]);
  for (const resumed of [second, fourth]) {
    expect(resumed).toMatchObject({ status: 206, ifRange: expect.stringMatching(/^"[0-9a-f]{40}"$/) });
  }
  expect(third?.status).toBe(503);
  soundProgress(progress, SMALL.length);
});

test('a server that cannot go on starts again, and what was told does not fall', async () => {
  server.next({ breakAfter: 60_000 }, { ignoreRange: true });
  const { downloader, sink, state, bytes, progress } = begin();
  expect(await downloader.file('small.bin', sink)).toBeUndefined();
  expect(bytes().equals(SMALL)).toBe(true);
  expect(state.begun).toBe(2);
  soundProgress(progress, SMALL.length);
});

test.each([false, 'weak'])('a file whose version is %s is fetched from its beginning', async (etag) => {
  Object.assign(server.state, { etag });
  server.next({ breakAfter: 60_000 });
  const { downloader, sink, bytes } = begin();
  await downloader.file('small.bin', sink);
  expect(bytes().equals(SMALL)).toBe(true);
  expect(asked()).toEqual(['GET 200', 'GET 200']);
});

test('a file without a version goes on where its sum is known', async () => {
  server.state.etag = false;
  server.next({ breakAfter: 60_000 });
  const { downloader, sink, state, bytes } = begin({ sha256: { 'small.bin': sha256(SMALL) } });
  await downloader.file('small.bin', sink);
  expect(bytes().equals(SMALL)).toBe(true);
  expect([state.begun, server.asked[1]?.status]).toEqual([1, 206]);
});

test('a file that changed meanwhile is fetched from its beginning', async () => {
  const changed = SMALL.map((byte) => byte ^ 1);
  server.next({ breakAfter: 60_000 });
  const { downloader, sink, bytes } = begin({
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      server.files['small.bin'] = changed;
      return response;
    },
  });
  await downloader.file('small.bin', sink);
  expect(bytes().equals(changed)).toBe(true);
});

test('a part of another version is not taken, though the server sends it', async () => {
  const changed = SMALL.map((byte) => byte ^ 1);
  server.next({ breakAfter: 60_000 }, { ignoreIfRange: true });
  const { downloader, sink, bytes } = begin({
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      server.files['small.bin'] = changed;
      return response;
    },
  });
  await downloader.file('small.bin', sink);
  expect(bytes().equals(changed)).toBe(true);
  expect(server.asked.map(({ status }) => status)).toEqual([200, 206, 200]);
});

test('a server whose range brings nothing starts again', async () => {
  server.next({ breakAfter: 60_000 }, { breakAfter: 0 });
  const { downloader, sink, bytes } = begin();
  await downloader.file('small.bin', sink);
  expect(bytes().equals(SMALL)).toBe(true);
  expect(server.asked.map(({ status }) => status)).toEqual([200, 206, 200]);
});

test('a try that brought much is not counted', async () => {
  server.next(...Array.from({ length: 3 }, () => ({ breakAfter: 4 << 20 })));
  const { downloader, sink, state, bytes } = begin({ retries: 1 });
  await downloader.file('large.bin', sink);
  expect(bytes().equals(LARGE)).toBe(true);
  expect([state.begun, server.asked.length]).toEqual([1, 4]);
});

test('a server that says one range and sends another is not believed', async () => {
  server.next({ breakAfter: 60_000 }, { wrongRange: true, headers: { 'content-range': 'bytes 0-1/200000' } });
  const { downloader, sink, bytes } = begin();
  await downloader.file('small.bin', sink);
  expect(bytes().equals(SMALL)).toBe(true);
  expect(asked().at(-1)).toBe('GET 200');
  // What cannot be seen, the sum sees.
  server.next({ breakAfter: 60_000 }, { wrongRange: true });
  const summed = begin({ sha256: { 'small.bin': sha256(SMALL) } });
  await summed.downloader.file('small.bin', summed.sink);
  expect(summed.bytes().equals(SMALL)).toBe(true);
});

test('a body that ends early without having said its length is caught by its sum', async () => {
  server.next({ truncateTo: 60_000 });
  const { downloader, sink } = begin({ sha256: { 'small.bin': sha256(SMALL) } });
  await expect(downloader.file('small.bin', sink)).rejects.toMatchObject({ code: 'model_invalid' });
});

test('trying again ends, with the last word of the server', async () => {
  server.next(...Array.from({ length: 3 }, () => ({ status: 503 })));
  const { downloader, sink } = begin({ retries: 2 });
  await expect(downloader.file('small.bin', sink)).rejects.toMatchObject({
    code: 'network', message: `${server.base}small.bin could not be fetched: the server answered 503 Service Unavailable`,
  });
  expect(server.asked.length).toBe(3);
});

test('retries: 0 tries once', async () => {
  server.next({ breakAfter: 10 });
  const { downloader, sink } = begin({ retries: 0 });
  await expect(downloader.file('small.bin', sink)).rejects.toMatchObject({ code: 'network', message: expect.stringContaining('cut off after') });
  expect(server.asked.length).toBe(1);
});

test('a server that never answers is asked twice', async () => {
  const gone = await flakyServer({});
  await gone.close();
  let requests = 0;
  const { downloader, sink } = loading({ source: { base: gone.base }, fetch: (...args) => (requests++, fetch(...args)) });
  await expect(downloader.file('small.bin', sink)).rejects.toMatchObject({ code: 'network', message: expect.stringContaining('no answer') });
  expect(requests).toBe(2);
});

test('as long as a busy server asks is waited, and a signal ends that', async () => {
  server.next({ status: 503, headers: { 'retry-after': '20' } });
  const { downloader, sink, abort } = begin();
  const waiting = downloader.file('small.bin', sink);
  waiting.catch(() => {});
  while (server.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(server.asked.length, 'it waits').toBe(1);
  abort.abort('enough');
  await expect(waiting).rejects.toMatchObject({ code: 'aborted', cause: 'enough' });
});

test('a pause that is ended leaves no timer', async () => {
  vi.useFakeTimers();
  try {
    const abort = new AbortController();
    const [first, second] = [pause(1000, abort.signal), pause(30_000, abort.signal)];
    vi.advanceTimersByTime(1000);
    await first;
    abort.abort('enough');
    await expect(second).rejects.toMatchObject({ code: 'aborted', cause: 'enough' });
    await expect(pause(1000, abort.signal)).rejects.toMatchObject({ code: 'aborted' });
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test('a signal ends a download that stalls', async () => {
  server.next({ stallAfter: 1000 });
  const { downloader, sink, state, abort } = begin();
  const waiting = downloader.file('small.bin', sink);
  waiting.catch(() => {});
  while (state.chunks.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  abort.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'aborted' });
});

test('a download that was given up goes on next time, from the last whole part', async () => {
  const caches = memoryCaches();
  server.next({ breakAfter: PART_BYTES + 100_000 });
  const first = begin({ caches, retries: 0 });
  await expect(first.downloader.file('large.bin', first.sink)).rejects.toMatchObject({ code: 'network' });
  const next = begin({ caches });
  expect(await next.downloader.file('large.bin', next.sink)).toBeUndefined();
  expect(next.bytes().equals(LARGE)).toBe(true);
  expect(asked().slice(1)).toEqual([`GET bytes=${PART_BYTES}- 206`]);
  soundProgress(next.progress, LARGE.length);
  server.asked.length = 0;
  const kept = begin({ caches });
  await kept.downloader.file('large.bin', kept.sink);
  expect(kept.bytes().equals(LARGE)).toBe(true);
  expect(asked()).toEqual(['HEAD 200']);
});

test('of a download that cannot go on nothing is kept', async () => {
  server.state.etag = false;
  const caches = memoryCaches();
  server.next({ breakAfter: PART_BYTES + 100_000 });
  const { downloader, sink } = begin({ caches, retries: 0 });
  await expect(downloader.file('large.bin', sink)).rejects.toMatchObject({ code: 'network' });
  expect([...caches.stores.values()].every((store) => store.size === 0)).toBe(true);
});

test('a part of another version is of no use, and goes when the file is whole', async () => {
  const caches = memoryCaches();
  server.next({ breakAfter: PART_BYTES + 100_000 });
  const first = begin({ caches, retries: 0 });
  await expect(first.downloader.file('large.bin', first.sink)).rejects.toMatchObject({ code: 'network' });
  const changed = (server.files['large.bin'] = LARGE.map((byte) => byte ^ 1));
  const next = begin({ caches });
  await next.downloader.file('large.bin', next.sink);
  expect(next.bytes().equals(changed)).toBe(true);
  const keys = [...caches.stores.values()].flatMap((store) => [...store.keys()]);
  expect(keys.length, 'two parts and the rest').toBe(3);
});

test('the file of before stays until a newer one is whole', async () => {
  const caches = memoryCaches();
  const first = begin({ caches });
  await first.downloader.file('large.bin', first.sink);
  server.files['large.bin'] = LARGE.map((byte) => byte ^ 1);
  server.next({}, { breakAfter: PART_BYTES + 100_000 });
  const broken = begin({ caches, retries: 0 });
  await expect(broken.downloader.file('large.bin', broken.sink)).rejects.toMatchObject({ code: 'network' });
  const offline = begin({ caches, fetch: () => Promise.reject(new TypeError('offline')) });
  await offline.downloader.file('large.bin', offline.sink);
  expect(offline.bytes().equals(LARGE)).toBe(true);
});

test('no room in the middle of a file gives back what it took', async () => {
  const caches = Object.assign(memoryCaches(), { room: PART_BYTES + 1000 });
  const { downloader, sink, bytes, full } = begin({ caches });
  await downloader.file('large.bin', sink);
  expect(bytes().equals(LARGE)).toBe(true);
  expect(full).toEqual([['large.bin', LARGE.length]]);
  expect([...caches.stores.values()].every((store) => store.size === 0)).toBe(true);
});

test.each<[string, Record<string, string>]>([
  ['Repr-Digest', { 'repr-digest': `sha-512=:AAAA:, sha-256=:${Buffer.alloc(32).toString('base64')}:` }],
  ['Digest', { digest: `SHA-256=${Buffer.alloc(32).toString('base64')}` }],
  ['X-Linked-ETag', { 'x-linked-etag': `"${'0'.repeat(64)}"` }],
])('a file with another sum than %s is refused, and not kept', async (_, headers) => {
  const caches = memoryCaches();
  server.next({ headers });
  const { downloader, sink } = begin({ caches });
  await expect(downloader.file('large.bin', sink)).rejects.toMatchObject({
    code: 'model_invalid',
    message: `${server.base}large.bin has SHA-256 ${sha256(LARGE)}, not ${'0'.repeat(64)}: it is another file`,
  });
  expect([...caches.stores.values()].every((store) => store.size === 0)).toBe(true);
});

test('the right sum of a server is agreed with', async () => {
  server.next({ headers: { 'repr-digest': `sha-256=:${Buffer.from(sha256(SMALL), 'hex').toString('base64')}:` } });
  const { downloader, sink } = begin();
  expect(await downloader.file('small.bin', sink)).toBeUndefined();
});

test('the hub is asked for the sums of large files, once, and believed', async () => {
  const lfs = (oid: string) => Buffer.from(JSON.stringify([
    { type: 'directory', path: '1_Pooling' },
    { type: 'file', path: 'small.bin', oid: 'ab', size: 1 },
    { type: 'file', path: 'large.bin', oid: 'ab', size: 1, lfs: { oid, size: LARGE.length } },
  ]));
  const source = { listing: `${server.base}list` };
  server.files.list = lfs(sha256(LARGE));
  const right = begin({ source });
  await Promise.all([right.downloader.file('large.bin', right.sink), begin({ source }).downloader.file('small.bin', begin().sink)]);
  expect(server.asked.map(({ path }) => path).sort()).toEqual(['large.bin', 'list', 'small.bin']);
  server.files.list = lfs('0'.repeat(64));
  const wrong = begin({ source });
  await expect(wrong.downloader.file('large.bin', wrong.sink)).rejects.toMatchObject({ code: 'model_invalid' });
  // A mirror may have no lists, or a page in their place.
  for (const list of [undefined, Buffer.from('<!doctype html>')]) {
    if (list) server.files.list = list;
    else delete server.files.list;
    const none = begin({ source });
    expect(await none.downloader.file('large.bin', none.sink)).toBeUndefined();
  }
});

test('a file whose list was stopped is not taken unchecked', async () => {
  server.files.list = Buffer.from('[]');
  const caches = memoryCaches();
  const { downloader, sink, abort } = begin({
    caches,
    source: { listing: `${server.base}list` },
    fetch: (url, init) => (url.endsWith('list') ? new Promise((_, reject) => init.signal.addEventListener('abort', reject)) : fetch(url, init)),
  });
  const waiting = downloader.file('large.bin', sink);
  waiting.catch(() => {});
  const stored = () => [...caches.stores.values()].flatMap((store) => [...store.keys()]);
  while (stored().length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setTimeout(resolve, 50));
  abort.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'aborted' });
  expect(stored(), 'the file itself is not among what is kept').not.toContain(`${server.base}large.bin`);
});

test('headers and a signature are sent with everything, and kept and told nowhere', async () => {
  server.state.token = 'Bearer secret';
  const caches = memoryCaches();
  const source = { query: '?sig=secret', headers: { authorization: 'Bearer secret' } };
  server.next({ breakAfter: 60_000 });
  const { downloader, sink } = begin({ caches, source });
  await downloader.file('small.bin', sink);
  const kept = begin({ caches, source });
  await kept.downloader.file('small.bin', kept.sink);
  expect(server.asked.map(({ method, path, authorization }) => [method, path, authorization])).toEqual(
    ['GET', 'GET', 'HEAD'].map((method) => [method, 'small.bin?sig=secret', 'Bearer secret']),
  );
  const stored = [...caches.stores].flatMap(([name, store]) => [name, ...store.keys(), ...[...store.values()].flatMap(({ headers }) => [...headers])]);
  expect(JSON.stringify(stored)).not.toContain('secret');
  for (const fault of [{ status: 403 }, { status: 503 }, { status: 418 }, { breakAfter: 5 }]) {
    server.next(fault);
    const failing = begin({ source, retries: 0 });
    const told = await failing.downloader.file('small.bin', failing.sink).catch((error: Error) => error.message);
    expect(told).toContain(`${server.base}small.bin`);
    expect(told).not.toContain('secret');
  }
});

test('a path that leads out of the folder is not fetched', async () => {
  const { downloader, sink } = begin({ source: { headers: { authorization: 'Bearer secret' } } });
  for (const path of ['../other.bin', 'https://evil.test/x', '//evil.test/x', '/etc/passwd', 'a//b', '.']) {
    await expect(downloader.file(path, sink), path).rejects.toMatchObject({ code: 'model_invalid', message: expect.stringContaining('not in its folder') });
  }
  expect(server.asked).toEqual([]);
  server.files['odd #1?.bin'] = SMALL;
  expect(await downloader.file('odd #1?.bin', sink), 'an odd name is a name').toBeUndefined();
});

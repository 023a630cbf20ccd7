import { afterEach, expect, test, vi } from 'vitest';
import { FileCache } from '../src/cache.js';
import { PART_BYTES } from '../src/cache-layout.js';
import { clearCache, deleteCached, isCached, listCached } from '../src/cached.js';
import { loading } from './loading.js';
import { memoryCaches } from './memory-caches.js';

const HUB = 'https://huggingface.co/owner/name/resolve/main/';
const SITE = 'https://site.test/models/m/';

afterEach(() => vi.unstubAllGlobals());

/** Loads files, of which only these are there, and calls that the model. */
async function keep(base: string, files: Record<string, number>, wanted = Object.keys(files), settle = true) {
  const { downloader, sink } = loading({
    source: { base },
    caches: globalThis.caches,
    fetch: (url) => {
      const bytes = files[decodeURIComponent(url.slice(base.length))];
      if (bytes === undefined) return new Response('', { status: 404 });
      return new Response(new Uint8Array(bytes), { headers: { etag: '"1"', 'content-length': String(bytes) } });
    },
  });
  const missing: string[] = [];
  for (const path of wanted) if (await downloader.file(path, sink)) missing.push(path);
  if (settle) await downloader.settle(wanted.filter((path) => !missing.includes(path)));
}

test('models are listed with their files, and deleted one by one or together', async () => {
  vi.stubGlobal('caches', memoryCaches());
  await caches.open('of another library');
  await keep(HUB, { 'config.json': 10, '1_Pooling/config.json': 5 }, ['config.json', '1_Pooling/config.json', 'modules.json']);
  await keep(SITE, { 'config.json': 7, 'model.safetensors': PART_BYTES + 1 });
  expect(await listCached()).toEqual([
    {
      url: HUB, id: 'owner/name', revision: 'main', bytes: 15, complete: true,
      files: [{ path: '1_Pooling/config.json', bytes: 5, complete: true }, { path: 'config.json', bytes: 10, complete: true }],
    },
    {
      url: SITE, bytes: PART_BYTES + 8, complete: true,
      files: [{ path: 'config.json', bytes: 7, complete: true }, { path: 'model.safetensors', bytes: PART_BYTES + 1, complete: true }],
    },
  ]);
  expect(await isCached('owner/name')).toBe(true);
  expect(await isCached('owner/name', { revision: 'v2' })).toBe(false);
  expect(await isCached('owner/name', { hub: 'https://mirror.test' })).toBe(false);
  expect(await isCached(new URL(SITE))).toBe(true);
  expect(await deleteCached('owner/name')).toBe(true);
  expect(await deleteCached('owner/name')).toBe(false);
  expect((await listCached()).map(({ url }) => url)).toEqual([SITE]);
  await clearCache();
  expect(await listCached()).toEqual([]);
  expect(await caches.keys(), 'what is not ours stays').toEqual(['of another library']);
});

test('a model of which something is missing is not cached', async () => {
  const all = memoryCaches();
  vi.stubGlobal('caches', all);
  await keep(SITE, { 'config.json': 7 }, undefined, false);
  expect(await isCached(SITE), 'never loaded').toBe(false);
  await keep(SITE, { 'config.json': 7, 'model.safetensors': 9 });
  expect(await isCached(SITE)).toBe(true);
  await new FileCache(SITE).forget(`${SITE}model.safetensors`);
  expect(await isCached(SITE)).toBe(false);
});

test('what is kept of a download that broke off is listed as such', async () => {
  vi.stubGlobal('caches', memoryCaches());
  const writer = await new FileCache(SITE).write(`${SITE}model.safetensors`, { tag: '"1" 9000000', validator: '"1" 9000000' });
  await writer?.append(new Uint8Array(PART_BYTES + 5));
  await new Promise((resolve) => setTimeout(resolve));
  expect(await listCached()).toEqual([
    { url: SITE, bytes: PART_BYTES, complete: false, files: [{ path: 'model.safetensors', bytes: PART_BYTES, complete: false }] },
  ]);
});

test('where there are no caches, or they are blocked, nothing is kept and nothing fails', async () => {
  const blocked = () => { throw new DOMException('blocked', 'SecurityError'); };
  const none = async () => {
    expect(await listCached()).toEqual([]);
    expect(await isCached('owner/name')).toBe(false);
    expect(await deleteCached('owner/name')).toBe(false);
    await clearCache();
  };
  await none();
  vi.stubGlobal('caches', { keys: blocked, delete: blocked, open: blocked });
  await none();
  Object.defineProperty(globalThis, 'caches', { configurable: true, get: blocked });
  try {
    await none();
    expect(await new FileCache(SITE).find(SITE), 'the engine looks at them too').toBeUndefined();
  } finally {
    Reflect.deleteProperty(globalThis, 'caches');
  }
});

test.each<[unknown, object | undefined, RegExp]>([
  [[], undefined, /^model is an array; expected a hub id, a path or a URL$/],
  ['/a/', { revision: 'v1' }, /^revision is given, but only a hub id has one$/],
  ['a/b', { branch: 'v1' }, /^isCached has no option 'branch'; there are revision, hub$/],
])('isCached refuses %j with %j', async (model, options, message) => {
  await expect(isCached(model as string, options)).rejects.toMatchObject({ code: 'invalid_input', message: expect.stringMatching(message) });
});

// Where models come from and how they get here, in a real browser: the user's folders and files, servers that ask who is
// there or break off, and a cache that is full, blocked, damaged or offline.
import { readFile, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const SOUND = join(ROOT, 'tests/golden/models/bert-cls-normalize');
const TEXT = 'The bees find the honey in 12 flowers, and fly home!';

const PAGE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>loading</title>
<input type=file webkitdirectory>
<script type=module>
  import * as heatseek from '/pkg/index.js';
  const { load, HeatseekError } = heatseek;
  const told = async (work) => {
    try {
      await work();
    } catch (error) {
      const { code, message, cause } = error;
      return { code, message, ours: error instanceof HeatseekError, cause: cause && String(cause.message ?? cause) };
    }
    return undefined;
  };
  const embed = async (source, options = {}) => {
    const progress = [];
    const onProgress = ({ stage, ...step }) => { if (stage === 'download') progress.push(step); };
    const model = await load(source, { device: 'cpu', onProgress, ...options });
    const { data } = await model.embed(${JSON.stringify(TEXT)});
    model.dispose();
    return { data: [...data], warnings: model.warnings, progress };
  };
  Object.assign(window, { ...heatseek, told, embed, ready: true });
</script>`;

const IN_FRAME = `<!doctype html><meta charset=utf-8><title>frame</title>
<script type=module>
  import { load, listCached, isCached } from '/pkg/index.js';
  const answer = async () => {
    try {
      // A frame without an origin of its own starts no worker of ours.
      const model = await load('/sound/', { device: 'cpu', worker: false });
      const { data } = await model.embed(${JSON.stringify(TEXT)});
      return { data: [...data], kept: await listCached(), cached: await isCached('/sound/') };
    } catch (error) {
      return String(error);
    }
  };
  parent.postMessage(await answer(), '*');
</script>`;

let server, browser, page, context, errors, expected, weights;
/** What was asked for, in order, and what the server is to do. */
const asked = [];
let offline = false;
const faults = new Map();

beforeAll(async () => {
  weights = await readFile(join(SOUND, 'model.safetensors'));
  const html = (response, body) => void response.writeHead(200, { 'content-type': 'text/html', 'access-control-allow-origin': '*' }).end(body);
  server = await serve({ '/pkg/': join(ROOT, 'pkg/dist'), '/sound/': SOUND, '/private/': SOUND, '/hub/owner/name/resolve/main/': SOUND }, (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    if (pathname === '/') return html(response, PAGE), true;
    if (pathname === '/frame') return html(response, IN_FRAME), true;
    if (pathname.startsWith('/pkg/')) return false;
    const { range, authorization } = request.headers;
    asked.push({ method: request.method, pathname, range, authorization });
    if (offline) return request.socket.destroy(), true;
    if (pathname.startsWith('/private/') && authorization !== 'Bearer token') return response.writeHead(401).end(), true;
    const fault = faults.get(pathname)?.shift();
    if (fault) return fault(request, response), true;
    return false;
  }, { 'access-control-allow-origin': '*' });
  browser = await launch({ webgpu: false });
  ({ page, context, errors } = await open(browser));
  await page.goto(server.origin);
  await page.waitForFunction(() => window.ready);
  expected = (await page.evaluate(() => window.embed('/sound/', { cache: false }))).data;
  expect(Math.hypot(...expected)).toBeCloseTo(1, 5);
  asked.length = 0;
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});
afterEach(async () => {
  offline = false;
  faults.clear();
  asked.length = 0;
  await page.evaluate(() => clearCache());
  // Chromium itself logs answers like 404 and broken connections; nothing else may be there.
  expect(errors.splice(0).filter((line) => !line.startsWith('Failed to load resource'))).toEqual([]);
});

/** Progress that never falls, never passes its total and ends at it. */
function sound(progress) {
  let before = { loaded: 0, total: 0 };
  for (const step of progress) {
    expect(step.loaded).toBeGreaterThanOrEqual(before.loaded);
    expect(step.total).toBeGreaterThanOrEqual(step.loaded);
    before = step;
  }
  expect(before.loaded).toBe(before.total);
}

test('a folder that was picked', async () => {
  await page.locator('input').setInputFiles(SOUND);
  const { data, progress } = await page.evaluate(() => embed(document.querySelector('input').files));
  expect(data).toEqual(expected);
  sound(progress);
  expect(asked, 'nothing is fetched').toEqual([]);
  const again = await page.evaluate(() => embed([...document.querySelector('input').files]));
  expect(again.data).toEqual(expected);
});

test('a folder of the file system, and files by path', async () => {
  const names = (await readdir(SOUND, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(SOUND.length + 1))
    // The first is one that fits into shared memory, and that a load reads.
    .sort((a, b) => (b === 'config.json') - (a === 'config.json'));
  const found = await page.evaluate(async (names) => {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('minilm', { create: true });
    const bytes = {};
    const blobs = new Map();
    for (const name of names) {
      const response = await fetch(`/sound/${name}`);
      bytes[name] = new Uint8Array(await response.clone().arrayBuffer());
      blobs.set(name, await response.blob());
      let folder = root;
      const parts = name.split('/');
      for (const part of parts.slice(0, -1)) folder = await folder.getDirectoryHandle(part, { create: true });
      const file = await (await folder.getFileHandle(parts.at(-1), { create: true })).createWritable();
      await file.write(bytes[name]);
      await file.close();
    }
    // Memory that threads share, as a page without isolation has it too.
    const [name] = names;
    const { buffer } = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const shared = new Uint8Array(buffer, 0, bytes[name].length);
    shared.set(bytes[name]);
    const lengths = () => Object.values(bytes).map(({ length }) => length);
    const before = lengths();
    const all = [(await embed(root)).data, (await embed(bytes)).data, (await embed(blobs, { worker: false })).data, (await embed({ ...bytes, [name]: shared })).data];
    const missing = await told(() => load({ 'tokenizer.json': bytes['tokenizer.json'] }, { device: 'cpu' }));
    const empty = await told(async () => load(await root.getDirectoryHandle('empty', { create: true }), { device: 'cpu' }));
    return { all, missing, empty, kept: await listCached(), intact: String(before) === String(lengths()) };
  }, names);
  for (const data of found.all) expect(data).toEqual(expected);
  for (const error of [found.missing, found.empty]) {
    expect(error).toMatchObject({ code: 'not_found', ours: true, message: expect.stringMatching(/^the model needs config.json, but it is not among the files given( in empty)?$/) });
  }
  expect(found).toMatchObject({ kept: [], intact: true });
});

test('a server that asks who is there', async () => {
  const said = await page.evaluate(async () => {
    const headers = { authorization: 'Bearer token' };
    const asked = [];
    const own = (url, init) => (asked.push(init.method), fetch(url, init));
    return {
      nobody: await told(() => load('/private/', { device: 'cpu', cache: false })),
      fixed: (await embed('/private/', { headers, cache: false })).data,
      asked: (await embed('/private/', { headers: async (url) => (url.includes('/private/') ? headers : {}), cache: false })).data,
      own: (await embed('/private/', { fetch: own, headers, cache: false })).data,
      calls: asked.length,
      wrong: await told(() => load('/private/', { device: 'cpu', fetch: () => 7 })),
    };
  });
  expect(said.nobody).toMatchObject({ code: 'not_found', message: expect.stringMatching(/^the model needs config.json, but the server answered 401 for .*`headers`/) });
  for (const data of [said.fixed, said.asked, said.own]) expect(data).toEqual(expected);
  expect(said.calls).toBeGreaterThan(3);
  expect(said.wrong).toMatchObject({ code: 'invalid_input', message: 'fetch gave 7 for a file of the model; expected a Response' });
});

// Another origin may neither be sent what it has not allowed, nor show its version and range; it shows when a file changed.
test.each([
  ['127.0.0.1', { etag: '"1"' }],
  ['localhost', { 'last-modified': 'Thu, 26 Nov 2026 12:00:00 GMT' }],
])('what breaks off goes on where it was, at %s', async (host, version) => {
  const head = (response, from, status) => {
    const range = from ? { 'content-range': `bytes ${from}-${weights.length - 1}/${weights.length}` } : {};
    response.writeHead(status, { ...version, ...range, 'content-length': weights.length - from });
  };
  const asks = [];
  const goOn = (last) => (request, response) => {
    asks.push(request.method);
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range)?.[1]);
    head(response, from, 206);
    if (last) response.end(weights.subarray(from));
    else response.write(weights.subarray(from, from + 50_000), () => setTimeout(() => response.socket.destroy(), 200));
  };
  faults.set('/sound/model.safetensors', [
    (_, response) => {
      head(response, 0, 200);
      response.write(weights.subarray(0, 100_000), () => setTimeout(() => response.socket.destroy(), 200));
    },
    goOn(false),
    goOn(true),
  ]);
  const { data, progress } = await page.evaluate((base) => embed(base, { cache: false }), `http://${host}:${server.port}/sound/`);
  expect(data).toEqual(expected);
  sound(progress);
  expect(asks, 'the server is not asked whether it minds').toEqual(['GET', 'GET']);
});

test('a pause is over when the signal says so', async () => {
  faults.set('/sound/config.json', Array.from({ length: 3 }, () => (_, response) => response.writeHead(503, { 'retry-after': '30' }).end()));
  const requests = () => asked.filter(({ pathname }) => pathname === '/sound/config.json').length;
  await page.evaluate(() => {
    window.controller = new AbortController();
    window.loading = told(() => load('/sound/', { device: 'cpu', cache: false, signal: controller.signal }));
  });
  while (requests() === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await new Promise((resolve) => setTimeout(resolve, 300));
  const error = await page.evaluate(() => {
    controller.abort('enough');
    return loading;
  });
  expect(error).toMatchObject({ code: 'aborted', cause: 'enough' });
  expect(requests(), 'it waited').toBe(1);
});

test('what is kept is listed, found again without a network, mended, and deleted', async () => {
  const kept = await page.evaluate(async () => {
    const before = await isCached('owner/name', { hub: '/hub/' });
    await embed('owner/name', { hub: '/hub/' });
    return { before, after: await isCached('owner/name', { hub: '/hub/' }), list: await listCached() };
  });
  expect(kept).toMatchObject({
    before: false, after: true,
    list: [{ url: `${server.origin}/hub/owner/name/resolve/main/`, id: 'owner/name', revision: 'main', complete: true }],
  });
  const files = Object.fromEntries(kept.list[0].files.map(({ path, bytes }) => [path, bytes]));
  expect(files['model.safetensors']).toBe(weights.length);
  expect(kept.list[0].bytes).toBe(Object.values(files).reduce((sum, bytes) => sum + bytes));

  offline = true;
  expect((await page.evaluate(() => embed('owner/name', { hub: '/hub/' }))).data).toEqual(expected);
  offline = false;
  const gets = () => asked.filter(({ method, pathname }) => method === 'GET' && pathname.endsWith('model.safetensors')).length;
  const before = gets();
  await page.evaluate(async () => {
    const [name] = await caches.keys();
    const cache = await caches.open(name);
    const key = (await cache.keys()).find(({ url }) => url.endsWith('model.safetensors'));
    const { headers } = await cache.match(key);
    await cache.put(key, new Response(new Uint8Array(1000), { headers }));
  });
  expect((await page.evaluate(() => embed('owner/name', { hub: '/hub/' }))).data).toEqual(expected);
  expect(gets(), 'what was damaged is fetched').toBe(before + 1);

  const deleted = await page.evaluate(async () => [await deleteCached('owner/name', { hub: '/hub/' }), await listCached(), await caches.keys()]);
  expect(deleted).toEqual([true, [], []]);
});

test('no room is a warning on the model, and told by the console', async () => {
  const warnings = [];
  const listen = (message) => { if (message.type() === 'warning') warnings.push(message.text()); };
  page.on('console', listen);
  const session = await context.newCDPSession(page);
  await session.send('Storage.overrideQuotaForOrigin', { origin: server.origin, quotaSize: 20_000 });
  try {
    const found = await page.evaluate(() => embed('/sound/'));
    expect(found.data).toEqual(expected);
    expect(found.warnings).toEqual([expect.stringMatching(/^the browser has no room to keep .*model.safetensors.*; next time it is downloaded again$/)]);
    expect(warnings).toContain(`heatseek: ${found.warnings[0]}`);
  } finally {
    page.off('console', listen);
    await session.send('Storage.overrideQuotaForOrigin', { origin: server.origin });
  }
});

test('a frame whose caches are blocked loads without', async () => {
  const other = await context.newPage();
  await other.goto(server.origin);
  const found = await other.evaluate(() => new Promise((resolve) => {
    addEventListener('message', ({ data }) => resolve(data));
    document.body.insertAdjacentHTML('beforeend', '<iframe sandbox="allow-scripts" src="/frame"></iframe>');
  }));
  await other.close();
  expect(found).toEqual({ data: expected, kept: [], cached: false });
});

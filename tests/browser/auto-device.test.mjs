// What `auto` means, chosen by measuring, in a browser. The software adapter passes for hardware in workers of these tests, so
// that the CPU is the faster by far; and it has the name that the worker's address gives it.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
// Backends agree this closely, element by element (design: f32 against f32 on unit vectors).
const CLOSE = 2e-5;
const PATIENT = { timeout: 60_000, interval: 20 };
const PAGE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>auto</title>
<script type=module>
  import { load } from '/pkg/index.js';
  window.begin = ({ adapter = 'one', ...options } = {}) =>
    load('/model/', { worker: new URL('/hardware-worker.js?' + adapter, location.href), ...options });
  window.kept = () => new Promise((resolve, reject) => {
    const opening = indexedDB.open('heatseek', 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore('tuning');
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const request = opening.result.transaction('tuning').objectStore('tuning').getAll();
      request.onsuccess = () => {
        opening.result.close();
        resolve(request.result.map(({ chosen }) => JSON.parse(chosen)));
      };
    };
  });
  window.vector = async (model) => [...(await model.embed('The bees find the honey in 12 flowers, and fly home!')).data];
  // Of a load that is done with at once.
  window.told = async (options) => {
    const model = await begin(options);
    const found = { device: model.info.device, vector: await vector(model) };
    model.dispose();
    return found;
  };
  window.ready = true;
</script>`;
const SCRIPTS = {
  '/hardware.js': `for (const [name, value] of Object.entries({ isFallbackAdapter: false, vendor: location.search.slice(1) })) {
    Object.defineProperty(GPUAdapterInfo.prototype, name, { get: () => value });
  }`,
  // Modules are run in their order, before the worker's first message.
  '/hardware-worker.js': `import '/hardware.js'; import '/pkg/worker.js';`,
};

let server, browser, page, errors, context, started, downloads;

beforeAll(async () => {
  const mounts = { '/model/': join(ROOT, 'tests/golden/models/bert-cls-normalize'), '/pkg/': join(ROOT, 'pkg/dist') };
  server = await serve(mounts, ({ url, method }, response) => {
    const { pathname } = new URL(url, 'http://localhost');
    if (pathname.startsWith('/model/') && method === 'GET') downloads.push(pathname);
    const [type, text] = url === '/' ? ['text/html', PAGE] : ['text/javascript', SCRIPTS[pathname]];
    if (text === undefined) return false;
    // A second engine runs the script of the first.
    if (pathname === '/hardware-worker.js') started += 1;
    response.writeHead(200, { 'content-type': type }).end(text);
    return true;
  });
  browser = await launch();
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});
// Each test is a visitor of its own, with storage of its own.
beforeEach(async () => {
  [started, downloads] = [0, []];
  ({ page, errors, context } = await open(browser));
  await page.goto(server.origin);
  await page.waitForFunction('window.ready');
});
afterEach(async () => {
  expect(errors).toEqual([]);
  await context.close();
});

const told = (options) => page.evaluate((options) => window.told(options), options);
const kept = () => page.evaluate('kept()');
const pause = (ms) => page.waitForTimeout(ms);
/** Workers of all kinds that run in the browser. */
const workers = async () => {
  const session = await browser.newBrowserCDPSession();
  const { targetInfos } = await session.send('Target.getTargets', { filter: [{ type: 'worker' }] });
  await session.detach();
  return targetInfos.length;
};
const expectClose = (vector, other) => {
  expect(vector.length).toBe(other.length);
  vector.forEach((value, i) => expect(Math.abs(value - other[i])).toBeLessThanOrEqual(CLOSE));
};

test('a CPU that is faster is found out when nobody asks for anything, and taken by the next load with the same adapter', async () => {
  const device = await page.evaluate(async () => (window.model = await begin()).info.device);
  expect(device).toMatchObject({ kind: 'gpu', backend: 'BrowserWebGpu' });
  expect(device.fallback).toBeUndefined();
  const fetched = downloads.length;
  await expect.poll(kept, PATIENT).toHaveLength(1);
  const [choice] = await kept();
  expect(choice).toEqual({ device: 'cpu', took: [[expect.any(Number), expect.any(Number)], [expect.any(Number), expect.any(Number)]] });
  for (const [gpu, cpu] of choice.took) expect(gpu).toBeGreaterThan(cpu);
  // One engine serves this visit to its end, and the other is gone.
  expect(await page.evaluate('model.info.device.kind')).toBe('gpu');
  expect([started, downloads.length]).toEqual([2, fetched]);
  await expect.poll(workers, PATIENT).toBe(1);
  const ofGpu = await page.evaluate('vector(model)');
  await page.evaluate('model.dispose()');
  await page.reload();
  await page.waitForFunction('window.ready');
  const next = await told();
  expect(next.device).toMatchObject({ kind: 'cpu', fallback: expect.stringMatching(/the GPU was measured, and is slower/) });
  expectClose(next.vector, ofGpu);
  expect((await told({ adapter: 'another' })).device.kind).toBe('gpu');
  expect((await told({ device: 'cpu' })).device.fallback).toBeUndefined();
});

test('a call ends it and is answered, and it is made up for; dispose ends it for good', async () => {
  await page.evaluate(async () => { window.model = await begin(); });
  const first = await page.evaluate('vector(model)');
  await expect.poll(() => started, PATIENT).toBe(2);
  await expect.poll(workers, PATIENT).toBe(2);
  expect(await page.evaluate('vector(model)')).toEqual(first);
  await expect.poll(workers, PATIENT).toBe(1);
  expect(await kept()).toEqual([]);
  await expect.poll(() => started, PATIENT).toBe(3);
  // That both workers end is not looked at: Chromium sometimes keeps one whose parent ends at the same moment.
  await page.evaluate('model.dispose()');
  await pause(3000);
  expect([started, await kept()]).toEqual([3, []]);
});

test('of a device that was asked for nothing is measured', async () => {
  expect(await page.evaluate(async () => (window.model = await begin({ device: 'gpu' })).info.device.kind)).toBe('gpu');
  await pause(4000);
  expect([started, await kept()]).toEqual([1, []]);
});

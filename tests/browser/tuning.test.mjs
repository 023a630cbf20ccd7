// Kernels chosen by measuring, in a browser: when, beside which calls, and what the next visit knows of it. Which kernel
// wins is the machine's business; that its answers are the others' is not.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const TEXT = 'The bees find the honey in 12 flowers, and fly home!';
// Backends agree this closely, element by element (design: f32 against f32 on unit vectors).
const CLOSE = 2e-5;
const PAGE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>tuning</title>
<script type=module>
  import { load } from '/pkg/index.js';
  const within = (mode, ask) => new Promise((resolve, reject) => {
    const opening = indexedDB.open('heatseek', 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore('tuning');
    opening.onsuccess = () => {
      const request = ask(opening.result.transaction('tuning', mode).objectStore('tuning'));
      request.onsuccess = () => { opening.result.close(); resolve(request.result); };
      request.onerror = () => reject(request.error);
    };
  });
  window.kept = async () => (await within('readonly', (store) => store.getAll())).map(({ chosen }) => chosen);
  const record = (table) => (typeof table === 'string' ? { browser: navigator.userAgent, chosen: table } : table);
  window.keep = (table) => within('readwrite', (store) => store.put(record(table), 'kernels'));
  window.open_ = (options) => load('/model/', { device: 'gpu', cache: false, ...options });
  // What a model says of its kernels and its load, and its vector of a text.
  window.told = async (options) => {
    const model = await open_(options);
    const { tuned } = model.info.device;
    const { data } = await model.embed(${JSON.stringify(TEXT)});
    model.dispose();
    return { tuned, steps: model.timeline.map(({ step }) => step), vector: [...data] };
  };
  window.ready = true;
</script>`;

let server, browser, page, errors, context;

beforeAll(async () => {
  const mounts = { '/model/': join(ROOT, 'tests/golden/models/bert-cls-normalize'), '/pkg/': join(ROOT, 'pkg/dist') };
  server = await serve(mounts, (request, response) => {
    if (request.url !== '/') return false;
    response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
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
  ({ page, errors, context } = await open(browser));
  await page.goto(server.origin);
  await page.waitForFunction('window.ready');
});
afterEach(async () => {
  expect(errors).toEqual([]);
  await context.close();
});

const reload = async () => {
  await page.reload();
  await page.waitForFunction('window.ready');
};
const told = (options) => page.evaluate((options) => window.told(options), options);
const named = (tuned) => tuned.map(({ shape, rows, kernel }) => `${shape} ${rows} ${kernel}`).sort();
const expectClose = (vector, other) => {
  expect(vector.length).toBe(other.length);
  vector.forEach((value, i) => expect(Math.abs(value - other[i])).toBeLessThanOrEqual(CLOSE));
};

test('what is chosen in one visit is used from the beginning in the next, and gives the same vectors; what is no table of this adapter is written anew', async () => {
  const never = await told({ tune: 'never' });
  expect(never.tuned).toBeUndefined();
  expect(await page.evaluate('kept()')).toEqual([]);
  const table = { heatseek: '0.0.0', adapter: 'another', backend: 'BrowserWebGpu', driver: '', choices: [{ shape: 'gemm_f32 4x4', rows: 16, kernel: 'none', percent: 1, cached: false }] };
  for (const wrong of ['no table', JSON.stringify([table]), 17]) {
    await page.evaluate((wrong) => keep(wrong), wrong);
    expect((await told({ tune: 'idle' })).tuned).toBeUndefined();
  }
  const now = await told({ tune: 'now' });
  const [kept] = await page.evaluate('kept()');
  expect(JSON.parse(kept)).toMatchObject([{ choices: now.tuned.map(({ shape, rows, kernel }) => ({ shape, rows, kernel })) }]);
  expect(now.steps).toContain('tune');
  expect(now.tuned.length).toBeGreaterThan(0);
  for (const choice of now.tuned) {
    expect(choice).toMatchObject({ shape: expect.stringMatching(/^(gemm|attention)_f32/), kernel: expect.stringMatching(/^(gemm|attention)_/), cached: false });
    expect(choice.percent).toBeLessThanOrEqual(100);
  }
  expectClose(now.vector, never.vector);
  await reload();
  const next = await told({ tune: 'idle' });
  expect(named(next.tuned)).toEqual(named(now.tuned));
  expect(next.tuned.every(({ cached }) => cached)).toBe(true);
  expect(next.vector).toEqual(now.vector);
  // Who does not want them does not get them.
  expect(await told({ tune: 'never' })).toMatchObject({ vector: never.vector });
});

test('calls during idle tuning are answered right, and dispose ends it', async () => {
  const never = await told({ tune: 'never' });
  await page.evaluate(async () => { window.model = await open_({ tune: 'idle' }); });
  const vectors = [];
  // Calls in bursts, with pauses in which tuning begins.
  const chosen = async () => (await page.evaluate('model.info.device.tuned?.length ?? 0')) > 0;
  for (let burst = 0; burst < 3 || (burst < 60 && !(await chosen())); burst += 1) {
    vectors.push(...(await page.evaluate(async (text) => {
      const calls = await Promise.all(Array.from({ length: 3 }, () => model.embed(text)));
      return calls.map(({ data }) => [...data]);
    }, TEXT)));
    await page.waitForTimeout(burst % 2 ? 700 : 1500);
  }
  expect(await chosen()).toBe(true);
  vectors.push(await page.evaluate(async (text) => [...(await model.embed(text)).data], TEXT));
  for (const vector of vectors) expectClose(vector, never.vector);
  // It is kept behind the call that ended it.
  const choices = async () => JSON.parse((await page.evaluate('kept()'))[0] ?? '[]')[0]?.choices.length ?? 0;
  await expect.poll(choices).toBeGreaterThan(0);
  await page.evaluate(async (text) => {
    // Another number of rows, so that there is more to choose; and away with it in the middle.
    await model.embed(Array.from({ length: 9 }, () => text));
    await new Promise((resolve) => setTimeout(resolve, 650));
    model.dispose();
  }, TEXT);
  expectClose((await told({ tune: 'never' })).vector, never.vector);
});

test('a load with tune: now can be aborted', async () => {
  const error = await page.evaluate(async () => {
    const abort = new AbortController();
    const loading = open_({ tune: 'now', signal: abort.signal, onProgress: ({ stage }) => { if (stage === 'self-check') setTimeout(() => abort.abort(), 50); } });
    return loading.then((model) => model.dispose(), ({ code }) => code);
  });
  expect([undefined, 'aborted']).toContain(error);
  expect((await told({ tune: 'never' })).vector.length).toBeGreaterThan(0);
});

test('without IndexedDB models load and answer all the same', async () => {
  await page.evaluate(() => Object.defineProperty(window, 'indexedDB', { value: undefined }));
  const { tuned, vector } = await told({ tune: 'idle', worker: false });
  expect(tuned).toBeUndefined();
  expectClose(vector, (await told({ tune: 'never' })).vector);
});

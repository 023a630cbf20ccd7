// The builds of the engine and their threads, through the npm package in a page: which one a page gets, that all give
// the same vectors, and what is said where there can be no threads.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const MODELS = process.env.HEATSEEK_MODELS ?? join(ROOT, 'models');
// A sum that is fused with its product is rounded once, not twice.
const CLOSE = 2e-6;
const TEXTS = [
  'Bees 🐝 dance to tell each other where flowers are.',
  'b',
  'Ein Lied, das längst verklungen ist, und niemand weiß, woher es kam. '.repeat(12),
];

const PAGE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>threads</title>
<script type=module>
  import { load } from '/pkg/index.js';
  window.load = load;
  /** Vectors of texts by a model that is loaded with these options, and the device it ran on. */
  window.vectors = async (texts, { baseline, own, faulty, ...options }) => {
    if (baseline) options.wasm = new URL('/pkg/wasm/heatseek_bg.wasm', location.href);
    if (own) options.worker = new Worker('/pkg/worker.js', { type: 'module' });
    if (faulty) options.worker = new URL('/faulty.js', location.href);
    const results = [];
    // A worker of the page's own serves one model after the other.
    for (let model = 0; model < (own ? 2 : 1); model++) {
      const model = await load('/models/all-MiniLM-L6-v2/', { device: 'cpu', cache: false, ...options });
      results.push({ device: model.info.device, data: [...(await model.embed(texts)).data] });
      model.dispose();
    }
    if (own) options.worker.terminate();
    return results.at(-1);
  };
  window.ready = true;
</script>`;

/** The library's worker, on a WebGPU that gets zeros for weights: what it computes is wrong. */
const FAULTY = {
  '/faulty.js': "import '/fault.js'; import '/pkg/worker.js';",
  '/fault.js': `const { writeBuffer } = GPUQueue.prototype;
    GPUQueue.prototype.writeBuffer = function (buffer, offset, data, from, size) {
      const bytes = size ?? data.byteLength;
      return bytes < 1e5 ? writeBuffer.call(this, buffer, offset, data, from, size) : writeBuffer.call(this, buffer, offset, new Uint8Array(bytes));
    };`,
};

let browser;
const servers = {};
beforeAll(async () => {
  for (const [name, headers] of Object.entries({
    ordinary: {},
    isolated: { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' },
    // What pkg/README.md asks of a policy, and no more.
    strict: {
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
      'content-security-policy':
        "default-src 'none'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src data:",
    },
  })) {
    servers[name] = await serve({ '/pkg/': join(ROOT, 'pkg/dist'), '/models/': MODELS }, (request, response) => {
      for (const header of Object.entries(headers)) response.setHeader(...header);
      if (FAULTY[request.url]) {
        response.writeHead(200, { 'content-type': 'text/javascript' }).end(FAULTY[request.url]);
        return true;
      }
      if (request.url !== '/') return false;
      response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
      return true;
    });
  }
  browser = await launch();
});
afterAll(async () => {
  await browser?.close();
  for (const server of Object.values(servers)) await server.close();
});

/** What a page of this kind computes. */
async function computed(kind, options = {}) {
  const { page, errors, context } = await open(browser);
  try {
    await page.goto(servers[kind].origin);
    await page.waitForFunction(() => window.ready);
    const result = await page.evaluate(([t, o]) => window.vectors(t, o), [TEXTS, options]);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(kind !== 'ordinary');
    expect(errors).toEqual([]);
    return result;
  } finally {
    await context.close();
  }
}

const furthest = (a, b) => {
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((value, i) => Math.abs(value - b[i])));
};

test('the same vectors from both builds and any number of threads', async () => {
  const baseline = await computed('ordinary', { baseline: true });
  expect(baseline.device).toMatchObject({ kind: 'cpu', name: 'CPU, 1 thread', backend: 'wasm-simd128' });
  const one = await computed('isolated', { threads: 1 });
  expect(one.device).toMatchObject({ kind: 'cpu', name: 'CPU, 1 thread', backend: 'wasm-relaxed-simd' });
  expect(furthest(one.data, baseline.data)).toBeLessThanOrEqual(CLOSE);
  for (const threads of [2, 3]) {
    const more = await computed('isolated', { threads });
    expect(more.device).toMatchObject({ name: `CPU, ${threads} threads`, backend: 'wasm-relaxed-simd' });
    expect(more.device.fallback).toBeUndefined();
    expect(furthest(more.data, one.data)).toBeLessThanOrEqual(CLOSE);
  }
});

test('an isolated page gets threads unasked, under a strict policy too', async () => {
  const { device } = await computed('strict');
  const processors = await browser.newPage().then((page) => page.evaluate(() => navigator.hardwareConcurrency));
  expect(device.name).toBe(processors === 1 ? 'CPU, 1 thread' : `CPU, ${Math.min(processors, Math.max(2, Math.min(8, Math.ceil(processors / 2))))} threads`);
});

test('a page without isolation gets the faster build and one thread, and hears why if it asked for more', async () => {
  const unasked = await computed('ordinary');
  expect(unasked.device).toMatchObject({ name: 'CPU, 1 thread', backend: 'wasm-relaxed-simd' });
  expect(unasked.device.fallback).toBeUndefined();
  const { device } = await computed('ordinary', { threads: 4 });
  expect(device.name).toBe('CPU, 1 thread');
  expect(device.fallback).toMatch(/one thread, not 4: .*Cross-Origin-Embedder-Policy: require-corp/);
});

test('a page without isolation may spread many texts over whole workers, which give the same vectors and end with the model', async () => {
  const texts = Array.from({ length: 100 }, (_, at) => `${TEXTS[at % 2]} ${'on and on '.repeat(at % 13)}${at}`);
  const { page, errors, context } = await open(browser);
  try {
    await page.goto(servers.ordinary.origin);
    await page.waitForFunction(() => window.ready);
    const embed = (threads) =>
      page.evaluate(async ([texts, threads]) => {
        window.model = await window.load('/models/all-MiniLM-L6-v2/', { device: 'cpu', cache: false, threads });
        const few = await window.model.embed(texts.slice(0, 2));
        // The second call finds every worker started.
        for (let call = 0; call < 2; call++) window.many = await window.model.embed(texts);
        return { few: [...few.data], many: [...window.many.data], tokens: window.many.tokens };
      }, [texts, threads]);
    const alone = await embed(1);
    expect(page.workers()).toHaveLength(1);
    await page.evaluate(() => window.model.dispose());
    const shared = await embed(3);
    await expect.poll(() => page.workers().length).toBe(3);
    expect(shared.tokens).toEqual(alone.tokens);
    expect(furthest(shared.many, alone.many)).toBeLessThanOrEqual(CLOSE);
    expect(furthest(shared.few, alone.few)).toBeLessThanOrEqual(CLOSE);
    await page.evaluate(() => window.model.dispose());
    await expect.poll(() => page.workers().length).toBe(0);
    expect(errors).toEqual([]);
  } finally {
    await context.close();
  }
});

test("the page's own thread and the baseline build have no threads, and say so", async () => {
  const here = await computed('isolated', { worker: false, threads: 2 });
  expect(here.device).toMatchObject({ name: 'CPU, 1 thread', backend: 'wasm-relaxed-simd' });
  expect(here.device.fallback).toContain('worker: false');
  const baseline = await computed('isolated', { baseline: true, threads: 2 });
  expect(baseline.device).toMatchObject({ name: 'CPU, 1 thread', backend: 'wasm-simd128' });
  expect(baseline.device.fallback).toContain('baseline');
});

test("a worker of the page's own keeps its threads from one model to the next", async () => {
  const { device } = await computed('isolated', { own: true, threads: 2 });
  expect(device).toMatchObject({ name: 'CPU, 2 threads', backend: 'wasm-relaxed-simd' });
});

test('a GPU that computes wrong numbers leaves the CPU the threads that the page allows', async () => {
  const cpu = await computed('isolated', { threads: 2 });
  const { device, data } = await computed('isolated', { device: 'gpu', threads: 2, faulty: true });
  expect(device).toMatchObject({ kind: 'cpu', name: 'CPU, 2 threads', backend: 'wasm-relaxed-simd' });
  expect(device.fallback).toMatch(/computes wrong numbers \(.*\); using the CPU instead$/);
  expect(furthest(data, cpu.data)).toBeLessThanOrEqual(CLOSE);
  const alone = await computed('ordinary', { device: 'gpu', threads: 2, faulty: true });
  expect(alone.device).toMatchObject({ kind: 'cpu', name: 'CPU, 1 thread' });
  expect(alone.device.fallback).toMatch(/computes wrong numbers .*; one thread, not 2: .*Cross-Origin-Embedder-Policy/);
});

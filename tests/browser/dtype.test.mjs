// What weights are stored as, asked for in a browser: what the device has is taken, and what it has not is refused.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const MODELS = process.env.HEATSEEK_MODELS ?? join(ROOT, 'models');
const PAGE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>dtype</title>
<script type=module>import { load } from '/pkg/index.js'; window.load = load;</script>`;
// The design's bar for int8.
const MIN_COSINE = 0.99;

// Built by the native tests.
const HEATSEEK = join(ROOT, process.env.CARGO_TARGET_DIR ?? 'target', 'debug/heatseek');
const SMALL = join(ROOT, 'tests/golden/models/bert-no-st');

let server, browser, page, packed;

beforeAll(async () => {
  packed = await mkdtemp(join(tmpdir(), 'heatseek-packed-'));
  server = await serve({ '/models/': MODELS, '/packed/': packed, '/small/': SMALL, '/pkg/': join(ROOT, 'pkg/dist') }, (request, response) => {
    if (request.url !== '/') return false;
    response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    return true;
  });
  browser = await launch();
  ({ page } = await open(browser));
  await page.goto(server.origin);
  await page.waitForFunction('window.load');
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  if (packed) await rm(packed, { recursive: true, force: true });
});

/** What a model loaded so says of its device, and its vector of a text; or the error. */
const loaded = (options, at = '/models/all-MiniLM-L6-v2/') => page.evaluate(async ({ options, at }) => {
  try {
    const model = await load(at, { cache: false, ...options });
    const { data } = await model.embed('the bees find honey');
    model.dispose();
    return { device: model.info.device, vector: [...data] };
  } catch ({ code, message }) {
    return { code, message };
  }
}, { options, at });

test('a GPU without shader-f16 refuses f16 with the reason, and auto takes f32', async () => {
  expect(await page.evaluate(async () => (await navigator.gpu.requestAdapter()).features.has('shader-f16'))).toBe(false);
  for (const dtype of ['f16', 'fp16']) {
    const error = await loaded({ device: 'gpu', dtype });
    expect(error).toMatchObject({ code: 'unsupported', message: expect.stringMatching(/cannot run f16 storage: its adapter has no `shader-f16`; ask for f32, or auto/) });
  }
  expect((await loaded({ device: 'gpu', dtype: 'auto' })).device).toMatchObject({ kind: 'gpu', dtype: 'f32' });
});

test('the CPU refuses f16, and auto takes f32 there', async () => {
  expect(await loaded({ device: 'cpu', dtype: 'f16' })).toMatchObject({ code: 'unsupported', message: expect.stringMatching(/f16 storage/) });
  expect((await loaded({ device: 'cpu', dtype: 'auto' })).device).toMatchObject({ kind: 'cpu', dtype: 'f32' });
});

test('int8 is f32 but for its rounding, on the CPU by either name and on WebGPU', async () => {
  const [f32, int8, q8] = [await loaded({ device: 'cpu' }), await loaded({ device: 'cpu', dtype: 'int8' }), await loaded({ device: 'cpu', dtype: 'q8' })];
  expect(f32.device).toMatchObject({ kind: 'cpu', dtype: 'f32' });
  expect(int8.device).toMatchObject({ kind: 'cpu', dtype: 'int8' });
  expect(q8).toEqual(int8);
  const gpu = await loaded({ device: 'gpu', dtype: 'int8' });
  expect(gpu.device).toMatchObject({ kind: 'gpu', dtype: 'int8' });
  for (const { vector } of [int8, gpu]) {
    // All have unit length.
    const cosine = vector.reduce((sum, value, i) => sum + value * f32.vector[i], 0);
    expect(cosine).toBeGreaterThanOrEqual(MIN_COSINE);
    // Equal vectors would be those of f32.
    expect(cosine).toBeLessThan(0.999999);
  }
});

test('what heatseek models pack makes of a model is loaded in each of its types, with its sums', async () => {
  const original = await loaded({ device: 'cpu' }, '/small/');
  expect(original.vector).toHaveLength(32);
  const seen = new Set([original.vector.join()]);
  for (const dtype of ['f16', 'int8', 'q4']) {
    const out = join(packed, dtype);
    // Random weights bear four bits worse than trained ones.
    await promisify(execFile)(HEATSEEK, ['models', 'pack', '--model', SMALL, '--out', out, '--dtype', dtype, '--min-cosine', '0.98']);
    const sha256 = JSON.parse(await readFile(join(out, 'sha256.json'), 'utf8'));
    const { device, vector } = await loaded({ device: 'cpu', sha256 }, `/packed/${dtype}/`);
    expect(device).toMatchObject({ kind: 'cpu', dtype: 'f32' });
    const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
    const cosine = dot(vector, original.vector) / Math.sqrt(dot(vector, vector) * dot(original.vector, original.vector));
    expect(cosine).toBeGreaterThanOrEqual(dtype === 'q4' ? 0.97 : 0.99);
    seen.add(vector.join());
    const other = { ...sha256, 'model.safetensors': '0'.repeat(64) };
    expect(await loaded({ device: 'cpu', sha256: other }, `/packed/${dtype}/`)).toMatchObject({ code: 'model_invalid' });
  }
  expect(seen.size).toBe(4);
});

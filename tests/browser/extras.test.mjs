// What only some models need is a module of its own, and fetched for those alone; with it they compute what PyTorch does.
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const MODELS = process.env.HEATSEEK_MODELS ?? join(ROOT, 'models');
const CLIP = join(ROOT, 'tests/golden/clip/clip');
const EXTRAS = 'heatseek_extras_bg.wasm';
const PAGE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>extras</title>
<script type=module>import { load } from '/pkg/index.js'; window.load = load;</script>`;

let server, browser;
/** The wasm that was asked for since the last page. */
let asked = [];
/** Whether the server has the extras. */
let there = true;

beforeAll(async () => {
  server = await serve({ '/models/': MODELS, '/clip/': CLIP, '/pkg/': join(ROOT, 'pkg/dist') }, (request, response) => {
    if (request.url.endsWith('.wasm')) asked.push(request.url.split('/').at(-1));
    if (request.url.endsWith(EXTRAS) && !there) {
      response.writeHead(404).end();
      return true;
    }
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

/** Loads a model in a new page, embeds `inputs`, and says what was found or thrown, and which wasm was asked for. */
async function visit(model, inputs, options = {}) {
  asked = [];
  const { page } = await open(browser);
  try {
    await page.goto(server.origin);
    await page.waitForFunction('window.load');
    const found = await page.evaluate(async ({ model, inputs, options }) => {
      try {
        const loaded = await load(model, { device: 'cpu', cache: false, ...options });
        const { data, shape } = await loaded.embed(inputs);
        return { data: [...data], shape };
      } catch ({ code, message }) {
        return { code, message };
      }
    }, { model, inputs, options });
    return { ...found, asked: [...asked] };
  } finally {
    await page.close();
  }
}

/** The texts of CLIP's golden, and PyTorch's vectors of them. */
async function golden() {
  const texts = JSON.parse(await readFile(join(CLIP, 'texts.json'), 'utf8'));
  const file = await readFile(join(CLIP, 'golden.safetensors'));
  const headerBytes = Number(file.readBigUInt64LE(0));
  const { shape, data_offsets: [begin, end] } = JSON.parse(file.subarray(8, 8 + headerBytes).toString()).pooled;
  const at = file.byteOffset + 8 + headerBytes;
  return { texts: texts.map(({ text }) => text), shape, data: new Float32Array(file.buffer.slice(at + begin, at + end)) };
}

test("a text model whose tokenizer has no pattern comes without them", async () => {
  const { shape, asked } = await visit('/models/all-MiniLM-L6-v2/', ['the bees find honey']);
  expect(shape).toEqual([1, 384]);
  expect(asked).toEqual(['heatseek_relaxed_bg.wasm']);
});

test("CLIP's tokenizer matches its patterns with them, and its vectors are PyTorch's", async () => {
  const expected = await golden();
  const { data, shape, asked } = await visit('/clip/', expected.texts);
  expect(asked.toSorted()).toEqual([EXTRAS, 'heatseek_relaxed_bg.wasm']);
  expect(shape).toEqual(expected.shape);
  data.forEach((value, at) => expect(Math.abs(value - expected.data[at])).toBeLessThan(1e-4));
});

test('pictures are decoded by them, and what is no picture is named by its place', async () => {
  const { code, message, asked } = await visit('/clip/', ['/clip/config.json'], { input: 'image' });
  expect(asked).toContain(EXTRAS);
  expect(code).toBe('invalid_input');
  expect(message).toMatch(/^picture 0, counted from 0: the \d+ bytes look like JSON; pictures in PNG, JPEG, WebP and GIF can be read$/);
});

test('where they are missing, loading says which file', async () => {
  there = false;
  try {
    const { code, message } = await visit('/clip/', ['bees']);
    expect(code).toBe('not_found');
    expect(message).toMatch(/\/pkg\/wasm\/heatseek_extras_bg\.wasm is not the engine's WebAssembly: the server answered 404/);
  } finally {
    there = true;
  }
});

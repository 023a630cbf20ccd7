// Browsers that lack what Chromium has: a page and its workers lose it before the library is loaded, and all goes on with
// what is left. What decides is what is there, never the browser's name.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
// A sum that is fused with its product is rounded once, and a GPU adds in another order.
const CLOSE = 2e-5;

/** Names that are younger than the oldest browsers which are meant to work, of March 2023. */
const YOUNG = `
  for (const [owner, names] of [
    [Promise, ['withResolvers', 'try']], [Array, ['fromAsync']], [Object, ['groupBy']],
    [Map, ['groupBy']], [AbortSignal, ['any']], [Uint8Array, ['fromBase64', 'fromHex']], [Uint8Array.prototype, ['toBase64', 'toHex']],
    [Response.prototype, ['bytes']], [Blob.prototype, ['bytes']], [ReadableStream, ['from']],
    [ReadableStream.prototype, [Symbol.asyncIterator, 'values']], [Atomics, ['pause', 'waitAsync']], [URL, ['parse', 'canParse']],
    [Set.prototype, ['union', 'intersection', 'difference', 'isSubsetOf']], [ArrayBuffer.prototype, ['transfer', 'transferToFixedLength']],
    [Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())), ['map', 'filter', 'flatMap', 'some', 'every', 'find', 'toArray', 'reduce', 'take', 'drop', 'forEach']],
    [RegExp, ['escape']], [globalThis, ['scheduler', 'requestIdleCallback', 'showDirectoryPicker', 'DisposableStack']],
  ]) for (const name of names) if (name in owner && !Reflect.deleteProperty(owner, name)) throw new Error('cannot take away ' + String(name));
  if ('withResolvers' in Promise || 'map' in [].values()) throw new Error('nothing was taken away');`;
const NO_RELAXED_SIMD = 'WebAssembly.validate = () => false;';
const NO_GPU = 'delete (globalThis.Navigator ?? globalThis.WorkerNavigator).prototype.gpu;';
const NO_WRITING = 'for (const way of ["createSyncAccessHandle", "createWritable"]) delete FileSystemFileHandle.prototype[way];';
/** WebGPU without what is optional in it. */
const BARE_GPU = `
  const nothing = { get: () => new Set() };
  Object.defineProperty(GPUAdapter.prototype, 'features', nothing);
  Object.defineProperty(GPU.prototype, 'wgslLanguageFeatures', nothing);`;

const SHAPES = {
  chromium: '',
  safari: YOUNG + NO_RELAXED_SIMD + NO_GPU + NO_WRITING,
  firefox: YOUNG + NO_RELAXED_SIMD + NO_GPU,
  'firefox-with-webgpu': YOUNG + NO_RELAXED_SIMD + BARE_GPU,
};

const PAGE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>shapes</title>
<script type=module>
  import { createIndex, deleteIndex, listIndexes, load } from '/pkg/index.js';
  const told = async (work) => {
    try {
      await work();
    } catch ({ name, code, message }) {
      return { name, code, message };
    }
  };
  /** All that a browser's kind may change, in one visit. */
  window.visit = async (shape) => {
    const worker = new URL('/' + shape + '-worker.js', location.href);
    const begin = (more) => load('/models/bert-cls-normalize/', { worker, ...more });
    const found = { vectors: {}, devices: {} };
    for (const [name, options] of Object.entries({ cpu: { device: 'cpu', threads: 2 }, auto: {}, gpu: { device: 'gpu', dtype: 'auto' } })) {
      // Other tests are about this one's GPU.
      if (shape === 'chromium' && name === 'gpu') continue;
      found[name] = await told(async () => {
        const model = await begin(options);
        found.vectors[name] = [...(await model.embed(['The bees find the honey.', 'b'])).data];
        found.devices[name] = model.info.device;
        model.dispose();
      });
    }
    if (shape !== 'chromium') found.half = await told(async () => (await begin({ device: 'gpu', dtype: 'f16' })).dispose());
    for (const visit of ['first', 'second']) {
      const model = await begin({ device: 'cpu' });
      const index = await createIndex({ model, name: 'notes' });
      found[visit] = { size: index.size, persisted: index.persisted };
      await index.add({ id: 'bees', text: 'Bees dance.' });
      model.dispose();
    }
    found.indexes = await listIndexes();
    found.deleted = await deleteIndex('notes');
    return found;
  };
  window.ready = true;
</script>`;

let server;
let browser;
/** What each page asked for. */
let asked = [];
beforeAll(async () => {
  const scripts = {};
  for (const [shape, loss] of Object.entries(SHAPES)) {
    scripts[`/${shape}.js`] = loss;
    // Modules are run in their order.
    scripts[`/${shape}-worker.js`] = `import '/${shape}.js'; import '/pkg/worker.js';`;
  }
  const isolated = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };
  server = await serve({ '/pkg/': join(ROOT, 'pkg/dist'), '/models/': join(ROOT, 'tests/golden/models') }, (request, response) => {
    asked.push(request.url);
    const script = scripts[request.url];
    if (script === undefined && request.url !== '/') return false;
    response.writeHead(200, { 'content-type': script === undefined ? 'text/html' : 'text/javascript' }).end(script ?? PAGE);
    return true;
  }, isolated);
  browser = await launch();
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

async function visited(shape) {
  asked = [];
  const { page, errors, context } = await open(browser);
  try {
    await page.addInitScript(SHAPES[shape]);
    await page.goto(server.origin);
    await page.waitForFunction(() => window.ready);
    const found = await page.evaluate((name) => window.visit(name), shape);
    expect(errors).toEqual([]);
    return { ...found, relaxed: asked.includes('/pkg/wasm/heatseek_relaxed_bg.wasm'), node: asked.includes('/pkg/node.js') };
  } finally {
    await context.close();
  }
}

let whole;
test('Chromium, with all that the others are compared with', async () => {
  whole = await visited('chromium');
  expect(whole).toMatchObject({ relaxed: true, node: false, first: { size: 0, persisted: 'opfs' }, second: { size: 1, persisted: 'opfs' } });
  expect(whole.devices.cpu).toMatchObject({ name: 'CPU, 2 threads', backend: 'wasm-relaxed-simd' });
});

test.each([
  ['safari', { gpu: false, persisted: 'indexeddb' }],
  ['firefox', { gpu: false, persisted: 'opfs' }],
  ['firefox-with-webgpu', { gpu: true, persisted: 'opfs' }],
])('%s', async (shape, { gpu, persisted }) => {
  const found = await visited(shape);
  // It fetches one build of the engine, the one that it can run.
  expect(found).toMatchObject({ relaxed: false, node: false });
  expect(found.devices.cpu).toMatchObject({ name: 'CPU, 1 thread', backend: 'wasm-simd128' });
  expect(found.devices.cpu.fallback).toContain('baseline');
  expect([found.cpu, found.auto]).toEqual([undefined, undefined]);

  if (gpu) {
    expect(found.devices.gpu).toMatchObject({ kind: 'gpu', dtype: 'f32' });
  } else {
    expect(found.devices.auto).toMatchObject({ kind: 'cpu', fallback: expect.stringContaining('WebGPU') });
    expect(found.gpu).toMatchObject({ name: 'HeatseekError', code: 'unsupported' });
  }
  expect(found.half).toMatchObject({ name: 'HeatseekError', code: 'unsupported' });

  for (const [way, vector] of Object.entries(found.vectors)) {
    const worst = Math.max(...vector.map((value, i) => Math.abs(value - whole.vectors.cpu[i])));
    expect(worst, way).toBeLessThanOrEqual(CLOSE);
  }

  expect(found.first).toEqual({ size: 0, persisted });
  expect(found.second).toEqual({ size: 1, persisted });
  expect(found.indexes).toEqual([{ name: 'notes', persisted }]);
  expect(found.deleted).toBe(true);
});

// Memory comes back: models are loaded and disposed of fifty times, and neither the engine's memory nor the page's grows.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
/** Until what is made once is made: compiled code, tables, caches. */
const FIRST = 5;
/** What comes and goes by itself, as where allocations find room. A cycle that kept the weights alone would take 190 kB. */
const SLACK_BYTES = 1 << 20;

const PAGE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>memory</title>
<script type=module>
  // The engine's memory, which it shows to nobody.
  const { Memory } = WebAssembly;
  window.memories = [];
  WebAssembly.Memory = class extends Memory {
    constructor(descriptor) {
      super(descriptor);
      window.memories.push(this);
    }
  };
  const { load } = await import('/pkg/index.js');
  const texts = ['The bees find the honey', 'and fly home'];
  window.cycle = async (options, model = '/model/') => {
    const loaded = await load(model, { device: 'cpu', ...options });
    const { data } = await loaded.embed(texts);
    loaded.dispose();
    return data[0];
  };
  window.used = async () => {
    // What is disposed of is freed when the call under way is over, and what streams hold takes more than one collection.
    for (let n = 0; n < 5; n++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      gc();
    }
    const sum = (sizes) => sizes.reduce((total, size) => total + size, 0);
    return { wasm: sum(memories.map(({ buffer }) => buffer.byteLength)), heap: performance.memory.usedJSHeapSize };
  };
  window.ready = true;
</script>`;

let server, browser, page, errors;
beforeAll(async () => {
  const mounts = { '/pkg/': join(ROOT, 'pkg/dist'), '/model/': join(ROOT, 'tests/golden/models/bert-cls-normalize') };
  server = await serve(mounts, (request, response) => {
    if (new URL(request.url, 'http://localhost').pathname !== '/') return false;
    response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    return true;
  });
  browser = await launch({ webgpu: false, args: ['--js-flags=--expose-gc', '--enable-precise-memory-info'] });
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/** How much memory grew from the first cycles to the last. */
async function growth(count, options) {
  ({ page, errors } = await open(browser));
  await page.goto(server.origin);
  await page.waitForFunction(() => window.ready);
  const run = (times) => page.evaluate(async ([times, options]) => {
    for (let n = 0; n < times; n++) await cycle(options);
    return used();
  }, [times, options]);
  const first = await run(FIRST);
  const last = await run(count - FIRST);
  expect(errors).toEqual([]);
  console.log(`${count} cycles with ${JSON.stringify(options)}: ${JSON.stringify({ first, last })}`);
  return { wasm: last.wasm - first.wasm, heap: last.heap - first.heap, first };
}

test('fifty models in the page’s own thread take the room of one', async () => {
  const { wasm, heap, first } = await growth(50, { worker: false, cache: false });
  expect(first.wasm, 'the engine is in this thread').toBeGreaterThan(0);
  expect(wasm).toBeLessThan(SLACK_BYTES);
  expect(heap).toBeLessThan(SLACK_BYTES);
});

test('workers of models that were disposed of are gone', async () => {
  const { heap } = await growth(15, { cache: false });
  // The browser ends them when it has the time.
  await expect.poll(() => page.workers().length).toBe(0);
  expect(heap).toBeLessThan(SLACK_BYTES);
});

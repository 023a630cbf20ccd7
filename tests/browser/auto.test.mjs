// device: 'auto' in a page whose software adapter says that it is a GPU: it is measured, once.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');

const SCRIPTS = {
  '/hardware.js': "import '/claim.js'; import '/pkg/worker.js';",
  '/claim.js': "Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { get: () => false });",
};
const PAGE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>auto</title>
<script type=module>
  import { load } from '/pkg/index.js';
  window.device = async (worker) => {
    const model = await load('/models/bert-no-st/', { cache: false, ...(worker && { worker: new URL(worker, location.href) }) });
    const { data } = await model.embed('bees');
    const { device } = model.info;
    // The engine writes behind load's back; a database that is open is no reason to lose it.
    await new Promise((resolve) => setTimeout(resolve, 300));
    model.dispose();
    return { device, numbers: data.length };
  };
  window.ready = true;
</script>`;

let browser, server;
beforeAll(async () => {
  server = await serve({ '/pkg/': join(ROOT, 'pkg/dist'), '/models/': join(ROOT, 'tests/golden/models') }, (request, response) => {
    const script = SCRIPTS[request.url];
    if (!script && request.url !== '/') return false;
    response.writeHead(200, { 'content-type': script ? 'text/javascript' : 'text/html' }).end(script ?? PAGE);
    return true;
  });
  browser = await launch();
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

test('what is taken for a GPU is measured against the CPU, and known on the next visit', async () => {
  const { page, errors } = await open(browser);
  await page.goto(server.origin);
  await page.waitForFunction(() => window.ready);
  const { device, numbers } = await page.evaluate(() => window.device('/hardware.js'));
  expect(numbers).toBe(32);
  const measured = [...device.reason.matchAll(/ (\d+) rows took .*? ([\d.]+) ms and the CPU ([\d.]+)/g)].map(([, ...of]) => of.map(Number));
  expect(measured.map(([rows]) => rows)).toEqual([27, 513].slice(0, measured.length));
  const [, gpu, cpu] = measured.at(-1);
  // Rounded to a tenth, equal numbers say nothing.
  if (gpu !== cpu) expect(device.kind).toBe(gpu < cpu ? 'gpu' : 'cpu');
  if (device.kind === 'cpu') expect(measured).toHaveLength(2);
  expect(device.fallback).toBeUndefined();

  await page.reload();
  await page.waitForFunction(() => window.ready);
  const again = await page.evaluate(() => window.device('/hardware.js'));
  expect(again.device, 'the very same numbers: nothing was measured').toEqual(device);
  // An adapter that says what it is is not measured.
  const software = await page.evaluate(() => window.device());
  expect(software.device).toMatchObject({ kind: 'cpu' });
  expect(software.device.reason).toBeUndefined();
  expect(software.device.fallback).toMatch(/software/);
  expect(errors).toEqual([]);
});

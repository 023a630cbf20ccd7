// An index whose vectors are on the GPU finds what it finds on the CPU, through the npm package in a page.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serveIndexPages, visit } from './index-page.mjs';

let server, browser, page, errors;

beforeAll(async () => {
  server = await serveIndexPages();
  browser = await launch();
  ({ page, errors } = await open(browser));
  await visit(page, server);
  await page.evaluate(async () => {
    const words = 'bees honey flower dance bread light home sun sky find'.split(' ');
    window.corpus = Array.from({ length: 300 }, (_, i) => ({
      id: `d${i}`, text: [i, i / 10, i / 100, i * 7].map((at) => words[Math.floor(at) % 10]).join(' '), metadata: { even: i % 2 === 0 },
    }));
    window.loaded = await model({ device: 'gpu' });
    window.kept = await createIndex({ model: loaded });
    await kept.add(corpus, { chunk: false });
  });
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  expect(errors).toEqual([]);
});

test('on the GPU and on the CPU the same is found, whatever is stored and asked', async () => {
  const found = await page.evaluate(async () => {
    const found = [];
    for (const storage of ['f32', 'f16', 'int8', 'binary']) {
      const own = await createIndex({ model: loaded, storage });
      await own.add(corpus, { chunk: false });
      const from = await own.export();
      own.dispose();
      const [gpu, cpu] = await Promise.all(['gpu', 'cpu'].map((scan) => createIndex({ model: loaded, storage, scan, from })));
      for (const options of [{}, { filter: { even: true } }, { topK: 100, hybrid: true }, { topK: 250 }]) {
        const asked = (index) => index.search('bees dance in the light', options);
        // At once, so that one is copied to the GPU while the other is searched.
        const [first, wanted, again] = await Promise.all([asked(gpu), asked(cpu), asked(gpu)]);
        found.push({ storage, options, first, wanted, again, then: await asked(gpu), bytes: [gpu.gpuBytes, cpu.gpuBytes] });
      }
      await Promise.all([gpu, cpu].map((index) => index.remove(['d3', 'd299'])));
      const ask = (index) => index.search('bees dance in the light');
      found.push({ storage, options: 'removed', first: await ask(gpu), wanted: await ask(cpu), again: await ask(gpu), then: await ask(gpu), bytes: [gpu.gpuBytes, cpu.gpuBytes] });
      gpu.dispose();
      cpu.dispose();
    }
    return found;
  });
  expect(found).toHaveLength(20);
  for (const { storage, options, first, wanted, again, then, bytes } of found) {
    const name = `${storage} ${JSON.stringify(options)}`;
    expect(wanted.length, name).toBeGreaterThan(5);
    for (const hits of [first, again, then]) expect(hits, name).toEqual(wanted);
    expect(bytes[0], name).toBeGreaterThan(0);
    expect(bytes[1], name).toBe(0);
  }
});

test('by itself so few vectors stay where they are', async () => {
  const bytes = await page.evaluate(async () => {
    for (let i = 0; i < 3; i++) await kept.search('bees');
    return kept.gpuBytes;
  });
  expect(bytes).toBe(0);
});

test('a place that is none says so', async () => {
  const error = await page.evaluate(() => told(() => createIndex({ model: loaded, scan: 'tpu' })));
  expect(error).toMatchObject({ code: 'invalid_input', ours: true, message: expect.stringMatching(/scan.*'tpu'/) });
});

// The page without a network: it opens, its collection is there and is searched, and it can be installed.
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';
import { ROOT } from './text-page.mjs';

const MODELS = process.env.HEATSEEK_MODELS ?? join(ROOT, 'models');
const PATH = '/notes/';
let browser, server;

afterEach(async () => {
  await browser?.close();
  await server?.close();
});

test('when the server is gone, a reload finds the page, the model and the text', async () => {
  server = await serve({ [PATH]: join(ROOT, 'web/dist'), [`${PATH}models/`]: MODELS });
  browser = await launch({ webgpu: false });
  const { page, errors } = await open(browser, { serviceWorkers: 'allow' });
  page.setDefaultTimeout(120_000);
  const testid = (name) => page.getByTestId(name);
  await page.goto(`${server.origin}${PATH}?device=cpu`);
  await page.waitForSelector('footer[data-model=ready]', { timeout: 600_000 });

  const manifest = await page.evaluate(async () => {
    const { href } = document.querySelector('link[rel=manifest]');
    const found = await (await fetch(href)).json();
    const sizes = [];
    for (const { src, sizes: said, type } of found.icons.filter((icon) => icon.type === 'image/png')) {
      const image = await createImageBitmap(await (await fetch(new URL(src, href))).blob());
      sizes.push([type, said, `${image.width}x${image.height}`]);
    }
    return { display: found.display, sizes, start: new URL(found.start_url, href).pathname };
  });
  expect(manifest.display).toBe('standalone');
  expect(manifest.start).toBe(PATH);
  expect(manifest.sizes.length).toBe(3);
  for (const [, said, real] of manifest.sizes) expect(real).toBe(said);

  await testid('paste-input').fill('A lighthouse warns ships of the rocks.');
  await testid('add-pasted').click();
  await testid('query').waitFor({ state: 'visible' });
  // All that is to be kept is kept when the worker is active.
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.waitForFunction(() => navigator.serviceWorker.controller);
  expect(errors).toEqual([]);
  await server.close();

  await page.reload();
  await page.waitForSelector('footer[data-model=ready]');
  await testid('query').fill('What keeps vessels safe?');
  await testid('query').press('Enter');
  await testid('result').first().waitFor();
  expect(await testid('result-text').first().textContent()).toContain('lighthouse');
  // Views that were never opened are there, too, and the sample.
  await page.evaluate(() => { location.hash = '#speed'; });
  await page.waitForFunction(() => document.title === 'Measure · Heatseek' && document.querySelector('#view section, #view form'));
  expect(await page.locator('.problems').textContent()).toBe('');
  // Chromium reports requests that failed: those of the model's files, which are looked for on the server first.
  expect(errors.filter((line) => !/Failed to load resource/.test(line))).toEqual([]);
  server = undefined;
});

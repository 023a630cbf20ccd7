// Measure, in Chromium: what is drawn is what the exported numbers say, those are of the work that was asked for, and a
// side that cannot or must not be timed is not.
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const OUTPUT = join(ROOT, 'tests/output');
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };
const ROUNDS = 5;

/** As far as transformers.js is used, with an answer of its own. */
const PEER = `
export const env = { version: '0.0.1' };
export class RawImage {}
export async function pipeline(task, model, options) {
  globalThis.asked = { task, model, options, host: env.remoteHost, path: env.remotePathTemplate };
  const extract = async (inputs) => {
    await new Promise((done) => setTimeout(done, 20));
    return { data: Float32Array.from({ length: inputs.length * 384 }, (_, i) => Math.sin(i)), dims: [inputs.length, 384] };
  };
  extract.dispose = async () => { globalThis.disposed = true; };
  return extract;
}`;

let server, browser, opened;
/** Everything that was asked for, and from whom. */
let requests = [];

beforeAll(async () => {
  await mkdir(OUTPUT, { recursive: true });
  server = await serve({ '/': join(ROOT, 'web/dist') }, (request, response) => {
    if (request.url !== '/peer.js') return false;
    response.writeHead(200, { 'content-type': 'text/javascript' }).end(PEER);
    return true;
  });
});
afterEach(async () => {
  const errors = opened?.errors ?? [];
  await browser?.close();
  browser = opened = undefined;
  expect(errors, 'the console stays free of errors').toEqual([]);
});
afterAll(() => server?.close());

const id = (page, name) => page.getByTestId(name);

async function visit({ webgpu = true, ...options } = {}) {
  browser = await launch({ webgpu });
  opened = await open(browser, { viewport: DESKTOP, ...options });
  const { page } = opened;
  requests = [];
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(`${server.origin}/#speed`);
  await id(page, 'measure').waitFor();
  return page;
}

/** Measures what is ticked and gives what would be kept. */
async function measure(page, { tick = [], untick = [], rounds = ROUNDS } = {}) {
  for (const name of untick) await id(page, name).uncheck();
  for (const name of tick) await id(page, name).check();
  await id(page, 'rounds-wanted').fill(String(rounds));
  await id(page, 'measure').click();
  await id(page, 'export').waitFor({ timeout: 300_000 });
  const download = page.waitForEvent('download');
  await id(page, 'export').click();
  return JSON.parse(await readFile(await (await download).path(), 'utf8'));
}

const median = (times) => times.toSorted((a, b) => a - b)[(times.length - 1) / 2];

test('devices are timed in rounds, their parts add up, and the pictures say the numbers', async () => {
  const page = await visit();
  const { plan, runs, ended } = await measure(page, { tick: ['use-gpu', 'use-cpu'] });
  expect(plan).toMatchObject({ work: 'query', places: ['gpu', 'cpu'], dtypes: ['f32'], rounds: ROUNDS });
  expect(Date.now() - Date.parse(ended)).toBeLessThan(60_000);
  expect(runs.map(({ name }) => name)).toEqual(['Heatseek · WebGPU · f32', 'Heatseek · CPU · f32']);
  for (const [index, { rounds, parts, cold, cosine, device }] of runs.entries()) {
    expect(device).toMatchObject({ kind: index === 0 ? 'gpu' : 'cpu', dtype: 'f32' });
    expect(rounds).toHaveLength(ROUNDS);
    expect(cosine).toBeGreaterThan(0.99999);
    expect(Math.min(...rounds)).toBeGreaterThan(0);
    // The parts are of the call: together no more than it, and most of it.
    const sum = parts.prepare + parts.compute + parts.readBack;
    expect(sum).toBeLessThanOrEqual(1.2 * parts.total);
    expect(sum).toBeGreaterThan(0.3 * parts.total);
    expect(parts.compute).toBeGreaterThan(parts.prepare);
    // The start is one: steps lie within it, and it has those of its device.
    const steps = cold.steps.map(({ step }) => step);
    const gpu = ['device', 'compile', 'upload', 'self-check'];
    expect(steps).toEqual(expect.arrayContaining(['worker', 'runtime', 'configuration', 'weights', 'read', 'prepare', ...(index === 0 ? gpu : [])]));
    if (index === 1) expect(steps).not.toEqual(expect.arrayContaining(['upload']));
    for (const { step, start, end } of cold.steps) {
      expect(start, step).toBeGreaterThanOrEqual(0);
      expect(end, step).toBeGreaterThanOrEqual(start);
      expect(end, step).toBeLessThanOrEqual(cold.totalMs);
    }
    const card = id(page, 'run').nth(index);
    const shown = await card.getByTestId('median').textContent();
    expect(Math.abs(parseFloat(shown.replace(',', '')) - median(rounds))).toBeLessThanOrEqual(median(rounds) < 100 ? 0.06 : 0.51);
    expect(await card.getByTestId('run-device').textContent()).toContain(device.kernels);
    expect(await card.getByTestId('timeline').locator('li').count()).toBe(cold.steps.length + 1);
  }
  // Marks lie where their times are, and all pictures have one scale.
  const most = Math.max(...runs.flatMap(({ rounds }) => rounds));
  const marks = await page.$$eval('[data-testid=rounds]', (all) => all.map((strip) =>
    [...strip.querySelectorAll('.round')].map((mark) => {
      const [line, dot] = [strip.getBoundingClientRect(), mark.getBoundingClientRect()];
      return (dot.left + dot.width / 2 - line.left) / line.width;
    })));
  marks.forEach((strip, index) => strip.forEach((at, round) => expect(Math.abs(at - runs[index].rounds[round] / most)).toBeLessThan(0.01)));
  const bars = await page.$$eval('[data-testid=timeline]', (all) => all.map((list) => [...list.querySelectorAll('.track')].map((track) => {
    const [whole, bar] = [track.getBoundingClientRect(), track.firstChild.getBoundingClientRect()];
    return [(bar.left - whole.left) / whole.width, (bar.right - whole.left) / whole.width];
  })));
  bars.forEach((list, index) => runs[index].cold.steps.forEach(({ start, end }, at) => {
    expect(Math.abs(list[at][0] - start / runs[index].cold.totalMs)).toBeLessThan(0.01);
    // What takes no time is seen all the same.
    expect(Math.abs(list[at][1] - end / runs[index].cold.totalMs)).toBeLessThan(0.02);
  }));
  expect(requests.every((url) => url.startsWith(server.origin) || url.startsWith('blob:')), requests.join('\n')).toBe(true);
  await page.mouse.move(0, 0);
  for (const [name, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      // Colours of buttons change over a moment.
      await page.waitForTimeout(300);
      await page.screenshot({ path: join(OUTPUT, `speed-${name}-${colorScheme}.png`), fullPage: true });
    }
  }
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(PHONE.width);
});

test('a precision that the device lacks is refused in words, and the others are measured', async () => {
  const page = await visit();
  const { runs } = await measure(page, { untick: ['use-cpu'], tick: ['use-gpu', 'use-f16'] });
  expect(runs.map(({ rounds }) => rounds.length)).toEqual([ROUNDS, 0]);
  expect(runs[1].refused).toMatch(/cannot run f16 storage: its adapter has no `shader-f16`/);
  expect(await id(page, 'refused').textContent()).toBe(runs[1].refused);
});

test('transformers.js comes only when it is asked for, from where it is said, and a side that differs is told', async () => {
  const page = await visit({ webgpu: false });
  await page.waitForFunction(() => document.querySelector('[data-testid=use-gpu]').disabled);
  expect(await id(page, 'peer').isChecked()).toBe(false);
  expect(await id(page, 'peer-script').isVisible()).toBe(false);
  await id(page, 'peer').check();
  await id(page, 'peer-script').fill(`${server.origin}/peer.js`);
  await id(page, 'peer-model').fill('./models/all-MiniLM-L6-v2/');
  expect(requests.filter((url) => url.endsWith('/peer.js'))).toEqual([]);
  const { runs } = await measure(page);
  expect(requests.filter((url) => url.endsWith('/peer.js'))).toHaveLength(1);
  expect(runs.map(({ name, rounds }) => [name, rounds.length])).toEqual([['Heatseek · CPU · f32', ROUNDS], ['transformers.js · CPU · f32', ROUNDS]]);
  expect(await page.evaluate(() => [globalThis.asked, globalThis.disposed])).toEqual([
    { task: 'feature-extraction', model: 'all-MiniLM-L6-v2', options: { device: 'wasm', dtype: 'fp32' }, host: `${server.origin}/models/`, path: '{model}/' }, true,
  ]);
  // It answers with something else, and the page says how far off that is.
  expect(Math.abs(runs[1].cosine)).toBeLessThan(0.5);
  expect(await id(page, 'run').nth(1).textContent()).toContain(`first side’s: ${runs[1].cosine.toFixed(6)}`);
  expect(Math.min(...runs[1].rounds)).toBeGreaterThan(18);
  expect(await id(page, 'run').nth(1).getByTestId('ratio').textContent()).toMatch(/times as long as Heatseek · CPU · f32$/);
});

test('measuring can be stopped, and by keyboard alone', async () => {
  const page = await visit({ webgpu: false });
  await page.waitForFunction(() => document.querySelector('[data-testid=use-gpu]').disabled);
  await id(page, 'work').focus();
  for (let step = 0; step < 20 && !(await id(page, 'measure').evaluate((button) => button === document.activeElement)); step++) {
    await page.keyboard.press('Tab');
  }
  expect(await id(page, 'measure').evaluate((button) => button === document.activeElement)).toBe(true);
  await id(page, 'rounds-wanted').fill('200');
  await id(page, 'measure').focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('[data-testid=rounds] .round').length >= 2, undefined, { timeout: 120_000 });
  await id(page, 'stop').focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /^Stopped/.test(document.querySelector('[data-testid=speed-status]').textContent));
  const stopped = await page.locator('[data-testid=rounds] .round').count();
  expect(stopped).toBeLessThan(200);
  expect(await id(page, 'measure').isVisible()).toBe(true);
  // What was drawn stays, and nothing goes on.
  await page.waitForTimeout(500);
  expect(await page.locator('[data-testid=rounds] .round').count()).toBe(stopped);
});

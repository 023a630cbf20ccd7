// What the tests of the page's views of text share: the page, and the package's own numbers from a page beside it.
import { mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const MODELS = process.env.HEATSEEK_MODELS ?? join(ROOT, 'models');
export const OUTPUT = join(ROOT, 'tests/output');
export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };
export const TEXT = 'The honeybee danced on the comb because it had found unbelievably sweet clover beyond the river.';
// A drawn byte is half a step off at most, and blending rounds once more.
export const STEP = 1.5 / 255;

const REFERENCE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>numbers</title>
<script type=module>
  import { load, maxSim } from '/pkg/index.js';
  const model = await load('/models/all-MiniLM-L6-v2/', { device: 'cpu', cache: false });
  Object.assign(window, { model, maxSim, ready: true });
</script>`;

let server, browser, opened, reference, numbersPage;

/** Starts what the tests of a file need, and ends it. Call it once. */
export function setUp() {
  beforeAll(async () => {
    await mkdir(OUTPUT, { recursive: true });
    await stat(join(ROOT, 'web/dist/index.html')).catch(() => {
      throw new Error('web/dist is not built: run `cargo xtask build` first');
    });
    server = await serve({ '/': join(ROOT, 'web/dist'), '/models/': MODELS, '/pkg/': join(ROOT, 'pkg/dist') }, (request, response) => {
      if (request.url !== '/numbers') return false;
      response.writeHead(200, { 'content-type': 'text/html' }).end(REFERENCE);
      return true;
    });
    reference = await launch({ webgpu: false });
    numbersPage = (await open(reference)).page;
    await numbersPage.goto(`${server.origin}/numbers`);
    await numbersPage.waitForFunction('window.ready');
  });
  afterEach(async () => {
    const errors = opened?.errors ?? [];
    await browser?.close();
    browser = opened = undefined;
    expect(errors, 'the console stays free of errors').toEqual([]);
  });
  afterAll(async () => {
    await reference?.close();
    await server?.close();
  });
}

/** Runs `work` beside the package: `window.model` is the one the page uses. */
export const beside = (work, argument) => numbersPage.evaluate(work, argument);

const attentions = new Map();

/** All maps of `text` by the package: `at(layer, head, from, to)`. */
export async function numbers(text) {
  let found = attentions.get(text);
  if (!found) {
    const { data, shape, tokens } = await beside(async (input) => {
      const got = await window.model.attention(input);
      return { data: [...got.data], shape: got.shape, tokens: got.layout.tokens };
    }, text);
    const [layers, heads, n] = shape;
    const at = (layer, head, from, to) => data[((layer * heads + head) * n + from) * n + to];
    found = { layers, heads, n, tokens, at };
    attentions.set(text, found);
  }
  return found;
}

export const id = (page, name) => page.getByTestId(name);

/** Opens the page at `hash` and waits for the model, unless it is not to be `loaded` yet. */
export async function visit(hash, { device = 'cpu', loaded = true, ...options } = {}) {
  browser = await launch({ webgpu: device === 'gpu' });
  opened = await open(browser, { viewport: DESKTOP, ...options });
  const { page } = opened;
  page.setDefaultTimeout(120_000);
  await page.goto(`${server.origin}/?device=${device}#${hash}`);
  if (loaded) await page.waitForSelector('footer[data-model=ready]', { timeout: 600_000 });
  return page;
}

/** Opens "Look at text" and looks at `text`, of so many tokens. */
export async function look(text, { tokens, ...options } = {}) {
  const count = tokens ?? (await numbers(text)).n;
  const page = await visit('text', options);
  await id(page, 'look-text').fill(text);
  await id(page, 'look').click();
  await page.waitForFunction((wanted) => document.querySelectorAll('.tokens.from button').length === wanted, count);
  return page;
}

/** What the console of the page called errors, for a test that expects some: it takes them out. */
export const errorsOf = () => opened.errors;

/** A page beside it in the same browser, for files that it made. */
export const another = () => open(browser);

/** Picks a layer and one head of it, while lines are shown. */
export async function pick(page, layer, head) {
  await id(page, 'layer').fill(String(layer));
  await id(page, `head-${head}`).dblclick();
  await page.mouse.move(0, 0);
  await page.waitForFunction(() => !/^Reading/.test(document.querySelector('[data-testid=spoken]').textContent));
}

/** The shades of the colour map by ground, as pixels of a canvas. */
export async function colourMap() {
  const entryPoints = [join(ROOT, 'web/src/draw/heat.ts')];
  const { outputFiles: [script] } = await build({ entryPoints, bundle: true, format: 'esm', write: false });
  const { PAPER_SHADES, SHADES } = await import(`data:text/javascript,${encodeURIComponent(script.text)}`);
  return { light: [...PAPER_SHADES], dark: [...SHADES] };
}

/** The tint of each element as a share of the strongest there is, read off its computed colours; cold is negative. */
export function tints(page, selector) {
  return page.$$eval(selector, (elements) => {
    const strongest = Number(getComputedStyle(document.documentElement).getPropertyValue('--strongest'));
    const alpha = (colour) => Number(colour.match(/rgba?\([^)]*\)/)[0].match(/[\d.]+/g)[3] ?? 1);
    return elements.map((element) => {
      const { backgroundColor, backgroundImage } = getComputedStyle(element);
      const cold = backgroundImage === 'none' ? 0 : alpha(backgroundImage);
      return (alpha(backgroundColor) - cold) / strongest;
    });
  });
}

/** Checks that `shares` are drawn for `values`, the largest of which is drawn in full. */
export function expectDrawn(shares, values, what, most = Math.max(...values.map(Math.abs))) {
  expect(shares, what).toHaveLength(values.length);
  expect(most, 'there is something to see').toBeGreaterThan(0.01);
  shares.forEach((share, at) => expect(Math.abs(share - values[at] / most), `${what}, ${at}: ${share} drawn for ${values[at]}`).toBeLessThan(STEP));
}

/** Words as people see them, with the tokens inside: found in the text, not in the page. */
export function words({ tokens }, text) {
  const found = [...text.matchAll(/[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu)].map(({ 0: word, index }) => ({
    word, inside: tokens.flatMap(({ start, end, special }, at) => (!special && start >= index && end <= index + word.length ? [at] : [])),
  }));
  expect(found.flatMap(({ inside }) => inside)).toHaveLength(tokens.filter(({ special }) => !special).length);
  return found;
}

// "Look at text" in Chromium: what is drawn is read back from the screen, through the colour map, to the weights that
// it stands for, and these are compared with the numbers of the package, called in a page of their own.
import { mkdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const MODELS = process.env.HEATSEEK_MODELS ?? join(ROOT, 'models');
const OUTPUT = join(ROOT, 'tests/output');
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };
const TEXT = 'The honeybee danced on the comb because it had found unbelievably sweet clover beyond the river.';
const PAIR = 'The cat sat on the warm windowsill.\nIt purred because the sunlight made it sleepy.';
// As the page has them: height of a token, and how far a line arrives level, in CSS pixels.
const ROW = 24;
const LEVEL = 8;
// A drawn byte is half a step off at most, and blending rounds once more.
const STEP = 1.5 / 255;

const REFERENCE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>numbers</title>
<script type=module>
  import { load } from '/pkg/index.js';
  const model = await load('/models/all-MiniLM-L6-v2/', { device: 'cpu', cache: false });
  Object.assign(window, { model, ready: true });
</script>`;

let server, browser, opened, reference, shades;
const attentions = new Map();

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
  const entryPoints = [join(ROOT, 'web/src/draw/heat.ts')];
  const { outputFiles: [script] } = await build({ entryPoints, bundle: true, format: 'esm', write: false });
  const { PAPER_SHADES, SHADES } = await import(`data:text/javascript,${encodeURIComponent(script.text)}`);
  shades = { light: [...PAPER_SHADES], dark: [...SHADES] };
  reference = await launch({ webgpu: false });
  const { page } = await open(reference);
  await page.goto(`${server.origin}/numbers`);
  await page.waitForFunction('window.ready');
  reference.numbers = page;
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

/** All maps of `text` by the package: `at(layer, head, from, to)`. */
async function numbers(text) {
  let found = attentions.get(text);
  if (!found) {
    const { data, shape, tokens } = await reference.numbers.evaluate(async (input) => {
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

const id = (page, name) => page.getByTestId(name);

/** Opens "Look at text" and looks at `text`. */
async function look(text, { device = 'cpu', ...options } = {}) {
  browser = await launch({ webgpu: device === 'gpu' });
  opened = await open(browser, { viewport: DESKTOP, ...options });
  const { page } = opened;
  page.setDefaultTimeout(120_000);
  await page.goto(`${server.origin}/?device=${device}#text`);
  await page.waitForSelector('footer[data-model=ready]', { timeout: 600_000 });
  await id(page, 'look-text').fill(text);
  await id(page, 'look').click();
  await page.waitForFunction((wanted) => document.querySelectorAll('.tokens.from button').length === wanted, (await numbers(text)).n);
  return page;
}

async function pick(page, layer, head) {
  await id(page, 'layer').fill(String(layer));
  await id(page, `head-${head}`).dblclick();
  await page.mouse.move(0, 0);
  await page.waitForFunction(() => !/^Reading/.test(document.querySelector('[data-testid=spoken]').textContent));
}

/** Opacity of what the canvas of lines has where the line to (or from) each token is level, 0 to 1. */
function ends(page, n, side) {
  return page.evaluate(([count, row, level, right]) => {
    const canvas = document.querySelector('[data-testid=lines]');
    const scale = canvas.height / (count * row);
    const x = right ? canvas.width - (level / 2) * scale : (level / 2) * scale;
    const { data } = canvas.getContext('2d').getImageData(Math.floor(x), 0, 1, canvas.height);
    return Array.from({ length: count }, (_, at) => data[Math.floor((at + 0.5) * row * scale) * 4 + 3] / 255);
  }, [n, ROW, LEVEL, side === 'to']);
}

function expectDrawn(shares, weights, what) {
  const most = Math.max(...weights);
  expect(most, 'there is something to see').toBeGreaterThan(0.01);
  shares.forEach((share, at) => expect(Math.abs(share - weights[at] / most), `${what}, token ${at}: ${share} drawn for ${weights[at]}`).toBeLessThan(STEP));
}

/** Points at tokens in turn and compares their lines and tints with the numbers. */
async function comparesLines(page, text, layer, head) {
  const { n, at } = await numbers(text);
  const every = Array.from({ length: n }, (_, i) => i);
  await pick(page, layer, head);
  for (const token of [1, 4, n - 2]) {
    for (const side of ['from', 'to']) {
      await page.locator(`.tokens.${side} button`).nth(token).hover();
      const weights = every.map((other) => (side === 'from' ? at(layer, head, token, other) : at(layer, head, other, token)));
      const other = side === 'from' ? 'to' : 'from';
      expectDrawn(await ends(page, n, other), weights, `layer ${layer}, head ${head}, ${side} ${token}`);
      expectDrawn(await tints(page, `.tokens.${other} button`), weights, `tints ${side} ${token}`);
    }
  }
}

/** The tint of each element as a share of the strongest there is, read off its computed colour. */
function tints(page, selector) {
  return page.$$eval(selector, (elements) => {
    const strongest = Number(getComputedStyle(document.documentElement).getPropertyValue('--strongest'));
    return elements.map((element) => {
      const [, , , alpha = '1'] = getComputedStyle(element).backgroundColor.match(/[\d.]+/g);
      return Number(alpha) / strongest;
    });
  });
}

/** All thumbnails as weights, read off their pixels. */
async function thumbnails(page, scheme) {
  const drawn = await page.$$eval('[data-testid=grid] canvas', (canvases) => canvases.map((canvas) => {
    const { width, height } = canvas;
    return [...new Uint32Array(canvas.getContext('2d').getImageData(0, 0, width, height).data.buffer)];
  }));
  const shareOf = new Map(shades[scheme].map((shade, at) => [shade, at / 255]));
  return drawn.map((pixels) => pixels.map((pixel) => shareOf.get(pixel)));
}

/** Words as people see them, with the tokens inside: found in the text, not in the page. */
function words({ tokens }, text) {
  const found = [...text.matchAll(/[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu)].map(({ 0: word, index }) => ({
    word, inside: tokens.flatMap(({ start, end, special }, at) => (!special && start >= index && end <= index + word.length ? [at] : [])),
  }));
  expect(found.flatMap(({ inside }) => inside)).toHaveLength(tokens.filter(({ special }) => !special).length);
  return found;
}

describe('on the CPU', () => {
  test('lines and tints are the weights of the picked head, from and to', async () => {
    const { n, at } = await numbers(TEXT);
    const page = await look(TEXT);
    for (const [layer, head] of [[1, 4], [2, 1], [5, 7]]) {
      const lopsided = Math.max(...Array.from({ length: n * n }, (_, i) => Math.abs(at(layer, head, Math.floor(i / n), i % n) - at(layer, head, i % n, Math.floor(i / n)))));
      expect(lopsided, 'a transposed map would be seen').toBeGreaterThan(0.1);
      await comparesLines(page, TEXT, layer, head);
    }
  });

  test('every pixel of every thumbnail is its weight, light and dark', async () => {
    const { layers, heads, n, at } = await numbers(TEXT);
    const page = await look(TEXT);
    await id(page, 'mode-grid').click();
    await page.waitForFunction((size) => [...document.querySelectorAll('[data-testid=grid] canvas')].every(({ width }) => width === size), n);
    for (const scheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: scheme });
      // Browsers tell of a new scheme with the next frame.
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      const drawn = await thumbnails(page, scheme);
      expect(drawn).toHaveLength(layers * heads);
      drawn.forEach((shares, map) => shares.forEach((share, cell) => {
        const weight = at(Math.floor(map / heads), map % heads, Math.floor(cell / n), cell % n);
        if (!(Math.abs(share - Math.sqrt(weight)) <= 0.51 / 255)) throw new Error(`${scheme}, map ${map}, cell ${cell}: ${share} drawn for √${weight}`);
      }));
      await page.screenshot({ path: join(OUTPUT, `text-grid-${scheme}.png`) });
    }
    // Choosing one goes to its lines.
    await page.getByRole('button', { name: 'Layer 4, head 3' }).click();
    expect(await id(page, 'mode-lines').getAttribute('aria-selected')).toBe('true');
    expect(await id(page, 'layer').inputValue()).toBe('4');
    expect(await page.locator('.heads [aria-pressed=true]').allTextContents()).toEqual(['3']);
  });

  test('the text is tinted by what a word looked at, over all picked heads', async () => {
    const maps = await numbers(TEXT);
    const found = words(maps, TEXT);
    const page = await look(TEXT);
    const picked = [3, 5];
    await pick(page, 2, picked[0]);
    await id(page, `head-${picked[1]}`).click();
    await id(page, 'words').check();
    await id(page, 'hide-special').check();
    await id(page, 'mode-heat').click();
    for (const chosen of ['danced', 'unbelievably']) {
      const { inside } = found.find(({ word }) => word === chosen);
      await id(page, 'heat-text').getByRole('button', { name: chosen }).click();
      expect(await page.locator('.prose button').allTextContents()).toEqual(found.map(({ word }) => word));
      // The pieces of a word look as their mean, and are looked at as their sum.
      const weights = found.map(({ inside: others }) => {
        let sum = 0;
        for (const head of picked) for (const from of inside) for (const to of others) sum += maps.at(2, head, from, to);
        return sum / inside.length / picked.length;
      });
      expectDrawn(await tints(page, '.prose button'), weights, chosen);
    }
    await page.screenshot({ path: join(OUTPUT, 'text-heat-light.png') });
  });

  test('of two sentences, only the lines asked for are there', async () => {
    const { n, tokens } = await numbers(PAIR);
    const second = tokens.findIndex(({ start }) => start >= PAIR.indexOf('\n'));
    const page = await look(PAIR);
    await id(page, 'between').selectOption('ab');
    const [leaving, arriving] = [await ends(page, n, 'from'), await ends(page, n, 'to')];
    expect(leaving.map((share, at) => (share > 0) === (at < second))).toEqual(Array(n).fill(true));
    expect(arriving.map((share, at) => share > 0 && at < second)).toEqual(Array(n).fill(false));
    await page.screenshot({ path: join(OUTPUT, 'text-pair.png') });
  });

  test('the keyboard walks through tokens, tabs and thumbnails, and says what it finds', async () => {
    const { n, at } = await numbers(TEXT);
    const page = await look(TEXT);
    await pick(page, 2, 1);
    await page.locator('.tokens.from button').first().focus();
    for (let step = 0; step < 4; step++) await page.keyboard.press('ArrowDown');
    const row = Array.from({ length: n }, (_, to) => ({ to, weight: at(2, 1, 4, to) })).sort((a, b) => b.weight - a.weight);
    const labels = await page.locator('.tokens.to button').allTextContents();
    expect(await id(page, 'spoken').textContent()).toContain(`“danced” looked most at “${labels[row[0].to]}” ${row[0].weight.toFixed(2)}`);
    await page.keyboard.press('Enter');
    expect(await page.locator('.tokens.from [aria-pressed=true]').textContent()).toBe('danced');

    await id(page, 'mode-lines').focus();
    await page.keyboard.press('ArrowRight');
    expect(await id(page, 'mode-grid').getAttribute('aria-selected')).toBe('true');
    await page.locator('[data-testid=grid] button').first().focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowRight');
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('Layer 1, head 1');
    await page.keyboard.press('Enter');
    expect(await id(page, 'mode-lines').getAttribute('aria-selected')).toBe('true');
    expect(await page.getByRole('link', { name: 'Look at text' }).getAttribute('aria-current')).toBe('page');
  });

  test('a phone and a dark room', async () => {
    const page = await look(TEXT, { deviceScaleFactor: 2 });
    for (const [device, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize(viewport);
        for (const mode of ['lines', 'grid', 'heat']) {
          await id(page, `mode-${mode}`).click();
          await page.locator('.panels').scrollIntoViewIfNeeded();
          const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          expect(overflow, `${mode} on a ${device} does not scroll sideways`).toBeLessThanOrEqual(0);
          await page.screenshot({ path: join(OUTPUT, `text-${mode}-${device}-${colorScheme}.png`), fullPage: true });
        }
      }
    }
    await id(page, 'mode-lines').click();
    await comparesLines(page, TEXT, 3, 2);
  });

  test('a text of 512 tokens stays usable', async () => {
    const passages = JSON.parse(await readFile(join(ROOT, 'web/public/sample/passages.json'), 'utf8'));
    const text = passages.slice(0, 14).map((passage) => passage.text).join(' ');
    // The model's own limit cuts it: what is drawn is what the model read.
    const { n, at } = await numbers(text);
    expect(n).toBeGreaterThanOrEqual(256);
    const page = await look(text);
    expect(await id(page, 'spoken').textContent()).toMatch(/^The strongest [\d,]+ of [\d,]+ lines/);
    await pick(page, 1, 4);
    await page.locator('.tokens.from button').nth(7).hover();
    expectDrawn(await ends(page, n, 'to'), Array.from({ length: n }, (_, to) => at(1, 4, 7, to)), 'a long text');
    expect(await page.evaluate(() => document.querySelectorAll('*').length)).toBeLessThan(5000);
    await page.screenshot({ path: join(OUTPUT, 'text-long.png') });
  });
});

describe('on WebGPU', () => {
  test('lines and tints are the weights of the picked head', async () => {
    const page = await look(TEXT, { device: 'gpu' });
    expect(await id(page, 'device-line').textContent()).toMatch(/^GPU/);
    await comparesLines(page, TEXT, 1, 8);
  });
});

describe('files', () => {
  const HOSTILE = 'The <script>alert("bee")</script> & its \'hive\' ]]> were </pre></title> found.';

  async function kept(page, kind) {
    const [download] = await Promise.all([page.waitForEvent('download'), id(page, `export-${kind}`).click()]);
    expect(download.suggestedFilename()).toMatch(new RegExp(`\\.${kind}$`));
    return readFile(await download.path());
  }

  test('JSON has every map as bertviz reads it; SVG, PNG and the page of its own show the same numbers', async () => {
    const { layers, heads, n, at, tokens } = await numbers(HOSTILE);
    const page = await look(HOSTILE);
    await pick(page, 1, 4);
    await page.locator('.tokens.from button').nth(3).click();
    await page.mouse.move(0, 0);

    const json = JSON.parse(await kept(page, 'json'));
    expect(json.tokens).toHaveLength(n);
    expect(json.tokens[0]).toBe('[CLS]');
    expect(json.tokens.slice(1, -1).map((token) => token.replace(/^##/, ''))).toEqual(tokens.slice(1, -1).map(({ text }) => text));
    expect(json.attention).toHaveLength(layers);
    json.attention.forEach((layer, l) => {
      expect(layer).toHaveLength(heads);
      layer.forEach((map, h) => map.forEach((row, from) => row.forEach((weight, to) => {
        if (Math.abs(weight - at(l, h, from, to)) > 1e-7) throw new Error(`layer ${l}, head ${h}, ${from} to ${to}: ${weight}`);
      })));
    });

    const svg = (await kept(page, 'svg')).toString();
    const row = Array.from({ length: n }, (_, to) => at(1, 4, 3, to));
    const drawn = [...svg.matchAll(/<polyline points="([^"]+)".*?stroke-opacity="([\d.]+)"/g)].map(([, points, opacity]) => ({
      to: Math.floor((Number(points.split(',').at(-1)) - 16) / ROW), opacity: Number(opacity),
    }));
    expect(drawn.length).toBeGreaterThan(5);
    for (const { to, opacity } of drawn) expect(opacity).toBeCloseTo(row[to] / Math.max(...row), 3);

    const png = await kept(page, 'png');
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect(png.readUInt32BE(20)).toBe(2 * (n * ROW + 32));

    const html = (await kept(page, 'html')).toString();
    const { page: alone, errors, context } = await open(browser);
    const asked = [];
    context.on('request', (request) => asked.push(request.url()));
    await alone.setContent(html);
    expect(await alone.locator('body > p').first().textContent()).toBe(HOSTILE);
    expect(await alone.locator('script').count()).toBe(0);
    const { attention, heads: picked } = JSON.parse(await alone.locator('#numbers').textContent());
    expect(picked).toEqual([4]);
    expect(attention[0][0][3][5]).toBeCloseTo(at(1, 4, 3, 5), 7);
    expect(await alone.locator('svg polyline').count()).toBe(drawn.length);
    expect(asked.filter((url) => !url.startsWith('data:'))).toEqual([]);
    expect(errors).toEqual([]);
    await alone.screenshot({ path: join(OUTPUT, 'text-export.png'), fullPage: true });
  });
});

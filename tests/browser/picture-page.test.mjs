// The picture views in Chromium: what is drawn is read back from the canvas, through the colour map, to the numbers
// it stands for, and these are compared with those of the package, called in a page of their own.
import { mkdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { picksAHead, squares } from './heads-panel.mjs';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const MODELS = process.env.HEATSEEK_MODELS ?? join(ROOT, 'models');
const GOLDEN = join(ROOT, 'tests/golden');
const OUTPUT = join(ROOT, 'tests/output');
const PICTURES = join(MODELS, 'test-pictures');
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };
// A drawn shade is half a step off at most.
const STEP = 0.51 / 255;

// A model with registers, for pictures that are wider than high: 4 rows of 6 patches.
const OBLONG = JSON.stringify({
  image_processor_type: 'ViTImageProcessor', do_resize: true, size: { height: 16, width: 24 }, resample: 2,
  do_rescale: true, rescale_factor: 1 / 255, do_normalize: true, image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5],
});

const REFERENCE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>numbers</title>
<script type=module>
  import { load } from '/pkg/index.js';
  const models = new Map(), maps = new Map();
  const once = (all, key, make) => all.get(key) ?? all.set(key, make()).get(key);
  const model = (url, input) => once(models, url + input, () => load(url, { device: 'cpu', cache: false, input }));
  window.row = async (url, picture, layer, head, query) => {
    const { data, shape: [, heads, , tokens], layout } = await once(maps, url + picture, async () => (await model(url, 'image')).attention(picture));
    const at = ((layer * heads + head) * tokens + query) * tokens;
    return { row: [...data.subarray(at, at + tokens)], layout, heads };
  };
  window.vectors = async (url, input, things) => {
    const { data, shape: [n, width] } = await (await model(url, input)).embed(things, { normalize: true });
    return Array.from({ length: n }, (_, i) => [...data.subarray(i * width, (i + 1) * width)]);
  };
  window.through = async (url, picture, options) => [...(await (await model(url, 'image')).attention(picture, options)).data];
  window.hidden = async (url, picture) => [...(await (await model(url, 'image')).occlusion(picture)).data];
  window.analysis = async (url, picture) => {
    const { distance, layers, heads } = await (await model(url, 'image')).analyze(picture);
    return { distance: [...distance], layers: layers.length, heads };
  };
  window.ready = true;
</script>`;

let server, browser, opened, reference, numbers, shades;

beforeAll(async () => {
  await mkdir(OUTPUT, { recursive: true });
  await stat(join(ROOT, 'web/dist/index.html')).catch(() => {
    throw new Error('web/dist is not built: run `cargo xtask build` first');
  });
  const mounts = {
    '/': join(ROOT, 'web/dist'), '/models/': MODELS, '/pkg/': join(ROOT, 'pkg/dist'), '/clip/': join(GOLDEN, 'clip/clip'),
    '/oblong/': join(GOLDEN, 'vision/dinov2-registers'),
  };
  server = await serve(mounts, (request, response) => {
    const said = { '/numbers': ['text/html', REFERENCE], '/oblong/preprocessor_config.json': ['application/json', OBLONG] }[request.url];
    if (said) response.writeHead(200, { 'content-type': said[0] }).end(said[1]);
    return said !== undefined;
  });
  const entryPoints = [join(ROOT, 'web/src/draw/heat.ts')];
  const { outputFiles: [script] } = await build({ entryPoints, bundle: true, format: 'esm', write: false });
  const { SHADES } = await import(`data:text/javascript,${encodeURIComponent(script.text)}`);
  shades = [...SHADES].map((shade) => [...new Uint8Array(Uint32Array.of(shade).buffer)].slice(0, 3));
  reference = await launch({ webgpu: false });
  ({ page: numbers } = await open(reference));
  await numbers.goto(`${server.origin}/numbers`);
  await numbers.waitForFunction('window.ready');
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

async function visit(address, { webgpu = false, ...options } = {}) {
  browser = await launch({ webgpu });
  opened = await open(browser, { viewport: DESKTOP, ...options });
  opened.page.setDefaultTimeout(240_000);
  await opened.page.goto(`${server.origin}/${address}`);
  return opened.page;
}

const id = (page, name) => page.getByTestId(name);

/** Gives a picture and waits until all its maps are there. */
async function look(page, file) {
  await id(page, 'picture-file').setInputFiles(join(PICTURES, file));
  await page.waitForFunction(() => document.querySelector('[data-testid=overlay-high]')?.textContent !== '');
  await page.waitForFunction(() => document.querySelector('.working')?.classList.contains('idle'));
}

/** One colour a patch and no picture below it: what is drawn is the colour of the number. */
async function bare(page) {
  await id(page, 'opacity').fill('1');
}

/** The row of one head, or the mean of all, by the package. */
async function rowOf(model, picture, layer, head, query) {
  const get = (h) => numbers.evaluate((given) => window.row(...given), [`/${model}/`, `/models/test-pictures/${picture}`, layer, h, query]);
  const first = await get(head === 'all' ? 0 : head);
  if (head !== 'all') return first;
  const rows = [first.row];
  for (let h = 1; h < first.heads; h++) rows.push((await get(h)).row);
  return { ...first, row: first.row.map((_, i) => rows.reduce((sum, row) => sum + row[i], 0) / rows.length) };
}

/** The colours in the middle of each patch, as they lie on the picture. */
function drawn(page, { crop, grid }, width, name = 'overlay') {
  return page.evaluate(({ crop, grid, width, name }) => {
    const canvas = document.querySelector(`[data-testid=${name}]`);
    const scale = canvas.width / width;
    const context = canvas.getContext('2d');
    return Array.from({ length: grid.rows * grid.columns }, (_, patch) => {
      // A quarter beside the middle: a cross or a frame spares it.
      const x = (crop.x + ((patch % grid.columns) + 0.5) * (crop.width / grid.columns)) * scale;
      const y = (crop.y + (Math.floor(patch / grid.columns) + 0.3) * (crop.height / grid.rows)) * scale;
      return [...context.getImageData(Math.floor(x), Math.floor(y), 1, 1).data].slice(0, 3);
    });
  }, { crop, grid, width, name });
}

/** Colours back to shares of the hottest. */
function shares(colours) {
  return colours.map((colour) => {
    const off = shades.map((shade) => Math.max(...shade.map((byte, i) => Math.abs(byte - colour[i]))));
    const least = Math.min(...off);
    expect(least, `${colour} is a colour of the map`).toBeLessThanOrEqual(1);
    // Neighbours may share a colour: the middle of them.
    const same = off.flatMap((value, shade) => (value === least ? [shade] : []));
    return (same[0] + same.at(-1)) / 2 / 255;
  });
}

/** Compares what is drawn with a row of the package, without the columns `left`. */
function compare(colours, { row, layout }, left = []) {
  const first = layout.prefixTokens.length;
  const kept = row.map((value, token) => (left.includes(token) ? 0 : value)).slice(first);
  const most = Math.max(...kept);
  const worst = Math.max(...shares(colours).map((share, i) => Math.abs(share - kept[i] / most)));
  expect(worst).toBeLessThanOrEqual(2 * STEP);
}

const thumbnail = (page, layer, head) => page.evaluate((cell) => {
  const canvas = document.querySelector(`[data-cell="${cell}"] canvas`);
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: data.length / 4 }, (_, i) => [...data.subarray(i * 4, i * 4 + 3)]);
}, `${layer} ${head}`);

const noSideways = async (page) =>
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);

describe('Look at a picture', () => {
  test('draws what the package says, over what the model saw', async () => {
    const page = await visit('?device=cpu#picture');
    await look(page, 'coffee.png');
    await page.screenshot({ path: join(OUTPUT, 'picture.png'), fullPage: true });
    await bare(page);
    const model = 'models/dinov2-small';
    const cls = await rowOf(model, 'coffee.png', 11, 'all', 0);
    compare(await drawn(page, cls.layout, 600), cls);
    // Beside the crop nothing is drawn: there is the veiled picture, which is light.
    const outside = await drawn(page, { crop: { x: 0, y: 25, width: 124, height: 350 }, grid: { rows: 4, columns: 2 } }, 600);
    for (const colour of outside) expect(Math.min(...colour)).toBeGreaterThan(120);

    for (const [layer, head] of [[0, 3], [5, 5], [11, 'all']]) compare(await thumbnail(page, layer, head), await rowOf(model, 'coffee.png', layer, head, 0));

    // Another head, by a click and by keys.
    await page.click('[data-cell="7 2"]');
    compare(await drawn(page, cls.layout, 600), await rowOf(model, 'coffee.png', 7, 2, 0));
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowRight');
    expect(await page.evaluate(() => document.activeElement.dataset.cell)).toBe('8 3');
    compare(await drawn(page, cls.layout, 600), await rowOf(model, 'coffee.png', 8, 3, 0));

    // A patch that is clicked: row 5, column 9 of 16 × 16, counted from 0.
    const box = await id(page, 'overlay').boundingBox();
    const { crop } = cls.layout;
    const scale = box.width / 600;
    await page.mouse.click(box.x + (crop.x + (9.5 / 16) * crop.width) * scale, box.y + (crop.y + (5.5 / 16) * crop.height) * scale);
    const patch = 1 + 5 * 16 + 9;
    compare(await drawn(page, cls.layout, 600), await rowOf(model, 'coffee.png', 8, 3, patch));
    compare(await thumbnail(page, 2, 1), await rowOf(model, 'coffee.png', 2, 1, patch));
    expect(await id(page, 'overlay-said').textContent()).toContain('patch in row 6, column 10 looks most at');
    await id(page, 'overlay').focus();
    await page.keyboard.press('ArrowUp');
    compare(await drawn(page, cls.layout, 600), await rowOf(model, 'coffee.png', 8, 3, patch - 16));
    await page.keyboard.press('Escape');
    compare(await drawn(page, cls.layout, 600), await rowOf(model, 'coffee.png', 8, 3, 0));

    // Kept numbers are the model's own.
    const download = page.waitForEvent('download');
    await id(page, 'picture-export-json').click();
    const kept = JSON.parse(await readFile(await (await download).path(), 'utf8'));
    const { row } = await rowOf(model, 'coffee.png', 8, 3, 0);
    expect(kept).toMatchObject({ layer: 8, head: 3, query: 0, layout: { grid: { rows: 16, columns: 16 } } });
    expect(Math.max(...row.map((value, i) => Math.abs(value - kept.attention[i])))).toBeLessThanOrEqual(2e-6);
    for (const kind of ['png', 'svg', 'html']) {
      const file = page.waitForEvent('download');
      await id(page, `picture-export-${kind}`).click();
      expect((await stat(await (await file).path())).size).toBeGreaterThan(10_000);
    }

    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize(PHONE);
      await page.screenshot({ path: join(OUTPUT, `picture-phone-${colorScheme}.png`), fullPage: true });
      await noSideways(page);
    }
  });

  test.each([['the CPU', 'cpu', false], ['WebGPU', 'gpu', true]])('wide grids, and registers that are left out, on %s', async (_, device, webgpu) => {
    const page = await visit(`?device=${device}&pictures=/oblong/#picture`, { webgpu });
    await look(page, 'motorcycle_left.png');
    await bare(page);
    const got = await rowOf('oblong', 'motorcycle_left.png', 1, 'all', 0);
    expect(got.layout).toMatchObject({ grid: { rows: 4, columns: 6 }, prefixTokens: ['cls', 'register', 'register', 'register', 'register'] });
    const { width } = got.layout.crop;
    compare(await drawn(page, got.layout, width), got);
    compare(await thumbnail(page, 0, 4), await rowOf('oblong', 'motorcycle_left.png', 0, 4, 0));
    const high = async () => parseFloat(await id(page, 'overlay-high').textContent());
    const before = await high();
    await id(page, 'hideRegisters').check();
    compare(await drawn(page, got.layout, width), got, [1, 2, 3, 4]);
    expect(await id(page, 'overlay-said').textContent()).toContain('register 1; register 2');
    const left = got.row.reduce((sum, value, token) => (token >= 1 && token <= 4 ? sum : sum + value), 0);
    expect(await high()).toBeCloseTo(before / left, 0);
    if (webgpu) expect(await id(page, 'picture-device').textContent()).toMatch(/GPU · .*swiftshader/i);
  });

  test('rollout and flow', async () => {
    const page = await visit('?device=cpu&pictures=/oblong/#picture');
    await look(page, 'motorcycle_left.png');
    await bare(page);
    const { layout } = await rowOf('oblong', 'motorcycle_left.png', 0, 0, 0);
    const picture = '/models/test-pictures/motorcycle_left.png';
    for (const reduce of ['rollout', 'flow']) {
      await id(page, 'source').selectOption(reduce);
      await page.waitForFunction((said) => document.querySelector('[data-testid=overlay-said]').textContent.startsWith(said), reduce === 'flow' ? 'Flow' : 'Rollout');
      const row = await numbers.evaluate((given) => window.through(...given), ['/oblong/', picture, { reduce, query: 0 }]);
      compare(await drawn(page, layout, layout.crop.width), { row, layout });
    }
  });

  test('what hiding patches does', async () => {
    const page = await visit('?device=cpu&pictures=/oblong/#picture');
    await look(page, 'motorcycle_left.png');
    await bare(page);
    const { layout } = await rowOf('oblong', 'motorcycle_left.png', 0, 0, 0);
    const picture = '/models/test-pictures/motorcycle_left.png';
    await id(page, 'picture-check').click();
    await page.waitForFunction(() => document.querySelector('[data-testid=check-high]').textContent !== '');
    const falls = (await numbers.evaluate((given) => window.hidden(...given), ['/oblong/', picture])).slice(layout.prefixTokens.length);
    const [low, high] = [Math.min(...falls), Math.max(...falls)];
    expect(Number(await id(page, 'check-high').textContent())).toBeCloseTo(high, 3);
    const found = shares(await drawn(page, layout, layout.crop.width, 'check-overlay'));
    expect(Math.max(...found.map((share, i) => Math.abs(share - (falls[i] - low) / (high - low))))).toBeLessThanOrEqual(4 * STEP);
  });

  test('how far each head looks, computed when asked for', async () => {
    const page = await visit('?device=cpu#picture', { colorScheme: 'dark' });
    await look(page, 'coffee.png');
    expect(await id(page, 'head-table').count(), 'nothing before it is asked for').toBe(0);
    await id(page, 'heads-open').click();
    await page.waitForSelector('[data-testid=head-table] button');
    await id(page, 'measure').selectOption('distance');
    const { distance, layers, heads } = await numbers.evaluate((given) => window.analysis(...given), ['/models/dinov2-small/', '/models/test-pictures/coffee.png']);
    const { rows, titles } = await squares(page);
    expect(rows.map((row) => row.length)).toEqual(Array(layers).fill(heads));
    const most = Math.max(...distance);
    shares(rows.flat()).forEach((share, at) => {
      expect(Math.abs(share - distance[at] / most), `head ${at}: ${share} drawn for ${distance[at]}`).toBeLessThanOrEqual(STEP);
      expect(titles[at]).toBe(`Layer ${Math.floor(at / heads)}, head ${at % heads}: ${distance[at].toFixed(2)} patches`);
    });
    expect(await id(page, 'measure').locator('option').allTextContents()).toEqual(['Entropy', 'Share on special tokens', 'Distance', 'Share at one offset']);

    await picksAHead(page, 7, 2);
    expect(await page.getAttribute('[data-cell="7 2"]', 'aria-selected')).toBe('true');
    await page.setViewportSize(PHONE);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
    await id(page, 'heads-panel').screenshot({ path: join(OUTPUT, 'heads-picture-phone-dark.png') });
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize(DESKTOP);
    await id(page, 'heads-panel').screenshot({ path: join(OUTPUT, 'heads-picture-desktop-light.png') });

    // Stopping closes it, and it can be asked again.
    await look(page, 'camera.png');
    await page.waitForFunction(() => !document.querySelector('[data-testid=heads-panel]').open);
    await id(page, 'heads-open').click();
    await id(page, 'heads-cancel').click();
    await page.waitForFunction(() => !document.querySelector('[data-testid=heads-panel]').open);
    expect(await id(page, 'error').count()).toBe(0);
  });

  test('what is no picture is named', async () => {
    const page = await visit('?device=cpu&pictures=/oblong/#picture');
    await id(page, 'picture-file').setInputFiles({ name: 'notes.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
    expect(await id(page, 'error').textContent()).toContain('“notes.png” is not a picture that can be read');
  });
});

describe('Find pictures', () => {
  const FILES = ['chelsea.png', 'coffee.png', 'moon.png', 'page.png'];
  const cut = async () => ({ name: 'cut.png', mimeType: 'image/png', buffer: Buffer.from('PNG') });
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const vectors = (model, input, things) => numbers.evaluate((given) => window.vectors(...given), [model, input, things]);
  const order = (page) => page.$$eval('[data-testid=tiles] li', (tiles) =>
    tiles.map((tile) => [tile.dataset.picture, Number(tile.querySelector('.score').textContent)]));

  async function give(page) {
    const files = await Promise.all(FILES.map(async (name) => ({ name, mimeType: 'image/png', buffer: await readFile(join(PICTURES, name)) })));
    await id(page, 'picture-files').setInputFiles([files[0], await cut(), ...files.slice(1)]);
    await page.waitForFunction((n) => document.querySelectorAll('.tile:not(:disabled)').length === n, FILES.length);
    await page.waitForFunction(() => document.querySelector('[data-testid=pictures-progress]')?.hidden);
  }

  function expected(query, all) {
    return FILES.map((name, i) => [name, dot(query, all[i])]).sort((a, b) => b[1] - a[1]);
  }

  function close(found, wanted) {
    expect(found.map(([name]) => name)).toEqual(wanted.map(([name]) => name));
    found.forEach(([, score], i) => expect(Math.abs(score - wanted[i][1])).toBeLessThan(6e-4));
  }

  test('by picture: the closest first, with heat; a bad file is named and left out', async () => {
    const page = await visit('?device=cpu#pictures');
    await give(page);
    expect(await id(page, 'skipped').textContent()).toMatch(/1 file left out.*“cut.png” is not a picture/);
    expect(await id(page, 'words-note').textContent()).toMatch(/^dinov2 reads pictures only/);
    const all = await vectors('/models/dinov2-small/', 'image', FILES.map((name) => `/models/test-pictures/${name}`));
    await page.click('[data-picture="moon.png"] .tile');
    await page.waitForFunction(() => document.querySelectorAll('.tile canvas:not([hidden])').length === 4);
    close(await order(page), expected(all[2], all));
    await page.screenshot({ path: join(OUTPUT, 'pictures.png'), fullPage: true });
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize(PHONE);
    await page.screenshot({ path: join(OUTPUT, 'pictures-phone-dark.png'), fullPage: true });
    await noSideways(page);
    await id(page, 'pictures-clear').click();
    expect(await page.locator('[data-testid=tiles] li').count()).toBe(0);
  });

  test('by words, with both halves of CLIP', async () => {
    const page = await visit('?device=cpu&pictures=/clip/#pictures');
    await give(page);
    const words = 'a cup of coffee';
    await id(page, 'picture-words').fill(words);
    await page.waitForFunction((said) => document.querySelector('[data-testid=pictures-said]')?.textContent.includes(said), words);
    const all = await vectors('/clip/', 'image', FILES.map((name) => `/models/test-pictures/${name}`));
    const [query] = await vectors('/clip/', 'text', [words]);
    close(await order(page), expected(query, all));
  });
});

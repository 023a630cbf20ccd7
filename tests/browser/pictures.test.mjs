// Pictures and attention through the npm package, in a page: every way to give a picture gives the same vector, maps
// are what they say, and what is wrong with a picture or a request is told.
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const MODELS = process.env.HEATSEEK_MODELS ?? join(ROOT, 'models');
const GOLDEN = join(ROOT, 'tests/golden');
// Backends agree this closely, element by element (design: f32 against f32 on unit vectors).
const CLOSE = 2e-5;

const PAGE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>pictures</title>
<script type=module>
  import * as heatseek from '/pkg/index.js';
  const { HeatseekError } = heatseek;
  const told = async (work) => {
    try {
      await work();
    } catch (error) {
      return { code: error.code, message: error.message, ours: error instanceof HeatseekError };
    }
    return undefined;
  };
  Object.assign(window, { ...heatseek, told, cpu: { device: 'cpu', cache: false }, ready: true });
</script>`;

/** A PNG of one colour, `width × height`: larger than anyone would commit, and small as a file. */
function plainPng(width, height) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 0, 0, 0, 0], 8);
  const rows = deflateSync(Buffer.alloc((width + 1) * height));
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))]);
}

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

let server, browser, page;
beforeAll(async () => {
  const picture = await readFile(join(MODELS, 'test-pictures/coffee.png'));
  const files = {
    '/cut.png': picture.subarray(0, picture.length / 2),
    '/wide.png': plainPng(20_000, 2),
    '/page.png': Buffer.from('<!doctype html><title>Not found</title>'),
    '/renamed.jpg': picture,
  };
  server = await serve(
    { '/pkg/': join(ROOT, 'pkg/dist'), '/models/': MODELS, '/golden/': GOLDEN },
    (request, response) => {
      const { pathname } = new URL(request.url, 'http://localhost');
      const body = pathname === '/' ? PAGE : files[pathname];
      if (body === undefined) return false;
      response.writeHead(200, { 'content-type': pathname === '/' ? 'text/html' : 'image/png' }).end(body);
      return true;
    },
  );
  browser = await launch({ webgpu: false });
  ({ page } = await open(browser));
  await page.goto(server.origin);
  await page.waitForFunction(() => window.ready);
  await page.evaluate(async () => {
    window.dino = await load('/models/dinov2-small/', cpu);
    window.text = await load('/golden/models/bert-cls-normalize/', cpu);
  });
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

function equal(actual, wanted, tolerance, what) {
  expect(actual.length, what).toBe(wanted.length);
  const worst = actual.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i])), 0);
  expect(worst, what).toBeLessThanOrEqual(tolerance);
}

describe('pictures', () => {
  test('the model says what it reads', async () => {
    const info = await page.evaluate(() => dino.info);
    expect(info).toMatchObject({
      modelType: 'dinov2', input: 'image', hiddenSize: 384, embeddingDim: 384, numHiddenLayers: 12,
      numAttentionHeads: 6, patchSize: 14, prefixTokens: ['cls'], pooling: 'cls',
    });
    expect(await page.evaluate(() => text.info.input)).toBe('text');
  });

  test('every way to give a picture gives the same vector', async () => {
    const found = await page.evaluate(async () => {
      const url = '/models/test-pictures/coffee.png';
      const blob = await (await fetch(url)).blob();
      const image = new Image();
      image.src = url;
      await image.decode();
      const draw = (canvas) => {
        canvas.getContext('2d').drawImage(image, 0, 0);
        return canvas;
      };
      const { naturalWidth: width, naturalHeight: height } = image;
      const canvas = draw(Object.assign(document.createElement('canvas'), { width, height }));
      const ways = {
        path: url,
        url: new URL(url, location.href),
        blob,
        file: new File([blob], 'coffee.jpg'),
        bitmap: await createImageBitmap(image),
        data: canvas.getContext('2d').getImageData(0, 0, width, height),
        img: image,
        canvas,
        offscreen: draw(new OffscreenCanvas(width, height)),
        renamed: '/renamed.jpg',
      };
      const { data, shape, grids, tokens, truncated } = await dino.embed(Object.values(ways));
      const rows = Object.keys(ways).map((name, i) => [name, [...data.subarray(i * shape[1], (i + 1) * shape[1])]]);
      const alone = [...(await dino.embed(url)).data];
      return { rows, shape, grids, tokens, truncated, alone };
    });
    expect(found.shape).toEqual([10, 384]);
    expect(found.grids.every(({ rows, columns }) => rows === 16 && columns === 16)).toBe(true);
    expect(found.tokens.every((count) => count === 257)).toBe(true);
    expect(found.truncated).toEqual(found.tokens.map(() => false));
    expect(found.alone.some((value) => Math.abs(value) > 1e-3)).toBe(true);
    for (const [name, row] of found.rows) equal(row, found.alone, CLOSE, name);
  });

  test('another picture is another vector, and the closest is itself', async () => {
    const scores = await page.evaluate(async () => {
      const names = ['astronaut', 'chelsea', 'coins', 'moon'];
      const { data, shape: [n, dim] } = await dino.embed(names.map((name) => `/models/test-pictures/${name}.png`), { normalize: true });
      const row = (i) => data.subarray(i * dim, (i + 1) * dim);
      const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
      return Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => dot(row(i), row(j))));
    });
    scores.forEach((row, i) => row.forEach((score, j) => {
      if (i === j) expect(score).toBeCloseTo(1, 5);
      else expect(score).toBeLessThan(0.9);
    }));
  });
});

test('both halves of CLIP give vectors of one space', async () => {
  const found = await page.evaluate(async () => {
    const words = await load('/golden/clip/clip/', cpu);
    const sight = await load('/golden/clip/clip/', { ...cpu, input: 'image' });
    const texts = await words.embed(['a cup of coffee', 'the moon']);
    const images = await sight.embed(['/models/test-pictures/coffee.png']);
    const length = Math.hypot(...images.data);
    const result = { texts: texts.shape, images: images.shape, length, reads: [words.info.input, sight.info.input] };
    words.dispose();
    sight.dispose();
    return result;
  });
  expect(found).toMatchObject({ texts: [2, 24], images: [1, 24], reads: ['text', 'image'] });
  expect(found.length).toBeCloseTo(1, 5);
});

describe('attention', () => {
  test('maps of a picture carry their layout, and their rows sum to 1', async () => {
    const found = await page.evaluate(async () => {
      const { data, shape, layers, heads, layout } = await dino.attention('/models/test-pictures/coffee.png', { layers: [11, 0], heads: [5] });
      const tokens = shape[3];
      const sums = Array.from({ length: data.length / tokens }, (_, i) =>
        data.subarray(i * tokens, (i + 1) * tokens).reduce((sum, value) => sum + value, 0));
      return { shape, layers, heads, layout, low: Math.min(...sums), high: Math.max(...sums) };
    });
    expect(found).toMatchObject({ shape: [2, 1, 257, 257], layers: [11, 0], heads: [5] });
    expect(found.layout).toMatchObject({ kind: 'image', prefixTokens: ['cls'], grid: { rows: 16, columns: 16 } });
    // coffee.png is 600 × 400; the model sees 224 of the 256 rows of its resized form, and as many columns.
    const { x, y, width, height } = found.layout.crop;
    expect([x, y, width, height].map(Math.round)).toEqual([125, 25, 350, 350]);
    expect(found.low).toBeGreaterThan(1 - 1e-5);
    expect(found.high).toBeLessThan(1 + 1e-5);
  });

  test('the mean map is the mean of the maps', async () => {
    const { each, mean } = await page.evaluate(async () => {
      const url = '/models/test-pictures/moon.png';
      const { data: each } = await dino.attention(url, { layers: [3] });
      const { data: mean } = await dino.attention(url, { layers: [3], reduce: 'mean' });
      const all = Array.from(mean, (_, i) => [0, 1, 2, 3, 4, 5].reduce((sum, h) => sum + each[h * mean.length + i], 0) / 6);
      return { each: all, mean: [...mean] };
    });
    equal(mean, each, 1e-6, 'mean');
  });

  test('maps of a text carry tokens whose offsets are those of JavaScript', async () => {
    const said = 'Bees 🐝 find honey';
    const { shape, layout, sums } = await page.evaluate(async (said) => {
      const { data, shape, layout } = await text.attention(said);
      const tokens = shape[3];
      const sums = Array.from({ length: data.length / tokens }, (_, i) =>
        data.subarray(i * tokens, (i + 1) * tokens).reduce((sum, value) => sum + value, 0));
      return { shape, layout, sums };
    }, said);
    expect(layout.kind).toBe('text');
    expect(layout.tokens.length).toBe(shape[3]);
    expect(layout.tokens.map(({ special }) => special).filter(Boolean).length).toBe(2);
    for (const token of layout.tokens) expect(layout.text.slice(token.start, token.end)).toBe(token.text);
    expect(layout.tokens.filter(({ special }) => !special).at(-1).end).toBe(said.length);
    for (const sum of sums) expect(Math.abs(sum - 1)).toBeLessThan(1e-5);
  });
});

test('what is wrong with a picture or a request is told, and spoils nothing', async () => {
  const { found, before, after } = await page.evaluate(async () => {
    const picture = '/models/test-pictures/moon.png';
    const calls = {
      cut: () => dino.embed('/cut.png'),
      wide: () => dino.embed('/wide.png'),
      page: () => dino.embed([picture, '/page.png']),
      missing: () => dino.embed('/models/test-pictures/nothing.png'),
      empty: () => dino.embed(new Blob([])),
      canvas: () => dino.embed(Object.assign(document.createElement('canvas'), { width: 0 })),
      image: () => dino.embed(new Image()),
      number: () => dino.embed([picture, 7]),
      prompt: () => dino.embed(picture, { promptName: 'query' }),
      layer: () => dino.attention(picture, { layers: [12] }),
      negative: () => dino.attention(picture, { layers: [-1] }),
      none: () => dino.attention(picture, { heads: [] }),
      both: () => dino.attention(picture, { heads: [0], reduce: 'mean' }),
      reduce: () => dino.attention(picture, { reduce: 'sum' }),
      length: () => text.attention('a', { maxLength: 65 }),
      texts: () => text.embed(new Blob([])),
      index: () => createIndex({ model: dino }),
      input: () => load('/golden/models/bert-cls-normalize/', { ...cpu, input: 'image' }),
    };
    const before = [...(await dino.embed(picture)).data];
    const found = {};
    for (const [name, call] of Object.entries(calls)) found[name] = await told(call);
    return { found, before, after: [...(await dino.embed(picture)).data] };
  });
  const expected = {
    cut: ['invalid_input', /picture 0.*(cut short|truncated|ends)/i],
    wide: ['invalid_input', /picture 0.*20000|20 000/],
    page: ['invalid_input', /picture 1.*look like HTML/],
    missing: ['not_found', /images could not be fetched.*nothing\.png answered 404|images\[0\] could not be fetched.*answered 404/],
    empty: ['invalid_input', /picture 0/],
    canvas: ['invalid_input', /canvas of 0 ×/],
    image: ['invalid_input', /<img> without a picture/],
    number: ['invalid_input', /^images\[1\] is 7; expected a URL/],
    prompt: ['invalid_input', /no option 'promptName'/],
    layer: ['invalid_input', /^layers: got 12, expected one or more of 0 to 11/],
    negative: ['invalid_input', /^layers\[0\] is -1/],
    none: ['invalid_input', /^heads: got none/],
    both: ['invalid_input', /^heads: /],
    reduce: ['invalid_input', /^reduce is 'sum'/],
    length: ['invalid_input', /max_length: got 65/],
    texts: ['invalid_input', /^texts is an object/],
    index: ['invalid_input', /reads pictures, not texts/],
    input: ['invalid_input', /^input is 'image'/],
  };
  for (const [name, [code, message]] of Object.entries(expected)) {
    expect(found[name], name).toMatchObject({ code, ours: true, message: expect.stringMatching(message) });
  }
  equal(after, before, 0, 'the next call');
});

// Attention through the npm package, on the CPU and on WebGPU: rows, rollout, flow, neurons and analyses are what can be
// computed from the maps in JavaScript, and a picture of 1370 tokens is explored row by row.
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const MODELS = process.env.HEATSEEK_MODELS ?? join(ROOT, 'models');
// The bar of probabilities.
const CLOSE = 1e-5;
const PICTURE = '/models/test-pictures/coffee.png';

const PAGE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>attention</title>
<script type=module>
  import * as heatseek from '/pkg/index.js';
  const plain = (value) => ArrayBuffer.isView(value) ? [...value] : Array.isArray(value) ? value.map(plain)
    : value && typeof value === 'object' ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)])) : value;
  window.open = async (name, path, options) => (window[name] = await heatseek.load(path, { cache: false, ...options })).info.device.kind;
  // Vectors come as plain arrays: nothing else here is an array of numbers.
  const given = (value) => Array.isArray(value) && typeof value[0] === 'number' ? new Float32Array(value) : value;
  const call = (name, method, args) => {
    const { against, ...rest } = args.at(-1) ?? {};
    return window[name][method](...args.map(given).with(-1, against ? { ...rest, against: given(against) } : given(args.at(-1))));
  };
  window.ask = async (name, method, ...args) => plain(await call(name, method, args));
  window.refuse = (name, method, ...args) => call(name, method, args).then(() => '', (error) => error.code + ': ' + error.message);
  window.ready = true;
</script>`;

let server, browser, page;
beforeAll(async () => {
  const preprocessor = JSON.parse(await readFile(join(MODELS, 'dinov2-small/preprocessor_config.json'), 'utf8'));
  const large = { ...preprocessor, size: { shortest_edge: 518 }, crop_size: { height: 518, width: 518 } };
  const made = { '/': ['text/html', PAGE], '/large/preprocessor_config.json': ['application/json', JSON.stringify(large)] };
  server = await serve(
    {
      '/pkg/': join(ROOT, 'pkg/dist'), '/models/': MODELS, '/golden/': join(ROOT, 'tests/golden'),
      '/large/': join(MODELS, 'dinov2-small'),
    },
    (request, response) => {
      const found = made[new URL(request.url, 'http://localhost').pathname];
      if (!found) return false;
      response.writeHead(200, { 'content-type': found[0] }).end(found[1]);
      return true;
    },
  );
  browser = await launch();
  ({ page } = await open(browser));
  await page.goto(server.origin);
  await page.waitForFunction(() => window.ready);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

const start = (name, path, options) => page.evaluate((args) => window.open(...args), [name, path, options]);
const ask = (...args) => page.evaluate((args) => window.ask(...args), args);
const refused = (...args) => page.evaluate((args) => window.refuse(...args), args);

function equal(actual, wanted, tolerance, what) {
  expect(actual.length, what).toBe(wanted.length);
  const worst = actual.reduce((most, value, i) => {
    const off = Math.abs(value - wanted[i]);
    return off <= most ? most : off;
  }, 0);
  expect(worst, what).toBeLessThanOrEqual(tolerance);
}

/** Row `query` of map `head` of layer `layer`, both as places in what was asked for. */
const row = ({ data, shape: [, heads, queries, tokens] }, layer, head, query) => {
  const at = ((layer * heads + head) * queries + query) * tokens;
  return data.slice(at, at + tokens);
};

/** `Â_L … Â_1` of the mean maps: half residual. */
function rollout(means) {
  const [layers, , tokens] = means.shape;
  let state = Array.from({ length: tokens }, (_, i) => Array.from({ length: tokens }, (_, j) => Number(i === j)));
  for (let layer = 0; layer < layers; layer++) {
    state = state.map((_, i) => {
      const from = row(means, layer, 0, i);
      return state[0].map((_, j) => from.reduce((sum, a, k) => sum + 0.5 * (a + Number(i === k)) * state[k][j], 0));
    });
  }
  return state;
}

for (const device of ['cpu', 'gpu']) {
  describe(`on ${device}`, () => {
    let maps, means;
    beforeAll(async () => {
      expect(await start('sight', '/golden/vision/dinov2-registers/', { device })).toBe(device);
      expect(await start('words', '/golden/models/bert-cls-normalize/', { device })).toBe(device);
      maps = await ask('sight', 'attention', PICTURE);
      means = await ask('sight', 'attention', PICTURE, { reduce: 'mean' });
    });

    test('one query gives its rows of all maps', async () => {
      const [layers, heads, tokens] = maps.shape;
      for (const query of [0, tokens - 1]) {
        const rows = await ask('sight', 'attention', PICTURE, { query });
        expect(rows.shape).toEqual([layers, heads, 1, tokens]);
        for (let layer = 0; layer < layers; layer++) {
          for (let head = 0; head < heads; head++) {
            equal(row(rows, layer, head, 0), row(maps, layer, head, query), CLOSE, `layer ${layer}, head ${head}, token ${query}`);
          }
        }
      }
      expect(await refused('sight', 'attention', PICTURE, { query: tokens })).toMatch(/^invalid_input: query/);
    });

    test('rollout is the product of the mean maps, and flow of one layer that layer', async () => {
      const wanted = rollout(means);
      const all = await ask('sight', 'attention', PICTURE, { reduce: 'rollout' });
      expect(all.shape).toEqual([1, 1, wanted.length, wanted.length]);
      equal(all.data, wanted.flat(), CLOSE, 'rollout');
      const one = await ask('sight', 'attention', PICTURE, { reduce: 'rollout', query: 2 });
      equal(one.data, wanted[2], CLOSE, 'rollout of one query');
      const flow = await ask('sight', 'attention', PICTURE, { reduce: 'flow', query: 2, layers: [1] });
      equal(flow.data, row(means, 1, 0, 2).map((a, j) => (a + Number(j === 2)) / 2), CLOSE, 'flow');
      expect(await refused('sight', 'attention', PICTURE, { reduce: 'flow' })).toMatch(/^invalid_input: .*query/);
    });

    test('inside a head, products of query and keys make the scores, and scores the row', async () => {
      for (const [name, input, seen] of [
        ['sight', PICTURE, maps],
        ['words', 'bees find honey', await ask('words', 'attention', 'bees find honey')],
      ]) {
        const { q, k, scores, probabilities } = await ask(name, 'neuron', input, { layer: 1, head: 1, query: 2 });
        const made = scores.map((_, token) =>
          q.reduce((sum, value, c) => sum + value * k[token * q.length + c], 0) / Math.sqrt(q.length));
        equal(scores, made, CLOSE, `${name}: scores`);
        const total = made.reduce((sum, score) => sum + Math.exp(score), 0);
        equal(probabilities, made.map((score) => Math.exp(score) / total), CLOSE, `${name}: softmax`);
        equal(probabilities, row(seen, 1, 1, 2), CLOSE, `${name}: the captured row`);
      }
    });

    test('analyses are of the same maps', async () => {
      const found = await ask('sight', 'analyze', PICTURE);
      const [layers, heads, tokens] = maps.shape;
      const mean = (of) => Array.from({ length: layers * heads }, (_, i) => {
        const rows = Array.from({ length: tokens }, (_, query) => row(maps, Math.floor(i / heads), i % heads, query));
        return rows.reduce((sum, values, query) => sum + of(values, query), 0) / tokens;
      });
      equal(found.entropy, mean((values) => -values.reduce((sum, a) => sum + (a > 0 ? a * Math.log(a) : 0), 0)), 1e-4, 'entropy');
      equal(found.self, mean((values, query) => values[query]), CLOSE, 'self');
      const prefix = found.layout.prefixTokens.length;
      equal(found.specialMass, mean((values) => values.slice(0, prefix).reduce((sum, a) => sum + a, 0)), CLOSE, 'prefix tokens');
      expect(found.aligned.shape).toEqual([layers, heads, 2 * found.layout.grid.rows - 1, 2 * found.layout.grid.columns - 1]);
      expect(found.clusters.position.length).toBe(2 * layers * heads);
      expect(found.graph.length).toBe(layers);
      expect(found.rank.full.length).toBe(layers + 1);
      expect((await ask('words', 'analyze', 'bees find honey')).rings).toBeUndefined();
    });

    test('what tokens gave adds up to the score of the vectors', async () => {
      await start('means', '/golden/models/bert-mean-dense/', { device });
      const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
      const cosine = (a, b) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
      for (const [name, one, other] of [
        ['words', 'bees find honey', 'insects fly'],
        ['means', 'bees find honey', 'insects fly'],
        ['sight', PICTURE, '/models/test-pictures/moon.png'],
      ]) {
        const [a, b] = [(await ask(name, 'embed', [one])).data, (await ask(name, 'embed', [other])).data];
        const found = await ask(name, 'explain', one, other);
        expect(Math.abs(found.score - cosine(a, b)), name).toBeLessThan(CLOSE);
        for (const side of [found.query, found.passage]) {
          const { length } = side.poolWeights;
          const weights = Array.from({ length }, (_, token) => (name === 'means' ? 1 / length : Number(token === 0)));
          equal(side.poolWeights, weights, 1e-7, `${name}: pooling`);
          // `bert-mean-dense` ends in a tanh: there is no sum to take apart, and none is claimed.
          if (name === 'means') expect(side.contributions).toBeUndefined();
          else expect(Math.abs(side.contributions.reduce((sum, c) => sum + c, 0) - found.score), name).toBeLessThan(CLOSE);
        }
        expect(found.similarity.length).toBe(found.shape[0] * found.shape[1]);
        const of = await ask(name, 'explain', a, other);
        expect(Math.abs(of.score - found.score), `${name}: a vector`).toBeLessThan(CLOSE);
      }
    });

    test('hiding says what a cosine loses', async () => {
      const words = await ask('words', 'occlusion', 'bees find honey');
      expect(words.score).toBeCloseTo(1, 5);
      words.layout.tokens.forEach(({ special }, token) => expect(words.data[token] === 0, `token ${token}`).toBe(special));
      const sight = await ask('sight', 'occlusion', PICTURE, { window: 2 });
      const prefix = sight.layout.prefixTokens.length;
      expect(sight.data.length).toBe(maps.shape[3]);
      expect(sight.data.slice(0, prefix).every((fall) => fall === 0)).toBe(true);
      expect(sight.data.slice(prefix).some((fall) => fall > 1e-6)).toBe(true);
      expect(await refused('words', 'occlusion', 'bees', { against: [0, 1, 0] })).toMatch(/^invalid_input/);
    });
  });
}

test('of 1370 tokens, rows of all layers and heads are had without their maps', async () => {
  await start('large', '/large/', { device: 'cpu' });
  const rows = await ask('large', 'attention', PICTURE, { query: 700 });
  expect(rows.shape).toEqual([12, 6, 1, 1370]);
  expect(rows.layout.grid).toEqual({ rows: 37, columns: 37 });
  for (let at = 0; at < rows.data.length; at += 1370) {
    expect(Math.abs(rows.data.slice(at, at + 1370).reduce((sum, a) => sum + a, 0) - 1)).toBeLessThan(1e-5);
  }
  const through = await ask('large', 'attention', PICTURE, { query: 0, reduce: 'rollout' });
  expect(through.shape).toEqual([1, 1, 1, 1370]);
  expect(Math.abs(through.data.reduce((sum, a) => sum + a, 0) - 1)).toBeLessThan(1e-5);
});

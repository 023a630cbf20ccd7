// Pooling through the npm package, in a page: every pooler gives the same on the CPU and on the GPU, plain ones what
// JavaScript makes of the tokens, and vectors of fewer bits, chunks and searches are what the types say of them.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const MODELS = process.env.HEATSEEK_MODELS ?? join(ROOT, 'models');
// Backends agree this closely, element by element (design: f32 against f32 on unit vectors).
const CLOSE = 2e-5;
const TEXTS = [
  'bees find honey',
  'a cat sat on the mat and the dog ran to the red house in the rain',
  'b',
];

const PAGE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>pooling</title>
<script type=module>
  import * as heatseek from '/pkg/index.js';
  import { POOLINGS } from '/pkg/pooling.js';
  const { HeatseekError } = heatseek;
  const told = async (work) => {
    try {
      await work();
    } catch (error) {
      return { code: error.code, message: error.message, ours: error instanceof HeatseekError };
    }
    return undefined;
  };
  /** A safetensors file of F32 tensors, { name: [shape, values] }. */
  const safetensors = (tensors) => {
    let end = 0;
    const header = {};
    for (const [name, [shape, values]] of Object.entries(tensors)) {
      header[name] = { dtype: 'F32', shape, data_offsets: [end, end += 4 * values.length] };
    }
    const json = new TextEncoder().encode(JSON.stringify(header).padEnd(Math.ceil(JSON.stringify(header).length / 8) * 8));
    const file = new Uint8Array(8 + json.length + end);
    new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
    file.set(json, 8);
    file.set(new Uint8Array(new Float32Array(Object.values(tensors).flatMap(([, values]) => values)).buffer), 8 + json.length);
    return file;
  };
  /** The rows of each input: its tokens where pooling is none. */
  const rowsOf = ({ data, shape: [n, width], counts = Array(n).fill(1) }) => {
    let at = 0;
    return counts.map((count) => Array.from({ length: count }, () => [...data.subarray(at * width, ++at * width)]));
  };
  Object.assign(window, { ...heatseek, POOLINGS, told, safetensors, rowsOf, cpu: { device: 'cpu', cache: false }, ready: true });
</script>`;

let server, browser, page, warnings;
beforeAll(async () => {
  server = await serve(
    { '/pkg/': join(ROOT, 'pkg/dist'), '/models/': MODELS, '/golden/': join(ROOT, 'tests/golden') },
    (request, response) => {
      if (new URL(request.url, 'http://localhost').pathname !== '/') return false;
      response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
      return true;
    },
  );
  browser = await launch();
  ({ page } = await open(browser));
  warnings = [];
  page.on('console', (message) => { if (message.type() === 'warning') warnings.push(message.text()); });
  await page.goto(server.origin);
  await page.waitForFunction(() => window.ready);
  await page.evaluate(async (texts) => {
    window.texts = texts;
    window.plain = await load('/golden/models/bert-no-st/', cpu);
    window.gpu = await load('/golden/models/bert-no-st/', { device: 'gpu', cache: false });
    window.table = await plain.poolers();
    window.free = table.filter(({ kind }) => kind !== 'learned');
    // The states of tokens as they are, which everything below is computed from.
    window.states = rowsOf(await plain.embed(texts, { pooling: 'none', normalize: false }));
  }, TEXTS);
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

test('the types name every pooler there is', async () => {
  const { named, known, table, gpu } = await page.evaluate(async () => ({
    named: POOLINGS.filter((name) => name !== 'auto'),
    known: table.flatMap(({ name, aliases }) => [name, ...aliases]),
    table,
    gpu: window.gpu.info.device.kind,
  }));
  expect([...named].sort()).toEqual([...known].sort());
  expect(gpu).toBe('gpu');
  expect(table.find(({ name }) => name === 'mean')).toMatchObject({ kind: 'training-free', device: true, several: false });
  expect(table.find(({ name }) => name === 'none')).toMatchObject({ kind: 'training-free', several: true });
  for (const { name, kind, equation, tensors, device } of table) {
    expect(equation.length, name).toBeGreaterThan(0);
    expect(tensors === '', name).toBe(kind === 'training-free');
    expect(device === undefined, name).toBe(kind === 'learned');
  }
});

test('every pooler gives the same on CPU and GPU, and whatever else is embedded', async () => {
  const found = await page.evaluate(async () => {
    const options = (name) => ({ pooling: name, normalize: true });
    const found = {};
    for (const { name } of free) {
      const here = rowsOf(await plain.embed(texts, options(name)));
      const there = rowsOf(await gpu.embed(texts, options(name)));
      const alone = [];
      for (const text of texts) alone.push(...rowsOf(await plain.embed(text, options(name))));
      found[name] = { here, there, alone };
    }
    return found;
  });
  expect(Object.keys(found).length).toBeGreaterThan(6);
  for (const [name, { here, there, alone }] of Object.entries(found)) {
    here.forEach((rows, i) => {
      equal(there[i].flat(), rows.flat(), CLOSE, `${name} on the GPU, text ${i}`);
      equal(alone[i].flat(), rows.flat(), CLOSE, `${name} alone, text ${i}`);
      for (const row of rows) expect(Math.hypot(...row), name).toBeCloseTo(1, 4);
    });
  }
});

test('plain poolers are what JavaScript makes of the tokens', async () => {
  const { found, states, hidden, tokens } = await page.evaluate(async () => {
    const names = ['mean', 'cls', 'max', 'last', 'weightedmean', 'mean_sqrt_len', 'stats'];
    const found = {};
    for (const name of names) found[name] = rowsOf(await plain.embed(texts, { pooling: name, normalize: false })).map(([row]) => row);
    const { hidden, tokens } = await plain.embed(texts, { hidden: true });
    return { found, states, hidden: hidden.map((rows) => [...rows]), tokens };
  });
  states.forEach((rows, i) => {
    const n = rows.length;
    expect(n).toBe(tokens[i]);
    equal(rows.flat(), hidden[i], CLOSE, 'none');
    const each = (of) => rows[0].map((_, c) => of(rows.map((row) => row[c])));
    const sum = (values) => values.reduce((a, b) => a + b, 0);
    const mean = each((values) => sum(values) / n);
    const std = each((values) => Math.sqrt(sum(values.map((v) => (v - sum(values) / n) ** 2)) / n));
    const wanted = {
      mean,
      cls: rows[0],
      max: each((values) => Math.max(...values)),
      last: rows[n - 1],
      weightedmean: each((values) => sum(values.map((v, t) => v * (t + 1))) / ((n * (n + 1)) / 2)),
      mean_sqrt_len: each((values) => sum(values) / Math.sqrt(n)),
      stats: [...mean, ...std],
    };
    for (const [name, row] of Object.entries(wanted)) equal(found[name][i], row, CLOSE, `${name} of text ${i}`);
  });
});

test('weights of tokens add up, and are those of the sum they say', async () => {
  const found = await page.evaluate(async () => {
    const found = {};
    for (const { name } of free) {
      const { weights, counts, tokens, ...rest } = await plain.embed(texts, { pooling: name, normalize: false, weights: true });
      found[name] = { weights: weights?.map((rows) => [...rows]), counts, tokens, rows: rowsOf({ ...rest, counts }) };
    }
    return { found, states };
  });
  // Poolers that are sums of the last states, weighed by what they tell.
  const unnormalised = ['bottleneck', 'random_attention'];
  const linear = [
    'mean', 'cls', 'last', 'weightedmean', 'mean_sqrt_len', 'none', 'cluster', 'span', 'map_weighted', ...unnormalised,
  ];
  for (const name of linear) expect(found.found[name]?.weights, name).toBeDefined();
  expect(found.found.max.weights).toBeUndefined();
  for (const [name, { weights, counts, tokens, rows }] of Object.entries(found.found)) {
    weights?.forEach((all, i) => {
      const m = counts?.[i] ?? 1;
      expect(all.length, name).toBe(m * tokens[i]);
      for (let v = 0; v < m; v++) {
        const row = all.slice(v * tokens[i], (v + 1) * tokens[i]);
        const total = row.reduce((a, b) => a + b, 0);
        if (name === 'mean_sqrt_len') expect(total, name).toBeCloseTo(Math.sqrt(tokens[i]), 4);
        else if (!unnormalised.includes(name)) expect(total, `${name} of text ${i}`).toBeCloseTo(1, 4);
        if (!linear.includes(name)) continue;
        const sum = rows[i][v].map((_, c) => row.reduce((a, weight, t) => a + weight * found.states[i][t][c], 0));
        equal(rows[i][v], sum, CLOSE, `${name} of text ${i}`);
      }
    });
  }
});

test('vectors of fewer bits are sentence-transformers’', async () => {
  const found = await page.evaluate(async () => {
    const { data, shape } = await plain.embed(texts);
    const width = shape[1];
    const ranges = { min: new Float32Array(width).fill(-0.2), max: new Float32Array(width).fill(0.3) };
    const result = { width, vectors: [...data] };
    for (const precision of ['int8', 'uint8', 'binary', 'ubinary']) {
      const whole = await plain.embed(texts, { precision });
      result[precision] = { data: [...whole.data], kind: whole.data.constructor.name, shape: whole.shape };
    }
    result.given = [...(await plain.embed(texts, { precision: 'uint8', ranges })).data];
    result.short = (await plain.embed(texts, { precision: 'ubinary', truncateDim: 12 })).shape;
    result.kept = ranges.min.length;
    return result;
  });
  const { width, vectors } = found;
  expect(found.kept).toBe(width);
  const column = (i) => vectors.filter((_, at) => at % width === i % width);
  const step = (v, min, max) => Math.min(255, Math.max(0, Math.floor(Math.fround(v - min) / Math.fround(Math.fround(max - min) / 255))));
  const own = vectors.map((v, i) => step(v, Math.min(...column(i)), Math.max(...column(i))));
  // A value at the edge of a step may land beside it, for this is not all in f32; nothing is farther off.
  equal(found.uint8.data, own, 1, 'uint8');
  equal(found.int8.data, found.uint8.data.map((byte) => byte - 128), 0, 'int8');
  equal(found.given, vectors.map((v) => step(v, Math.fround(-0.2), Math.fround(0.3))), 1, 'given ranges');
  expect(new Set(found.uint8.data).size).toBeGreaterThan(2);
  const bytes = found.ubinary.data.map((_, at) =>
    [0, 1, 2, 3, 4, 5, 6, 7].reduce((byte, bit) => byte | (vectors[at * 8 + bit] > 0 ? 128 >> bit : 0), 0));
  equal(found.ubinary.data, bytes, 0, 'ubinary');
  equal(found.binary.data, bytes.map((byte) => byte - 128), 0, 'binary');
  expect([found.int8.kind, found.uint8.kind, found.binary.kind, found.ubinary.kind]).toEqual([
    'Int8Array', 'Uint8Array', 'Int8Array', 'Uint8Array',
  ]);
  expect([found.uint8.shape, found.ubinary.shape, found.short]).toEqual([[3, width], [3, width / 8], [3, 2]]);
});

test('the first elements of a unit vector are a unit vector', async () => {
  const { whole, cut, raw, rawCut } = await page.evaluate(async () => {
    const rows = async (options) => rowsOf(await plain.embed(texts, options)).map(([row]) => row);
    return {
      whole: await rows({ normalize: true }), cut: await rows({ normalize: true, truncateDim: 10 }),
      raw: await rows({ normalize: false }), rawCut: await rows({ normalize: false, truncateDim: 10 }),
    };
  });
  whole.forEach((row, i) => {
    const first = row.slice(0, 10);
    equal(cut[i], first.map((v) => v / Math.hypot(...first)), CLOSE, 'unit');
    equal(rawCut[i], raw[i].slice(0, 10), CLOSE, 'raw');
  });
});

test('a prompt left out counts for nothing but the class token', async () => {
  const found = await page.evaluate(async () => {
    const model = await load('/golden/models/bert-e5/', cpu);
    const row = async (options) => rowsOf(await model.embed('bees find honey', { promptName: 'query', normalize: false, ...options }))[0];
    const result = {
      // Tokens of the prompt with [CLS], without [SEP].
      prompt: (await model.embed('', { promptName: 'query' })).tokens[0] - 1,
      all: await row({ pooling: 'none', includePrompt: true }),
      rest: await row({ pooling: 'none', includePrompt: false }),
      mean: (await row({ pooling: 'mean', includePrompt: false }))[0],
      cls: (await row({ pooling: 'cls', includePrompt: false }))[0],
    };
    model.dispose();
    return result;
  });
  expect(found.prompt).toBeGreaterThan(1);
  expect(found.rest.length).toBe(found.all.length - found.prompt);
  equal(found.rest.flat(), found.all.slice(found.prompt).flat(), CLOSE, 'tokens');
  equal(found.mean, found.rest[0].map((_, c) => found.rest.reduce((sum, row) => sum + row[c], 0) / found.rest.length), CLOSE, 'mean');
  equal(found.cls, found.all[0], CLOSE, 'cls');
});

test('learned weights are read, and change the vectors as their equation says', async () => {
  const found = await page.evaluate(async () => {
    const query = Array.from({ length: 32 }, (_, i) => Math.sin(i + 1));
    const poolingWeights = safetensors({ query: [[4, 8], query] });
    const pooling = { name: 'group_query', groups: 4 };
    const rows = async (model, options) => rowsOf(await model.embed(texts, { normalize: false, ...options })).map(([row]) => row);
    return {
      query,
      states,
      learned: await rows(plain, { pooling, poolingWeights }),
      again: await rows(plain, { pooling, poolingWeights: poolingWeights.buffer }),
      there: await rows(gpu, { pooling, poolingWeights }),
      without: await rows(plain, { pooling }),
      bytes: poolingWeights.length,
    };
  });
  expect(found.bytes).toBeGreaterThan(32 * 4);
  found.states.forEach((rows, i) => {
    const wanted = Array.from({ length: 4 }, (_, k) => {
      const part = (row) => row.slice(k * 8, (k + 1) * 8);
      const scores = rows.map((row) => part(row).reduce((sum, v, c) => sum + v * found.query[k * 8 + c], 0) / Math.sqrt(8));
      const powers = scores.map((score) => Math.exp(score - Math.max(...scores)));
      const total = powers.reduce((a, b) => a + b, 0);
      return part(rows[0]).map((_, c) => rows.reduce((sum, row, t) => sum + (powers[t] / total) * part(row)[c], 0));
    }).flat();
    equal(found.learned[i], wanted, CLOSE, `text ${i}`);
    equal(found.there[i], wanted, CLOSE, `text ${i} on the GPU`);
    expect(found.again[i]).toEqual(found.learned[i]);
  });
  // A text of several words, whose tokens differ.
  expect(Math.max(...found.learned[1].map((v, c) => Math.abs(v - found.without[1][c])))).toBeGreaterThan(1e-3);
});

describe('MiniLM', () => {
  const said = 'Bees dance 🐝 to tell where flowers are. Bread rises because yeast makes gas. Ships sail by the stars.';
  beforeAll(async () => {
    await page.evaluate(async () => { window.minilm = await load('/models/all-MiniLM-L6-v2/', cpu); });
  });

  test('warns once where its files say otherwise', async () => {
    // What other models of the page said.
    warnings.length = 0;
    const { own, mean, cls } = await page.evaluate(async () => {
      const warning = async (pooling) => (await minilm.embed('bees', { pooling })).warning;
      const found = { own: await warning('auto'), mean: await warning('mean'), cls: await warning('cls') };
      await warning('cls');
      return found;
    });
    expect([own, mean]).toEqual([undefined, undefined]);
    expect(cls).toMatch(/mean.*cls/);
    expect(warnings.filter((text) => text.includes(cls))).toHaveLength(1);
  });

  test('late chunks are pooled from one reading of the text', async () => {
    const { late, early, one, whole, layout } = await page.evaluate(async (said) => {
      const chunk = { tokens: 9, overlap: 0 };
      const take = async (options) => {
        const found = await minilm.embedChunks(said, { chunk, normalize: false, ...options });
        return { chunks: found.chunks, rows: rowsOf(found).map(([row]) => row), shape: found.shape };
      };
      const { layout } = await minilm.attention(said, { layers: [0], reduce: 'mean', query: 0 });
      const whole = rowsOf(await minilm.embed(said, { pooling: 'none', normalize: false }))[0];
      const late = await take({ late: true });
      const one = [];
      for (const { text } of late.chunks) one.push(rowsOf(await minilm.embed(text, { normalize: false }))[0][0]);
      return { late, early: await take({}), one, whole, layout };
    }, said);
    expect(late.chunks.length).toBeGreaterThan(1);
    expect(early.chunks).toEqual(late.chunks);
    expect(late.shape).toEqual([late.chunks.length, 384]);
    late.chunks.forEach(({ text, start, end }, i) => {
      expect(said.slice(start, end)).toBe(text);
      equal(early.rows[i], one[i], CLOSE, `chunk ${i} on its own`);
      const inside = whole.filter((_, t) => {
        const { start: from, end: to, special } = layout.tokens[t];
        // What stands before the first chunk and behind the last is theirs.
        if (special) return t === 0 ? i === 0 : i === late.chunks.length - 1;
        return from < end && to > start;
      });
      const mean = inside[0].map((_, c) => inside.reduce((sum, row) => sum + row[c], 0) / inside.length);
      // Not of unit length: a few times as large.
      equal(late.rows[i], mean, 5 * CLOSE, `chunk ${i} late`);
    });
    expect(Math.max(...late.rows[0].map((v, c) => Math.abs(v - early.rows[0][c])))).toBeGreaterThan(1e-3);
  });

  test('a search among several vectors each is by MaxSim', async () => {
    const { hits, scores, best } = await page.evaluate(async () => {
      const documents = ['Bees dance to tell where flowers are.', 'Bread rises because yeast makes gas.', 'Ships sail by the stars.'];
      const index = await createIndex({ model: minilm, pooling: 'none' });
      await index.add(documents);
      const hits = await index.search('how do insects navigate', { topK: 3 });
      const several = { pooling: 'none', normalize: true };
      const query = await minilm.embed('how do insects navigate', several);
      const scores = {};
      for (const [id, text] of documents.entries()) scores[id] = maxSim(query, await minilm.embed(text, several));
      index.dispose();
      return { hits: hits.map(({ id, score }) => [id, score]), scores, best: hits[0].document.text };
    });
    expect(hits).toHaveLength(3);
    for (const [id, score] of hits) expect(Math.abs(score - scores[id]), id).toBeLessThan(5e-4);
    expect(hits.map(([, score]) => score)).toEqual(hits.map(([, score]) => score).sort((a, b) => b - a));
    expect(best).toMatch(/^Bees/);
  });
});

test('a second stage puts hits in its own order', async () => {
  const { plainly, reranked } = await page.evaluate(async () => {
    const D = plain.info.embeddingDim;
    // u = ReLU([a; b] W_1) keeps ±b[0]; the score is b[0] of the passage: nothing of the query.
    const w1 = new Array(2 * D * 2).fill(0);
    w1[D * 2] = 1;
    w1[D * 2 + 1] = -1;
    const rerank = safetensors({
      W_1: [[2 * D, 2], w1], P_sym: [[2, 2], [1, 0, 0, 1]], P_asym: [[2, 2], [1, 0, 0, 1]], W_2: [[2, 1], [1, -1]],
    });
    const index = await createIndex({ model: plain });
    await index.add(texts);
    const ids = (hits) => hits.map(({ id, score }) => [id, score]);
    const first = rowsOf(await plain.embed(texts, { normalize: true })).map(([row]) => row[0]);
    const result = { plainly: ids(await index.search('the cat')), reranked: ids(await index.search('the cat', { rerank })) };
    index.dispose();
    return { plainly: result.plainly, reranked: { hits: result.reranked, first } };
  });
  expect(plainly).toHaveLength(3);
  const order = [0, 1, 2].sort((a, b) => reranked.first[b] - reranked.first[a]).map(String);
  expect(reranked.hits.map(([id]) => id)).toEqual(order);
  for (const [id, score] of reranked.hits) expect(score).toBeCloseTo(reranked.first[Number(id)], 4);
});

test('pictures take pooling too', async () => {
  const found = await page.evaluate(async () => {
    const model = await load('/golden/vision/dinov2/', { ...cpu, input: 'image' });
    const url = '/models/test-pictures/moon.png';
    const rows = async (options) => rowsOf(await model.embed(url, { normalize: false, ...options }))[0];
    const result = {
      all: await rows({ pooling: 'none' }),
      mean: (await rows({ pooling: 'mean' }))[0],
      max: (await rows({ pooling: 'max' }))[0],
      gem: (await rows({ pooling: { name: 'gem', p: 3, positive: 'signed' } }))[0],
      short: (await model.embed(url, { pooling: 'mean', truncateDim: 8, precision: 'ubinary' })).shape,
      weights: [...(await model.embed(url, { pooling: 'mean', weights: true })).weights[0]],
      names: (await model.poolers()).length,
    };
    model.dispose();
    return { ...result, table: table.length };
  });
  const n = found.all.length;
  const each = (of) => found.all[0].map((_, c) => of(found.all.map((row) => row[c])));
  equal(found.mean, each((values) => values.reduce((a, b) => a + b, 0) / n), CLOSE, 'mean');
  equal(found.max, each((values) => Math.max(...values)), CLOSE, 'max');
  equal(found.gem, each((values) => Math.cbrt(values.reduce((a, b) => a + b ** 3, 0) / n)), 5e-4, 'gem');
  equal(found.weights, Array(n).fill(1 / n), 1e-6, 'weights');
  expect(found.short).toEqual([1, 1]);
  expect(found.names).toBe(found.table);
});

test('what is wrong with a pooling is told, and spoils nothing', async () => {
  const { found, before, after } = await page.evaluate(async () => {
    const dense = await load('/golden/models/bert-mean-dense/', cpu);
    const width = plain.info.embeddingDim;
    const of = (length) => ({ min: new Float32Array(length), max: new Float32Array(length).fill(1) });
    const calls = {
      name: () => plain.embed('a', { pooling: 'average' }),
      option: () => plain.embed('a', { pooling: { name: 'gem', q: 3 } }),
      value: () => plain.embed('a', { pooling: { name: 'gem', p: -1 } }),
      none: () => plain.embed('a', { pooling: { name: 'mean', p: 3 } }),
      missing: () => plain.embed('a', { pooling: 'pma' }),
      file: () => plain.embed('a', { pooling: 'pma', poolingWeights: new Uint8Array(3) }),
      shape: () => plain.embed('a', { pooling: { name: 'group_query', groups: 4 }, poolingWeights: safetensors({ query: [[2, 2], [1, 2, 3, 4]] }) }),
      dense: () => dense.embed('a', { pooling: 'stats' }),
      long: () => plain.embed('a', { truncateDim: width + 1 }),
      single: () => plain.embed('a', { precision: 'int8' }),
      ranges: () => plain.embed('a', { precision: 'int8', ranges: of(width - 1) }),
      chunk: () => plain.embedChunks('a', { chunk: { tokens: 1000 } }),
      index: () => createIndex({ model: plain, pooling: { name: 'gem', q: 3 } }),
      rerank: async () => (await createIndex({ model: plain })).search('a', { rerank: new Uint8Array(3) }),
    };
    const before = [...(await plain.embed('a')).data];
    const found = {};
    for (const [name, call] of Object.entries(calls)) found[name] = await told(call);
    dense.dispose();
    return { found, before, after: [...(await plain.embed('a')).data] };
  });
  const expected = {
    name: /^pooling is 'average'; expected one of auto, mean/,
    option: /gem: `q` is 3; expected one of the options p,/,
    value: /gem: `p` is -1; expected/,
    none: /mean: `p` is 3; expected one of the options of_layer/,
    missing: /pma needs learned weights: a safetensors file with/,
    file: /^pooling weights/,
    shape: /tensor `query` is F32 \[2, 2\]; expected F32 \[4, 8\]/,
    dense: /Dense/,
    long: /truncate_?dim/i,
    single: /range/,
    ranges: /ranges/,
    chunk: /tokens/,
    index: /gem: `q` is 3/,
    rerank: /weights/,
  };
  for (const [name, message] of Object.entries(expected)) {
    expect(found[name], name).toMatchObject({ code: 'invalid_input', ours: true, message: expect.stringMatching(message) });
  }
  equal(after, before, 0, 'the next call');
});

// What can go wrong, through the npm package in a page: each failure has its code and a message that says what
// to do, and none of them spoils the next call.
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const SOUND = join(ROOT, 'tests/golden/models/bert-cls-normalize');
const TEXT = 'The bees find the honey in 12 flowers, and fly home!';
// Backends agree this closely, element by element (design: f32 against f32 on unit vectors).
const CLOSE = 2e-5;

const PAGE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>failures</title>
<script type=module>
  import * as heatseek from '/pkg/index.js';
  const { load, createIndex, HeatseekError } = heatseek;
  const told = async (work) => {
    try {
      await work();
    } catch (error) {
      const { code, message, cause } = error;
      return { code, message, ours: error instanceof HeatseekError, cause: cause && String(cause.message ?? cause) };
    }
    return undefined;
  };
  Object.assign(window, { ...heatseek, told });
  window.cpu = { device: 'cpu', cache: false };
  // A failure must leave this behind as it was: a model loads, and gives the vector it always gives.
  window.good = async (options = window.cpu) => {
    const model = await load('/sound/', options);
    const { data } = await model.embed(${JSON.stringify(TEXT)});
    model.dispose();
    return [...data];
  };
  window.ready = true;
</script>`;

let server, browser, page, errors, expected;
/** How many times a file was asked for. */
const asked = new Map();

beforeAll(async () => {
  const weights = await readFile(join(SOUND, 'model.safetensors'));
  const config = JSON.parse(await readFile(join(SOUND, 'config.json'), 'utf8'));
  const send = (response, body) => void response.writeHead(200, { 'content-length': body.length }).end(body);
  /** Folders with a fault, each on one file; all their other files are sound. */
  const faults = {
    '/cut/model.safetensors': (response) => {
      response.writeHead(200, { 'content-length': weights.length });
      response.write(weights.subarray(0, 100_000), () => response.socket?.destroy());
    },
    '/cut-once/model.safetensors': (response) => {
      if (asked.get('/cut-once/model.safetensors') > 1) return send(response, weights);
      return faults['/cut/model.safetensors'](response);
    },
    '/truncated/model.safetensors': (response) => send(response, weights.subarray(0, 100_000)),
    '/not-json/config.json': (response) => send(response, Buffer.from('{"model_type": ')),
    '/alien/config.json': (response) => send(response, Buffer.from(JSON.stringify({ ...config, model_type: 'llama' }))),
    '/misfit/config.json': (response) => send(response, Buffer.from(JSON.stringify({ ...config, intermediate_size: 128 }))),
    '/busy/config.json': (response) => void response.writeHead(503).end(),
    // Sends the head and some bytes, and then nothing.
    '/stalled/model.safetensors': (response) => {
      response.writeHead(200, { 'content-length': weights.length });
      response.write(weights.subarray(0, 50_000));
    },
  };
  const folders = new Set(Object.keys(faults).map((path) => path.split('/')[1]));
  const mounts = Object.fromEntries([...folders].map((folder) => [`/${folder}/`, SOUND]));
  server = await serve({ '/pkg/': join(ROOT, 'pkg/dist'), '/sound/': SOUND, ...mounts }, (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    if (request.method === 'GET') asked.set(pathname, (asked.get(pathname) ?? 0) + 1);
    if (pathname === '/') {
      response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
      return true;
    }
    if (!faults[pathname]) return false;
    faults[pathname](response);
    return true;
  });
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

async function begin(options) {
  await browser?.close();
  browser = await launch(options);
  ({ page, errors } = await open(browser));
  await page.goto(server.origin);
  await page.waitForFunction(() => window.ready);
  expected ??= await page.evaluate(() => window.good());
}

/** What a failing call says; it must be one of ours. */
async function failure(work, ...args) {
  const error = await page.evaluate(work, ...args);
  expect(error, 'the call fails').toBeDefined();
  expect(error.ours, `a HeatseekError: ${JSON.stringify(error)}`).toBe(true);
  return error;
}

function equal(actual, wanted, tolerance = 0) {
  expect(actual.length).toBe(wanted.length);
  const worst = actual.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i])), 0);
  expect(worst).toBeLessThanOrEqual(tolerance);
}

describe('on the CPU', () => {
  beforeAll(async () => {
    await begin({ webgpu: false });
    expect(Math.hypot(...expected)).toBeCloseTo(1, 5);
  });
  afterEach(async () => {
    equal(await page.evaluate(() => window.good()), expected);
    // Chromium itself logs answers like 404 and broken connections; nothing else may be there.
    expect(errors.splice(0).filter((line) => !line.startsWith('Failed to load resource'))).toEqual([]);
  });

  test('arguments', async () => {
    const said = await page.evaluate(async () => {
      const model = await load('/sound/', cpu);
      const index = await createIndex({ model });
      const calls = {
        number: () => model.embed(['a', 7]),
        nothing: () => model.embed(undefined),
        unknown: () => model.embed('a', { normalise: true }),
        pooling: () => model.embed('a', { pooling: 'median' }),
        prompt: () => model.embed('a', { promptName: 'nothing' }),
        length: () => model.embed('a', { maxLength: 65 }),
        device: () => load('/sound/', { device: 'tpu' }),
        option: () => load('/sound/', { quantized: true }),
        model: () => load(42),
        text: () => index.add([{ id: 'x', text: null }]),
        chunk: () => index.add('a', { chunk: { tokens: 10, overlap: 10 } }),
        query: () => index.search(['a']),
        topK: () => index.search('a', { topK: 0 }),
        same: () => index.add([{ id: 'x', text: 'a' }, { id: 'x', text: 'b' }]),
      };
      const found = {};
      for (const [name, call] of Object.entries(calls)) found[name] = await told(call);
      const still = await model.embed('still here');
      model.dispose();
      return { found, width: still.data.length };
    });
    for (const [name, error] of Object.entries(said.found)) expect(error, name).toMatchObject({ code: 'invalid_input', ours: true });
    const messages = Object.fromEntries(Object.entries(said.found).map(([name, { message }]) => [name, message]));
    expect(messages).toMatchObject({
      number: 'texts[1] is 7; expected a string',
      nothing: 'texts is undefined; expected a string or an array of strings',
      unknown: expect.stringMatching(/^embed has no option 'normalise'; there are pooling, poolingWeights, normalize/),
      pooling: expect.stringMatching(/^pooling is 'median'; expected one of auto, mean/),
      prompt: expect.stringMatching(/no prompt named `nothing`; it has: .*query/),
      length: expect.stringMatching(/max_length: got 65, expected 1 to 64/),
      device: expect.stringMatching(/^device is 'tpu'; expected one of auto, gpu, cpu/),
      option: expect.stringMatching(/^load has no option 'quantized'/),
      model: expect.stringMatching(/^model is 42; expected a hub id, a path, a URL, the handle of a folder/),
      text: 'documents[0].text is null; expected a string',
      chunk: expect.stringMatching(/^chunk.overlap is 10; expected less than chunk.tokens, 10/),
      query: 'query is an array; expected a string',
      topK: 'topK is 0; expected a whole number, 1 or more',
      same: expect.stringMatching(/documents\[1\].id/),
    });
    expect(said.width).toBe(48);
  });

  const files = [
    ['a folder that is not there', '/nothing/', 'not_found', /the model needs config.json, but there is no http.*\/nothing\/config.json/],
    ['a download cut off twice', '/cut/', 'network', /\/cut\/model.safetensors was cut off after \d+ bytes/],
    ['a server that is busy', '/busy/', 'network', /\/busy\/config.json could not be fetched: the server answered 503/],
    ['truncated weights', '/truncated/', 'model_invalid', /`model.safetensors`.*expected.*got/],
    ['a configuration that is no JSON', '/not-json/', 'model_invalid', /`config.json` is not JSON/],
    ['weights of another model', '/misfit/', 'model_invalid', /tensor `.*intermediate.dense.weight` should be \[128, 48\] by .*, but is \[96, 48\]/],
    ['an unknown architecture', '/alien/', 'unsupported', /`config.json`: models of type `llama` are not supported; supported: .*bert/],
  ];
  for (const [name, folder, code, message] of files) {
    test(name, async () => {
      const error = await failure((base) => told(() => load(base, { ...cpu, retries: 1 })), folder);
      expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    });
  }

  test('a download cut off once is fetched again', async () => {
    const data = await page.evaluate(async () => {
      const model = await load('/cut-once/', cpu);
      return [...(await model.embed('The bees find the honey in 12 flowers, and fly home!')).data];
    });
    equal(data, expected);
    expect(asked.get('/cut-once/model.safetensors')).toBe(2);
  });

  test('a file that is not the expected one', async () => {
    const sum = '0'.repeat(64);
    const error = await failure((wrong) => told(() => load('/sound/', { ...cpu, sha256: { 'model.safetensors': wrong } })), sum);
    expect(error).toMatchObject({ code: 'model_invalid', message: expect.stringContaining(`not ${sum}`) });
  });

  test('loads aborted at any moment', async () => {
    const moments = await page.evaluate(async () => {
      const found = {};
      const attempt = async (name, begin, base = '/sound/') => {
        const controller = new AbortController();
        const options = { ...cpu, signal: controller.signal };
        begin(controller, options);
        const started = performance.now();
        const error = await told(() => load(base, options));
        found[name] = { ...error, ms: performance.now() - started };
      };
      const reason = new Error('changed my mind');
      await attempt('before', (controller) => controller.abort(reason));
      await attempt('at once', (controller) => queueMicrotask(() => controller.abort(reason)));
      await attempt('starting', (controller) => setTimeout(() => controller.abort(reason), 5));
      const at = (stage) => (controller, options) => {
        options.onProgress = (progress) => progress.stage === stage && controller.abort(reason);
      };
      await attempt('downloading', at('download'));
      await attempt('reading', at('read'));
      await attempt('stalled', (controller) => setTimeout(() => controller.abort(reason), 500), '/stalled/');
      return found;
    });
    for (const [name, error] of Object.entries(moments)) {
      expect(error, name).toMatchObject({ code: 'aborted', ours: true, message: 'aborted by the caller', cause: 'changed my mind' });
      expect(error.ms, name).toBeLessThan(5000);
    }
  });

  test('an embed aborted on its way, and one that waits behind it', async () => {
    const found = await page.evaluate(async () => {
      const model = await load('/sound/', cpu);
      const texts = Array.from({ length: 3000 }, (_, i) => `the bees find honey ${i}`);
      const [first, second] = [new AbortController(), new AbortController()];
      let reported = 0;
      const running = told(() => model.embed(texts, {
        signal: first.signal,
        onProgress: ({ loaded }) => {
          reported = loaded;
          if (loaded > 0) first.abort();
        },
      }));
      const waiting = told(() => model.embed(texts, { signal: second.signal }));
      second.abort();
      const errors = [await running, await waiting];
      const after = await model.embed('The bees find the honey in 12 flowers, and fly home!');
      model.dispose();
      return { errors, reported, total: texts.length, after: [...after.data] };
    });
    for (const error of found.errors) expect(error).toMatchObject({ code: 'aborted', ours: true });
    expect(found.reported).toBeGreaterThan(0);
    expect(found.reported).toBeLessThan(found.total);
    equal(found.after, expected);
  });

  test('an add aborted on its way leaves nothing in the index', async () => {
    const found = await page.evaluate(async () => {
      const model = await load('/sound/', cpu);
      const index = await createIndex({ model });
      await index.add({ id: 'kept', text: 'the honey' });
      const controller = new AbortController();
      const documents = Array.from({ length: 2000 }, (_, i) => ({ id: `d${i}`, text: `the bees find honey ${i}` }));
      const onProgress = ({ stage, loaded }) => stage === 'index' && loaded > 0 && controller.abort();
      const error = await told(() => index.add(documents, { signal: controller.signal, onProgress }));
      const hits = await index.search('honey', { topK: 10 });
      const { size } = index;
      model.dispose();
      return { error, size, ids: hits.map(({ id }) => id) };
    });
    expect(found.error).toMatchObject({ code: 'aborted', ours: true });
    expect(found).toMatchObject({ size: 1, ids: ['kept'] });
  });

  test('storage that is full is a warning', async () => {
    const found = await page.evaluate(async () => {
      const { put } = Cache.prototype;
      Cache.prototype.put = () => Promise.reject(new DOMException('full', 'QuotaExceededError'));
      const stages = [];
      try {
        // In this thread, for the patch does not reach into a worker.
        const model = await load('/sound/', { device: 'cpu', worker: false, onProgress: (p) => stages.push(p) });
        const { data } = await model.embed('The bees find the honey in 12 flowers, and fly home!');
        model.dispose();
        return { full: stages.filter(({ stage }) => stage === 'cache-full').map(({ file }) => file), data: [...data] };
      } finally {
        Cache.prototype.put = put;
      }
    });
    expect(found.full).toContain('model.safetensors');
    equal(found.data, expected);
  });

  test('what is kept is used again, and fetched again when it has gone bad', async () => {
    const before = asked.get('/sound/model.safetensors');
    await page.evaluate(() => window.good({ device: 'cpu' }));
    await page.evaluate(() => window.good({ device: 'cpu' }));
    expect(asked.get('/sound/model.safetensors')).toBe(before + 1);
  });

  test('dispose while calls are under way', async () => {
    const found = await page.evaluate(async () => {
      const model = await load('/sound/', cpu);
      const index = await createIndex({ model });
      const texts = Array.from({ length: 2000 }, (_, i) => `the bees find honey ${i}`);
      const pending = [told(() => model.embed(texts)), told(() => index.add(texts)), told(() => index.search('bees'))];
      model.dispose();
      model.dispose();
      index.dispose();
      const late = [told(() => model.embed('late')), told(() => createIndex({ model })), told(() => index.search('late'))];
      return Promise.all([...pending, ...late]);
    });
    for (const error of found) expect(error).toMatchObject({ code: 'disposed', ours: true });
    expect(found[0].message).toBe('the model was disposed of');
    expect(found.at(-1).message).toBe('the index was disposed of');
  });

  test('no WebGPU: gpu is an error, auto falls back and says so', async () => {
    const error = await failure(() => told(() => load('/sound/', { device: 'gpu', cache: false })));
    expect(error).toMatchObject({ code: 'unsupported', message: expect.stringMatching(/no WebGPU adapter; the CPU kernels run everywhere/) });
    const device = await page.evaluate(async () => {
      const model = await load('/sound/', { device: 'auto', cache: false });
      model.dispose();
      return model.info.device;
    });
    expect(device).toMatchObject({ kind: 'cpu', fallback: expect.stringMatching(/no WebGPU adapter/) });
  });
});

describe('on WebGPU', () => {
  beforeAll(() => begin());

  test('GPU processes that crash in the middle of a batch cost no text', async () => {
    const count = 1200;
    const before = await page.evaluate(async (count) => {
      window.texts = Array.from({ length: count }, (_, i) => `the bees find honey in flower ${i}, and fly home`);
      window.model = await load('/sound/', { device: 'gpu', cache: false });
      window.before = await model.embed(texts);
      return model.info.device;
    }, count);
    expect(before, JSON.stringify(before)).toMatchObject({ kind: 'gpu', backend: 'BrowserWebGpu', dtype: 'f32' });
    expect(before.fallback).toBeUndefined();

    // The first time the device is opened again; a model whose device is lost twice stays on the CPU.
    for (const [crash, kind] of [['first', 'gpu'], ['second', 'cpu']]) {
      await page.evaluate(async () => {
        // A device of the test's own is lost in the same crash: that shows that there was one.
        const witness = await (await navigator.gpu.requestAdapter()).requestDevice();
        // What takes over may be done before anybody asks how far it was.
        window.lost = witness.lost.then(() => { window.progressThen = window.progress; });
        window.progress = 0;
        // Opening a device again reports stages of its own.
        const onProgress = ({ stage, loaded }) => { if (stage === 'embed') window.progress = loaded; };
        window.after = model.embed(texts, { onProgress });
        after.catch(() => {});
      });
      await page.waitForFunction(() => window.progress > 0, undefined, { polling: 5 });
      const session = await browser.newBrowserCDPSession();
      await session.send('Browser.crashGpuProcess').catch(() => {});
      await page.evaluate(() => window.lost);
      const found = await page.evaluate(async () => {
        const { progressThen: progress } = window;
        const { data, shape } = await window.after;
        const worst = data.reduce((most, value, i) => Math.max(most, Math.abs(value - before.data[i])), 0);
        return { progress, shape, worst, device: model.info.device };
      });
      console.log(`${crash} crash: ${JSON.stringify(found)}`);
      expect(found.progress, 'the crash came in the middle').toBeGreaterThan(0);
      expect(found.progress, 'the crash came in the middle').toBeLessThan(count);
      expect(found.shape).toEqual([count, 48]);
      expect(found.worst).toBeLessThanOrEqual(CLOSE);
      expect(found.device.kind).toBe(kind);
      if (kind === 'cpu') expect(found.device.fallback).toMatch(/was lost \(.*\); using the CPU/);
    }
    equal(await page.evaluate(() => window.good()), expected);
  });
});

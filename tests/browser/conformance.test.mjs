// The conformance suites in Chromium: the same Rust code that runs natively, on wasm SIMD128, on relaxed SIMD with
// threads, and on WebGPU.
import { readdir } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const MODELS = process.env.HEATSEEK_MODELS ?? join(ROOT, 'models');
const SUITE = join(ROOT, 'target/conformance-wasm');
const GOLDEN = join(ROOT, 'tests/golden');
const PAGE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>conformance</title>
<script type=module>
  import * as suite from '/suite/start.mjs';
  const [, variant, threads] = location.pathname.split('/');
  if (threads === undefined) {
    await suite.start(variant, 1);
    Object.assign(window, suite);
  } else {
    // Where there are threads, the one that hands out work waits for them, which a page's own must not.
    const worker = new Worker('/suite/worker.mjs', { type: 'module' });
    const ask = (...call) => new Promise((resolve, reject) => {
      worker.onmessage = ({ data: { value, error } }) => (error === undefined ? resolve(value) : reject(new Error(error)));
      worker.onerror = (event) => { event.preventDefault(); reject(new Error(event.message)); };
      worker.postMessage(call);
    });
    await ask('start', variant, Number(threads));
    for (const name of ['run', 'golden', 'suiteOn']) window[name] = (...args) => ask(name, ...args);
  }
  window.ready = true;
</script>`;

let server, browser;
beforeAll(async () => {
  server = await serve(
    { '/pkg/': join(ROOT, 'pkg/dist'), '/pkg/suite/': SUITE, '/suite/': join(import.meta.dirname, 'suite'), '/models/': MODELS, '/golden/': GOLDEN },
    (request, response) => {
      response.setHeader('cross-origin-opener-policy', 'same-origin');
      response.setHeader('cross-origin-embedder-policy', 'require-corp');
      if (!/^\/(baseline|relaxed)/.test(request.url)) return false;
      response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
      return true;
    },
  );
  browser = await launch();
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

let page, errors;
/** Opens the suites of a build, with threads or without, for the tests around this call. */
function on(path) {
  let context;
  beforeAll(async () => {
    ({ page, errors, context } = await open(browser));
    await page.goto(server.origin + path);
    await page.waitForFunction(() => window.ready);
  });
  afterAll(() => context?.close());
}

/** Every file of a model folder that a loader may want. */
async function modelFiles(dir) {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const names = entries.filter((e) => e.isFile()).map((e) => relative(dir, join(e.parentPath ?? e.path, e.name)));
  return names.filter((name) => /\.(json|txt|safetensors)$/.test(name) && !/golden|attention|pictures\.safetensors|texts\.json/.test(name));
}

/** The small models in these folders that have goldens of this name: where they are, and their files. */
async function smallModels(folders, golden) {
  const found = [];
  for (const folder of folders) {
    for (const entry of await readdir(join(GOLDEN, folder), { withFileTypes: true })) {
      const dir = join(GOLDEN, folder, entry.name);
      if (!entry.isDirectory() || !(await readdir(dir)).includes(golden)) continue;
      const base = `/golden/${folder}/${entry.name}/`;
      found.push({ name: entry.name, base, files: await modelFiles(dir), golden: base + golden });
    }
  }
  return found;
}

function check(name, report) {
  console.log(`${name}: ${report.passed} passed, ${report.failures.length} failed\n  ${report.figures.join('\n  ')}`);
  expect(report.failures).toEqual([]);
  expect(report.passed).toBeGreaterThan(0);
  expect(errors).toEqual([]);
}

async function miniLm(backend) {
  const files = await modelFiles(join(MODELS, 'all-MiniLM-L6-v2'));
  const report = await page.evaluate(
    ([b, f]) => window.golden(b, '/models/all-MiniLM-L6-v2/', f, '/golden/texts.json', '/golden/minilm.safetensors'),
    [backend, files],
  );
  check('golden', report);
}

for (const backend of ['cpu', 'gpu']) {
  describe(`browser ${backend}`, () => {
    on('/baseline');

    test('op cases', async () => check('ops', await page.evaluate((b) => window.run('ops', b), backend)));

    test('batch properties', async () =>
      check('properties', await page.evaluate((b) => window.run('properties', b), backend)));

    test('poolers that devices compute equal those on the host', async () =>
      check('pooling', await page.evaluate((b) => window.run('pooling', b), backend)));

    test('all-MiniLM-L6-v2 equals PyTorch', () => miniLm(backend));

    test('small models equal PyTorch', async () => {
      for (const { name, base, files, golden } of await smallModels(['models', 'clip'], 'golden.safetensors')) {
        const report = await page.evaluate(
          ([b, base, f, golden]) => window.golden(b, base, f, `${base}texts.json`, golden),
          [backend, base, files, golden],
        );
        check(name, report);
      }
    });

    const pictures = [[['vision'], 'golden.safetensors'], [['clip'], 'pictures.safetensors']];
    for (const [what, suite, goldens] of [
      ['small vision models equal transformers', 'vision', pictures],
      ['attention to pictures equals PyTorch', 'picture_attention', pictures],
      ['attention to texts equals PyTorch', 'text_attention', [[['models', 'clip'], 'attention.safetensors']]],
    ]) {
      test(what, async () => {
        for (const [folders, golden] of goldens) {
          for (const { name, base, files, golden: tensors } of await smallModels(folders, golden)) {
            const report = await page.evaluate(
              ([s, b, f, tensors]) => window.suiteOn(s, b, f, tensors),
              [suite, backend, files.map((file) => [file, base + file]), tensors],
            );
            check(name, report);
          }
        }
      });
    }

    test('DINOv2-small on real pictures equals transformers', async () => {
      const model = (await modelFiles(join(MODELS, 'dinov2-small'))).map((file) => [file, `/models/dinov2-small/${file}`]);
      const real = (await readdir(join(MODELS, 'test-pictures'))).map((file) => [
        `pictures/${file}`,
        `/models/test-pictures/${file}`,
      ]);
      const report = await page.evaluate(
        ([b, f]) => window.suiteOn('pictures', b, f, '/golden/dinov2.safetensors'),
        [backend, [...model, ...real]],
      );
      check('dinov2-small', report);
    });
  });
}

describe('browser cpu, relaxed SIMD and 2 threads', () => {
  on('/relaxed/2');

  test('op cases', async () => check('ops', await page.evaluate(() => window.run('ops', 'cpu'))));

  test('batch properties', async () => check('properties', await page.evaluate(() => window.run('properties', 'cpu'))));

  test('all-MiniLM-L6-v2 equals PyTorch', () => miniLm('cpu'));

  test('a thread that stops fails what is computed, and nothing waits for it', async () => {
    await page.evaluate(() => window.run('kernel_thread_failed'));
    await expect(page.evaluate(() => window.run('properties', 'cpu'))).rejects.toThrow(/unreachable/);
    expect(errors.join()).toContain('a thread of the CPU kernels stopped');
  });
});

// SwiftShader has kernels of its own: these are those of GPUs, as the browser compiles them.
describe('browser gpu, kernels of GPUs', () => {
  on('/baseline');

  test('op cases', async () => check('staged ops', await page.evaluate(() => window.run('staged_ops'))));
});

describe('browser gpu that fails', () => {
  on('/baseline');

  test('a wrong WebGPU is found at load', async () => check('wrong gpu', await page.evaluate(() => window.run('wrong_gpu'))));

  test('a lost WebGPU device never loses a batch', async () =>
    check('lost device', await page.evaluate(() => window.run('lost_device'))));
});

// The package as users get it: packed, installed into new apps, and run in a browser.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import esbuild from 'esbuild';
import { publint } from 'publint';
import * as vite from 'vite';
import { launch, read } from './browser.mjs';
import { cosine, golden } from './golden.mjs';
import { serve } from './serve.mjs';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
const pkg = join(root, 'pkg');
const apps = fileURLToPath(new URL('apps/', import.meta.url));
const models = resolve(root, process.env.HEATSEEK_MODELS || 'models');
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
// What `import { version }` alone may cost: the string, and what esbuild puts around it.
const VERSION_ALONE_BYTES = 300;

let folder;
let tarball;
let packed;
let browser;
let modelServer;
let expected;

before(async () => {
  for (const built of ['heatseek_bg.wasm', 'heatseek_relaxed_bg.wasm', 'heatseek_extras_bg.wasm']) {
    await stat(join(pkg, 'dist/wasm', built)).catch(() => {
      throw new Error('pkg/dist is not built: run `npm run build` first');
    });
  }
  await stat(join(models, 'all-MiniLM-L6-v2/model.safetensors')).catch(() => {
    throw new Error(`there is no all-MiniLM-L6-v2 in ${models}: run \`heatseek models fetch\` first`);
  });
  folder = await mkdtemp(join(tmpdir(), 'heatseek-packaging-'));
  const { stdout } = await run(npm, ['pack', '--json', '--pack-destination', folder], { cwd: pkg });
  [packed] = JSON.parse(stdout);
  tarball = join(folder, packed.filename);
  expected = await golden('tokens_9_total');
  modelServer = await serve(models, { cors: true });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await modelServer?.close();
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** A new app with the tarball installed. */
async function install(name) {
  const app = join(folder, name);
  await mkdir(app);
  await writeFile(join(app, 'package.json'), JSON.stringify({ name, private: true, type: 'module' }));
  await run(npm, ['install', '--no-audit', '--no-fund', tarball], { cwd: app });
  await cp(join(apps, name), app, { recursive: true });
  await cp(join(apps, 'show.js'), join(app, 'show.js'));
  return app;
}

const parameters = (more = {}) => ({
  model: `${modelServer.url}all-MiniLM-L6-v2/`,
  device: 'cpu',
  text: expected.text,
  ...more,
});

/** The page at `url` shows PyTorch's vector, without special headers unless it is said, and complains of nothing. */
async function shows(url, more, { isolated = false, ...options } = {}) {
  const { result, complaints } = await read(browser, url, parameters(more), options);
  assert.equal(result.error, undefined, JSON.stringify(result.error));
  assert.deepEqual(complaints, []);
  assert.equal(result.crossOriginIsolated, isolated);
  assert.equal(result.shape[1], expected.vector.length);
  const vector = result.data.slice(0, expected.vector.length);
  const similarity = cosine(vector, expected.vector);
  assert.ok(similarity >= 0.999999, `cosine with PyTorch's vector is ${similarity}`);
  vector.forEach((value, i) => assert.ok(Math.abs(value - expected.vector[i]) <= 1e-4, `element ${i}`));
  return result;
}

test('the tarball holds what it should and nothing else', () => {
  const files = packed.files.map(({ path }) => path);
  for (const needed of ['package.json', 'README.md', 'LICENSE-MIT', 'LICENSE-APACHE', 'dist/index.js', 'dist/index.d.ts', 'dist/worker.js', 'dist/wasm/heatseek_bg.wasm', 'dist/wasm/heatseek_relaxed_bg.wasm', 'dist/wasm/heatseek_extras_bg.wasm']) {
    assert.ok(files.includes(needed), `${needed} is missing`);
  }
  const allowed = /^(package\.json|README\.md|LICENSE-(MIT|APACHE)|dist\/.*\.(js|js\.map|d\.ts|wasm))$/;
  assert.deepEqual(files.filter((path) => !allowed.test(path)), []);
});

test('publint has nothing to say', async () => {
  const { messages } = await publint({ pkgDir: pkg, strict: true });
  assert.deepEqual(messages, []);
});

test('Vite: development server and build', async () => {
  const app = await install('vite');
  const common = { root: app, logLevel: 'error', clearScreen: false };
  const dev = await vite.createServer({ ...common, server: { port: 0, host: '127.0.0.1' } });
  try {
    await dev.listen();
    const { hit, info } = await shows(dev.resolvedUrls.local[0]);
    assert.equal(hit.id, 'bees');
    assert.equal(hit.document.text.slice(hit.chunk.start, hit.chunk.end), hit.chunk.text);
    assert.equal(info.device.kind, 'cpu');
  } finally {
    await dev.close();
  }
  // Under a sub-path, as on GitHub Pages.
  await vite.build({ ...common, base: './', build: { outDir: 'out/some/where', target: 'es2022' } });
  const site = await serve(join(app, 'out'));
  const isolated = await serve(join(app, 'out'), { isolated: true });
  try {
    const { info } = await shows(`${site.url}some/where/`);
    assert.match(info.device.name, /1 thread$/);
    const threaded = await shows(`${isolated.url}some/where/`, {}, { isolated: true });
    if (availableParallelism() > 1) assert.match(threaded.info.device.name, /\d+ threads$/);
  } finally {
    await site.close();
    await isolated.close();
  }
});

test('esbuild: worker and wasm named by their subpaths', async () => {
  const app = await install('esbuild');
  const { warnings } = await esbuild.build({
    absWorkingDir: app,
    entryPoints: { main: 'main.js', worker: 'heatseek/worker' },
    outdir: 'out',
    bundle: true,
    format: 'esm',
    target: 'es2022',
    loader: { '.wasm': 'file' },
    logLevel: 'silent',
  });
  assert.deepEqual(warnings, []);
  const site = await serve(app);
  try {
    const { info } = await shows(site.url);
    assert.equal(info.device.backend, 'wasm-relaxed-simd');
  } finally {
    await site.close();
  }
});

test('a plain page: same origin, other origin, no worker, GPU', async () => {
  const app = await install('plain');
  const heatseek = './node_modules/heatseek/dist/index.js';
  const [site, cdn] = [await serve(app), await serve(join(app, 'node_modules'), { cors: true })];
  try {
    // The second visit finds the files kept by the first.
    const { shape, kept } = await shows(site.url, { heatseek }, { reload: true });
    assert.deepEqual(shape, [2, expected.vector.length]);
    assert.ok(kept >= 4, `${kept} files kept`);
    await shows(site.url, { heatseek: `${cdn.url}heatseek/dist/index.js` });
    await shows(site.url, { heatseek, worker: 'false' });
    const { info } = await shows(site.url, { heatseek, device: 'gpu' });
    assert.equal(info.device.kind, 'gpu', info.device.fallback);
  } finally {
    await site.close();
    await cdn.close();
  }
});

test('what is not there is an error that says where', async () => {
  const app = join(folder, 'plain');
  const site = await serve(app);
  try {
    const model = `${modelServer.url}no-such-model/`;
    const heatseek = './node_modules/heatseek/dist/index.js';
    const { result } = await read(browser, site.url, parameters({ heatseek, model }));
    assert.equal(result.error.code, 'not_found');
    assert.ok(result.error.message.includes(`${model}config.json`), result.error.message);
  } finally {
    await site.close();
  }
});

test('importing has no side effects, and Node can require it', async () => {
  const app = join(folder, 'plain');
  const { outputFiles: [bundle] } = await esbuild.build({
    stdin: { contents: "import { version } from 'heatseek'; console.log(version);", resolveDir: app },
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
  });
  assert.ok(bundle.contents.length <= VERSION_ALONE_BYTES, `${bundle.contents.length} bytes`);
  const { version } = JSON.parse(await readFile(join(pkg, 'package.json'), 'utf8'));
  assert.ok(bundle.text.includes(version));
  // `require` of a module works as long as nothing in it awaits at the top.
  const script = "console.log(require('heatseek').version)";
  const { stdout } = await run(process.execPath, ['--input-type=commonjs', '-e', script], { cwd: app });
  assert.equal(stdout.trim(), version);
});

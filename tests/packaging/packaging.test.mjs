// The package as users get it: packed, installed into new apps, and run in a browser.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import esbuild from 'esbuild';
import { publint } from 'publint';
import * as vite from 'vite';
import { launch, read } from './browser.mjs';
import { pack, pkg, run } from './package.mjs';
import { serve } from './serve.mjs';

// What `import { version }` alone may cost: the string, and what esbuild puts around it.
const VERSION_ALONE_BYTES = 300;
// What `heatseek/archive` alone may cost: itself, and of the rest the class of its errors.
const ARCHIVE_ALONE_BYTES = 12_000;

let it;
let browser;
const install = (name) => it.install(name);
const shows = (...args) => it.shows(browser, ...args);

before(async () => {
  [it, browser] = await Promise.all([pack(), launch()]);
});

after(async () => {
  await browser?.close();
  await it?.end();
});

test('the tarball holds what it should and nothing else', () => {
  const files = it.packed.files.map(({ path }) => path);
  for (const needed of ['package.json', 'README.md', 'LICENSE-MIT', 'LICENSE-APACHE', 'dist/index.js', 'dist/index.d.ts', 'dist/worker.js', 'dist/archive.js', 'dist/archive.d.ts', 'dist/wasm/heatseek_bg.wasm', 'dist/wasm/heatseek_relaxed_bg.wasm', 'dist/wasm/heatseek_extras_bg.wasm']) {
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
    assert.deepEqual(shape, [2, it.expected.vector.length]);
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
  const app = join(it.folder, 'plain');
  const site = await serve(app);
  try {
    const model = `${it.modelServer.url}no-such-model/`;
    const heatseek = './node_modules/heatseek/dist/index.js';
    const { result } = await read(browser, site.url, it.parameters({ heatseek, model }));
    assert.equal(result.error.code, 'not_found');
    assert.ok(result.error.message.includes(`${model}config.json`), result.error.message);
  } finally {
    await site.close();
  }
});

test('importing has no side effects, and Node can require it', async () => {
  const app = join(it.folder, 'plain');
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

test('heatseek/archive is small by itself, and throws the class that heatseek exports, bundled or not', async () => {
  const resolveDir = join(it.folder, 'plain');
  const bundled = async (contents) => {
    const { outputFiles: [bundle] } = await esbuild.build({ stdin: { contents, resolveDir }, bundle: true, minify: true, format: 'esm', write: false });
    return bundle.text;
  };
  const alone = await bundled("import { unpackArchive } from 'heatseek/archive'; console.log(unpackArchive);");
  assert.ok(alone.length <= ARCHIVE_ALONE_BYTES, `${alone.length} bytes`);
  const script = `
    import { HeatseekError } from 'heatseek';
    import { unpackArchive } from 'heatseek/archive';
    unpackArchive(new Uint8Array(7)).catch((error) => console.log(error instanceof HeatseekError, error.code));`;
  for (const code of [script, await bundled(script)]) {
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code], { cwd: resolveDir });
    assert.equal(stdout.trim(), 'true index_invalid');
  }
});

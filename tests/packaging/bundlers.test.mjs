// The package in what people build sites with, on pages that load it from elsewhere, and under a strict policy.
import assert from 'node:assert/strict';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { launch, read } from './browser.mjs';
import { installTools, models, pack, run } from './package.mjs';
import { serve } from './serve.mjs';

let it;
let browser;
let tools;
/** Next.js takes longest: it is built while the others are tested. */
let nextSite;

before(async () => {
  [it, browser, tools] = await Promise.all([pack(), launch(), installTools()]);
  nextSite = buildNext();
  // Told by its own test.
  nextSite.catch(() => {});
});

after(async () => {
  await browser?.close();
  await it?.end();
});

async function buildNext() {
  // It takes packages from its own folder and those above only, wherever links lead.
  const parent = join(tools, '.apps');
  const app = await it.install('next', parent);
  const next = join(tools, 'node_modules/next/dist/bin/next');
  const env = {
    ...process.env, NODE_ENV: 'production', CI: '1', NEXT_TELEMETRY_DISABLED: '1',
    APP_ROOT: tools, APP_MODEL: join(models, 'all-MiniLM-L6-v2/'), APP_TEXT: it.expected.text,
  };
  const { stdout, stderr } = await run(process.execPath, [next, 'build'], { cwd: app, env, maxBuffer: 1 << 24 });
  return { out: join(app, 'out'), said: stdout + stderr };
}

test('types are what is run, for whoever imports modules', async () => {
  const { checkPackage, createPackageFromTarballData } = await import('@arethetypeswrong/core');
  const tarball = createPackageFromTarballData(new Uint8Array(await readFile(it.tarball)));
  // Assets have no types.
  const excludeEntrypoints = [/\.wasm$/, './package.json'];
  const { types, problems } = await checkPackage(tarball, { excludeEntrypoints });
  assert.ok(types, 'the package has types');
  // There are no CommonJS modules in it: attw's profile `esm-only`.
  const told = problems.filter(({ resolutionKind }) => !['node10', 'node16-cjs'].includes(resolutionKind));
  assert.deepEqual(told, []);
});

test('webpack', async () => {
  const app = await it.install('webpack');
  const webpack = createRequire(import.meta.url)('webpack');
  const { default: config } = await import(join(app, 'webpack.config.js'));
  const stats = await promisify(webpack)({ ...config, context: app });
  const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
  // The engine is larger than webpack likes files to be.
  const told = [...errors, ...warnings].map(({ message }) => message).filter((message) => !/size limit|lazy load/.test(message));
  assert.deepEqual(told, []);
  const site = await serve(app);
  try {
    const { info } = await it.shows(browser, site.url);
    assert.equal(info.device.backend, 'wasm-relaxed-simd');
  } finally {
    await site.close();
  }
});

test('a classic script that imports: same origin, a CDN, and wasm from a third place', async () => {
  const app = await it.install('script-tag');
  const [site, cdn] = [await serve(app), await serve(join(app, 'node_modules'), { cors: true })];
  // A place that has the engine's code and nothing else.
  const assets = join(it.folder, 'assets');
  await mkdir(assets);
  await cp(join(app, 'node_modules/heatseek/dist/wasm'), assets, { recursive: true });
  const [third, closed] = [await serve(assets, { cors: true }), await serve(assets)];
  try {
    await it.shows(browser, site.url, { heatseek: './node_modules/heatseek/dist/index.js' });
    const heatseek = `${cdn.url}heatseek/dist/index.js`;
    await it.shows(browser, site.url, { heatseek, wasm: third.url });
    const { result } = await read(browser, site.url, it.parameters({ heatseek, wasm: closed.url }));
    assert.equal(result.error?.code, 'network');
    assert.match(result.error.message, /heatseek(_relaxed)?_bg\.wasm could not be fetched.*CORS/);
  } finally {
    for (const server of [site, cdn, third, closed]) await server.close();
  }
});

test('a Content-Security-Policy: what the README asks for, and what is said where one thing is missing', async () => {
  const app = await it.install('strict');
  const cdn = await serve(join(app, 'node_modules'), { cors: true });
  const own = './node_modules/heatseek/dist/index.js';
  const other = `${cdn.url}heatseek/dist/index.js`;
  const [hub, from] = [it.modelServer, cdn].map(({ url }) => new URL(url).origin);
  const policy = (more) => Object.entries({
    'default-src': "'none'", 'script-src': "'self' 'wasm-unsafe-eval'", 'worker-src': "'self'", 'connect-src': `'self' ${hub}`, 'img-src': 'data:', ...more,
  }).map((directive) => directive.join(' ')).join('; ');
  /** What the page says under this policy. */
  const visit = async (more, heatseek, look) => {
    const site = await serve(app, { headers: { 'content-security-policy': policy(more) } });
    try {
      return await look(site.url, { heatseek });
    } finally {
      await site.close();
    }
  };
  const works = (url, parameters) => it.shows(browser, url, parameters);
  const fails = async (url, parameters) => (await read(browser, url, it.parameters(parameters))).result.error;
  try {
    await visit({}, own, works);
    const ofCdn = { 'script-src': `'self' 'wasm-unsafe-eval' ${from}`, 'worker-src': `blob: ${from}`, 'connect-src': `'self' ${hub} ${from}` };
    await visit(ofCdn, other, works);

    const noWasm = await visit({ 'script-src': "'self'" }, own, fails);
    assert.equal(noWasm?.code, 'unsupported');
    assert.match(noWasm.message, /script-src 'wasm-unsafe-eval'/);
    for (const [more, heatseek] of [[{ 'worker-src': "'none'" }, own], [{ ...ofCdn, 'worker-src': "'self'" }, other], [{ ...ofCdn, 'worker-src': 'blob:' }, other]]) {
      const noWorker = await visit(more, heatseek, fails);
      assert.equal(noWorker?.code, 'unsupported');
      assert.match(noWorker.message, /worker-src/);
    }
    const noModel = await visit({ 'connect-src': "'self'" }, own, fails);
    assert.equal(noModel?.code, 'network');
    assert.match(noModel.message, /all-MiniLM-L6-v2.*Content-Security-Policy \(connect-src\)/);
  } finally {
    await cdn.close();
  }
});

test('Next.js: a client component, and a route on the server, exported', async () => {
  const { out, said } = await nextSite;
  assert.doesNotMatch(said, /warn|critical|failed/i);
  it.isGolden(JSON.parse(await readFile(join(out, 'embedding.json'), 'utf8')));
  const site = await serve(out);
  try {
    const { info } = await it.shows(browser, site.url);
    assert.equal(info.device.backend, 'wasm-relaxed-simd');
    // What is only for Node is not among what is served.
    const { stdout } = await run('grep', ['-rlE', 'node:(fs|net|worker_threads)', out]).catch((error) => error);
    assert.equal(stdout, '');
  } finally {
    await site.close();
  }
});

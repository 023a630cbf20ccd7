// The package as users get it: packed once, and installed into new apps.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { read } from './browser.mjs';
import { cosine, golden } from './golden.mjs';
import { serve } from './serve.mjs';

export const run = promisify(execFile);
export const root = fileURLToPath(new URL('../../', import.meta.url));
export const pkg = join(root, 'pkg');
export const models = resolve(root, process.env.HEATSEEK_MODELS || 'models');
const here = fileURLToPath(new URL('.', import.meta.url));
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const QUIET = ['--no-audit', '--no-fund', '--prefer-offline'];

/** Packs what is in `pkg/`. `{ folder, packed, tarball, expected, modelServer, install, shows, parameters, end }` */
export async function pack() {
  for (const built of ['heatseek_bg.wasm', 'heatseek_relaxed_bg.wasm', 'heatseek_extras_bg.wasm']) {
    await stat(join(pkg, 'dist/wasm', built)).catch(() => {
      throw new Error('pkg/dist is not built: run `npm run build` first');
    });
  }
  await stat(join(models, 'all-MiniLM-L6-v2/model.safetensors')).catch(() => {
    throw new Error(`there is no all-MiniLM-L6-v2 in ${models}: run \`heatseek models fetch\` first`);
  });
  const folder = await mkdtemp(join(tmpdir(), 'heatseek-packaging-'));
  const { stdout } = await run(npm, ['pack', '--json', '--pack-destination', folder], { cwd: pkg });
  const [packed] = JSON.parse(stdout);
  const tarball = join(folder, packed.filename);
  const expected = await golden('tokens_9_total');
  const modelServer = await serve(models, { cors: true });

  /** A new app with the tarball installed, in `parent`. */
  async function install(name, parent = folder) {
    const app = join(parent, name);
    await rm(app, { recursive: true, force: true });
    await mkdir(app, { recursive: true });
    await writeFile(join(app, 'package.json'), JSON.stringify({ name, private: true, type: 'module' }));
    await run(npm, ['install', ...QUIET, tarball], { cwd: app });
    await cp(join(here, 'apps', name), app, { recursive: true });
    await cp(join(here, 'apps/show.js'), join(app, 'show.js'));
    return app;
  }

  const parameters = (more = {}) => ({
    model: `${modelServer.url}all-MiniLM-L6-v2/`,
    device: 'cpu',
    text: expected.text,
    ...more,
  });

  /** The page at `url` shows PyTorch's vector, without special headers unless it is said, and complains of nothing. */
  async function shows(browser, url, more, { isolated = false, ...options } = {}) {
    const { result, complaints } = await read(browser, url, parameters(more), options);
    assert.equal(result.error, undefined, JSON.stringify({ ...result.error, complaints }));
    assert.deepEqual(complaints, []);
    assert.equal(result.crossOriginIsolated, isolated);
    isGolden(result);
    return result;
  }

  /** The first of these vectors is PyTorch's. */
  function isGolden({ data, shape }) {
    assert.equal(shape[1], expected.vector.length);
    const vector = data.slice(0, expected.vector.length);
    const similarity = cosine(vector, expected.vector);
    assert.ok(similarity >= 0.999999, `cosine with PyTorch's vector is ${similarity}`);
    vector.forEach((value, i) => assert.ok(Math.abs(value - expected.vector[i]) <= 1e-4, `element ${i}`));
  }

  return {
    folder, packed, tarball, expected, modelServer, install, parameters, shows, isGolden,
    async end() {
      await modelServer.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Installs what these tests need and nobody else: bundlers, frameworks, other runtimes. The folder that they are found from. */
export async function installTools() {
  const [locked, installed] = await Promise.all(
    ['package-lock.json', 'node_modules/.package-lock.json'].map((file) => stat(join(here, file)).then(({ mtimeMs }) => mtimeMs, () => 0)),
  );
  if (installed < locked) await run(npm, ['ci', ...QUIET], { cwd: here });
  return here;
}

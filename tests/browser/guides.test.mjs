// The guides as they are written: their code runs in a page, with the real models in the place of the hub.
import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { compile } from 'svelte/compiler';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT, filesOf } from '../documents/blocks.mjs';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

const MODELS = process.env.HEATSEEK_MODELS ?? join(ROOT, 'models');
const OUTPUT = join(ROOT, 'tests/output/guides');
const HUB = /^https:\/\/huggingface\.co\/[\w-]+\/([\w.-]+)\/resolve\/main\//;

/** What guides ask a page for, and the package where its import map says. */
const page = (script) => `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>guide</title>
<script type=importmap>{ "imports": { "heatseek": "./heatseek/index.js" } }</script>
<input><output></output><ol></ol><div></div><script type=module src="${script}"></script>`;

let server, browser, opened;
/** Scripts by their addresses. */
const scripts = new Map();

async function serveGuides() {
  const mounts = {
    '/heatseek/': join(ROOT, 'pkg/dist'), '/models/clip/': join(ROOT, 'tests/golden/clip/clip'), '/models/': MODELS, '/output/': OUTPUT,
  };
  return serve(mounts, (request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    const script = scripts.get(path);
    if (script === undefined) {
      if (path === '/docs.heatseek') request.url = '/output/public/docs.heatseek';
      return false;
    }
    const type = path.endsWith('.js') ? 'text/javascript' : path.endsWith('.json') ? 'application/json' : 'text/html';
    response.writeHead(200, { 'content-type': type }).end(script);
    return true;
  }, { 'access-control-allow-origin': '*' });
}

beforeAll(async () => {
  await rm(OUTPUT, { recursive: true, force: true });
  await mkdir(OUTPUT, { recursive: true });
  server = await serveGuides();
  browser = await launch({ webgpu: false });
  opened = await open(browser, { serviceWorkers: 'allow' });
  opened.page.setDefaultTimeout(60_000);
  // The hub sends files from elsewhere too.
  await opened.context.route(HUB, (route) => {
    const url = route.request().url();
    const headers = { location: url.replace(HUB, `${server.origin}/models/$1/`), 'access-control-allow-origin': '*' };
    return route.fulfill({ status: 302, headers });
  });
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  expect(opened?.errors, 'the console stays free of errors').toEqual([]);
});

/** The scripts of a guide in a language, in order. */
async function codeOf(path, language = 'js') {
  const files = filesOf(path, await readFile(join(ROOT, path), 'utf8'));
  return files.filter((file) => file.language === language).map(({ code }) => code);
}

/** Runs a script in a page of its own until its end, and with it `also`, which sees what is in it. */
async function run(script, also = '') {
  scripts.set('/guide.html', page('guide.js'));
  scripts.set('/guide.js', `${script}\n${also}\ndocument.body.dataset.done = '';`);
  await opened.page.goto(`${server.origin}/guide.html`);
  await opened.page.waitForSelector('body[data-done]');
  return opened.page;
}

const items = (page) => page.$$eval('ol > li', (found) => found.map((element) => element.textContent));

test('search-notes.md', async () => {
  const [script] = await codeOf('docs/guides/search-notes.md');
  // Notes of one's own, among those of the guide, which it has removed.
  const page = await run(script, "await index.add(['The dentist, on Thursday', 'Flour, yeast, salt']); window.copied = copy.size;");
  expect(await page.evaluate('copied')).toBe(0);
  await page.locator('input').pressSequentially('baking');
  await page.waitForFunction(() => document.querySelector('li')?.textContent === 'Flour, yeast, salt');
  expect(await items(page)).toHaveLength(2);
  expect(await page.locator('output').textContent()).not.toMatch(/error|abort/i);
});

test('search-docs-site.md: made in Node, searched in the page, unpacked for NumPy', async () => {
  const [made, searched, unpacked] = await codeOf('docs/guides/search-docs-site.md');
  await mkdir(join(OUTPUT, 'docs'), { recursive: true });
  await mkdir(join(OUTPUT, 'public'), { recursive: true });
  await symlink(MODELS, join(OUTPUT, 'models'));
  await writeFile(join(OUTPUT, 'docs/install.md'), await readFile(join(ROOT, 'web/examples/docs-site/pages/install.md')));
  for (const [name, code] of [['make.mjs', made], ['unpack.mjs', unpacked]]) {
    await writeFile(join(OUTPUT, name), code);
    await promisify(execFile)(process.execPath, [name], { cwd: OUTPUT });
  }
  const rows = (await readFile(join(OUTPUT, 'docs.jsonl'), 'utf8')).trim().split('\n').flatMap((line) => JSON.parse(line).chunks.map(({ row }) => row));
  expect(rows).toEqual(Array.from(rows, (_, row) => row));
  const npy = await readFile(join(OUTPUT, 'docs.npy'), 'latin1');
  expect(npy).toContain(`{'descr': '|i1', 'fortran_order': False, 'shape': (${rows.length}, 384), }`);
  const page = await run(searched);
  const told = page.waitForEvent('console');
  await page.locator('input').fill('connect it with a mobile');
  await page.locator('input').press('Enter');
  const [[metadata, text]] = await (await told).args()[0].jsonValue();
  expect(metadata).toEqual({ url: '/install/#pair-it-with-your-phone', title: 'Pair it with your phone' });
  expect(text).toContain('Hold the ring');
});

test('photo-search.md', async () => {
  const [script] = await codeOf('docs/guides/photo-search.md');
  const page = await run(script, 'Object.assign(window, { photos, like, lookedAt, fits });');
  await page.locator('input').evaluate((input) => Object.assign(input, { type: 'file', multiple: true }));
  const names = ['chelsea.png', 'coffee.png'];
  await page.locator('input').setInputFiles(names.map((name) => join(MODELS, 'test-pictures', name)));
  await page.waitForFunction('photos.length === 2');
  const found = await page.evaluate(async () => {
    const ranked = window.like(window.photos[1]).map(({ file, score }) => [file.name, score]);
    const { patches, grid } = await window.lookedAt(window.photos[0].file);
    return { ranked, sum: patches.reduce((a, b) => a + b), all: patches.length === grid.rows * grid.columns, fits: await window.fits('a cat', window.photos[0].file) };
  });
  expect(found.ranked.map(([name]) => name)).toEqual(names.toReversed());
  expect(found.ranked[0][1]).toBeCloseTo(1, 4);
  expect(found.ranked[1][1]).toBeLessThan(0.9);
  expect(found.all).toBe(true);
  // A row sums to 1, and the class token keeps some for itself.
  expect(found.sum).toBeGreaterThan(0.5);
  expect(found.sum).toBeLessThan(1);
  expect(Math.abs(found.fits)).toBeLessThanOrEqual(1);
});

test('markdown-vault.md', async () => {
  await opened.page.goto(`${server.origin}/guide.html`);
  await opened.page.evaluate(async () => {
    const vault = await (await navigator.storage.getDirectory()).getDirectoryHandle('vault', { create: true });
    for (const [folder, name, text] of [['garden', 'bees.md', 'Bees dance to tell where flowers are.'], ['kitchen', 'bread.md', 'Bread rises.']]) {
      const file = await (await (await vault.getDirectoryHandle(folder, { create: true })).getFileHandle(name, { create: true })).createWritable();
      await file.write(text);
      await file.close();
    }
  });
  const [script] = await codeOf('docs/guides/markdown-vault.md');
  const chosen = "window.showDirectoryPicker = async () => (await navigator.storage.getDirectory()).getDirectoryHandle('vault');\n";
  const again = 'window.found = { ids: index.ids().sort(), hits: hits.map(({ id }) => id), folders: folders.values, changed: changed.length }; index.dispose();';
  const page = await run(chosen + script, again);
  expect(await page.evaluate('found')).toEqual({
    ids: ['garden/bees.md', 'kitchen/bread.md'], hits: ['garden/bees.md'],
    folders: [{ value: 'garden', count: 1 }, { value: 'kitchen', count: 1 }], changed: 2,
  });
  await run(chosen + script, again);
  expect(await page.evaluate('found.changed'), 'nothing has changed').toBe(0);
});

test('offline-pwa.md: the second visit is without a network', async () => {
  const [worker, script] = await codeOf('docs/guides/offline-pwa.md');
  const own = await serveGuides();
  scripts.set('/', page('main.js'));
  scripts.set('/main.js', `${script}\ndocument.body.dataset.done = '';`);
  scripts.set('/sw.js', worker);
  scripts.set('/entries.json', JSON.stringify([{ id: 'robin', text: 'A small bird with a red breast.' }, { id: 'crow', text: 'Large, black, clever.' }]));
  const { page: visited, errors } = opened;
  try {
    await visited.goto(own.origin);
    await visited.waitForSelector('body[data-done]');
    expect(await visited.locator('output').textContent()).toBe('Ready, with or without a network.');
  } finally {
    await own.close();
    await opened.context.unroute(HUB);
    await opened.context.route(/huggingface/, (route) => route.abort());
  }
  expect(errors.splice(0)).toEqual([]);
  await visited.reload();
  await visited.waitForSelector('body[data-done]');
  expect(await visited.locator('output').textContent()).toBe('Ready, with or without a network.');
  // What a browser says itself of servers that are gone.
  expect(errors.splice(0).filter((error) => !error.includes('net::ERR_'))).toEqual([]);
});

test('migrating-from-transformers-js.md, and the components of react-and-svelte.md', async () => {
  const [script] = await codeOf('docs/migrating-from-transformers-js.md');
  const guide = 'docs/guides/react-and-svelte.md';
  const [[shared], [react], [svelte]] = await Promise.all(['ts', 'tsx', 'svelte'].map((language) => codeOf(guide, language)));
  expect(shared).toContain('export function notes()');
  const { js } = compile(svelte.trimStart(), { filename: 'Search.svelte', generate: 'client' });
  const mount = `
    import { createRoot } from 'react-dom/client';
    import { createElement } from 'react';
    import { mount } from 'svelte';
    import { Search } from 'guide:react';
    import Component from 'guide:svelte';
    export { notes } from 'guide:shared';
    export const inReact = (target, index) => createRoot(target).render(createElement(Search, { index }));
    export const inSvelte = (target, index) => mount(Component, { target, props: { index } });`;
  const sources = { react: ['tsx', react], svelte: ['js', js.code], shared: ['ts', shared] };
  const { outputFiles: [bundle] } = await build({
    stdin: { contents: mount, resolveDir: join(ROOT, 'tests/documents') }, bundle: true, format: 'esm', write: false, jsx: 'automatic',
    external: ['heatseek'], define: { 'process.env.NODE_ENV': '"production"' }, conditions: ['browser', 'svelte'],
    plugins: [{
      name: 'guide',
      setup(all) {
        all.onResolve({ filter: /^guide:/ }, ({ path }) => ({ path: path.slice('guide:'.length), namespace: 'guide' }));
        all.onLoad({ filter: /.*/, namespace: 'guide' }, ({ path }) => ({ loader: sources[path][0], contents: sources[path][1], resolveDir: join(ROOT, 'tests/documents') }));
      },
    }],
  });
  scripts.set('/components.js', bundle.text);
  await opened.context.unrouteAll();
  await opened.context.route(HUB, (route) => route.fulfill({
    status: 302, headers: { location: route.request().url().replace(HUB, `${server.origin}/models/$1/`), 'access-control-allow-origin': '*' },
  }));
  const page = await run(script, `
    window.migrated = { rows: rows.map((row) => row.length), hits: hits.map(({ id }) => id) };
    const { inReact, inSvelte, notes } = await import('./components.js');
    index.dispose();
    const both = await notes();
    await both.add(['Bees dance.', 'Bread rises.']);
    document.querySelector('input').remove();
    document.querySelector('ol').remove();
    for (const show of [inReact, inSvelte]) {
      const target = document.body.appendChild(document.createElement('section'));
      show(target, both);
    }
  `);
  expect(await page.evaluate('migrated')).toEqual({ rows: [384, 384], hits: ['a'] });
  for (const at of [0, 1]) {
    const section = page.locator('section').nth(at);
    await section.locator('input').pressSequentially('baking');
    await section.locator('li').nth(1).waitFor();
    await page.waitForFunction((n) => document.querySelectorAll('section')[n].querySelector('li')?.textContent === 'Bread rises.', at);
    await section.locator('input').fill('');
    await section.locator('li').first().waitFor({ state: 'detached' });
    expect(await section.locator('p').textContent()).toBe('');
  }
});

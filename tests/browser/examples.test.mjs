// The examples of web/examples as they are, on a static host, with the models they name.
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const MODELS = process.env.HEATSEEK_MODELS ?? join(ROOT, 'models');
const OUTPUT = join(ROOT, 'tests/output');
const PICTURES = join(MODELS, 'test-pictures');
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

let server, browser, opened;

/** The folders that the examples name, at their places in the repository. What the tests make is in `OUTPUT`. */
const serveExamples = () => {
  const mounts = { '/web/examples/': join(ROOT, 'web/examples'), '/pkg/dist/': join(ROOT, 'pkg/dist'), '/models/': MODELS, '/output/': OUTPUT };
  return serve(mounts, (request) => {
    if (request.url === '/web/examples/docs-site/docs.heatseek') request.url = '/output/docs.heatseek';
    return false;
  });
};

beforeAll(async () => {
  await mkdir(OUTPUT, { recursive: true });
  server = await serveExamples();
  browser = await launch({ webgpu: false });
});
afterEach(async () => {
  const errors = opened?.errors ?? [];
  await opened?.context.close();
  opened = undefined;
  expect(errors, 'the console stays free of errors').toEqual([]);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

async function visit(name, { prepare, origin = server.origin } = {}) {
  opened = await open(browser, { viewport: DESKTOP, serviceWorkers: 'allow' });
  const { page } = opened;
  page.setDefaultTimeout(60_000);
  if (prepare) await page.addInitScript(prepare);
  await page.goto(`${origin}/web/examples/${name}/`);
  return page;
}

const says = (page, text) => page.waitForFunction((wanted) => document.querySelector('output').value === wanted, text);
const items = (page, part = 'p') => page.$$eval(`ol > li ${part}`, (found) => found.map((element) => element.textContent));

/** Waits until the list begins with this; gives all of it. */
async function listed(page, first, part = 'p') {
  await page.waitForFunction(([wanted, selector]) => document.querySelector(`ol > li ${selector}`)?.textContent.startsWith(wanted), [first, part]);
  return items(page, part);
}

/** Keeps pictures of the page, to be looked at, and sees that a phone need not scroll sideways. */
async function shown(page, name) {
  await page.screenshot({ path: join(OUTPUT, `example-${name}.png`) });
  await page.setViewportSize(PHONE);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(PHONE.width);
  await page.screenshot({ path: join(OUTPUT, `example-${name}-phone.png`) });
  await page.setViewportSize(DESKTOP);
}

test('notes: found while one types, there after a reload, deleted for good', async () => {
  const page = await visit('notes');
  await says(page, '0 notes');
  const notes = ['Anna lent me her drill, bring it back', 'Call the dentist about Thursday', 'Sourdough: feed the starter in the evening'];
  for (const [at, note] of notes.entries()) {
    await page.locator('textarea').fill(note);
    await page.getByRole('button', { name: 'Keep' }).click();
    await says(page, `${at + 1} notes`);
  }
  expect(await items(page)).toEqual(notes.toReversed());
  await page.locator('input').pressSequentially('borrowed tools');
  expect(await listed(page, notes[0])).toHaveLength(3);
  await says(page, '3 of 3 notes');
  await shown(page, 'notes');

  await page.reload();
  await says(page, '3 notes');
  await page.locator('input').fill('teeth');
  await listed(page, notes[1]);
  await page.getByRole('button', { name: 'Delete' }).first().click();
  await says(page, '2 of 2 notes');
  await page.reload();
  await says(page, '2 notes');
  expect(await items(page)).toEqual([notes[2], notes[0]]);
});

test('docs-site: the index that Node made answers in the browser, with the place in the manual', async () => {
  const script = join(ROOT, 'web/examples/docs-site/build-index.mjs');
  const env = { ...process.env, MODEL: join(MODELS, 'all-MiniLM-L6-v2') };
  const { stdout } = await promisify(execFile)(process.execPath, [script, join(OUTPUT, 'docs.heatseek')], { env });
  expect(stdout).toMatch(/^12 sections, \d+ bytes/);
  const page = await visit('docs-site');
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.locator('input').fill('my water boiler has chalk in it');
  expect((await listed(page, 'Care: Remove limescale', 'h2')).length).toBeGreaterThan(1);
  expect(await page.locator('ol a').first().getAttribute('href')).toBe('pages/care.md#remove-limescale');
  expect(asked.filter((url) => url.endsWith('model.safetensors')), 'nothing before there is a question').not.toEqual([]);
  // A word that the model does not know.
  await page.locator('input').fill('E17');
  await listed(page, 'Install: Update the firmware', 'h2');
  await shown(page, 'docs-site');
});

test('photos: those like one come first, and the heat is where the model looked', async () => {
  const page = await visit('photos');
  const cat = await readFile(join(PICTURES, 'chelsea.png'));
  // The cat as a mirror shows it.
  const mirrored = await page.evaluate(async (url) => {
    const picture = await createImageBitmap(await (await fetch(url)).blob());
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const context = canvas.getContext('2d');
    context.scale(-1, 1);
    context.drawImage(picture, -picture.width, 0);
    const bytes = new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer());
    return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  }, `data:image/png;base64,${cat.toString('base64')}`);
  await page.locator('input').setInputFiles([
    ...(await Promise.all(['coffee.png', 'motorcycle_left.png', 'chelsea.png'].map(async (name) => ({ name, mimeType: 'image/png', buffer: await readFile(join(PICTURES, name)) })))),
    { name: 'mirrored.png', mimeType: 'image/png', buffer: Buffer.from(mirrored, 'latin1') },
  ]);
  await says(page, '4 pictures');
  await page.getByAltText('chelsea.png').click();
  await page.waitForFunction(() => !document.querySelector('figure').hidden);
  const names = await page.$$eval('ol img', (images) => images.map(({ alt }) => alt));
  expect(names.slice(0, 2)).toEqual(['chelsea.png', 'mirrored.png']);
  const [self, mirror, ...others] = (await items(page, 'small')).map(Number);
  expect(self).toBe(1);
  expect(mirror).toBeGreaterThan(0.9);
  expect(Math.max(...others)).toBeLessThan(mirror - 0.3);

  // The patch that was looked at most is drawn as it is, the one looked at least all but black.
  // A string, for vitest has its own idea of `import`.
  await page.evaluate("import('../../../pkg/dist/index.js').then((heatseek) => Object.assign(window, heatseek))");
  const drawn = await page.evaluate(async (url) => {
    const model = await load('../../../models/dinov2-small/', { device: 'cpu' });
    const file = await (await fetch(url)).blob();
    const { data, shape, layout: { prefixTokens, grid, crop } } = await model.attention(file, { layers: [11], query: 0 });
    const [, heads, , tokens] = shape;
    const mean = Array.from({ length: tokens }, (_, t) => Array.from({ length: heads }, (_, h) => data[h * tokens + t]).reduce((a, b) => a + b));
    const patches = mean.slice(prefixTokens.length);
    const picture = await createImageBitmap(file);
    const plain = new OffscreenCanvas(crop.width, crop.height).getContext('2d');
    plain.drawImage(picture, -crop.x, -crop.y);
    const context = document.querySelector('canvas').getContext('2d');
    /** How bright the middle of a patch is drawn, of what it was. */
    const share = (patch) => {
      const place = [
        Math.floor(((patch % grid.columns) + 0.5) / grid.columns * crop.width), Math.floor((Math.floor(patch / grid.columns) + 0.5) / grid.rows * crop.height), 1, 1,
      ];
      const sum = (of) => of.getImageData(...place).data.slice(0, 3).reduce((a, b) => a + b);
      return sum(context) / sum(plain);
    };
    model.dispose();
    return [Math.max(...patches), Math.min(...patches)].map((value) => share(patches.indexOf(value)));
  }, `data:image/png;base64,${cat.toString('base64')}`);
  expect(drawn[0]).toBeGreaterThan(0.6);
  expect(drawn[1]).toBeLessThan(0.3);
  await shown(page, 'photos');
});

test('offline: with the server gone, the app, the model and the index are there', async () => {
  const own = await serveExamples();
  try {
    const page = await visit('offline', { origin: own.origin });
    await says(page, 'Ready, with or without a network.');
    await page.waitForFunction(async () => navigator.serviceWorker.controller !== null);
  } finally {
    await own.close();
  }
  const { page, errors } = opened;
  await page.reload();
  await says(page, 'Ready, with or without a network.');
  expect(await items(page, 'h2')).toHaveLength(8);
  await page.locator('input').fill('keep the tent ropes tight');
  await page.locator('input').press('Enter');
  expect(await listed(page, 'Taut-line hitch', 'h2')).toHaveLength(3);
  await shown(page, 'offline');
  // What a browser says itself of a server that is gone.
  expect(errors.splice(0).filter((error) => !error.includes('net::ERR_CONNECTION_REFUSED'))).toEqual([]);
});

test('vault: only what has changed is read again; folders and tags narrow the search', async () => {
  const page = await visit('vault', {
    // A folder of the browser's own, in place of one that a person would choose.
    prepare: () => {
      window.showDirectoryPicker = async () => (await navigator.storage.getDirectory()).getDirectoryHandle('vault');
    },
  });
  const write = (path, text) => page.evaluate(async ([where, what]) => {
    const names = `vault/${where}`.split('/');
    let folder = await navigator.storage.getDirectory();
    for (const name of names.slice(0, -1)) folder = await folder.getDirectoryHandle(name, { create: true });
    const file = await (await folder.getFileHandle(names.at(-1), { create: true })).createWritable();
    await file.write(what);
    await file.close();
  }, [path, text]);
  await says(page, 'Ready.');
  await write('garden/bees.md', '---\ntags: [insects, garden]\n---\n# Bees\n\nA bee that found flowers dances on the comb.');
  await write('garden/beds/beans.md', '# Beans\n\nSow them in May. #garden');
  await write('kitchen/bread.md', '# Bread\n\nYeast eats sugar and the loaf rises. #baking');
  await write('kitchen/honey.md', '# Honey cake\n\nA cake of honey and flour. #baking');
  await write('.obsidian/skip.md', 'Not a note.');
  await write('picture.png', 'not a note either');
  await page.getByRole('button').click();
  await says(page, '4 read, 0 gone, 0 unchanged');
  expect(await page.$$eval('select[name=folder] option', (all) => all.map(({ text }) => text)))
    .toEqual(['all folders', 'garden (2)', 'kitchen (2)', 'garden/beds (1)']);

  const query = page.locator('input[name=query]');
  await query.fill('how do insects tell where food is');
  await query.press('Enter');
  expect(await listed(page, 'garden/bees.md', 'h2')).toHaveLength(4);
  await page.locator('select[name=tag]').selectOption('baking');
  expect((await listed(page, 'kitchen/', 'h2')).toSorted()).toEqual(['kitchen/bread.md', 'kitchen/honey.md']);
  await page.locator('select[name=tag]').selectOption('');
  await page.locator('select[name=folder]').selectOption('garden/beds');
  expect(await listed(page, 'garden/beds/beans.md', 'h2')).toEqual(['garden/beds/beans.md']);
  await page.locator('select[name=folder]').selectOption('');
  await listed(page, 'garden/bees.md', 'h2');
  await shown(page, 'vault');

  // The next visit: one note has changed, one is gone.
  await page.reload();
  await says(page, '4 notes from the last time');
  await write('kitchen/bread.md', '# Bread\n\nRye bread needs sourdough. #baking');
  await page.evaluate(async () => (await (await navigator.storage.getDirectory()).getDirectoryHandle('vault'))
    .getDirectoryHandle('garden').then((folder) => folder.removeEntry('bees.md')));
  await page.getByRole('button').click();
  await says(page, '1 read, 1 gone, 2 unchanged');
  await query.fill('rye');
  await query.press('Enter');
  expect(await listed(page, 'kitchen/bread.md', 'h2')).not.toContain('garden/bees.md');

  // Another folder, as browsers without handles give it.
  const folder = join(OUTPUT, 'vault');
  for (const path of ['kitchen/soup.md', 'trips.md', '.obsidian/skip.md', 'notes.txt']) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), `# ${path}\n\nSoup of leek. #baking\n`);
  }
  await page.locator('input[type=file]').setInputFiles(folder);
  await says(page, '2 read, 3 gone, 0 unchanged');
  await query.fill('leek soup');
  await query.press('Enter');
  expect((await listed(page, 'kitchen/soup.md', 'h2')).toSorted()).toEqual(['kitchen/soup.md', 'trips.md']);
});

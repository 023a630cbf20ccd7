// Search as a tool one keeps, in Chromium: files of every kind, collections that outlive the page, going on after a reload,
// filters, keys, the address, files out and in; and nothing in any file is run.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DOCUMENTS } from './documents.mjs';
import { DESKTOP, errorsOf, id, OUTPUT, PHONE, setUp, visit } from './text-page.mjs';

setUp();

const SOURCES = 7;

/** Waits until the collection has so many sources and nothing is being added. */
async function settled(page, count) {
  await page.waitForSelector('footer[data-model=ready]', { timeout: 600_000 });
  await page.waitForFunction((wanted) => {
    const items = document.querySelectorAll('.sources li').length;
    return items === wanted && document.querySelector('.indexing').hidden && /passage/.test(document.querySelector('[data-testid=corpus-count]').textContent);
  }, count);
}

/** Asks, and waits for this question's answers. */
async function ask(page, question) {
  await page.evaluate(() => document.querySelectorAll('[data-testid=result]').forEach((old) => old.setAttribute('data-old', '')));
  await id(page, 'query').fill(question);
  await id(page, 'query').press('Enter');
  await answered(page, question);
  return sources(page);
}

const answered = (page, question) => page.waitForFunction((asked) => {
  const results = [...document.querySelectorAll('[data-testid=result]')];
  return results.length > 0 && results.every((result) => !result.hasAttribute('data-old')) && document.querySelector('[data-asked]').dataset.asked === asked;
}, question);
const sources = (page) => id(page, 'result-source').allTextContents();
const hacked = (page) => page.evaluate(() => window.hacked);

async function menu(page, entry) {
  await id(page, 'collection').click();
  await id(page, entry).click();
}

/** What the policy says where a page's own script would have begun: also of pages that are never shown. */
const isRefusal = (line) => /^Executing inline (event handler|script) violates the following Content Security Policy/.test(line);

/** Whether a script runs that is in no file of the site. */
function runs() {
  const script = document.createElement('script');
  script.textContent = 'window.ran = true';
  document.head.append(script);
  script.remove();
  return window.ran === true;
}

test('every kind of file is found, nothing in it is run, and all of it outlives a reload', async () => {
  const page = await visit('search');
  const dialogs = [];
  page.on('dialog', (dialog) => { dialogs.push(dialog.message()); void dialog.dismiss(); });
  const elsewhere = [];
  page.on('request', (request) => { if (/\/x$/.test(request.url())) elsewhere.push(request.url()); });
  await id(page, 'file-input').setInputFiles(DOCUMENTS);
  await settled(page, SOURCES);
  const check = async () => {
    for (const { name, question } of DOCUMENTS) expect((await ask(page, question))[0], question).toContain(name);
  };
  await check();
  const saidOf = async (question) => {
    await ask(page, question);
    return [(await sources(page))[0], await id(page, 'result-text').first().textContent()];
  };
  expect(await saidOf('Why do volcanoes erupt?')).toEqual(['volcano.pdf · pages 1–2', expect.stringContaining('gas in the magma expands and drives it up')]);
  expect(await saidOf('Which planet has broad icy rings?')).toEqual(['planets.csv · row 3', 'planet: Saturn\nknown for: broad rings of ice']);
  const [, beaver] = await saidOf('Which animal blocks a river with wood?');
  expect(beaver).toContain('# Beavers\n\nA beaver dams the stream with branches and mud.\n\n- Teeth that grow\n\nLodge | of sticks');
  expect(beaver).toContain('They are rodents.');
  const [, tide] = await saidOf('What makes the ocean rise and fall?');
  expect(tide).toMatch(/# Tides\n\nThe Moon pulls at the sea, so there is high water twice a day\.\s+a link/);
  expect(tide).not.toContain('hacked');

  // Opened where it stands, explained, and listed among the filters: names and texts are shown, and stay text.
  await ask(page, 'Why does dough grow?');
  await id(page, 'result').first().press('Enter');
  expect(await id(page, 'reader-text').textContent()).toContain('[link](javascript:');
  await page.keyboard.press('Escape');
  await id(page, 'why-toggle').first().click();
  await id(page, 'why-sum').waitFor();
  await id(page, 'refine-toggle').click();
  await page.waitForFunction(() => document.querySelectorAll('[data-testid=filter-kinds] button').length === 7);
  expect(await page.locator('script:not([src]), main img, main iframe, main svg').count()).toBe(0);
  expect(await page.evaluate(runs), 'the policy lets no other script run').toBe(false);

  await page.reload();
  await settled(page, SOURCES);
  // The question is in the address.
  await answered(page, 'Why does dough grow?');
  expect((await sources(page))[0]).toContain('.md');
  await check();
  expect(await hacked(page)).toBeUndefined();

  // Nor does it hang on the policy, which takes its handlers from a page that is parsed.
  await page.route('**/*', async (route) => {
    if (route.request().resourceType() !== 'document') return route.fallback();
    const response = await route.fetch();
    await route.fulfill({ response, body: (await response.text()).replace(/<meta http-equiv="Content-Security-Policy"[^>]*>/, '') });
  });
  await page.goto(page.url().replace(/#.*/, '#search?in=My+text'));
  await page.reload();
  await settled(page, SOURCES);
  expect(await page.evaluate(runs), 'there is no policy').toBe(true);
  await menu(page, 'delete-collection');
  await id(page, 'confirm-yes').click();
  await id(page, 'use-sample').waitFor();
  await id(page, 'file-input').setInputFiles(DOCUMENTS);
  await settled(page, SOURCES);
  for (const { question } of DOCUMENTS.slice(1, 3)) {
    await ask(page, question);
    await id(page, 'open').first().click();
    await page.keyboard.press('Escape');
  }
  expect(await hacked(page)).toBeUndefined();
  expect(dialogs).toEqual([]);
  expect(elsewhere, 'pictures of documents are not fetched').toEqual([]);
  const errors = errorsOf();
  expect(errors.splice(0, errors.length).filter((line) => !isRefusal(line))).toEqual([]);
});

test('what is given before the model is there comes in once', async () => {
  const page = await visit('search', { loaded: false });
  await id(page, 'use-sample').click();
  await settled(page, 1);
  expect(await id(page, 'error').allTextContents()).toEqual([]);
  expect(await id(page, 'corpus-count').textContent()).toContain('246');
});

test('words beside meaning, filters, keys, and an address that says it all', async () => {
  const page = await visit('search');
  const file = (name, text) => ({ name, mimeType: 'text/plain', buffer: Buffer.from(text) });
  const folder = await mkdtemp(join(tmpdir(), 'heatseek-notes-'));
  try {
    for (const name of ['one', 'two']) await writeFile(join(folder, `${name}.md`), `# ${name}\n\nThe owl hears a mouse under the snow. Number ${name}.`);
    await writeFile(join(folder, 'picture.png'), 'no text');
    await id(page, 'folder-input').setInputFiles(folder);
    await settled(page, 1);
    await id(page, 'file-input').setInputFiles([
      file('owl.txt', 'An owl flies without a sound and hunts at night.'),
      file('code.txt', 'Spare part XK-4711 fits the left pump.'),
    ]);
    await settled(page, 3);
  } finally {
    await rm(folder, { recursive: true });
  }
  expect(await id(page, 'error').allTextContents()).toEqual([expect.stringContaining('1 files in')]);

  const first = async () => (await sources(page))[0];
  await ask(page, 'a hunter in the dark XK-4711');
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('f');
  await id(page, 'words').fill('100');
  await page.waitForFunction(() => document.querySelector('[data-testid=result-source]')?.textContent === 'code.txt');
  await expect.poll(() => id(page, 'result-score').first().textContent()).toBe('1.000');
  await id(page, 'words').fill('0');
  await page.waitForFunction(() => /^0\.\d/.test(document.querySelector('[data-testid=result-score]')?.textContent ?? ''));

  // Counts are of documents; what one filter leaves is what the others count.
  const chips = () => id(page, 'filter-kinds').locator('button').allTextContents();
  await expect.poll(chips).toEqual(['Markdown 2', 'Text 2']);
  await id(page, 'filter-kinds').getByText('Markdown').click();
  await page.waitForFunction(() => document.querySelectorAll('[data-testid=result]').length === 2);
  for (const name of await sources(page)) expect(name).toMatch(/\.md$/);
  const options = async () => (await id(page, 'filter-file').locator('option').allTextContents()).filter((name) => /one\.md \(1\)|two\.md \(1\)|owl\.txt/.test(name));
  await expect.poll(options, { message: 'what is counted comes behind what is found' }).toHaveLength(2);
  await id(page, 'filter-folder').selectOption({ index: 1 });
  await page.waitForFunction(() => location.hash.includes('folder='));
  await expect.poll(() => id(page, 'refine-toggle').textContent()).toMatch(/^Refine: Markdown, heatseek-notes-/);
  const address = new URL(page.url());
  expect(address.hash).toMatch(/^#search\?q=a\+hunter\+in\+the\+dark\+XK-4711&in=My\+text&kind=markdown&folder=heatseek-notes-/);

  // The same address again, in another tab when this one is closed.
  await page.reload();
  await settled(page, 3);
  await answered(page, 'a hunter in the dark XK-4711');
  expect(await id(page, 'query').inputValue()).toBe('a hunter in the dark XK-4711');
  await expect.poll(() => id(page, 'result').count()).toBe(2);
  await page.evaluate(() => { location.hash = '#search?q=left+pump'; });
  await page.waitForFunction(() => document.querySelector('[data-testid=result-source]')?.textContent === 'code.txt');

  // Keys: down to a result, open it, on to the next and back to where one was; why; the list of keys.
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('/');
  for (const key of ['ArrowDown', 'Enter']) await page.keyboard.press(key);
  expect(await id(page, 'reader-text').locator('mark').textContent()).toContain('XK-4711');
  await page.keyboard.press('ArrowRight');
  await expect.poll(() => page.locator('.reader .amount').textContent()).toBe('2 of 4');
  await page.keyboard.press('Escape');
  await expect.poll(() => page.evaluate(() => document.activeElement.dataset['rank'])).toBe('2');
  await page.keyboard.press('w');
  await id(page, 'why-sum').waitFor();
  await page.keyboard.press('?');
  expect(await id(page, 'keys').textContent()).toContain('go to the question');
  await page.locator('#keys-on').uncheck();
  await page.keyboard.press('Escape');
  await page.keyboard.press('c');
  expect(await id(page, 'collection-menu').isVisible()).toBe(false);
  expect(await first()).toBe('code.txt');

  for (const [device, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize(viewport);
      if (!(await id(page, 'refine').isVisible())) await id(page, 'refine-toggle').click();
      await page.screenshot({ path: join(OUTPUT, `refine-${device}-${colorScheme}.png`) });
      expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), `${device} does not scroll sideways`).toBeLessThanOrEqual(0);
    }
  }
});

test('several collections: made, left, exported, for NumPy too, imported, deleted', async () => {
  const page = await visit('search');
  const addText = async (text, count) => {
    if (!(await id(page, 'paste-input').isVisible())) await page.getByText('Add more text').click();
    await id(page, 'paste-input').fill(text);
    await id(page, 'add-pasted').click();
    await settled(page, count);
  };
  const name = () => id(page, 'collection').textContent();
  const passages = () => id(page, 'corpus-count').textContent();
  await addText('The cat sleeps on the warm stove.', 1);
  await id(page, 'collection').click();
  await id(page, 'new-collection').fill('Recipes/2026');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('[data-testid=collection]').textContent === 'Recipes 2026');
  expect(await passages()).toBe('0 passages');
  await addText('Boil the lentils with cumin.', 1);
  await addText('Roast the pumpkin with honey.', 2);

  await page.reload();
  await settled(page, 2);
  expect(await name()).toBe('Recipes 2026');
  const [archive] = await Promise.all([page.waitForEvent('download'), menu(page, 'export')]);
  expect(archive.suggestedFilename()).toBe('Recipes 2026.heatseek');
  const [lines] = await Promise.all([page.waitForEvent('download'), menu(page, 'export-jsonl')]);
  const exported = (await readFile(await lines.path(), 'utf8')).trim().split('\n').map((line) => JSON.parse(line));
  expect(exported.map(({ text }) => text)).toEqual(['Boil the lentils with cumin.', 'Roast the pumpkin with honey.']);

  // For NumPy, several files: the vectors that the archive has, and which row is of which text.
  const saved = [];
  page.on('download', (download) => saved.push(download));
  await menu(page, 'export-npy');
  await expect.poll(() => saved.map((download) => download.suggestedFilename())).toEqual(['Recipes 2026.npy', 'Recipes 2026.jsonl']);
  const [npy, rows] = await Promise.all(saved.map(async (download) => readFile(await download.path())));
  const numbers = 10 + npy.readUInt16LE(8);
  expect(npy.toString('latin1', 0, numbers)).toMatch(/^\x93NUMPY\x01\x00..\{'descr': '<f4', 'fortran_order': False, 'shape': \(2, 384\), \} *\n$/s);
  expect(npy.length - numbers).toBe(2 * 384 * 4);
  expect((await readFile(await archive.path())).includes(npy.subarray(numbers)), 'they are the vectors of the archive').toBe(true);
  const documents = rows.toString().trim().split('\n').map((line) => JSON.parse(line));
  expect(documents.map(({ text, chunks }) => [text, chunks])).toEqual(exported.map(({ text }, row) => [text, [{ start: 0, end: text.length, row, rows: 1 }]]));

  await id(page, 'collection').click();
  await page.getByRole('button', { name: 'My text', exact: true }).click();
  await settled(page, 1);
  expect((await ask(page, 'Where is the animal?'))[0]).toBe('Pasted text 1');
  await id(page, 'import-input').setInputFiles({ name: 'Recipes 2026.heatseek', mimeType: 'application/octet-stream', buffer: await readFile(await archive.path()) });
  await settled(page, 2);
  expect(await name()).toBe('Recipes 2026 2');
  await ask(page, 'orange vegetable in the oven');
  expect(await id(page, 'result-text').first().textContent()).toContain('pumpkin');
  // What is no archive is told, and nothing is made of it.
  await id(page, 'import-input').setInputFiles({ name: 'broken.heatseek', mimeType: 'application/octet-stream', buffer: Buffer.from('no archive') });
  await page.waitForFunction(() => /importing “broken.heatseek”/.test(document.querySelector('.problems').textContent));
  expect(await name()).toBe('Recipes 2026 2');

  // One tab has it: another says so, and has it when the first lets go.
  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.waitForFunction(() => /“Recipes 2026 2” is open in another tab/.test(document.querySelector('.problems')?.textContent ?? ''));
  await id(other, 'collection').click();
  await other.getByRole('button', { name: 'My text', exact: true }).click();
  await settled(other, 1);
  await other.close();

  // Deleting asks, and can be thought better of.
  await menu(page, 'delete-collection');
  await page.getByRole('button', { name: 'Keep it' }).click();
  expect(await passages()).toBe('2 passages');
  await menu(page, 'delete-collection');
  await id(page, 'confirm-yes').click();
  await settled(page, 1);
  await menu(page, 'delete-all');
  await id(page, 'confirm-yes').click();
  await page.waitForFunction(() => document.querySelector('.corpus:not(.filled):not(.several)'));
  const left = await page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const folders = [];
    const walk = async (folder, path) => {
      for await (const one of folder.values()) {
        folders.push(`${path}${one.name}`);
        if (one.kind === 'directory') await walk(one, `${path}${one.name}/`);
      }
    };
    await walk(root, '');
    return { folders, models: (await caches.keys()).filter((name) => name.startsWith('heatseek-models')), last: localStorage.length };
  });
  expect(left).toEqual({ folders: ['heatseek', 'heatseek/indexes'], models: [], last: 1 });
});

/** Long enough that a reload comes before the end; no two passages are alike, which would be embedded once. */
const notes = (what) => Array.from({ length: 12 }, (_, at) => [`note ${at}.txt`, `Note ${at}. ${`${what} ${at} walks along the river in the evening and looks for food. `.repeat(48)}`]);
/** Waits until some of 12 files are in, and gives how many. */
const progress = async (page) => {
  const some = () => Number(/^([1-9]\d*) of 12 files/.exec(document.querySelector('.indexing:not([hidden]) .amount')?.textContent ?? '')?.[1] ?? 0);
  return (await page.waitForFunction(some)).jsonValue();
};
const source = (page, pattern) => page.waitForFunction((wanted) =>
  [...document.querySelectorAll('.sources li')].some(({ textContent }) => new RegExp(wanted).test(textContent)), pattern);

/** Stands in for the visitor who picks a folder, and counts what is read of it, over reloads. */
function pickFolder(files) {
  window.showDirectoryPicker = async () => {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle('picked', { create: true });
    for (const [name, text] of files) {
      const stream = await (await folder.getFileHandle(name, { create: true })).createWritable();
      await stream.write(text);
      await stream.close();
    }
    return folder;
  };
  const read = File.prototype.arrayBuffer;
  File.prototype.arrayBuffer = function () {
    if (/^note /.test(this.name)) sessionStorage.setItem('read', Number(sessionStorage.getItem('read') ?? 0) + 1);
    return read.call(this);
  };
}

test('a reload in the middle goes on: by itself where the browser lets it, else with the files once more', async () => {
  const page = await visit('search');
  await page.evaluate(pickFolder, notes('Animal'));
  await page.addInitScript(pickFolder, notes('Animal'));
  await id(page, 'choose-folder').click();
  const were = await progress(page);
  await page.reload();
  // Some are there at once, and the others follow unasked.
  await source(page, '^picked/12 files · \\d+');
  await settled(page, 1);
  const read = await page.evaluate(() => Number(sessionStorage.getItem('read')));
  expect(read).toBeGreaterThanOrEqual(12);
  expect(read, 'what was in was not read again').toBeLessThanOrEqual(24 - were);
  const remembered = () => page.evaluate(() => new Promise((resolve, reject) => {
    const opening = indexedDB.open('heatseek-page');
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const counting = opening.result.transaction('deliveries').objectStore('deliveries').count();
      counting.onsuccess = () => { opening.result.close(); resolve(counting.result); };
    };
  }));
  expect(await remembered()).toBe(0);

  const folder = await mkdtemp(join(tmpdir(), 'chosen-'));
  try {
    for (const [name, text] of notes('Beast')) await writeFile(join(folder, name), text);
    await id(page, 'folder-input').setInputFiles(folder);
    await progress(page);
    await page.reload();
    await id(page, 'unfinished').waitFor();
    expect(await remembered()).toBe(1);
    const left = Number(/^(\d+) files? of/.exec(await id(page, 'unfinished').textContent())[1]);
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(12);
    await id(page, 'folder-input').setInputFiles(folder);
    await source(page, '^chosen-.*12 files · \\d+');
    await settled(page, 2);
    expect(await id(page, 'unfinished').count()).toBe(0);
    expect(await remembered()).toBe(0);
  } finally {
    await rm(folder, { recursive: true });
  }
});

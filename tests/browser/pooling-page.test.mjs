// Compare pooling, in Chromium: hits, lines, tints and the matrix are read back from the page and compared with what
// the package gives for the same pooling, and with counting anew.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { beside, DESKTOP, expectDrawn, id, OUTPUT, PHONE, ROOT, setUp, tints, visit } from './text-page.mjs';

const QUESTION = 'How do bees find their way when the sky is grey?';
const ANOTHER = 'Why does the sea rise twice a day?';
const K = 10;
// Of slopes.ts and pooling.css.
const HIT = 76;
const GAP = 56;

setUp();

const passages = JSON.parse(await readFile(join(ROOT, 'web/public/sample/passages.json'), 'utf8')).slice(0, 18);
const files = passages.map(({ id: name, text }) => ({ name: `${name}.txt`, mimeType: 'text/plain', buffer: Buffer.from(text) }));

const rankings = new Map();

/** What the package finds: file names, best first, and their scores. */
async function ranking(question, pooling) {
  const key = JSON.stringify([question, pooling]);
  if (!rankings.has(key)) {
    const scores = await beside(async ([texts, pool]) => {
      const { data, shape: [, width], counts } = await window.model.embed(texts, { pooling: pool });
      let row = 0;
      const [query, ...others] = texts.map((_, at) => {
        const rows = counts?.[at] ?? 1;
        return { data: data.subarray(row * width, (row += rows) * width), shape: [rows, width] };
      });
      const dot = (a, b) => a.data.reduce((sum, x, at) => sum + x * b.data[at], 0);
      const cosine = (a, b) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
      return others.map((other) => (counts ? window.maxSim(query, other) : cosine(query, other)));
    }, [[question, ...passages.map(({ text }) => text)], pooling]);
    rankings.set(key, scores.map((score, at) => ({ name: `${passages[at].id}.txt`, score })).sort((a, b) => b.score - a.score));
  }
  return rankings.get(key);
}

/** The columns as they are shown. */
function columns(page) {
  return page.$$eval('[data-testid=column]', (all) => all.map((column) => ({
    label: column.getAttribute('aria-label'),
    hits: [...column.querySelectorAll('[data-testid=hit] button')].map((button) => ({
      passage: button.dataset.passage, name: button.querySelector('b').textContent, score: Number(button.querySelector('.score').textContent),
      rank: Number(button.querySelector('.rank').textContent), moved: button.querySelector('.moved')?.textContent ?? '',
    })),
  })));
}

/** The ends of every line, on the page: whose it is, and where it is. */
function lines(page) {
  return page.$$eval('[data-testid=column]', (all) => all.map((column) => {
    const drawing = column.querySelector('.slopes');
    const list = column.querySelector('ol').getBoundingClientRect();
    const before = column.previousElementSibling?.querySelector('ol').getBoundingClientRect();
    return [...(drawing?.querySelectorAll('path') ?? [])].map((path) => {
      const at = (length) => {
        const { x, y } = path.getPointAtLength(length);
        const on = new DOMPoint(x, y).matrixTransform(path.getScreenCTM());
        return { x: on.x, y: on.y - list.top };
      };
      return {
        passage: path.dataset.passage, start: at(0), end: at(path.getTotalLength()), stub: path.classList.contains('stub'),
        left: before?.right, right: list.left,
      };
    });
  }));
}

const done = (page) => page.waitForFunction(() => document.querySelector('[data-testid=compare-progress]')?.textContent === 'Done.');

async function compare({ count = files.length, ...options } = {}) {
  const page = await visit('pooling', options);
  await id(page, 'file-input').setInputFiles(files.slice(0, count));
  await page.waitForFunction((wanted) => document.querySelector('[data-testid=corpus-count]')?.textContent === `${wanted} passages`
    && document.querySelector('.indexing').hidden, count);
  await id(page, 'compare-query').fill(QUESTION);
  await done(page);
  return page;
}

async function addPooler(page, name) {
  const count = await id(page, 'column').count();
  if (!(await id(page, 'pooler-list').isVisible())) await page.locator('.choose-poolers > summary').click();
  await id(page, `add-${name}`).click();
  await page.waitForFunction((wanted) => document.querySelectorAll('[data-testid=column]').length === wanted, count + 1);
  await page.locator('.choose-poolers > summary').click();
}

/** Pair by pair. */
function tauOf(a, b) {
  let balance = 0;
  for (let i = 0; i < a.length; i++) {
    for (let j = i + 1; j < a.length; j++) balance += Math.sign(b.indexOf(a[j]) - b.indexOf(a[i]));
  }
  return balance / ((a.length * (a.length - 1)) / 2);
}

test('hits, lines, agreement and weights are those of the package', async () => {
  const page = await compare();
  await addPooler(page, 'gem');
  const gems = page.locator('[data-testid=column]', { has: page.getByRole('heading', { name: 'gem' }) });
  expect(await gems.count(), 'the same pooler twice').toBe(2);
  await gems.nth(1).getByTestId('knob-positive').selectOption({ label: 'signed' });
  await page.waitForFunction(() => document.querySelectorAll('[data-testid=column]')[4]?.getAttribute('aria-label') === 'E: gem positive=signed');
  await page.waitForFunction((k) => [...document.querySelectorAll('[data-testid=column]')].every((column) =>
    column.querySelectorAll('[data-testid=hit]').length === k && !column.hasAttribute('data-waits')), K);

  const poolings = ['auto', 'cls', 'max', 'gem', { name: 'gem', positive: 'signed' }];
  const wanted = [];
  for (const pooling of poolings) wanted.push(await ranking(QUESTION, pooling));
  const shown = await columns(page);
  expect(shown.map(({ label }) => label)).toEqual(['A: auto', 'B: cls', 'C: max', 'D: gem', 'E: gem positive=signed']);
  // Those that rank alike would test little.
  const orders = wanted.map((hits) => hits.map(({ name }) => name));
  expect(new Set(orders.map(String)).size).toBeGreaterThan(3);
  shown.forEach(({ hits }, column) => {
    expect(hits.map(({ name }) => name), `column ${column}`).toEqual(orders[column].slice(0, K));
    hits.forEach(({ score, rank }, at) => {
      expect(rank).toBe(at + 1);
      expect(Math.abs(score - wanted[column][at].score)).toBeLessThan(6e-4);
    });
  });

  // Lines go from a passage's place in one column to its place in the next; what is not shown there ends in a ring.
  const drawn = await lines(page);
  expect(drawn[0]).toEqual([]);
  for (let column = 1; column < shown.length; column++) {
    const [from, to] = [shown[column - 1].hits, shown[column].hits];
    const middle = (rank) => (rank - 0.5) * HIT;
    const all = new Set([...from, ...to].map(({ passage }) => passage));
    expect(drawn[column].map(({ passage }) => passage).sort()).toEqual([...all].sort());
    for (const { passage, start, end, stub, left, right } of drawn[column]) {
      const [before, after] = [from, to].map((hits) => hits.find((hit) => hit.passage === passage)?.rank);
      expect(stub).toBe(before === undefined || after === undefined);
      expect(Math.abs(right - left - GAP)).toBeLessThan(0.5);
      const near = (got, rank, edge) => {
        expect(Math.abs(got.y - middle(rank)), `${passage} in gap ${column}`).toBeLessThan(0.5);
        expect(Math.abs(got.x - edge)).toBeLessThan(0.5);
      };
      if (before !== undefined) near(start, before, left);
      else near(start, after, right);
      if (!stub) near(end, after, right);
    }
    for (const { name, moved, rank } of to) {
      const before = orders[column - 1].indexOf(name) + 1;
      expect(moved).toBe(before > rank ? `▲${before - rank}` : before < rank ? `▼${rank - before}` : '');
    }
  }

  for (const [measure, value] of [
    ['overlap', (a, b) => a.slice(0, K).filter((name) => b.slice(0, K).includes(name)).length / K],
    ['tau', tauOf],
  ]) {
    const cells = await page.$$eval(`[data-testid=${measure}] tbody tr`, (rows) =>
      rows.map((row) => [...row.querySelectorAll('td')].map(({ textContent }) => textContent.replace('−', '-'))));
    const values = orders.flatMap((a, row) => orders.flatMap((b, column) => (row === column ? [] : [value(a, b)])));
    expect(cells.map((row, at) => row[at])).toEqual(cells.map(() => ''));
    expect(cells.flatMap((row, at) => row.filter((_, column) => column !== at)), measure).toEqual(values.map((one) => one.toFixed(2)));
    expectDrawn(await tints(page, `[data-testid=${measure}-cell]`), values, measure, 1);
  }

  // The question's tokens, then those of a chosen passage, under each pooler.
  await page.locator('[data-testid=hit] button').nth(1).click();
  const chosen = passages.find(({ id: name }) => `${name}.txt` === orders[0][1]);
  await page.waitForFunction((count) => document.querySelectorAll('[data-testid=weights-passage] .weight-row > .note').length
    + document.querySelectorAll('[data-testid=weights-passage] [data-testid=weight-text]').length === count
    && ![...document.querySelectorAll('.weight-row > .note')].some(({ textContent }) => textContent === '…'), poolings.length);
  for (const [side, text] of [['question', QUESTION], ['passage', chosen.text]]) {
    for (const [column, pooling] of poolings.entries()) {
      const weights = await beside(async ([input, pool]) => {
        const got = await window.model.embed(input, { pooling: pool, weights: true });
        return got.weights && [...got.weights[0]];
      }, [text, pooling]);
      const row = `[data-testid=weights-${side}] .weight-row:nth-child(${column + 1})`;
      if (weights) expectDrawn(await tints(page, `${row} [data-token]`), weights, `${side}, ${JSON.stringify(pooling)}`);
      else expect(await page.locator(row).textContent()).toContain('Gives no token weights');
    }
  }
  expect(await page.locator('[data-testid=weights-question] [data-testid=weight-text]').count()).toBeGreaterThan(1);
  await screenshots(page);
});

test('a slider changes its column and no other; what was embedded is not embedded again', async () => {
  const page = await compare();
  const before = await columns(page);
  await page.evaluate(() => {
    // Columns that are computed anew show their progress.
    window.busy = new Set();
    new MutationObserver((changes) => {
      for (const { target } of changes) {
        if (target.matches('progress') && !target.hidden) window.busy.add(target.closest('[data-testid=column]')?.getAttribute('aria-label').slice(0, 1));
      }
    }).observe(document.querySelector('[data-testid=columns]'), { subtree: true, attributes: true });
  });
  const slider = page.locator('[data-testid=column]').nth(3).getByTestId('knob-p');
  await slider.focus();
  for (let step = 0; step < 6; step++) await page.keyboard.press('ArrowRight');
  expect(await slider.getAttribute('aria-valuetext')).toBe('6');
  await page.waitForFunction(() => document.querySelectorAll('[data-testid=column]')[3].getAttribute('aria-label') === 'D: gem p=6');
  await page.waitForFunction(() => !document.querySelector('[data-waits]'));
  await done(page);
  const after = await columns(page);
  expect(after.slice(0, 3)).toEqual(before.slice(0, 3));
  const wanted = await ranking(QUESTION, { name: 'gem', p: 6 });
  expect(after[3].hits.map(({ name }) => name)).toEqual(wanted.slice(0, K).map(({ name }) => name));
  expect(after[3].hits.map(({ score }) => score)).not.toEqual(before[3].hits.map(({ score }) => score));
  expect(await page.evaluate(() => [...window.busy])).toEqual(['D']);
  expect(await slider.evaluate((one) => one === document.activeElement), 'the slider keeps the focus').toBe(true);

  // Back where it was, and with another question: both from what is at hand.
  await page.evaluate(() => window.busy.clear());
  for (let step = 0; step < 6; step++) await page.keyboard.press('ArrowLeft');
  await page.waitForFunction(() => document.querySelectorAll('[data-testid=column]')[3].getAttribute('aria-label') === 'D: gem');
  await page.waitForFunction((score) => Number(document.querySelectorAll('[data-testid=column]')[3].querySelector('.score').textContent) === score, before[3].hits[0].score);
  expect(await columns(page)).toEqual(before);
  await id(page, 'compare-query').fill(ANOTHER);
  const first = (await ranking(ANOTHER, 'cls'))[0];
  await page.waitForFunction((name) => document.querySelectorAll('[data-testid=column]')[1].querySelector('b').textContent === name
    && !document.querySelector('[data-waits]'), first.name);
  expect(await page.evaluate(() => [...window.busy])).toEqual([]);
});

test('the keyboard follows a passage over the columns, and its ranks are told', async () => {
  const page = await compare();
  const shown = await columns(page);
  const first = page.locator('[data-testid=column]').first().locator('[data-testid=hit] button').first();
  await first.focus();
  await page.keyboard.press('ArrowDown');
  const focused = () => page.evaluate(() => ({
    passage: document.activeElement.dataset.passage, column: document.activeElement.closest('[data-testid=column]')?.getAttribute('aria-label'),
  }));
  const second = shown[0].hits[1];
  expect(await focused()).toEqual({ passage: second.passage, column: 'A: auto' });
  await page.keyboard.press('ArrowRight');
  expect((await focused()).column).toBe('B: cls');
  const there = shown[1].hits.find(({ passage }) => passage === second.passage) ?? shown[1].hits[1];
  expect((await focused()).passage).toBe(there.passage);

  const orders = [];
  for (const pooling of ['auto', 'cls', 'max', 'gem']) orders.push((await ranking(QUESTION, pooling)).map(({ name }) => name));
  const ranks = orders.map((order, at) => `${'ABCD'[at]} ${order.indexOf(there.name) + 1}`).join(', ');
  expect(await id(page, 'compare-said').textContent()).toBe(`“${there.name}” ranks ${ranks}`);
  const strong = await page.$$eval('.slope.on', (all) => [...new Set(all.map(({ dataset }) => dataset.passage))]);
  expect(strong).toEqual([there.passage]);

  await page.keyboard.press('Enter');
  expect(await page.$$eval('[aria-pressed=true]', (all) => [...new Set(all.map(({ dataset }) => dataset.passage))])).toEqual([there.passage]);
  await page.waitForSelector('[data-testid=weights-passage] [data-testid=weight-text]');

  // A token is told under every pooler that weighs it.
  await page.locator('[data-testid=weights-question] [data-testid=weight-text] [tabindex="0"]').first().focus();
  await page.keyboard.press('ArrowRight');
  expect(await id(page, 'weights-said-question').textContent()).toMatch(/^“How”: A 0\.\d{4}, B 0\.0000/);

  // Everything that can be used has a name, and no name of an element is used twice.
  const unnamed = await page.$$eval('.compare :is(button, input, select)', (all) => all
    .filter((one) => one.checkVisibility() && !one.textContent.trim() && !one.getAttribute('aria-label') && !(one.labels?.length > 0)).map(({ outerHTML }) => outerHTML));
  expect(unnamed).toEqual([]);
  const twice = await page.$$eval('[id]', (all) => all.map((one) => one.id).filter((name, at, names) => names.indexOf(name) !== at));
  expect(twice).toEqual([]);
  const words = await page.locator('[data-testid=changes] section').count();
  expect(words).toBe(3);
});

test('what is under way can be stopped and goes on; poolers of several vectors come and go', async () => {
  const page = await compare();
  await addPooler(page, 'cluster');
  await id(page, 'compare-cancel').click();
  expect(await id(page, 'compare-progress').textContent()).toBe('Stopped.');
  const fifth = page.locator('[data-testid=column]').nth(4);
  expect(await fifth.locator('[data-testid=hit]').count()).toBe(0);
  await id(page, 'compare-resume').click();
  await done(page);
  const wanted = await ranking(QUESTION, 'cluster');
  expect((await columns(page))[4].hits.map(({ name }) => name)).toEqual(wanted.slice(0, K).map(({ name }) => name));

  // Of several vectors, each has its own weights.
  const rows = await beside(async (input) => {
    const { weights: [all], counts: [count] } = await window.model.embed(input, { pooling: 'cluster', weights: true });
    return Array.from({ length: count }, (_, row) => [...all.subarray((row * all.length) / count, ((row + 1) * all.length) / count)]);
  }, QUESTION);
  const row = '[data-testid=weights-question] .weight-row:nth-child(5)';
  await page.waitForSelector(`${row} [data-token]`);
  for (const vector of [0, rows.length - 1]) {
    await page.locator(row).getByTestId('weight-vector').fill(String(vector + 1));
    expectDrawn(await tints(page, `${row} [data-token]`), rows[vector], `vector ${vector}`);
  }
  await page.getByRole('button', { name: 'Move cluster to the left' }).click();
  await page.getByRole('button', { name: 'Remove cls' }).click();
  expect((await columns(page)).map(({ label }) => label)).toEqual(['A: auto', 'B: max', 'C: cluster', 'D: gem']);
  expect(await page.locator('[data-testid=overlap] tbody tr').count()).toBe(4);
  await id(page, 'compare-k').selectOption('5');
  expect((await columns(page)).map(({ hits }) => hits.length)).toEqual([5, 5, 5, 5]);

  // Without text there is nothing to compare.
  await id(page, 'collection').click();
  await id(page, 'delete-collection').click();
  await id(page, 'confirm-yes').click();
  await page.waitForFunction(() => document.querySelector('[data-testid=corpus-count]').textContent === '0 passages');
  expect(await id(page, 'columns').isVisible()).toBe(false);
});

test('every pooler of the list works, and every position of every knob', async () => {
  const entryPoints = [join(ROOT, 'web/src/pooling/knobs.ts')];
  const { outputFiles: [script] } = await build({ entryPoints, bundle: true, format: 'esm', write: false });
  const { knobsOf } = await import(`data:text/javascript,${encodeURIComponent(script.text)}`);
  const { info, poolers } = await beside(async () => ({ info: window.model.info, poolers: await window.model.poolers() }));
  const free = poolers.filter(({ kind }) => kind !== 'learned').map(({ name }) => name);
  const turned = free.filter((name) => knobsOf(name, info).length > 0);
  expect(turned).toEqual(expect.arrayContaining(['gem', 'mixed', 'group_query', 'layer', 'max_cls', 'cluster']));
  // What the page says a knob is at without being turned is what the package then does.
  const positions = free.map((name) => ({
    name,
    knobs: knobsOf(name, info).flatMap(({ option, values, initial }) => values.map((value) => ({ option, value, initial: value === initial }))),
  }));
  const wrong = await beside(async ([text, all]) => {
    const complaints = [];
    const vectors = async (pooling) => {
      try {
        return [...(await window.model.embed(text, { pooling })).data];
      } catch (error) {
        complaints.push(`${JSON.stringify(pooling)}: ${error.message}`);
        return [];
      }
    };
    for (const { name, knobs } of all) {
      const plain = await vectors(name);
      for (const { option, value, initial } of knobs) {
        const found = await vectors({ name, [option]: value });
        const off = found.length !== plain.length || found.some((x, at) => Math.abs(x - plain[at]) > 1e-6);
        if (initial && off) complaints.push(`${name}: ${option} is not ${JSON.stringify(value)} by default`);
      }
    }
    return complaints;
  }, [QUESTION, positions]);
  expect(wrong).toEqual([]);
});

test('on WebGPU the numbers are the same', async () => {
  // A software GPU takes its time.
  const count = 3;
  const page = await compare({ device: 'gpu', count });
  expect(await id(page, 'device-line').textContent()).toMatch(/^GPU/);
  const names = files.slice(0, count).map(({ name }) => name);
  const shown = await columns(page);
  for (const [at, pooling] of ['auto', 'cls', 'max', 'gem'].entries()) {
    const wanted = (await ranking(QUESTION, pooling)).filter(({ name }) => names.includes(name));
    expect(shown[at].hits.map(({ name }) => name), pooling).toEqual(wanted.map(({ name }) => name));
    shown[at].hits.forEach(({ score }, place) => expect(Math.abs(score - wanted[place].score)).toBeLessThan(6e-4));
  }
});

/** For people to look at. */
async function screenshots(page) {
  await page.mouse.move(0, 0);
  for (const [device, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize(viewport);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(overflow, `${device} does not scroll sideways`).toBeLessThanOrEqual(0);
      await page.screenshot({ path: join(OUTPUT, `pooling-${device}-${colorScheme}.png`), fullPage: true });
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(DESKTOP);
  await page.locator('.choose-poolers > summary').click();
  await page.screenshot({ path: join(OUTPUT, 'pooling-choose.png') });
}

// Why a hit was found, what hiding words does, and what a head computes, in Chromium: what is drawn is read back and
// compared with the package's numbers.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { beside, DESKTOP, expectDrawn, id, look, numbers, OUTPUT, PHONE, pick, setUp, TEXT, tints, visit, words } from './text-page.mjs';

const PASSAGE = 'Honeybees dance on the comb to tell their sisters which way the flowers are.';
const QUESTION = 'How do insects tell each other where food is?';

setUp();

/** Canvases as signed shares: opacity is the size, colour the sign. */
function signed(page, selector) {
  return page.$$eval(selector, (canvases) => {
    const hot = getComputedStyle(document.documentElement).getPropertyValue('--hot').trim().split(/\s+/).map(Number);
    return canvases.map((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return Array.from({ length: data.length / 4 }, (_, at) => {
        const warm = Math.abs(data[at * 4] - hot[0]) < Math.abs(data[at * 4 + 2] - hot[0]);
        return (warm ? 1 : -1) * (data[at * 4 + 3] / 255);
      });
    });
  });
}

/** The values of tokens by words and special tokens, in the order they are shown. */
function byWords(values, side, text) {
  const { tokens } = side;
  const found = words(side, text).map(({ inside }) => inside);
  const special = tokens.flatMap((token, at) => (token.special ? [[at]] : []));
  return [...found, ...special].sort(([a], [b]) => a - b).map((inside) => inside.reduce((sum, at) => sum + values[at], 0));
}

test('a hit’s words and the question’s are tinted by what they add to the score', async () => {
  const page = await visit('search');
  await id(page, 'paste-input').fill(PASSAGE);
  await id(page, 'add-pasted').click();
  await id(page, 'query').waitFor({ state: 'visible' });
  await id(page, 'query').fill(QUESTION);
  await id(page, 'why-toggle').click();
  await id(page, 'why-sum').waitFor();

  // Not what explain() says, but what the vectors say: the pooling of this model is a mean.
  const { score, sides } = await beside(async ([question, passage]) => {
    const dot = (a, b) => a.reduce((sum, value, at) => sum + value * b[at], 0);
    const { data, hidden, shape: [, width] } = await window.model.embed([question, passage], { hidden: true });
    const vectors = [data.subarray(0, width), data.subarray(width)];
    const sides = [];
    for (const [at, text] of [question, passage].entries()) {
      const rows = Array.from({ length: hidden[at].length / width }, (_, row) => hidden[at].subarray(row * width, (row + 1) * width));
      const sum = Array.from({ length: width }, (_, i) => rows.reduce((all, row) => all + row[i], 0));
      const { layout: { tokens } } = await window.model.attention(text, { layers: [0], heads: [0] });
      const units = rows.map((row) => { const size = Math.sqrt(dot(row, row)); return [...row].map((value) => value / size); });
      sides.push({ tokens, units, contributions: rows.map((row) => dot(row, vectors[1 - at]) / Math.sqrt(dot(sum, sum))) });
    }
    return { score: dot(vectors[0], vectors[1]), sides };
  }, [QUESTION, PASSAGE]);

  expect(await id(page, 'why-sum').textContent()).toContain(`sum to ${score.toFixed(3)}`);
  const [asked, found] = [byWords(sides[0].contributions, sides[0], QUESTION), byWords(sides[1].contributions, sides[1], PASSAGE)];
  const most = Math.max(...[...asked, ...found].map(Math.abs));
  expectDrawn(await tints(page, '[data-testid=why-query] .tint'), asked, 'the question', most);
  expectDrawn(await tints(page, '[data-testid=result] mark .tint'), found, 'the passage', most);

  await page.locator('.why summary').click();
  const inner = (tokens) => tokens.flatMap(({ special }, at) => (special ? [] : [at]));
  const cosines = inner(sides[0].tokens).flatMap((row) => inner(sides[1].tokens).map((column) =>
    sides[0].units[row].reduce((sum, value, at) => sum + value * sides[1].units[column][at], 0)));
  const [drawn] = await signed(page, '[data-testid=why-similarity]');
  expectDrawn(drawn, cosines, 'similarity', 1);

  for (const [device, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize(viewport);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(overflow, `${device} does not scroll sideways`).toBeLessThanOrEqual(0);
      await page.screenshot({ path: join(OUTPUT, `why-${device}-${colorScheme}.png`), fullPage: true });
    }
  }

  // Closed again, the passage is as it was.
  await id(page, 'why-toggle').click();
  expect(await id(page, 'why-toggle').getAttribute('aria-expanded')).toBe('false');
  expect(await page.locator('[data-testid=result] mark').innerHTML()).toBe(PASSAGE);
});

test('hiding words tints the text by what each did', async () => {
  const { tokens } = await numbers(TEXT);
  const page = await look(TEXT);
  await id(page, 'check').click();
  await page.waitForSelector('[data-testid=hidden-text] .tint');
  const falls = await beside(async (text) => [...(await window.model.occlusion(text)).data], TEXT);
  expectDrawn(await tints(page, '[data-testid=hidden-text] .tint'), falls.filter((_, at) => !tokens[at].special), 'hidden');

  // The word in the middle of the text, hidden by hand: the mask token in its place.
  const at = tokens.findIndex(({ text }) => text === 'comb');
  const { start, end } = tokens[at];
  const cosine = await beside(async ([whole, hidden]) => {
    const { data, shape: [, width] } = await window.model.embed([whole, hidden]);
    return data.subarray(0, width).reduce((sum, value, i) => sum + value * data[width + i], 0);
  }, [TEXT, `${TEXT.slice(0, start)}[MASK]${TEXT.slice(end)}`]);
  expect(falls[at]).toBeCloseTo(1 - cosine, 4);
  await page.screenshot({ path: join(OUTPUT, 'text-hidden.png'), fullPage: true });
});

test('inside a head, products are query times key, and shares are those of the map', async () => {
  const { n, tokens, at } = await numbers(TEXT);
  const page = await look(TEXT);
  await pick(page, 2, 1);
  const token = tokens.findIndex(({ text }) => text === 'danced');
  await page.locator('.tokens.from button').nth(token).click();
  await id(page, 'mode-neuron').click();
  await page.waitForFunction((count) => document.querySelectorAll('[data-testid=neuron] tr').length === count, n);
  expect(await id(page, 'query-token').inputValue()).toBe(String(token));

  const { q, k } = await beside(async ([text, query]) => {
    const got = await window.model.neuron(text, { layer: 2, head: 1, query });
    return { q: [...got.q], k: [...got.k] };
  }, [TEXT, token]);
  const width = q.length;
  const products = k.map((value, i) => value * q[i % width]);
  const [mostVector, mostProduct] = [Math.max(...[...q, ...k].map(Math.abs)), Math.max(...products.map(Math.abs))];
  const strips = await signed(page, '[data-testid=neuron] canvas');
  expectDrawn((await signed(page, '[data-testid=neuron-query]'))[0], q, 'query', mostVector);
  for (let other = 0; other < n; other++) {
    const row = (values) => values.slice(other * width, (other + 1) * width);
    expectDrawn(strips[2 * other], row(k), `key ${other}`, mostVector);
    expectDrawn(strips[2 * other + 1], row(products), `product ${other}`, mostProduct);
  }
  const said = await page.$$eval('[data-testid=neuron] tr', (rows) => rows.map((row) => [...row.querySelectorAll('.amount')].map((cell) => Number(cell.textContent))));
  said.forEach(([score, share], other) => {
    const sum = products.slice(other * width, (other + 1) * width).reduce((all, value) => all + value, 0);
    expect(Math.abs(score - sum / Math.sqrt(width)), `score of ${other}`).toBeLessThan(6e-4);
    expect(Math.abs(share - at(2, 1, token, other)), `share of ${other}`).toBeLessThan(6e-4);
  });
  await page.screenshot({ path: join(OUTPUT, 'text-neuron.png'), fullPage: true });
});

test('rollout tints the text by what CLS took through all layers', async () => {
  const { n } = await numbers(TEXT);
  const page = await look(TEXT);
  await id(page, 'mode-heat').click();
  await id(page, 'trace').selectOption('rollout');
  await page.waitForFunction(() => /rollout/.test(document.querySelector('#drawing [role=status]').textContent));
  const rolled = await beside(async (text) => [...(await window.model.attention(text, { reduce: 'rollout' })).data], TEXT);
  expectDrawn(await tints(page, '.prose button'), rolled.slice(0, n), 'rollout');
  await page.screenshot({ path: join(OUTPUT, 'text-rollout.png') });
});

// "Look at text" in Chromium: what is drawn is read back from the screen, through the colour map, to the weights that
// it stands for, and these are compared with the numbers of the package, called in a page of their own.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { picksAHead, squares } from './heads-panel.mjs';
import { another, beside, colourMap, DESKTOP, expectDrawn, id, look, numbers, OUTPUT, PHONE, pick, ROOT, setUp, TEXT, tints, words } from './text-page.mjs';

const PAIR = 'The cat sat on the warm windowsill.\nIt purred because the sunlight made it sleepy.';
// As the page has them: height of a token, and how far a line arrives level, in CSS pixels.
const ROW = 24;
const LEVEL = 8;

setUp();

/** Opacity of what the canvas of lines has where the line to (or from) each token is level, 0 to 1. */
function ends(page, n, side) {
  return page.evaluate(([count, row, level, right]) => {
    const canvas = document.querySelector('[data-testid=lines]');
    const scale = canvas.height / (count * row);
    const x = right ? canvas.width - (level / 2) * scale : (level / 2) * scale;
    const { data } = canvas.getContext('2d').getImageData(Math.floor(x), 0, 1, canvas.height);
    return Array.from({ length: count }, (_, at) => data[Math.floor((at + 0.5) * row * scale) * 4 + 3] / 255);
  }, [n, ROW, LEVEL, side === 'to']);
}

/** Points at tokens in turn and compares their lines and tints with the numbers. */
async function comparesLines(page, text, layer, head) {
  const { n, at } = await numbers(text);
  const every = Array.from({ length: n }, (_, i) => i);
  await pick(page, layer, head);
  for (const token of [1, 4, n - 2]) {
    for (const side of ['from', 'to']) {
      await page.locator(`.tokens.${side} button`).nth(token).hover();
      const weights = every.map((other) => (side === 'from' ? at(layer, head, token, other) : at(layer, head, other, token)));
      const other = side === 'from' ? 'to' : 'from';
      expectDrawn(await ends(page, n, other), weights, `layer ${layer}, head ${head}, ${side} ${token}`);
      expectDrawn(await tints(page, `.tokens.${other} button`), weights, `tints ${side} ${token}`);
    }
  }
}

/** All thumbnails as weights, read off their pixels. */
async function thumbnails(page, shades) {
  const drawn = await page.$$eval('[data-testid=grid] canvas', (canvases) => canvases.map((canvas) => {
    const { width, height } = canvas;
    return [...new Uint32Array(canvas.getContext('2d').getImageData(0, 0, width, height).data.buffer)];
  }));
  const shareOf = new Map(shades.map((shade, at) => [shade, at / 255]));
  return drawn.map((pixels) => pixels.map((pixel) => shareOf.get(pixel)));
}

describe('on the CPU', () => {
  test('lines and tints are the weights of the picked head, from and to', async () => {
    const { n, at } = await numbers(TEXT);
    const page = await look(TEXT);
    for (const [layer, head] of [[1, 4], [2, 1], [5, 7]]) {
      const lopsided = Math.max(...Array.from({ length: n * n }, (_, i) => Math.abs(at(layer, head, Math.floor(i / n), i % n) - at(layer, head, i % n, Math.floor(i / n)))));
      expect(lopsided, 'a transposed map would be seen').toBeGreaterThan(0.1);
      await comparesLines(page, TEXT, layer, head);
    }
  });

  test('every pixel of every thumbnail is its weight, light and dark', async () => {
    const { layers, heads, n, at } = await numbers(TEXT);
    const shades = await colourMap();
    const page = await look(TEXT);
    await id(page, 'mode-grid').click();
    await page.waitForFunction((size) => [...document.querySelectorAll('[data-testid=grid] canvas')].every(({ width }) => width === size), n);
    for (const scheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: scheme });
      // Browsers tell of a new scheme with the next frame.
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      const drawn = await thumbnails(page, shades[scheme]);
      expect(drawn).toHaveLength(layers * heads);
      drawn.forEach((shares, map) => shares.forEach((share, cell) => {
        const weight = at(Math.floor(map / heads), map % heads, Math.floor(cell / n), cell % n);
        if (!(Math.abs(share - Math.sqrt(weight)) <= 0.51 / 255)) throw new Error(`${scheme}, map ${map}, cell ${cell}: ${share} drawn for √${weight}`);
      }));
      await page.screenshot({ path: join(OUTPUT, `text-grid-${scheme}.png`) });
    }
    // Choosing one goes to its lines.
    await page.getByRole('button', { name: 'Layer 4, head 3' }).click();
    expect(await id(page, 'mode-lines').getAttribute('aria-selected')).toBe('true');
    expect(await id(page, 'layer').inputValue()).toBe('4');
    expect(await page.locator('.heads [aria-pressed=true]').allTextContents()).toEqual(['3']);
  });

  test('the text is tinted by what a word looked at, over all picked heads', async () => {
    const maps = await numbers(TEXT);
    const found = words(maps, TEXT);
    const page = await look(TEXT);
    const picked = [3, 5];
    await pick(page, 2, picked[0]);
    await id(page, `head-${picked[1]}`).click();
    await id(page, 'words').check();
    await id(page, 'hide-special').check();
    await id(page, 'mode-heat').click();
    for (const chosen of ['danced', 'unbelievably']) {
      const { inside } = found.find(({ word }) => word === chosen);
      await id(page, 'heat-text').getByRole('button', { name: chosen }).click();
      expect(await page.locator('.prose button').allTextContents()).toEqual(found.map(({ word }) => word));
      // The pieces of a word look as their mean, and are looked at as their sum.
      const weights = found.map(({ inside: others }) => {
        let sum = 0;
        for (const head of picked) for (const from of inside) for (const to of others) sum += maps.at(2, head, from, to);
        return sum / inside.length / picked.length;
      });
      expectDrawn(await tints(page, '.prose button'), weights, chosen);
    }
    await page.screenshot({ path: join(OUTPUT, 'text-heat-light.png') });
  });

  test('of two sentences, only the lines asked for are there', async () => {
    const { n, tokens } = await numbers(PAIR);
    const second = tokens.findIndex(({ start }) => start >= PAIR.indexOf('\n'));
    const page = await look(PAIR);
    await id(page, 'between').selectOption('ab');
    const [leaving, arriving] = [await ends(page, n, 'from'), await ends(page, n, 'to')];
    expect(leaving.map((share, at) => (share > 0) === (at < second))).toEqual(Array(n).fill(true));
    expect(arriving.map((share, at) => share > 0 && at < second)).toEqual(Array(n).fill(false));
    await page.screenshot({ path: join(OUTPUT, 'text-pair.png') });
  });

  test('the keyboard walks through tokens, tabs and thumbnails, and says what it finds', async () => {
    const { n, at } = await numbers(TEXT);
    const page = await look(TEXT);
    await pick(page, 2, 1);
    await page.locator('.tokens.from button').first().focus();
    for (let step = 0; step < 4; step++) await page.keyboard.press('ArrowDown');
    const row = Array.from({ length: n }, (_, to) => ({ to, weight: at(2, 1, 4, to) })).sort((a, b) => b.weight - a.weight);
    const labels = await page.locator('.tokens.to button').allTextContents();
    expect(await id(page, 'spoken').textContent()).toContain(`“danced” looked most at “${labels[row[0].to]}” ${row[0].weight.toFixed(2)}`);
    await page.keyboard.press('Enter');
    expect(await page.locator('.tokens.from [aria-pressed=true]').textContent()).toBe('danced');

    await id(page, 'mode-lines').focus();
    await page.keyboard.press('ArrowRight');
    expect(await id(page, 'mode-grid').getAttribute('aria-selected')).toBe('true');
    await page.locator('[data-testid=grid] button').first().focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowRight');
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('Layer 1, head 1');
    await page.keyboard.press('Enter');
    expect(await id(page, 'mode-lines').getAttribute('aria-selected')).toBe('true');
    expect(await page.getByRole('link', { name: 'Look at text' }).getAttribute('aria-current')).toBe('page');
  });

  test('what the heads do is computed when asked for, and drawn by the numbers of the package', async () => {
    const found = await beside(async (input) => {
      const { entropy, previous, layers, heads, sinks } = await window.model.analyze(input);
      return { entropy: [...entropy], previous: [...previous], layers: layers.length, heads, sinks: sinks.length };
    }, TEXT);
    const { light } = await colourMap();
    const shareOf = new Map(light.map((shade, at) => [shade, at / 255]));
    const page = await look(TEXT);
    expect(await id(page, 'head-table').count(), 'nothing before it is asked for').toBe(0);
    await id(page, 'heads-open').click();
    for (const name of ['entropy', 'previous']) {
      await id(page, 'measure').selectOption(name);
      const { rows, titles } = await squares(page);
      expect(rows.map((row) => row.length)).toEqual(Array(found.layers).fill(found.heads));
      const most = Math.max(...found[name]);
      rows.flat().forEach(([red, green, blue], at) => {
        const share = shareOf.get((red | (green << 8) | (blue << 16) | (255 << 24)) >>> 0);
        const value = found[name][at];
        expect(Math.abs(share - value / most), `${name}, head ${at}: ${share} drawn for ${value}`).toBeLessThanOrEqual(0.51 / 255);
        expect(titles[at]).toContain(`Layer ${Math.floor(at / found.heads)}, head ${at % found.heads}: ${value.toFixed(3)}`);
      });
    }
    expect(await page.locator('[data-testid=head-groups] circle').count()).toBe(found.layers * found.heads);
    expect(await page.locator('[data-testid=sinks] tbody tr').count()).toBe(Math.min(12, found.sinks));
    expect(await page.locator('[data-testid=rank] polyline').count()).toBe(4);

    await picksAHead(page, 4, 3);
    expect(await id(page, 'layer').inputValue()).toBe('4');
    expect(await page.locator('.heads [aria-pressed=true]').allTextContents()).toEqual(['3']);
    await page.screenshot({ path: join(OUTPUT, 'heads-text-desktop-light.png'), fullPage: true });
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize(PHONE);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
    await page.screenshot({ path: join(OUTPUT, 'heads-text-phone-dark.png'), fullPage: true });

    // Numbers of one text say nothing about another.
    await id(page, 'look-text').fill(PAIR);
    await id(page, 'look').click();
    await page.waitForFunction(() => !document.querySelector('[data-testid=heads-panel]').open);
    expect(await id(page, 'findings').isHidden()).toBe(true);
  });

  test('a phone and a dark room', async () => {
    const page = await look(TEXT, { deviceScaleFactor: 2 });
    for (const [device, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize(viewport);
        for (const mode of ['lines', 'grid', 'heat']) {
          await id(page, `mode-${mode}`).click();
          await page.locator('.panels').scrollIntoViewIfNeeded();
          const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          expect(overflow, `${mode} on a ${device} does not scroll sideways`).toBeLessThanOrEqual(0);
          await page.screenshot({ path: join(OUTPUT, `text-${mode}-${device}-${colorScheme}.png`), fullPage: true });
        }
      }
    }
    await id(page, 'mode-lines').click();
    await comparesLines(page, TEXT, 3, 2);
  });

  test('a text as long as the model reads stays usable', async () => {
    const passages = JSON.parse(await readFile(join(ROOT, 'web/public/sample/passages.json'), 'utf8'));
    const text = passages.slice(0, 14).map((passage) => passage.text).join(' ');
    // The model's own limit cuts it. One row is enough to compare: all of them are millions of numbers.
    const { row, n } = await beside(async (input) => {
      const { data, shape: [, , , n] } = await window.model.attention(input, { layers: [1], heads: [4] });
      return { row: [...data.subarray(7 * n, 8 * n)], n };
    }, text);
    expect(n).toBe(256);
    const page = await look(text, { tokens: n });
    expect(await id(page, 'spoken').textContent()).toMatch(/^The strongest [\d,]+ of [\d,]+ lines/);
    await pick(page, 1, 4);
    await page.locator('.tokens.from button').nth(7).hover();
    expectDrawn(await ends(page, n, 'to'), row, 'a long text');
    expect(await page.evaluate(() => document.querySelectorAll('*').length)).toBeLessThan(5000);
    await page.screenshot({ path: join(OUTPUT, 'text-long.png') });
  });
});

describe('on WebGPU', () => {
  test('lines and tints are the weights of the picked head', async () => {
    const page = await look(TEXT, { device: 'gpu' });
    expect(await id(page, 'device-line').textContent()).toMatch(/^GPU/);
    await comparesLines(page, TEXT, 1, 8);
  });
});

describe('files', () => {
  const HOSTILE = 'The <script>alert("bee")</script> & its \'hive\' ]]> were </pre></title> found.';

  async function kept(page, kind) {
    const [download] = await Promise.all([page.waitForEvent('download'), id(page, `export-${kind}`).click()]);
    expect(download.suggestedFilename()).toMatch(new RegExp(`\\.${kind}$`));
    return readFile(await download.path());
  }

  test('JSON has every map as bertviz reads it; SVG, PNG and the page of its own show the same numbers', async () => {
    const { layers, heads, n, at, tokens } = await numbers(HOSTILE);
    const page = await look(HOSTILE);
    await pick(page, 1, 4);
    await page.locator('.tokens.from button').nth(3).click();
    await page.mouse.move(0, 0);

    const json = JSON.parse(await kept(page, 'json'));
    expect(json.tokens).toHaveLength(n);
    expect(json.tokens[0]).toBe('[CLS]');
    expect(json.tokens.slice(1, -1).map((token) => token.replace(/^##/, ''))).toEqual(tokens.slice(1, -1).map(({ text }) => text));
    expect(json.attention).toHaveLength(layers);
    json.attention.forEach((layer, l) => {
      expect(layer).toHaveLength(heads);
      layer.forEach((map, h) => map.forEach((row, from) => row.forEach((weight, to) => {
        if (Math.abs(weight - at(l, h, from, to)) > 1e-7) throw new Error(`layer ${l}, head ${h}, ${from} to ${to}: ${weight}`);
      })));
    });

    const svg = (await kept(page, 'svg')).toString();
    const row = Array.from({ length: n }, (_, to) => at(1, 4, 3, to));
    const drawn = [...svg.matchAll(/<polyline points="([^"]+)".*?stroke-opacity="([\d.]+)"/g)].map(([, points, opacity]) => ({
      to: Math.floor((Number(points.split(',').at(-1)) - 16) / ROW), opacity: Number(opacity),
    }));
    expect(drawn.length).toBeGreaterThan(5);
    for (const { to, opacity } of drawn) expect(opacity).toBeCloseTo(row[to] / Math.max(...row), 3);

    const png = await kept(page, 'png');
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect(png.readUInt32BE(20)).toBe(2 * (n * ROW + 32));

    const html = (await kept(page, 'html')).toString();
    const { page: alone, errors, context } = await another();
    const asked = [];
    context.on('request', (request) => asked.push(request.url()));
    await alone.setContent(html);
    expect(await alone.locator('body > p').first().textContent()).toBe(HOSTILE);
    expect(await alone.locator('script').count()).toBe(0);
    const { attention, heads: picked } = JSON.parse(await alone.locator('#numbers').textContent());
    expect(picked).toEqual([4]);
    expect(attention[0][0][3][5]).toBeCloseTo(at(1, 4, 3, 5), 7);
    expect(await alone.locator('svg polyline').count()).toBe(drawn.length);
    expect(asked.filter((url) => !url.startsWith('data:'))).toEqual([]);
    expect(errors).toEqual([]);
    await alone.screenshot({ path: join(OUTPUT, 'text-export.png'), fullPage: true });
  });
});

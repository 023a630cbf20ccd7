// What an index finds, through the npm package in a page: compared with what a few lines of JavaScript find.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serveIndexPages, visit } from './index-page.mjs';

let server, browser, page, errors;

beforeAll(async () => {
  server = await serveIndexPages();
  browser = await launch({ webgpu: false });
  ({ page, errors } = await open(browser));
  await visit(page, server);
  await page.evaluate(async () => {
    const words = 'bees honey flowers dance bread yeast gas river stone music winter light'.split(' ');
    const text = (i) => Array.from({ length: 6 }, (_, j) => words[(i * 7 + j * (1 + (i % 5)) + ((i * j) % 3)) % words.length]).join(' ');
    window.corpus = Array.from({ length: 60 }, (_, i) => ({
      id: `d${i}`,
      text: `${text(i)}${i === 17 ? ' zyzzyva' : ''}`,
      metadata: { year: 2000 + (i % 20), tags: [words[i % 4], words[i % 3]], author: { name: i % 2 ? 'Ann' : 'Bob' } },
    }));
    window.loaded = await model();
    window.query = 'bees dance in the light';
    const { data, shape: [, width] } = await loaded.embed([query, ...corpus.map(({ text }) => text)]);
    const vector = (at) => data.subarray(at * width, (at + 1) * width);
    const [asked, ...vectors] = Array.from({ length: corpus.length + 1 }, (_, at) => vector(at));
    const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
    window.scoresBy = {
      cosine: (v) => dot(asked, v) / Math.hypot(...asked) / Math.hypot(...v),
      dot: (v) => dot(asked, v),
      euclidean: (v) => -Math.hypot(...asked.map((x, i) => x - v[i])),
    };
    /** Documents in the order of their score, those that `matches` says. */
    window.ranked = (metric, matches = () => true) =>
      corpus.map((document, at) => ({ document, score: scoresBy[metric](vectors[at]) }))
        .filter(({ document }) => matches(document)).sort((a, b) => b.score - a.score);
    window.index = await createIndex({ model: loaded });
    await index.add(corpus, { chunk: false });
  });
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  expect(errors).toEqual([]);
});

/** Hits, and what should have been hit. */
function same(found, wanted, tolerance = 2e-5) {
  expect(found.map(({ id }) => id)).toEqual(wanted.map(({ document }) => document.id));
  found.forEach(({ score }, at) => expect(Math.abs(score - wanted[at].score)).toBeLessThanOrEqual(tolerance));
}

test('filters say which documents are ranked at all', async () => {
  const found = await page.evaluate(async () => {
    const cases = [
      [{ year: { $gte: 2005, $lt: 2008 } }, ({ metadata: { year } }) => year >= 2005 && year < 2008],
      [{ tags: 'honey', 'author.name': 'Ann' }, ({ metadata: { tags, author } }) => tags.includes('honey') && author.name === 'Ann'],
      [{ $or: [{ year: 2001 }, { year: { $in: [2002, 2003] } }], tags: { $nin: ['bees'] } }, ({ metadata: { year, tags } }) => year >= 2001 && year <= 2003 && !tags.includes('bees')],
      [{ $not: { 'author.name': 'Bob' }, missing: null }, ({ metadata: { author } }) => author.name !== 'Bob'],
      [{ missing: { $exists: true } }, () => false],
    ];
    const found = [];
    for (const [filter, matches] of cases) {
      found.push({ hits: await index.search(query, { topK: 8, filter }), wanted: ranked('cosine', matches).slice(0, 8) });
    }
    return found;
  });
  found.forEach(({ hits, wanted }) => same(hits, wanted));
  expect(found.map(({ wanted }) => wanted.length)).toEqual([8, 8, 6, 8, 0]);
});

test('a filter that is none says where', async () => {
  const found = await page.evaluate(async () => ({
    operator: await told(() => index.search(query, { filter: { $or: [{ year: { $above: 3 } }] } })),
    operand: await told(() => index.facets('year', { filter: { year: { $in: 3 } } })),
    still: (await index.search(query, { topK: 1 })).length,
  }));
  expect(found.operator).toMatchObject({ code: 'invalid_input', ours: true, message: expect.stringMatching(/\$or\[0\]\.year.*`\$above`/) });
  expect(found.operand).toMatchObject({ code: 'invalid_input', ours: true, message: expect.stringMatching(/year.*expected an array/) });
  expect(found.still).toBe(1);
});

test('facets count what documents have', async () => {
  const found = await page.evaluate(async () => {
    const count = (values) => {
      const counts = {};
      for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
      return counts;
    };
    const late = corpus.filter(({ metadata: { year } }) => year >= 2010);
    const wanted = [count(late.flatMap(({ metadata }) => [...new Set(metadata.tags)])), count(late.map(({ metadata }) => metadata.author.name)), {}];
    return { facets: await index.facets(['tags', 'author.name', 'nothing'], { filter: { year: { $gte: 2010 } } }), wanted };
  });
  expect(found.facets.map(({ field }) => field)).toEqual(['tags', 'author.name', 'nothing']);
  found.facets.forEach(({ values }, at) => {
    expect(Object.fromEntries(values.map(({ value, count }) => [value, count]))).toEqual(found.wanted[at]);
    const counts = values.map(({ count }) => count);
    expect(counts).toEqual(counts.toSorted((a, b) => b - a));
  });
});

test('words count as much as they are told to', async () => {
  const found = await page.evaluate(async () => {
    const ids = async (query, options) => (await index.search(query, { topK: 60, ...options })).map(({ id }) => id);
    const asked = `zyzzyva ${query}`;
    return {
      meaning: await ids(asked),
      none: await ids(asked, { hybrid: { weight: 0 } }),
      both: await ids(asked, { hybrid: true }),
      scores: await ids(asked, { hybrid: { fusion: 'scores', weight: 0.9 } }),
      words: await index.search('zyzzyva', { hybrid: { weight: 1 }, topK: 1, filter: { year: 2017 } }),
      elsewhere: await ids('zyzzyva', { hybrid: { weight: 1 }, filter: { year: 2016 } }),
    };
  });
  expect(found.meaning[0]).not.toBe('d17');
  expect(found.none).toEqual(found.meaning);
  expect(found.both[0]).toBe('d17');
  expect(found.both).not.toEqual(found.meaning);
  expect(found.scores[0]).toBe('d17');
  expect(found.words[0].id).toBe('d17');
  // k is 60: the first of one list, and not in the other.
  expect(found.elsewhere).not.toContain('d17');
});

test('hits may be few for each document, good enough, and unlike each other', async () => {
  const found = await page.evaluate(async () => {
    const chunked = await createIndex({ model: loaded });
    await chunked.add({ id: 'long', text: corpus.slice(0, 8).map(({ text }) => `${text}.`).join('\n\n') }, { chunk: { tokens: 12, overlap: 0 } });
    await chunked.add(corpus.slice(8, 12), { chunk: false });
    const all = await chunked.search(query, { topK: 50 });
    const few = await chunked.search(query, { topK: 50, perDocument: 2 });
    const threshold = all[3].score;
    const good = await chunked.search(query, { topK: 50, threshold });
    await chunked.add([{ id: 'same', text: corpus[8].text }, { id: 'same again', text: corpus[8].text }], { chunk: false });
    const alike = await chunked.search(corpus[8].text, { topK: 3 });
    const unlike = await chunked.search(corpus[8].text, { topK: 3, diversity: 0.9 });
    const long = chunked.get('long').text;
    const inPlace = all.filter(({ id }) => id === 'long').every(({ chunk }) => long.slice(chunk.start, chunk.end) === chunk.text);
    chunked.dispose();
    return { all, few, good, threshold, alike, unlike, inPlace };
  });
  const of = (hits) => hits.filter(({ id }) => id === 'long').length;
  expect(of(found.all)).toBeGreaterThan(4);
  expect(of(found.few)).toBe(2);
  expect(found.few.length).toBe(2 + 4);
  expect(found.inPlace).toBe(true);
  expect(found.good.length).toBe(found.all.filter(({ score }) => score >= found.threshold).length);
  expect(found.alike.map(({ id }) => id).sort()).toEqual(['d8', 'same', 'same again']);
  const texts = found.unlike.map(({ chunk }) => chunk.text);
  expect(new Set(texts).size).toBeGreaterThan(1);
});

test('a hit is explained by its tokens', async () => {
  const found = await page.evaluate(async () => {
    const hits = await index.search(query, { topK: 2, explain: true });
    const aborted = new AbortController();
    aborted.abort();
    const stopped = await told(() => index.search(query, { explain: true, signal: aborted.signal }));
    return { stopped, hits: hits.map(({ score, explanation: { score: explained, passage } }) => ({
      score, explained, sum: passage.contributions.reduce((sum, x) => sum + x, 0), tokens: passage.layout.tokens.length, contributions: passage.contributions.length,
    })) };
  });
  for (const { score, explained, sum, tokens, contributions } of found.hits) {
    expect(explained).toBeCloseTo(score, 4);
    expect(sum).toBeCloseTo(score, 4);
    expect(contributions).toBe(tokens);
  }
  expect(found.stopped).toMatchObject({ code: 'aborted' });
});

test('every metric and storage, opened again from what was exported', async () => {
  const found = await page.evaluate(async () => {
    const cases = [['cosine', 'f32'], ['dot', 'f16'], ['euclidean', 'f32'], ['cosine', 'int8'], ['cosine', 'binary']];
    const found = [];
    for (const [metric, storage] of cases) {
      const made = await createIndex({ model: loaded, metric, storage });
      await made.add(corpus, { chunk: false });
      const search = (index) => index.search(query, { topK: 10, filter: { year: { $lt: 2015 } }, oversampling: 4 });
      const hits = await search(made);
      const from = await made.export();
      const other = await createIndex({ model: loaded, metric, storage, from });
      found.push({
        metric, storage, hits, wanted: ranked(metric, ({ metadata: { year } }) => year < 2015).slice(0, 10), bytes: from.size,
        again: await search(other), documents: other.ids().map((id) => other.get(id)), persisted: other.persisted,
        settings: await told(() => createIndex({ model: loaded, metric: metric === 'dot' ? 'cosine' : 'dot', storage, from })),
      });
      made.dispose();
      other.dispose();
    }
    return { found, corpus };
  });
  for (const { metric, storage, hits, wanted, again, documents, persisted, settings } of found.found) {
    const name = `${metric} ${storage}`;
    if (storage === 'f32') same(hits, wanted);
    else {
      const ids = new Set(hits.map(({ id }) => id));
      expect(wanted.filter(({ document }) => ids.has(document.id)).length, name).toBeGreaterThanOrEqual(storage === 'binary' ? 5 : 9);
    }
    expect(again, name).toEqual(hits);
    expect(documents, name).toEqual(found.corpus);
    expect(persisted).toBe('memory');
    expect(settings, name).toMatchObject({ code: 'invalid_input', ours: true, message: expect.stringMatching(/metric/) });
  }
});

test('what is imported under a name is kept; what is no index changes nothing', async () => {
  await page.evaluate(async () => {
    window.blob = await index.export();
    window.bytes = new Uint8Array(await blob.arrayBuffer());
  });
  const found = await page.evaluate(async () => {
    const kept = await createIndex({ model: loaded, name: 'imported', from: bytes });
    const { persisted, size } = kept;
    await kept.remove('d0');
    kept.dispose();
    const again = await createIndex({ model: loaded, name: 'imported' });
    const ids = again.ids();
    again.dispose();
    const twice = await told(() => createIndex({ model: loaded, name: 'imported', from: blob }));
    const broken = {};
    const damaged = bytes.slice();
    damaged[damaged.length - 40] ^= 1;
    for (const [name, from] of Object.entries({ damaged, cut: bytes.slice(0, 5000), alien: new TextEncoder().encode('{"an": "index"}'), empty: new Uint8Array() })) {
      broken[name] = await told(() => createIndex({ model: loaded, name: `broken ${name}`, from }));
    }
    return { persisted, size, ids, twice, broken, left: await listIndexes() };
  });
  expect(found).toMatchObject({ persisted: 'opfs', size: 60, twice: { code: 'invalid_input', message: expect.stringMatching(/'imported' already/) } });
  expect(found.ids).toHaveLength(59);
  expect(found.ids).not.toContain('d0');
  for (const [name, error] of Object.entries(found.broken)) {
    expect(error, name).toMatchObject({ ours: true, code: expect.stringMatching(/^index_invalid$|^invalid_input$/) });
  }
  expect(found.broken.damaged.code).toBe('index_invalid');
  expect(found.left).toEqual([{ name: 'imported', persisted: 'opfs' }]);
});

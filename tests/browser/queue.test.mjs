// Whose turn it is in the worker, through the npm package in a page: what overtakes, what is done together, what an abort
// ends, and that none of it changes a vector. Counted in texts and messages, never in time.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serve } from './serve.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const MODELS = process.env.HEATSEEK_MODELS ?? join(ROOT, 'models');

/** The library's worker; what it says of progress is written down, with whether the call was aborted already. */
const SCRIPTS = {
  '/counting.js': "import '/count.js'; import '/pkg/worker.js';",
  '/count.js': `const channel = new BroadcastChannel('progress'), aborted = new Set(), post = self.postMessage.bind(self);
    self.addEventListener('message', ({ data }) => data.type === 'abort' && aborted.add(data.id));
    self.postMessage = (message, transfer) => {
      if (message.type === 'progress') channel.postMessage({ ...message.progress, aborted: aborted.has(message.id) });
      post(message, transfer);
    };`,
};

const PAGE = `<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>queue</title>
<script type=module>
  import { createIndex, load } from '/pkg/index.js';
  window.progress = [];
  new BroadcastChannel('progress').onmessage = ({ data }) => progress.push(data);
  window.createIndex = createIndex;
  window.model = await load('/models/all-MiniLM-L6-v2/', { device: 'cpu', cache: false, worker: new URL('/counting.js', location.href) });
  window.many = Array.from({ length: 60 }, (_, at) => 'the bees of hive ' + at + ' fly home with honey. '.repeat(2 + (at % 5)));
  window.long = 'the bees find honey and fly home again, over the hills. '.repeat(12_000);
  /** Told when the worker has said all that it said before. */
  window.settled = async () => { await model.embed('a'); await new Promise((resolve) => setTimeout(resolve, 100)); };
  window.ready = true;
</script>`;

let browser, server, page, errors;
beforeAll(async () => {
  server = await serve({ '/pkg/': join(ROOT, 'pkg/dist'), '/models/': MODELS }, (request, response) => {
    const script = SCRIPTS[request.url];
    if (!script && request.url !== '/') return false;
    response.writeHead(200, { 'content-type': script ? 'text/javascript' : 'text/html' }).end(script ?? PAGE);
    return true;
  });
  browser = await launch({ webgpu: false });
  ({ page, errors } = await open(browser));
  await page.goto(server.origin);
  await page.waitForFunction(() => window.ready);
});
afterAll(async () => {
  expect(errors ?? []).toEqual([]);
  await browser?.close();
  await server?.close();
});

test('a query made while many texts are embedded is answered before them, and changes none of their vectors', async () => {
  const found = await page.evaluate(async () => {
    const alone = [await model.embed(many), await model.embed('a query')];
    const order = [];
    let last = 0, asked, query;
    const onProgress = ({ loaded }) => {
      last = loaded;
      if (loaded >= 10 && asked === undefined) {
        asked = loaded;
        query = model.embed('a query').then((answer) => (order.push(['query', last]), answer));
      }
    };
    const both = [await model.embed(many, { onProgress }).then((answer) => (order.push(['many', last]), answer)), await query];
    return { order, asked, same: both.map(({ data }, at) => data.every((value, i) => value === alone[at].data[i])) };
  });
  expect(found.order.map(([name]) => name)).toEqual(['query', 'many']);
  // What the worker was at when it was asked, and what it said before it heard of it: two batches of some four texts.
  expect(found.order[0][1] - found.asked).toBeLessThanOrEqual(10);
  expect(found.order[1][1]).toBe(60);
  expect(found.same, 'to the last bit').toEqual([true, true]);
});

test('an index is searched while documents are added to it, and is as it was until all are there', async () => {
  const found = await page.evaluate(async () => {
    const index = await createIndex({ model });
    await index.add({ id: 'old', text: 'a bee' });
    const order = [];
    let search, removed;
    const onProgress = ({ stage, loaded }) => {
      if (stage !== 'index' || loaded === 0 || search) return;
      search = index.search('honey').then((hits) => (order.push('search'), hits.map(({ id }) => id)));
      removed = index.remove('old').then((count) => (order.push('remove'), count));
    };
    await index.add(many.slice(0, 30).map((text, at) => ({ id: String(at), text })), { onProgress }).then(() => order.push('add'));
    const result = { order, search: await search, removed: await removed, after: (await index.search('honey', { topK: 3 })).length, ids: index.ids().length };
    index.dispose();
    return { ...result, order };
  });
  expect(found).toEqual({ order: ['search', 'add', 'remove'], search: ['old'], removed: 1, after: 3, ids: 30 });
});

test('calls made at once give each its own vectors, the same as alone', async () => {
  const found = await page.evaluate(async () => {
    const texts = many.slice(0, 30).map((text, at) => text.slice(0, 4 + 7 * at));
    const alone = [];
    for (const text of texts) alone.push((await model.embed(text)).data);
    const answers = await Promise.all([
      ...texts.map((text) => model.embed(text)), ...texts.map((text) => model.embed(text, { pooling: 'cls', truncateDim: 8 })),
      ...texts.map((text) => model.embed([text, 'b'], { pooling: 'none' })),
    ]);
    const several = answers.slice(60);
    return {
      same: texts.every((_, at) => answers[at].data.every((value, i) => value === alone[at][i])),
      lengths: answers.slice(30, 60).every(({ data, shape }) => data.length === 8 && shape[0] === 1),
      counts: several.every(({ counts, tokens, shape, data }) => counts[0] + counts[1] === shape[0] && data.length === shape[0] * 384 && String(counts) === String(tokens)),
    };
  });
  expect(found).toEqual({ same: true, lengths: true, counts: true });
});

test('an abort ends the work: nothing of the call is computed any more', async () => {
  const found = await page.evaluate(async () => {
    const stopped = [];
    const code = (call) => call.then(() => 'done', (error) => error.code);
    const onProgress = () => {};
    for (const call of [
      (options) => model.embed(many, options),
      // These two cut the text first, which takes longer than it takes to abort them.
      (options) => model.embedChunks(long, { ...options, chunk: { tokens: 100 } }),
      (options) => createIndex({ model }).then((index) => index.add(long, options)),
    ]) {
      await settled();
      progress.length = 0;
      const controller = new AbortController();
      const outcome = code(call({ signal: controller.signal, onProgress }));
      await new Promise((resolve) => setTimeout(resolve, 150));
      controller.abort();
      const how = await outcome;
      await settled();
      stopped.push({ how, late: progress.filter(({ aborted }) => aborted).length, embedded: progress.some(({ loaded }) => loaded > 30) });
    }
    return stopped;
  });
  expect(found).toEqual(Array.from({ length: 3 }, () => ({ how: 'aborted', late: 0, embedded: false })));
});

// What is killed while it writes to an index loses nothing that was told to be stored: tabs and workers, a hundred times, each
// at a moment of its own. Whenever it is opened again, every file has the sum that it was written with.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serveIndexPages, visit } from './index-page.mjs';

/** Draws every moment; `HEATSEEK_SEED` draws those of an earlier run. What happens within them is the machine's. */
const SEED = Number(process.env.HEATSEEK_SEED ?? Date.now() % 1_000_000);
/** Tabs that are killed, 25 or more: `HEATSEEK_KILLS`. The default takes a minute; `cargo xtask nightly` kills more. */
const TABS = Number(process.env.HEATSEEK_KILLS ?? 25);
/**
 * Indexes that are written side by side: where each is kept, and how many tabs it outlives. In every tab its worker is killed
 * `WORKERS` times before the tab's process is.
 */
const IN_FILES = Math.round(TABS * 0.36);
const LANES = [['opfs', IN_FILES], ['opfs', IN_FILES], ['indexeddb', TABS - 2 * IN_FILES]];
const WORKERS = 3;
const SCRIPTS = { opfs: '/pkg/worker.js', indexeddb: '/no-opfs-worker.js' };
/** A writer is killed within one of so many steps. */
const STEPS = 4;
/** A crash may outrun so much of what its tab had said. */
const UNHEARD = 9;

let server, browser;

beforeAll(async () => {
  server = await serveIndexPages();
  browser = await launch({ webgpu: false });
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/** Documents of a batch. */
const BATCH = 4;

/** Step n adds a batch, replaces one of it, or removes some of it and of an older one. */
function step(n) {
  const batch = Math.floor(n / 3);
  if (n % 3 === 0) return { add: Array.from({ length: BATCH }, (_, i) => ({ id: `${batch}.${i}`, text: `bees of batch ${batch}, ${i}` })) };
  if (n % 3 === 1) return { add: [{ id: `${batch}.1`, text: `honey of batch ${batch}` }] };
  return { remove: [`${batch}.2`, `${Math.max(0, batch - 5)}.0`] };
}

/** Texts by id after so many steps, sorted, as JSON. */
function stateAfter() {
  const states = [{}];
  return (n) => {
    for (let at = states.length; at <= n; at++) {
      const { add = [], remove = [] } = step(at - 1);
      const next = { ...states[at - 1] };
      for (const { id, text } of add) next[id] = text;
      for (const id of remove) delete next[id];
      states.push(next);
    }
    return sorted(states[n]);
  };
}
const sorted = (texts) => JSON.stringify(Object.entries(texts).sort());

/**
 * Runs in a page: opens the index, in a worker of its own, and says all that is in it and what lay beside it. The full check is
 * of what lies there once it is open: it has been tidied up by then, and nobody writes.
 */
async function begin({ name, place, script, most }) {
  // What a worker that has just ended was writing may not be there to be read.
  const found = await storedFiles(place, name).catch(() => new Map());
  const { torn, unnamed, manifest } = await fullCheck(found);
  const number = (file) => Number(/[0-9]+/.exec(file)[0]);
  const lines = (file) => new TextDecoder().decode(found.get(file)).split('\n').length - 1;
  // Only compaction removes segments, and only it writes more documents than a step has.
  const ofCompaction = (file) => number(file) < manifest?.next_segment || (file.startsWith('documents-') && lines(file) > most);
  window.engine = new Worker(script, { type: 'module' });
  window.index = await createIndex({ model: await model({ worker: engine }), name });
  const hits = index.size > 0 ? await index.search('honey', { topK: index.size }) : [];
  const stored = await fullCheck(await storedFiles(place, name));
  return {
    left: { files: unnamed.length, torn, ofCompaction: unnamed.some(ofCompaction) },
    stored: { faults: stored.faults, checked: stored.checked, segments: stored.manifest?.segments.map((segment) => segment.number) },
    persisted: index.persisted, warning: index.warning,
    texts: Object.fromEntries(index.ids().map((id) => [id, index.get(id).text])),
    hits: hits.map(({ id, score, document }) => ({ id, score, text: document.text })),
  };
}

/**
 * Runs in a page: writes step after step, and comes back when the writer is to be killed: when `whole` steps are stored, and
 * the next has had `part` of the milliseconds that a step takes, as far as that is known. A worker it kills itself.
 */
async function write({ steps, first, whole, part, pace, kills }) {
  let [done, told] = [first, () => {}];
  const enough = new Promise((resolve) => { told = resolve; });
  const began = performance.now();
  const writing = (async () => {
    for (const [at, { add, remove }] of steps.entries()) {
      if (at === whole) told(at > 0 ? (performance.now() - began) / at : pace);
      await (add ? index.add(add) : index.remove(remove));
      done++;
      if (!kills) void tell(done);
    }
    throw new Error('it was not killed in time');
  })();
  const took = await Promise.race([writing, enough]);
  await Promise.race([writing, new Promise((resolve) => setTimeout(resolve, part * took))]);
  if (kills) engine.terminate();
  return { done, pace: took };
}

/** One index from its first writer to its last. */
async function lane(context, number, [place, tabs], counts) {
  let seed = (SEED * 31 + number * 7 + 1) % 2147483647;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  const [name, script, state, scores] = [`lane-${number}`, SCRIPTS[place], stateAfter(), new Map()];
  let done = 0;
  let unheard = 0;
  let pace = 50;
  let segments = [];

  const check = (found) => {
    const where = `seed ${SEED}, ${name}, ${done} steps told`;
    expect(found, where).toMatchObject({ persisted: place, warning: undefined, stored: { faults: [] } });
    counts.checked += found.stored.checked;
    const texts = sorted(found.texts);
    const now = Array.from({ length: unheard + 2 }, (_, more) => done + more).find((n) => state(n) === texts);
    expect(now, `${where}: ${texts}`).toBeDefined();
    // Its vectors are all there, and are those of these texts.
    expect(sorted(Object.fromEntries(found.hits.map(({ id, text }) => [id, text]))), where).toBe(texts);
    for (const { text, score } of found.hits) {
      if (!scores.has(text)) scores.set(text, score);
      expect(score, `${where}: ${text}`).toBe(scores.get(text));
    }
    counts.within += found.left.files > 0 ? 1 : 0;
    counts.torn += found.left.torn;
    counts.compacting += found.left.ofCompaction ? 1 : 0;
    counts.compacted[number] += segments.some((segment) => !found.stored.segments.includes(segment)) ? 1 : 0;
    segments = found.stored.segments;
    counts.ahead += now - done;
    done = now;
  };
  const moment = (kills) => ({
    steps: Array.from({ length: 400 }, (_, at) => step(done + at)), first: done, whole: Math.floor(random() * STEPS), part: random(), pace, kills,
  });

  for (let life = 0; life <= tabs; life++) {
    const page = await context.newPage();
    page.on('pageerror', (error) => counts.errors.push(String(error)));
    await visit(page, server);
    check(await page.evaluate(begin, { name, place, script, most: BATCH }));
    if (life === tabs) {
      await page.close();
      break;
    }
    for (let kill = 0; kill < WORKERS; kill++) {
      ({ done, pace } = await page.evaluate(write, moment(true)));
      [unheard, counts.kills] = [0, counts.kills + 1];
      check(await page.evaluate(begin, { name, place, script, most: BATCH }));
    }
    const crash = new Promise((resolve) => page.once('crash', resolve));
    await page.exposeFunction('tell', (n) => { done = n; });
    const session = await context.newCDPSession(page);
    await page.evaluate(write, moment(false));
    session.send('Page.crash').catch(() => {});
    await crash;
    await page.close();
    [unheard, counts.kills, counts.tabs] = [UNHEARD, counts.kills + 1, counts.tabs + 1];
  }
  return done;
}

test(`${TABS * (WORKERS + 1)} kills: all that was told is there, and what was under way whole or not at all`, async () => {
  const { context, errors, page } = await open(browser);
  context.setDefaultTimeout(600_000);
  await page.close();
  const counts = { kills: 0, tabs: 0, within: 0, torn: 0, ahead: 0, compacting: 0, compacted: LANES.map(() => 0), checked: 0, errors };
  console.log(`seed ${SEED}`);
  const began = Date.now();
  const done = await Promise.all(LANES.map((of, number) => lane(context, number, of, counts)));
  console.log(
    `seed ${SEED}: ${counts.kills} kills, ${counts.tabs} of them of a tab's process, in ${Math.round((Date.now() - began) / 1000)} s; ` +
    `${done.join(' + ')} steps stored; ${counts.within} kills before a segment had its manifest or before what it replaced was removed, ` +
    `${counts.torn} within a manifest, ${counts.ahead} steps stored and not told; ${counts.compacted.join(' + ')} times there was a ` +
    `compaction between two kills, and ${counts.compacting} kills were within one; ${counts.checked} files had their sums`,
  );
  await context.close();
  expect(counts.errors).toEqual([]);
  expect(counts).toMatchObject({ tabs: TABS, kills: TABS * (WORKERS + 1) });
  expect(counts.within, 'kills within a commit').toBeGreaterThan(0);
  for (const [number, [place, tabs]] of LANES.entries()) {
    expect(done[number], place).toBeGreaterThan(4 * tabs);
    expect(counts.compacted[number], `compactions, ${place}`).toBeGreaterThan(0);
  }
  expect(counts.checked).toBeGreaterThan(counts.kills);
}, TABS * 36_000);

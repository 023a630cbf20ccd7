// Indexes that the browser keeps: what was told to be stored is there at the next visit, whatever happened in between.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { launch, open } from './chromium.mjs';
import { serveIndexPages, visit } from './index-page.mjs';

let server, browser, context, page, errors;

beforeAll(async () => {
  server = await serveIndexPages();
  browser = await launch({ webgpu: false });
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});
// Each test has a profile, and thereby storage, of its own.
beforeEach(async () => {
  ({ page, errors, context } = await open(browser));
  await visit(page, server);
});
afterEach(async () => {
  await context.close();
  expect(errors).toEqual([]);
});

/** Another tab of the same profile. */
async function tab() {
  const other = await context.newPage();
  await visit(other, server);
  return other;
}

describe('at the next visit', () => {
  test('all is there that was added, and nothing that was removed', async () => {
    const before = await page.evaluate(async () => {
      const index = await createIndex({ model: await model(), name: 'My notes' });
      const { persisted, warning } = index;
      await index.add(documents('a', 'b', 'c'));
      await index.add('without a name');
      await index.add({ id: 'b', text: 'what b says now', metadata: { pages: [1, { deep: null }], ü: 'é' } });
      await index.remove('a');
      return { persisted, warning, ids: index.ids(), hits: await index.search('honey', { topK: 9 }) };
    });
    expect(before).toMatchObject({ persisted: 'opfs', warning: undefined, ids: ['c', '0', 'b'] });
    await visit(page, server);
    const after = await page.evaluate(async () => {
      const index = await createIndex({ model: await model(), name: 'My notes' });
      const found = { persisted: index.persisted, ids: index.ids(), hits: await index.search('honey', { topK: 9 }), b: index.get('b') };
      return { ...found, added: await index.add('another without'), listed: await listIndexes() };
    });
    expect(after).toMatchObject({ persisted: 'opfs', ids: before.ids, hits: before.hits, added: ['1'] });
    expect(after.b).toEqual({ id: 'b', text: 'what b says now', metadata: { pages: [1, { deep: null }], ü: 'é' } });
    expect(after.listed).toEqual([{ name: 'My notes', persisted: 'opfs' }]);
  });

  test('indexes are apart from each other, listed, and deleted whole', async () => {
    const found = await page.evaluate(async () => {
      const loaded = await model();
      const names = ['notes', 'Notes', '日本 notes'];
      const opened = [];
      for (const name of names) {
        const index = await createIndex({ model: loaded, name });
        await index.add({ id: name, text: 'bees' });
        opened.push(index);
      }
      const locked = await told(() => deleteIndex('Notes'));
      for (const index of opened) index.dispose();
      const listed = (await listIndexes()).map(({ name }) => name);
      const deleted = [await deleteIndex('Notes'), await deleteIndex('Notes'), await deleteIndex('never')];
      const left = (await listIndexes()).map(({ name }) => name);
      const again = await createIndex({ model: loaded, name: 'Notes' });
      const other = await createIndex({ model: loaded, name: 'notes' });
      return { locked, listed, deleted, left, sizes: [again.size, other.size], ids: other.ids() };
    });
    expect(found).toMatchObject({
      locked: { code: 'locked', ours: true },
      listed: ['Notes', 'notes', '日本 notes'], deleted: [true, false, false], left: ['notes', '日本 notes'],
      sizes: [0, 1], ids: ['notes'],
    });
  });

  test('a model that is disposed of closes its indexes, and they open again', async () => {
    const found = await page.evaluate(async () => {
      const first = await model();
      const index = await createIndex({ model: first, name: 'notes' });
      await index.add(documents('a'));
      first.dispose();
      const late = await told(() => index.add('late'));
      const inThisThread = await model({ worker: false });
      const again = await createIndex({ model: inThisThread, name: 'notes' });
      await again.add(documents('b'));
      inThisThread.dispose();
      const last = await createIndex({ model: await model(), name: 'notes' });
      return { late, persisted: again.persisted, ids: last.ids() };
    });
    expect(found).toMatchObject({ late: { code: 'disposed' }, persisted: 'opfs', ids: ['a', 'b'] });
  });

  test('another model or other settings are an error that says what to do, and nothing changes', async () => {
    const found = await page.evaluate(async () => {
      const loaded = await model();
      const index = await createIndex({ model: loaded, name: 'notes' });
      await index.add(documents('a'));
      index.dispose();
      const errors = [];
      for (const options of [{ metric: 'dot' }, { storage: 'int8' }, { pooling: 'max' }]) {
        errors.push(await told(() => createIndex({ model: loaded, name: 'notes', ...options })));
      }
      errors.push(await told(async () => createIndex({ model: await model({}, 'bert-e5'), name: 'notes' })));
      return { errors, ids: (await createIndex({ model: loaded, name: 'notes' })).ids() };
    });
    for (const error of found.errors) expect(error).toMatchObject({ code: 'invalid_input', ours: true, message: expect.stringMatching(/was made with .*open it with those, or index the documents again/) });
    expect(found.ids).toEqual(['a']);
  });
});

describe('two tabs', () => {
  test('one has the index; the other is told what to do, and gets it when the first lets go', async () => {
    const other = await tab();
    await page.evaluate(async () => {
      window.index = await createIndex({ model: await model(), name: 'notes' });
      await index.add(documents('a'));
    });
    const refused = await other.evaluate(async () => {
      window.loaded = await model();
      return { error: await told(() => createIndex({ model: loaded, name: 'notes' })), deleting: await told(() => deleteIndex('notes')) };
    });
    const locked = { code: 'locked', ours: true, message: expect.stringMatching(/^the index 'notes' is open already.*close that tab$/) };
    expect(refused).toEqual({ error: locked, deleting: locked });
    await page.evaluate(() => index.add(documents('b')).then(() => index.dispose()));
    const ids = await other.evaluate(async () => {
      window.index = await createIndex({ model: loaded, name: 'notes' });
      return index.ids();
    });
    expect(ids).toEqual(['a', 'b']);
    // A tab that is closed has let go, too.
    await other.close();
    expect(await page.evaluate(async () => (await createIndex({ model: await model(), name: 'notes' })).ids())).toEqual(['a', 'b']);
  });
});

describe('an add that is aborted', () => {
  test('leaves the stored index as it was, with what it would have replaced', async () => {
    const found = await page.evaluate(async () => {
      const loaded = await model();
      let index = await createIndex({ model: loaded, name: 'notes' });
      await index.add({ id: 'd1', text: 'what it said before' });
      const controller = new AbortController();
      const many = Array.from({ length: 2000 }, (_, i) => ({ id: `d${i}`, text: `the bees find honey ${i}` }));
      const onProgress = ({ stage, loaded }) => stage === 'index' && loaded > 200 && controller.abort('changed my mind');
      const error = await index.add(many, { signal: controller.signal, onProgress }).catch(({ code, cause }) => ({ code, cause }));
      const waiting = new AbortController();
      const running = index.add(documents('x'));
      const behind = told(() => index.add(documents('y'), { signal: waiting.signal }));
      waiting.abort();
      await running;
      const hits = await index.search('honey', { topK: 9 });
      const before = { ids: index.ids(), hits: hits.map(({ id }) => id).sort() };
      index.dispose();
      index = await createIndex({ model: loaded, name: 'notes' });
      return { error, behind: await behind, before, after: index.ids(), text: index.get('d1').text };
    });
    expect(found).toEqual({
      error: { code: 'aborted', cause: 'changed my mind' },
      behind: { code: 'aborted', message: 'aborted by the caller', ours: true },
      before: { ids: ['d1', 'x'], hits: ['d1', 'x'] }, after: ['d1', 'x'], text: 'what it said before',
    });
  });
});

describe('where the browser keeps less', () => {
  const kept = async (worker) => {
    const found = await page.evaluate(async (worker) => {
      const index = await createIndex({ model: await model({ worker: new URL(worker, location.href) }), name: 'notes' });
      await index.add(documents('a', 'b'));
      await index.remove('a');
      return { persisted: index.persisted, warning: index.warning };
    }, worker);
    await visit(page, server);
    const ids = await page.evaluate(async (worker) => {
      const index = await createIndex({ model: await model({ worker: new URL(worker, location.href) }), name: 'notes' });
      return [index.persisted, ...index.ids()];
    }, worker);
    await visit(page, server);
    return { ...found, ids };
  };

  test('OPFS that throws, as in private windows: IndexedDB', async () => {
    expect(await kept('/no-opfs-worker.js')).toEqual({ persisted: 'indexeddb', warning: undefined, ids: ['indexeddb', 'b'] });
    // Also for a browser in which it does not throw any more.
    const found = await page.evaluate(async () => {
      const index = await createIndex({ model: await model(), name: 'notes' });
      const listed = await listIndexes();
      const { persisted } = index;
      index.dispose();
      return { persisted, listed, deleted: await deleteIndex('notes'), left: await listIndexes() };
    });
    expect(found).toMatchObject({ persisted: 'indexeddb', listed: [{ name: 'notes', persisted: 'indexeddb' }], deleted: true, left: [] });
  });

  test('files that cannot be written: IndexedDB', async () => {
    expect(await kept('/no-writing-worker.js')).toMatchObject({ persisted: 'indexeddb', ids: ['indexeddb', 'b'] });
  });

  test('files that can be written only by streams: OPFS', async () => {
    expect(await kept('/streams-only-worker.js')).toMatchObject({ persisted: 'opfs', ids: ['opfs', 'b'] });
  });

  test('nothing that keeps anything, and no locks: memory, with a warning', async () => {
    const warnings = [];
    page.on('console', (message) => message.type() === 'warning' && warnings.push(message.text()));
    expect(await kept('/nothing-worker.js')).toEqual({
      persisted: 'memory', ids: ['memory'],
      warning: expect.stringMatching(/^the index 'notes' is in memory only.*opfs: SecurityError: private; indexeddb: InvalidStateError: private/),
    });
    expect(await kept('/no-locks-worker.js')).toMatchObject({ persisted: 'memory', warning: expect.stringMatching(/Web Locks: .*https/) });
    expect(warnings).toContainEqual(expect.stringMatching(/^heatseek: the index 'notes' is in memory only/));
  });

  test('no room: the index goes on in memory and says so, and all is stored when there is room again', async () => {
    const session = await context.newCDPSession(page);
    const quota = (bytes) => session.send('Storage.overrideQuotaForOrigin', { origin: server.origin, ...(bytes && { quotaSize: bytes }) });
    await page.evaluate(async () => {
      window.index = await createIndex({ model: await model(), name: 'notes' });
      await index.add(documents('a'));
    });
    await quota(20_000);
    const full = await page.evaluate(async () => {
      await index.add({ id: 'long', text: 'bees and honey '.repeat(20_000) }, { chunk: false });
      const hits = await index.search('honey', { topK: 9 });
      return { persisted: index.persisted, warning: index.warning, ids: index.ids(), hits: hits.length };
    });
    expect(full).toMatchObject({
      persisted: 'memory', ids: ['a', 'long'], hits: 2,
      warning: expect.stringMatching(/^the index 'notes' is in memory only.*QuotaExceededError.*what was stored before is still there/),
    });
    await quota();
    const again = await page.evaluate(async () => {
      await index.add(documents('b'));
      return { persisted: index.persisted, warning: index.warning };
    });
    expect(again).toEqual({ persisted: 'opfs', warning: undefined });
    await visit(page, server);
    expect(await page.evaluate(async () => (await createIndex({ model: await model(), name: 'notes' })).ids())).toEqual(['a', 'long', 'b']);
  });
});

describe('files that are damaged', () => {
  /** Cuts the end off the newest files of an index whose names begin so. */
  const cut = (start, bytes) => page.evaluate(async ({ start, bytes }) => {
    let folder = await navigator.storage.getDirectory();
    for (const name of ['heatseek', 'indexes', 'notes']) folder = await folder.getDirectoryHandle(name);
    const names = [];
    for await (const name of folder.keys()) if (name.startsWith(start)) names.push(name);
    const handle = await folder.getFileHandle(names.sort().at(-1));
    const stream = await handle.createWritable({ keepExistingData: true });
    await stream.truncate(Math.max(0, (await handle.getFile()).size - bytes));
    await stream.close();
  }, { start, bytes });

  test('of the last change: an error that says what is lost, or the index as it was before, if asked for; of all: an error that says which', async () => {
    const warnings = [];
    page.on('console', (message) => message.type() === 'warning' && warnings.push(message.text()));
    await page.evaluate(async () => {
      window.loaded = await model();
      const index = await createIndex({ model: loaded, name: 'notes' });
      await index.add(documents('a'));
      await index.add(documents('b'));
      index.dispose();
    });
    await cut('documents-', 3);
    const refused = () => page.evaluate(() => told(() => createIndex({ model: loaded, name: 'notes' })));
    const lost = /documents-.*lost with it: 1 added, 0 removed/;
    expect(await refused()).toMatchObject({ code: 'index_invalid', ours: true, message: expect.stringMatching(lost) });
    expect((await refused()).message).toMatch(/restore its files, or open it with `recover`/);
    expect(warnings).toEqual([]);
    const found = await page.evaluate(async () => {
      // Its files stay until something else is stored.
      (await createIndex({ model: loaded, name: 'notes', recover: true })).dispose();
      const still = await told(() => createIndex({ model: loaded, name: 'notes' }));
      const index = await createIndex({ model: loaded, name: 'notes', recover: true });
      const before = index.ids();
      await index.add(documents('c'));
      const { lost } = index;
      index.dispose();
      const again = await createIndex({ model: loaded, name: 'notes' });
      const after = { ids: again.ids(), lost: again.lost };
      again.dispose();
      return { still: still.code, before, lost, after };
    });
    expect(found).toEqual({ still: 'index_invalid', before: ['a'], lost: [expect.stringMatching(lost)], after: { ids: ['a', 'c'], lost: [] } });
    expect(warnings).toContainEqual(expect.stringMatching(/^heatseek: the index 'notes' is as it was before its last change \(.*documents-/));
    await cut('manifest-a', 1e9);
    await cut('manifest-b', 1e9);
    const error = await page.evaluate(() => told(() => createIndex({ model: loaded, name: 'notes' })));
    expect(error).toMatchObject({ code: 'index_invalid', ours: true, message: expect.stringMatching(/no manifest of this index can be used/) });
    // It can be deleted, and made anew.
    expect(await page.evaluate(async () => [await deleteIndex('notes'), (await createIndex({ model: loaded, name: 'notes' })).size])).toEqual([true, 0]);
  });

  test('of a byte, which only sums tell: with `verify` an error that says which file', async () => {
    await page.evaluate(async () => {
      window.loaded = await model();
      const index = await createIndex({ model: loaded, name: 'verified' });
      await index.add(documents('a'));
      index.dispose();
      const whole = await createIndex({ model: loaded, name: 'verified', verify: true });
      whole.dispose();
      let folder = await navigator.storage.getDirectory();
      for (const part of ['heatseek', 'indexes', 'verified']) folder = await folder.getDirectoryHandle(part);
      const handle = await folder.getFileHandle('vectors-00000001.safetensors');
      const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
      bytes[bytes.length - 1] ^= 1;
      const stream = await handle.createWritable();
      await stream.write(bytes);
      await stream.close();
    });
    const opened = (options) => page.evaluate((options) => told(async () => (await createIndex({ model: loaded, name: 'verified', ...options })).dispose()), options);
    expect(await opened({})).toBeUndefined();
    const expected = { code: 'index_invalid', ours: true, message: expect.stringMatching(/vectors-00000001\.safetensors: expected the SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}/) };
    expect(await opened({ verify: true })).toMatchObject(expected);
  });
});

describe('a file system whose power fails', () => {
  beforeEach(() => page.evaluate(async () => {
    window.FileSystemFileHandle = FakeFile;
    Object.defineProperty(window, 'indexedDB', { value: undefined });
    StorageManager.prototype.getDirectory = async () => root;
    window.loaded = await model({ worker: false });
  }));

  test('while small files are written anew as fewer: the index opens with all that was in it', async () => {
    const found = await page.evaluate(async () => {
      window.root = new FakeFolder(new Faults());
      const names = async () => {
        let folder = root;
        for (const name of ['heatseek', 'indexes', 'notes']) folder = await folder.getDirectoryHandle(name);
        return [...folder.entriesByName.keys()];
      };
      let index = await createIndex({ model: loaded, name: 'notes' });
      const many = [];
      let base = root;
      while (!many.length || (await names()).length > many.at(-1)) {
        if (many.length > 40) throw new Error(`${many.at(-1)} files, and none written anew`);
        many.push((await names()).length);
        base = root.copy(new Faults());
        await index.add(documents(`d${many.length}`));
      }
      const [whole, fewer] = [index.ids(), (await names()).length];
      index.dispose();
      const states = [];
      for (let left = 0; ; left++) {
        const faults = Object.assign(new Faults(), { left });
        window.root = base.copy(faults);
        index = await createIndex({ model: loaded, name: 'notes' });
        await index.add(documents(whole.at(-1)));
        const told = index.persisted === 'opfs';
        index.dispose();
        window.root = root.copy(new Faults());
        index = await createIndex({ model: loaded, name: 'notes' });
        states.push({ left, told, ids: index.ids(), files: (await names()).length, hits: (await index.search('honey', { topK: 99 })).length });
        index.dispose();
        if (faults.left >= 0) return { many, fewer, whole, states };
        if (left > 300) throw new Error('no end');
      }
    });
    expect(found.fewer).toBeLessThan(found.many.at(-1));
    for (const { left, told, ids, hits } of found.states) {
      expect([found.whole, found.whole.slice(0, -1)], `after ${left} steps`).toContainEqual(ids);
      if (told) expect(ids).toEqual(found.whole);
      expect(hits).toBe(ids.length);
    }
    const told = found.states.filter(({ told }) => told);
    // Power that fails when all is stored costs nothing.
    expect(told.length).toBeGreaterThan(5);
    expect(found.states.at(-1).files).toBe(found.fewer);
    console.log(`files ${found.many.join(' ')}, then ${found.fewer}; cut off after each of ${found.states.length} steps`);
  });

  test('after every step of several changes: the index opens, with all that was told', async () => {
    const found = await page.evaluate(async () => {
      const changes = [
        (index) => index.add(documents('a', 'b')),
        (index) => index.add(documents('c')),
        (index) => index.add({ id: 'a', text: 'what a says now' }),
        (index) => index.remove('b'),
      ];
      const wanted = ['', 'a,b', 'a,b,c', 'b,c,a', 'c,a'];
      const outcomes = [];
      for (let left = 0; ; left++) {
        const faults = Object.assign(new Faults(), { left });
        window.root = new FakeFolder(faults);
        let index = await createIndex({ model: loaded, name: 'notes' });
        let done = index.persisted === 'opfs' ? 0 : -1;
        for (const change of done < 0 ? [] : changes) {
          await change(index);
          if (index.persisted !== 'opfs') break;
          done++;
        }
        index.dispose();
        window.root = root.copy(new Faults());
        index = await createIndex({ model: loaded, name: 'notes' });
        const ids = index.ids().join();
        const [{ id } = {}] = index.size > 0 ? await index.search('what a says now', { topK: 1 }) : [];
        outcomes.push({ left, done, state: wanted.indexOf(ids), ids, persisted: index.persisted, best: id, text: index.get('a')?.text });
        index.dispose();
        if (done === changes.length) return outcomes;
        if (left > 200) throw new Error('no end');
      }
    });
    for (const outcome of found) {
      expect(outcome.persisted, JSON.stringify(outcome)).toBe('opfs');
      expect(outcome.state, JSON.stringify(outcome)).toBeGreaterThanOrEqual(Math.max(0, outcome.done));
      expect(outcome.state, JSON.stringify(outcome)).toBeLessThanOrEqual(outcome.done + 1);
      if (outcome.state >= 3) expect(outcome).toMatchObject({ best: 'a', text: 'what a says now' });
    }
    expect(new Set(found.map(({ state }) => state))).toEqual(new Set([0, 1, 2, 3, 4]));
    console.log(`cut off after each of ${found.length} steps`);
  });
});

// tour.js PLACES: every way in, or those of `ways`, with a small model; prints what came of each as JSON.
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { Worker } from 'node:worker_threads';
import { createIndex, deleteIndex, isCached, listCached, listIndexes, load } from 'heatseek';

const { relative, url, remote, hub, id, text, ways } = JSON.parse(process.argv[2]);
const told = async (work) => {
  try {
    await work();
  } catch ({ name, code, message }) {
    return { name, code, message };
  }
  return undefined;
};
const vector = async (model, options) => {
  const loaded = await load(model, options);
  const { data } = await loaded.embed(text);
  loaded.dispose();
  return [...data];
};

const files = {};
for (const path of ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'modules.json', 'sentence_bert_config.json', '1_Pooling/config.json', 'config_sentence_transformers.json', 'model.safetensors']) {
  files[path] = await readFile(new URL(path, url));
}
/** The first of many, which engines share where threads cannot. */
const first = async (options) => {
  const loaded = await load(relative, options);
  const { data, shape } = await loaded.embed(Array.from({ length: 40 }, () => text));
  loaded.dispose();
  return [...data.subarray(0, shape[1])];
};
const own = new Worker(new URL(import.meta.resolve('heatseek/worker')));
const all = {
  relative: () => vector(relative),
  url: () => vector(new URL(url)),
  bytes: () => vector(files),
  remote: () => vector(remote),
  hub: () => vector(id, { hub }),
  inThisThread: () => vector(relative, { worker: false }),
  ownWorker: () => vector(relative, { worker: own }),
  workerUrl: () => vector(relative, { worker: new URL(import.meta.resolve('heatseek/worker')) }),
  shared: () => first({ threads: 2 }),
  ownFetch: () => vector(remote, { fetch, cache: false }),
};
const vectors = {};
for (const way of ways ?? Object.keys(all)) vectors[way] = await all[way]();
await own.terminate();

const model = await load(relative);
const index = await createIndex({ model, name: 'notes' });
const opened = { size: index.size, persisted: index.persisted };
await index.add({ id: text, text });
const locked = await told(() => createIndex({ model, name: 'notes' }));
const indexes = await listIndexes();
model.dispose();
// The thread that had it has ended, and whoever comes next gets it.
const again = await load(relative);
const reopened = await createIndex({ model: again, name: 'notes' });
const [hit] = await reopened.search(text, { topK: 1 });
reopened.dispose();
const deleted = [await deleteIndex('notes'), await deleteIndex('notes'), (await listIndexes()).length];
again.dispose();

console.log(JSON.stringify({
  vectors, opened, locked, indexes, hit: hit.id, deleted,
  cached: (await listCached()).map((entry) => [entry.url, entry.complete, entry.files.length]),
  isCached: [await isCached(id, { hub }), await isCached('owner/other', { hub })],
  missing: await told(() => load('./no such folder')),
  gpu: await told(() => load(relative, { device: 'gpu' })),
  blocked: await told(() => load(relative, { worker: {} })),
  beginsAgain: (await vector(relative)).length,
}));

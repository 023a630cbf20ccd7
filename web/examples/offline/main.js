// An app that works without a network: its files are kept by sw.js, the model and the index by the package.
import { createIndex, isCached, listCached, load } from 'heatseek';

// A folder of the site, or 'sentence-transformers/all-MiniLM-L6-v2' to have it from Hugging Face.
const MODEL = '../../../models/all-MiniLM-L6-v2/';

const query = document.querySelector('input');
const status = document.querySelector('output');
const list = document.querySelector('ol');
const kept = document.querySelector('small');

await navigator.serviceWorker.register('sw.js');

const known = await isCached(MODEL);
status.value = known ? 'Loading what is kept…' : 'Fetching the model, for this time and all others…';
const model = await load(MODEL, {
  worker: new URL('worker.js', import.meta.url),
  onProgress({ stage, loaded, total }) {
    if (stage === 'download' && !known) status.value = `Fetching the model: ${Math.round((100 * loaded) / total)} %`;
  },
});
const index = await createIndex({ model, name: 'example-knots' });
// The first time only: the index is kept too.
if (index.size === 0) await index.add(await (await fetch('knots.json')).json());

// Both must be: the app's files, and the model's.
await navigator.serviceWorker.ready;
const ready = await isCached(MODEL);
const bytes = (await listCached()).reduce((sum, model) => sum + model.bytes, 0);
status.value = ready ? 'Ready, with or without a network.' : 'Ready, but it needs the network the next time too.';
kept.textContent = `${Math.round(bytes / 1e6)} MB of models are kept in this browser.${model.warnings.map((warning) => ` ${warning}`).join('')}`;

async function show() {
  const text = query.value.trim();
  const hits = text === ''
    ? index.ids().map((id) => ({ document: index.get(id) }))
    : await index.search(text, { topK: 3, perDocument: 1 });
  list.replaceChildren(...hits.map(({ document: { id, text: what } }) => {
    const li = document.createElement('li');
    const heading = document.createElement('h2');
    const p = document.createElement('p');
    heading.textContent = id;
    p.textContent = what;
    li.append(heading, p);
    return li;
  }));
}
query.onchange = show;
await show();

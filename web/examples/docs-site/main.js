// Search for a documentation site without a server: the index is a file of the site, made when the site is built.
import { createIndex, load } from 'heatseek';

// A folder of the site, or 'sentence-transformers/all-MiniLM-L6-v2' to have it from Hugging Face.
const MODEL = '../../../models/all-MiniLM-L6-v2/';

const query = document.querySelector('input');
const status = document.querySelector('output');
const list = document.querySelector('ol');

/** The model and the index. Readers who search nothing download nothing. */
let ready;
const start = () => (ready ??= open().catch((error) => {
  ready = undefined;
  throw error;
}));

async function open() {
  const response = await fetch('docs.heatseek');
  if (!response.ok) throw new Error('docs.heatseek is not there: run `node build-index.mjs` first');
  const from = await response.blob();
  const model = await load(MODEL, {
    onProgress({ stage, loaded, total }) {
      if (stage === 'download') status.value = `Fetching the model, once: ${Math.round((100 * loaded) / total)} %`;
    },
  });
  // `storage` as in build-index.mjs: an index is opened with what it was made with.
  return createIndex({ model, from, storage: 'int8' });
}

let latest = 0;

async function search() {
  const mine = ++latest;
  const text = query.value.trim();
  try {
    if (text === '') return list.replaceChildren();
    const index = await start();
    // Words count too: readers look for options and error messages by name. By scores, not by ranks, for there are few
    // sections: one that shares an `in` with the question would rank well.
    const hits = await index.search(text, { topK: 5, perDocument: 1, hybrid: { weight: 0.3, fusion: 'scores' } });
    if (mine !== latest) return;
    status.value = '';
    list.replaceChildren(...hits.map(item));
  } catch (error) {
    status.value = error.message;
  }
}

function item({ document: { metadata }, chunk }) {
  const li = document.createElement('li');
  const heading = document.createElement('h2');
  const link = document.createElement('a');
  const p = document.createElement('p');
  link.href = metadata.url;
  link.textContent = metadata.title;
  p.textContent = chunk.text.replace(/^#+ .*\n+/, '');
  heading.append(link);
  li.append(heading, p);
  return li;
}

query.onfocus = () => start().then(() => (status.value = ''), (error) => (status.value = error.message));
query.oninput = search;

// Notes that are found by what they mean, while you type. They stay in this browser.
import { createIndex, load } from 'heatseek';

// A folder beside the page, or 'sentence-transformers/all-MiniLM-L6-v2' to have it from Hugging Face.
const MODEL = '../../../models/all-MiniLM-L6-v2/';

// Words count too, by their scores: few notes, and each would rank well by some word or other.
/** @type {import('heatseek').HybridOptions} */
const WORDS = { weight: 0.3, fusion: 'scores' };

const form = document.querySelector('form');
const note = document.querySelector('textarea');
const query = document.querySelector('input');
const status = document.querySelector('output');
const list = document.querySelector('ol');

const model = await load(MODEL, {
  onProgress({ stage, loaded, total }) {
    if (stage === 'download') status.value = `Fetching the model: ${Math.round((100 * loaded) / total)} %`;
  },
});
// Opened if this browser has it, made if not.
const index = await createIndex({ model, name: 'example-notes' });

let asked = new AbortController();

/** What is there, the newest first; or what answers the query, the best first. */
async function show() {
  // An answer to what was typed before is not wanted any more.
  asked.abort();
  asked = new AbortController();
  const { signal } = asked;
  const text = query.value.trim();
  try {
    const found = text === ''
      ? index.ids().reverse().map((id) => ({ id, score: undefined, document: index.get(id) }))
      : await index.search(text, { topK: 10, perDocument: 1, hybrid: WORDS, signal });
    if (signal.aborted) return;
    list.replaceChildren(...found.map(({ id, document }) => item(id, document)));
    status.value = `${text === '' ? '' : `${found.length} of `}${index.size} notes`;
  } catch (error) {
    if (error.code !== 'aborted') status.value = error.message;
  }
}

function item(id, { text, metadata }) {
  const li = document.createElement('li');
  const p = document.createElement('p');
  const when = document.createElement('small');
  const remove = document.createElement('button');
  p.textContent = text;
  when.textContent = `${new Date(metadata.kept).toLocaleString()} `;
  remove.textContent = 'Delete';
  remove.onclick = async () => {
    await index.remove(id);
    await show();
  };
  li.append(p, when, remove);
  return li;
}

form.onsubmit = async (event) => {
  event.preventDefault();
  const text = note.value.trim();
  if (text === '') return;
  note.value = '';
  // On the disk when it resolves.
  await index.add({ id: crypto.randomUUID(), text, metadata: { kept: new Date().toISOString() } });
  await show();
};
query.oninput = show;
await show();
if (index.warning) status.value = index.warning;

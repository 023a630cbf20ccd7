// A folder of Markdown notes, searched by meaning; brought up to date by what has changed since.
import { createIndex, load } from 'heatseek';

// A folder beside the page, or 'sentence-transformers/all-MiniLM-L6-v2' to have it from Hugging Face.
const MODEL = '../../../models/all-MiniLM-L6-v2/';

// Words count too, as names in notes do.
/** @type {import('heatseek').HybridOptions} */
const WORDS = { weight: 0.3, fusion: 'scores' };

/** @typedef {{ path: string, file: File }} Note */

const choose = document.querySelector('button');
/** @type {HTMLInputElement} */
const picker = document.querySelector('input[type=file]');
const form = document.querySelector('form');
const status = document.querySelector('output');
const list = document.querySelector('ol');
/** @type {HTMLSelectElement[]} */
const [folders, tags] = [...form.querySelectorAll('select')];

const model = await load(MODEL);
const index = await createIndex({ model, name: 'example-vault' });

/**
 * Every note of a folder that `showDirectoryPicker` gave.
 * @param {FileSystemDirectoryHandle} folder
 * @returns {AsyncGenerator<Note>}
 */
async function* notesOf(folder, path = '') {
  for await (const [name, handle] of folder.entries()) {
    // `.obsidian`, `.git`
    if (name.startsWith('.')) continue;
    if (handle.kind === 'directory') yield* notesOf(handle, `${path}${name}/`);
    else if (name.endsWith('.md')) yield { path: path + name, file: await handle.getFile() };
  }
}

/**
 * Every note of what `<input type=file webkitdirectory>` gave; paths from the folder that was chosen.
 * @param {FileList} files
 */
const notesIn = (files) => [...files]
  .map((file) => ({ path: file.webkitRelativePath.split('/').slice(1).join('/'), file }))
  .filter(({ path }) => path.endsWith('.md') && !/(^|\/)\./.test(path));

/** A note as a document: its text without the front matter, and what filters look at. */
function documentOf(path, whole, modified) {
  const [matter = '', front = ''] = /^---\r?\n(.*?)\n---\r?\n/s.exec(whole) ?? [];
  const text = whole.slice(matter.length);
  // `tags: [bees, bread]` of the front matter, and each #tag of the text.
  const [, listed = ''] = /^tags:\s*\[?(.*?)\]?\s*$/m.exec(front) ?? [];
  const inline = [...text.matchAll(/(?<=\s)#([\p{L}\p{N}_/-]+)/gu)].map(([, tag]) => tag);
  const tags = [...new Set([...listed.split(/[\s,]+/), ...inline])].filter((tag) => tag !== '');
  // All folders above it, so that a filter for one finds what is below it.
  const parts = path.split('/').slice(0, -1);
  const folders = parts.map((_, at) => parts.slice(0, at + 1).join('/'));
  return { id: path, text, metadata: { modified, tags, folders } };
}

/**
 * Brings the index up to date.
 * @param {Iterable<Note> | AsyncIterable<Note>} notes
 */
async function update(notes) {
  const gone = new Set(index.ids());
  const changed = [];
  for await (const { path, file } of notes) {
    gone.delete(path);
    const known = /** @type {{ modified: number } | undefined} */ (index.get(path)?.metadata);
    if (known?.modified !== file.lastModified) changed.push({ path, file });
  }
  const unchanged = index.size - gone.size - changed.filter(({ path }) => index.has(path)).length;
  // Some at a time: what was added is kept if the page is closed on the way, and the next time goes on from there.
  for (let at = 0; at < changed.length; at += 16) {
    status.value = `Reading ${at + 1} of ${changed.length}`;
    const some = changed.slice(at, at + 16);
    const documents = await Promise.all(some.map(async ({ path, file }) => documentOf(path, await file.text(), file.lastModified)));
    await index.add(documents, { chunk: { markdown: true } });
  }
  // Last, so that passages of a note that was moved are there to be taken over and need not be embedded again.
  await index.remove([...gone]);
  await offerFilters();
  status.value = `${changed.length} read, ${gone.size} gone, ${unchanged} unchanged`;
}

/** What there is to choose from, with how many notes each has. */
async function offerFilters() {
  const [byFolder, byTag] = await index.facets(['folders', 'tags']);
  const option = ({ value, count }) => new Option(`${value} (${count})`, String(value));
  folders.replaceChildren(new Option('all folders', ''), ...byFolder.values.map(option));
  tags.replaceChildren(new Option('all tags', ''), ...byTag.values.map(option));
}

async function search() {
  const query = String(new FormData(form).get('query')).trim();
  if (query === '') return list.replaceChildren();
  const filter = {
    ...(folders.value && { folders: folders.value }),
    ...(tags.value && { tags: tags.value }),
  };
  const hits = await index.search(query, { topK: 10, perDocument: 1, hybrid: WORDS, filter });
  list.replaceChildren(...hits.map(({ id, chunk }) => {
    const li = document.createElement('li');
    const heading = document.createElement('h2');
    const p = document.createElement('p');
    heading.textContent = id;
    p.textContent = chunk.text.trim();
    li.append(heading, p);
    return li;
  }));
}

const told = (work) => work.catch((error) => {
  if (error.name !== 'AbortError') status.value = error.message;
});
// Folders by handle where the browser has them: such a handle can be kept in IndexedDB and asked again the next time.
choose.onclick = () => ('showDirectoryPicker' in window
  ? told(showDirectoryPicker().then((folder) => update(notesOf(folder))))
  : picker.click());
picker.onchange = () => told(update(notesIn(picker.files)));
form.onchange = () => told(search());
form.onsubmit = (event) => event.preventDefault();

await offerFilters();
status.value = index.size === 0 ? 'Ready.' : `${index.size} notes from the last time`;

/** The collection in view: one button with its name, and behind it all others and what can be done with them. */

import { ARCHIVE } from '../collections/collections.ts';
import { cleanName, freeName } from '../collections/names.ts';
import { button, counted, el, say } from '../dom.ts';
import type { Engine } from '../engine.ts';
import { save } from '../export/files.ts';
import { shortcut } from '../finding/shortcuts.ts';
import { explain } from '../problems.ts';
import type { State, Store } from '../state.ts';
import { confirmed, showKeys } from './dialog.ts';
import '../collections.css';

export function collectionsView(store: Store, engine: Engine): HTMLElement {
  const { collections } = engine;
  const name = el('span');
  const toggle = el('button', { type: 'button', class: 'collection', 'aria-expanded': 'false', 'data-testid': 'collection' }, name);
  const others = el('div', { role: 'group', 'aria-label': 'Collections', 'data-testid': 'collection-list' });
  const full = el('div', { class: 'does' });
  const panel = el('div', { class: 'menu', hidden: true, 'data-testid': 'collection-menu' }, others, newForm(store, engine, () => open(false)), full);
  const view = el('div', { class: 'collections' }, el('h2', {}, toggle), panel);

  const open = (on: boolean): void => {
    panel.hidden = !on;
    toggle.setAttribute('aria-expanded', String(on));
    if (on) panel.querySelector('button')?.focus();
  };
  /** Does something and closes the menu. */
  const entry = (label: string, action: () => unknown, testid: string): HTMLButtonElement => button(label, () => {
    open(false);
    toggle.focus();
    void action();
  }, { class: 'entry', 'data-testid': testid });

  const archive = el('input', { type: 'file', accept: `${ARCHIVE},.safetensors`, class: 'visually-hidden', tabindex: -1, 'data-testid': 'import-input', 'aria-label': 'Collection to import' });
  archive.addEventListener('change', () => {
    const [file] = archive.files ?? [];
    archive.value = '';
    if (file) void collections.import(file);
  });
  const needText = [
    entry('Export as one file', () => exportAll(store, engine), 'export'),
    entry('Export the text as JSON lines', () => exportLines(store, engine), 'export-jsonl'),
    entry('Export the vectors for NumPy', () => exportVectors(store, engine), 'export-npy'),
    entry('Delete this collection…', () => deleteOne(store, engine), 'delete-collection'),
  ];
  full.append(
    entry('Import a collection…', () => archive.click(), 'import'), archive, ...needText,
    entry('Delete everything…', () => deleteAll(store, engine), 'delete-all'),
    entry('Keys', showKeys, 'show-keys'),
  );

  toggle.addEventListener('click', () => open(panel.hidden === true));
  shortcut('c', toggle, () => open(panel.hidden === true));
  shortcut('?', toggle, showKeys);
  view.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || panel.hidden) return;
    event.stopPropagation();
    open(false);
    toggle.focus();
  });
  view.addEventListener('focusout', ({ relatedTarget }) => {
    if (relatedTarget instanceof Node && !view.contains(relatedTarget)) open(false);
  });
  document.addEventListener('pointerdown', ({ target }) => {
    if (!view.contains(target as Node)) open(false);
  });

  let shown: readonly unknown[] = [];
  store.watch((state) => {
    const now = [state.collection, state.collections, state.sources.length > 0];
    if (now.every((part, at) => part === shown[at])) return;
    shown = now;
    say(name, state.collection.name);
    for (const button of needText) button.hidden = state.sources.length === 0;
    others.replaceChildren(...all(state).map((one) => {
      const item = entry(one, () => collections.choose(one), 'choose-collection');
      if (one === state.collection.name) item.setAttribute('aria-current', 'true');
      return item;
    }));
  });
  return view;
}

/** Those that are kept, and the one in view, which may be empty yet. */
function all({ collections, collection: { name } }: State): readonly string[] {
  return collections.includes(name) ? collections : [...collections, name];
}

function newForm(store: Store, engine: Engine, done: () => void): HTMLElement {
  const input = el('input', { type: 'text', 'aria-label': 'Name of a new collection', placeholder: 'New collection', maxlength: 60, autocomplete: 'off', 'data-testid': 'new-collection' });
  const form = el('form', { class: 'row' }, input, el('button', { type: 'submit' }, 'Make'));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (cleanName(input.value) === '') return input.focus();
    const name = freeName(input.value, all(store.state));
    input.value = '';
    done();
    void engine.collections.choose(name);
  });
  return form;
}

async function exportAll(store: Store, engine: Engine): Promise<void> {
  const { name } = store.state.collection;
  try {
    const blob = await engine.index?.export();
    if (blob) save(blob, `${name}${ARCHIVE}`);
  } catch (error) {
    store.complain(explain(error, `exporting “${name}”`));
  }
}

/** Every document with its metadata, for other programs. */
function exportLines(store: Store, engine: Engine): void {
  const { index } = engine;
  const lines = index?.ids().map((id) => `${JSON.stringify(index.get(id))}\n`) ?? [];
  save(new Blob(lines, { type: 'application/jsonl' }), `${store.state.collection.name}.jsonl`);
}

/** The vectors for NumPy, what to multiply them by if they are of int8, and the documents with the rows of their passages. */
async function exportVectors(store: Store, engine: Engine): Promise<void> {
  const { name } = store.state.collection;
  try {
    const archive = await engine.index?.export();
    if (!archive) return;
    // For the few who want them.
    const { unpackArchive } = await import('heatseek/archive');
    const { vectors, scales, documents } = await unpackArchive(archive);
    save(vectors, `${name}.npy`);
    if (scales) save(scales, `${name}-scales.npy`);
    save(documents, `${name}.jsonl`);
  } catch (error) {
    store.complain(explain(error, `exporting “${name}”`));
  }
}

async function deleteOne({ state }: Store, engine: Engine): Promise<void> {
  const what = counted(state.sources.length, 'file');
  if (await confirmed(`Delete “${state.collection.name}”?`, `The ${what} in it cannot be searched any more. Files on your disk are not touched.`, 'Delete it')) {
    await engine.collections.delete();
  }
}

async function deleteAll({ state }: Store, engine: Engine): Promise<void> {
  const what = counted(Math.max(1, state.collections.length), 'collection');
  if (await confirmed('Delete everything?', `${what}, what waits to be read, and the models that were downloaded. Files on your disk are not touched.`, 'Delete everything')) {
    await engine.collections.deleteAll();
  }
}

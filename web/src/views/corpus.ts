/** The text to search: drop, choose, paste or take the sample; progress; what is in, and taking it out. */

import { button, counted, el, say } from '../dom.ts';
import type { Engine } from '../engine.ts';
import { readFiles } from '../files.ts';
import { addSample, SAMPLE_NAME } from '../sample.ts';
import { passageCount } from '../state.ts';
import type { Source, Store } from '../state.ts';

export function corpusView(store: Store, engine: Engine): HTMLElement {
  const sources = el('ul', { class: 'sources', 'aria-label': 'Sources' });
  const count = el('strong', { 'data-testid': 'corpus-count', 'aria-live': 'polite' });
  const clear = button('Clear all', () => void engine.clear(), { class: 'quiet' });
  const summary = el('div', { class: 'row' }, el('h2', {}, 'Your text'), count, clear);

  const panel = el('details', { class: 'add', open: true }, el('summary', {}, 'Add more text'));
  const sample = button('Use the sample corpus', () => void addSample(engine, store), {
    'data-testid': 'use-sample',
    class: 'primary',
  });
  panel.append(dropZone(store, engine, sample), paste(engine));

  const view = el('section', { class: 'corpus', 'aria-label': 'Your text' }, summary, sources, indexing(store, engine), panel);
  let listed: readonly Source[] | undefined;
  store.watch((state) => {
    const { sources: list } = state;
    view.classList.toggle('filled', list.length > 0 || state.indexing !== undefined);
    sample.hidden = list.some(({ name }) => name === SAMPLE_NAME) || state.indexing?.name === SAMPLE_NAME;
    if (list === listed) return;
    // Once there is something to search, the ways to add more step back; with nothing left they return.
    if ((listed?.length ?? 0) === 0 || list.length === 0) panel.open = list.length === 0;
    listed = list;
    say(count, counted(passageCount(state), 'passage'));
    clear.hidden = list.length === 0;
    sources.hidden = list.length === 0;
    sources.replaceChildren(...list.map((source) => sourceItem(source, engine)));
  });
  acceptDrops(view, store, engine);
  return view;
}

function sourceItem({ id, name, passages }: Source, engine: Engine): HTMLElement {
  return el('li', {},
    el('span', { class: 'name' }, name),
    el('span', { class: 'amount' }, passages.toLocaleString('en')),
    button('×', () => void engine.remove(id), { class: 'remove', 'aria-label': `Remove ${name}`, title: 'Remove' }),
  );
}

function dropZone(store: Store, engine: Engine, sample: HTMLElement): HTMLElement {
  const input = el('input', {
    type: 'file', id: 'files', multiple: true, accept: '.txt,.md,.markdown,.text,text/plain,text/markdown',
    'data-testid': 'file-input', class: 'visually-hidden',
  });
  input.addEventListener('change', () => {
    const files = [...(input.files ?? [])];
    input.value = '';
    void addFiles(files, store, engine);
  });
  return el('div', { class: 'drop', 'data-testid': 'drop-zone' },
    el('p', { class: 'lead' }, 'Drop text or Markdown files here'),
    el('p', { class: 'note' }, 'Notes, articles, a whole book. They stay on this device.'),
    el('div', { class: 'ways' }, input, el('label', { for: 'files', class: 'button' }, 'Choose files'), sample),
  );
}

function paste(engine: Engine): HTMLElement {
  const input = el('textarea', { id: 'paste', rows: 3, 'data-testid': 'paste-input', placeholder: 'Or paste text here' });
  let pasted = 0;
  const add = button('Add this text', () => {
    const text = input.value;
    if (text.trim() === '') return;
    input.value = '';
    add.disabled = true;
    pasted += 1;
    void engine.add(`Pasted text ${pasted}`, [{ text }]);
  }, { 'data-testid': 'add-pasted', disabled: true });
  input.addEventListener('input', () => {
    add.disabled = input.value.trim() === '';
  });
  return el('div', { class: 'paste' }, el('label', { for: 'paste', class: 'visually-hidden' }, 'Text to add'), input, add);
}

function indexing(store: Store, engine: Engine): HTMLElement {
  const label = el('span', { 'aria-live': 'polite' });
  const amount = el('span', { class: 'amount' });
  const bar = el('progress', { 'data-testid': 'index-progress', 'aria-label': 'Indexing', max: 1 });
  const cancel = button('Cancel', () => engine.cancelAdding(), { 'data-testid': 'cancel-indexing', class: 'quiet' });
  const view = el('div', { class: 'indexing' }, el('div', { class: 'row' }, label, amount, cancel), bar);
  store.watch(({ indexing: now, model }) => {
    view.hidden = now === undefined;
    if (!now) return;
    const queue = now.waiting > 0 ? `, ${now.waiting} more waiting` : '';
    const waits = model.kind !== 'ready';
    say(label, waits ? `${now.name} waits for the model${queue}` : `Reading ${now.name}${queue}`);
    const speed = now.perSecond ? ` · ${now.perSecond.toFixed(now.perSecond < 10 ? 1 : 0)} a second` : '';
    say(amount, now.total > 0 ? `${now.loaded} of ${now.total}${speed}` : '');
    if (now.total > 0) bar.value = now.loaded / now.total;
    else bar.removeAttribute('value');
  });
  return view;
}

/** Files may be dropped anywhere on the page; missing a box by a centimetre should not open the file. */
function acceptDrops(view: HTMLElement, store: Store, engine: Engine): void {
  const over = (on: boolean): void => void view.classList.toggle('over', on);
  document.addEventListener('dragover', (event) => {
    if (!view.isConnected || !event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    over(true);
  });
  document.addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) over(false);
  });
  document.addEventListener('drop', (event) => {
    over(false);
    const files = [...(event.dataTransfer?.files ?? [])];
    if (!view.isConnected || files.length === 0) return;
    event.preventDefault();
    void addFiles(files, store, engine);
  });
}

async function addFiles(files: readonly File[], store: Store, engine: Engine): Promise<void> {
  const { texts, problems } = await readFiles(files);
  for (const problem of problems) store.complain(problem);
  for (const { name, text } of texts) void engine.add(name, [{ text }]);
}

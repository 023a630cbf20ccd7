/** The text to search: which collection, what is in it, and the ways to add to it. */

import { ARCHIVE } from '../collections/collections.ts';
import { chosen, dropped, opened } from '../collections/incoming.ts';
import type { Arrival } from '../collections/incoming.ts';
import { button, counted, el, say } from '../dom.ts';
import type { Engine } from '../engine.ts';
import { EXTENSIONS } from '../reading/formats.ts';
import { addSample, SAMPLE_NAME } from '../sample.ts';
import { passageCount } from '../state.ts';
import type { Source, Store } from '../state.ts';
import { collectionsView } from './collections.ts';
import { indexingView } from './indexing.ts';
import { sourcesView } from './sources.ts';

export function corpusView(store: Store, engine: Engine): HTMLElement {
  const count = el('strong', { 'data-testid': 'corpus-count' });
  const retry = button('Try again', () => void engine.collections.open(), { class: 'quiet' });
  const summary = el('div', { class: 'row' }, collectionsView(store, engine), count, retry);
  const panel = el('details', { class: 'add', open: true }, el('summary', {}, 'Add more text'));
  const sample = button('Use the sample corpus', () => void addSample(engine, store), {
    'data-testid': 'use-sample',
    class: 'primary',
  });
  panel.append(dropZone(engine, sample), paste(engine));

  const view = el('section', { class: 'corpus', 'aria-label': 'Your text' }, summary, sourcesView(store, engine), indexingView(store, engine), panel);
  let listed: readonly Source[] | undefined;
  store.watch((state) => {
    const { sources, collection: { kind }, collections } = state;
    const closed = kind === 'closed' || kind === 'opening' || kind === 'failed';
    view.classList.toggle('filled', sources.length > 0 || closed || state.indexing !== undefined || state.unfinished.length > 0);
    view.classList.toggle('several', collections.length > 0);
    panel.hidden = closed;
    retry.hidden = kind !== 'failed';
    sample.hidden = state.sources.some(({ file }) => file === SAMPLE_NAME) || state.indexing?.name === SAMPLE_NAME;
    say(count, kind === 'failed' ? 'cannot be opened' : closed ? 'opening' : counted(passageCount(state), 'passage'));
    if (sources === listed) return;
    // Once there is something to search, the ways to add more step back; with nothing left they return.
    if ((listed?.length ?? 0) === 0 || sources.length === 0) panel.open = sources.length === 0;
    listed = sources;
  });
  acceptDrops(view, engine);
  return view;
}

/** A browser that can hand out a folder that is read again in a later visit. */
interface Picking {
  showDirectoryPicker?(options: { mode: 'read' }): Promise<FileSystemDirectoryHandle>;
}

function dropZone(engine: Engine, sample: HTMLElement): HTMLElement {
  const files = fileInput('files', { multiple: true, accept: [...EXTENSIONS, ARCHIVE].join(), 'data-testid': 'file-input' }, engine);
  const folder = fileInput('folder', { webkitdirectory: true, 'data-testid': 'folder-input', tabindex: -1 }, engine);
  const pick = button('Choose a folder', () => {
    const { showDirectoryPicker } = window as Picking;
    if (!showDirectoryPicker) return folder.click();
    showDirectoryPicker.call(window, { mode: 'read' }).then(
      async (handle) => add(engine, await opened([handle])),
      () => {}, // The visitor has changed their mind.
    );
  }, { id: 'choose-folder', 'data-testid': 'choose-folder' });
  return el('div', { class: 'drop', 'data-testid': 'drop-zone' },
    el('p', { class: 'lead' }, 'Drop files or folders here'),
    el('p', { class: 'note' }, 'Text, Markdown, web pages, PDF, Word, tables, JSON. They stay on this device.'),
    el('div', { class: 'ways' }, files, el('label', { for: 'files', class: 'button' }, 'Choose files'), folder, pick, sample),
  );
}

function fileInput(id: string, attributes: Parameters<typeof el>[1], engine: Engine): HTMLInputElement {
  const input = el('input', { type: 'file', id, class: 'visually-hidden', ...attributes });
  input.addEventListener('change', () => {
    const arrival = chosen([...(input.files ?? [])]);
    input.value = '';
    void add(engine, arrival);
  });
  return input;
}

function paste(engine: Engine): HTMLElement {
  const input = el('textarea', { id: 'paste', rows: 3, 'data-testid': 'paste-input', placeholder: 'Or paste text here' });
  const submit = button('Add this text', () => {
    const text = input.value;
    if (text.trim() === '') return;
    input.value = '';
    submit.disabled = true;
    let pasted = 1;
    while (engine.intake.has(`Pasted text ${pasted}`)) pasted += 1;
    void engine.intake.addText('pasted', `Pasted text ${pasted}`, [{ text }]);
  }, { 'data-testid': 'add-pasted', disabled: true });
  input.addEventListener('input', () => {
    submit.disabled = input.value.trim() === '';
  });
  return el('div', { class: 'paste' }, el('label', { for: 'paste', class: 'visually-hidden' }, 'Text to add'), input, submit);
}

/** Files may be dropped anywhere on the page; missing a box by a centimetre should not open the file. */
function acceptDrops(view: HTMLElement, engine: Engine): void {
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
    const transfer = event.dataTransfer;
    if (!view.isConnected || !transfer?.types.includes('Files')) return;
    event.preventDefault();
    void dropped(transfer).then((arrival) => add(engine, arrival));
  });
}

/** Collections that were exported are imported; everything else is read. */
async function add(engine: Engine, arrival: Arrival): Promise<void> {
  const isArchive = ({ file }: { readonly file: string }): boolean => file.endsWith(ARCHIVE);
  const archives = arrival.files.filter(isArchive);
  const files = arrival.files.filter((file) => !isArchive(file));
  // Later visits read again what handles give, which is no archive then.
  await engine.intake.addFiles({ ...arrival, files, handles: archives.length > 0 ? [] : arrival.handles });
  for (const file of archives) await engine.collections.import(await file.open());
}

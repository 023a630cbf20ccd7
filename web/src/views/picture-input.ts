/** Ways to give pictures: drop, paste, choose, or a sample; and how the model that reads them is doing. */

import { button, el, say } from '../dom.ts';
import type { PictureEngine } from '../pictures/engine.ts';
import { transferred } from '../pictures/files.ts';
import { fetchSample } from '../pictures/samples.ts';
import type { SamplePicture } from '../pictures/state.ts';
import type { Store } from '../state.ts';
import { modelView } from './model.ts';
import { deviceLine } from './status.ts';

export interface InputOptions {
  readonly open: (files: readonly File[]) => void;
  readonly multiple: boolean;
  readonly lead: string;
  readonly note: string;
}

export function pictureInput(page: Store, pictures: PictureEngine, { open, multiple, lead, note }: InputOptions): HTMLElement {
  const id = multiple ? 'picture-files' : 'picture-file';
  const ways = el('div', { class: 'ways' },
    ...chooser(id, multiple ? 'Choose files' : 'Choose a file', { multiple }, open),
    ...(multiple ? chooser('picture-folder', 'Choose a folder', { multiple, webkitdirectory: true }, open) : []));
  const samples = el('div', { class: 'samples', role: 'group', 'aria-label': 'Sample pictures' });
  const zone = el('div', { class: 'drop', 'data-testid': `${id}-drop` },
    el('p', { class: 'lead' }, lead), el('p', { class: 'note' }, note), ways, samples);
  const view = el('div', { class: 'picture-input' }, zone);

  let shown: readonly SamplePicture[] = [];
  pictures.store.watch(({ samples: list }) => {
    if (list === shown) return;
    shown = list;
    const give = async (wanted: readonly SamplePicture[]): Promise<void> => {
      try {
        open(await Promise.all(wanted.map(fetchSample)));
      } catch {
        page.complain({ title: 'The sample could not be fetched', advice: 'Check your connection and try again, or use a picture of your own.' });
      }
    };
    const chips = multiple
      ? [button(`The ${list.length} sample pictures`, () => void give(list), { class: 'chip', 'data-testid': 'samples' })]
      : list.map((sample) => button(sample.name, () => void give([sample]), { class: 'chip', title: sample.credit, 'data-sample': sample.file }));
    const credit = list.map(({ name, credit: by }) => `${name}: ${by}.`).join(' ');
    samples.replaceChildren(...chips, el('p', { class: 'credit' }, credit));
  });
  acceptPictures(view, open);
  return view;
}

function chooser(id: string, label: string, attributes: Record<string, boolean>, open: (files: readonly File[]) => void): HTMLElement[] {
  const input = el('input', { type: 'file', id, accept: 'image/*', class: 'visually-hidden', 'data-testid': id, ...attributes });
  input.addEventListener('change', () => {
    const files = [...(input.files ?? [])];
    input.value = '';
    if (files.length > 0) open(files);
  });
  return [input, el('label', { for: id, class: 'button' }, label)];
}

/** Pictures may be dropped anywhere on the page, and pasted, while the view is shown. */
function acceptPictures(view: HTMLElement, open: (files: readonly File[]) => void): void {
  const over = (on: boolean): void => void view.classList.toggle('over', on);
  const take = async (event: Event, data: DataTransfer | null): Promise<void> => {
    if (!view.isConnected || !data?.types.includes('Files')) return;
    event.preventDefault();
    const files = await transferred(data);
    if (files.length > 0) open(files);
  };
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
    void take(event, event.dataTransfer);
  });
  document.addEventListener('paste', (event) => void take(event, event.clipboardData));
}

/** How the model is doing, and on which device. */
export function pictureModel(pictures: PictureEngine): HTMLElement {
  const about = modelView({
    watch: (view) => pictures.store.watch(({ model }) => view(model)),
    load: () => pictures.load(),
    cancel: () => pictures.cancelLoading(),
  });
  const line = el('p', { class: 'note device', 'data-testid': 'picture-device' });
  const view = el('div', { class: 'picture-model' }, about, line);
  pictures.store.watch(({ model }) => {
    line.hidden = model.kind !== 'ready';
    view.dataset['model'] = model.kind;
    if (model.kind === 'ready') say(line, `${model.info.modelType} · ${deviceLine(model)}`);
  });
  return view;
}

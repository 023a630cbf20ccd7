/** How to search, for who wants to say: words beside meaning, and where to look. One button until then. */

import type { Facet } from 'heatseek';

import { kindLabel } from '../collections/sources.ts';
import { button, el, say } from '../dom.ts';
import type { Engine } from '../engine.ts';
import { COUNTS, isFiltered } from '../finding/settings.ts';
import type { Settings } from '../finding/settings.ts';
import { shortcut } from '../finding/shortcuts.ts';
import type { State, Store } from '../state.ts';
import '../refine.css';

/** The button, for the line under the question, and the panel it opens. */
export function refineView(store: Store, engine: Engine): { toggle: HTMLElement; panel: HTMLElement } {
  const set = (change: Partial<Settings>): void => void engine.set(change);
  const kinds = el('div', { class: 'chips', role: 'group', 'aria-label': 'Kinds of text', 'data-testid': 'filter-kinds' });
  const folder = select('filter-folder', (value) => set({ folder: value, file: undefined }));
  const file = select('filter-file', (value) => set({ file: value }));
  const folders = el('label', { for: folder.id }, 'Folder ', folder);
  const files = el('label', { for: file.id }, 'File ', file);
  const topK = el('select', { id: 'top-k', 'data-testid': 'top-k' }, ...COUNTS.map((k) => el('option', { value: k }, String(k))));
  topK.addEventListener('change', () => set({ topK: Number(topK.value) }));
  const reset = button('Look everywhere', () => set({ kinds: [], folder: undefined, file: undefined }), { class: 'quiet', 'data-testid': 'clear-filters' });
  const panel = el('div', { class: 'refine', id: 'refine', hidden: true, 'data-testid': 'refine' },
    words(store, set), el('div', { class: 'row where' }, folders, files, el('label', { for: 'top-k' }, 'Show ', topK), reset), kinds);

  const said = el('span');
  const toggle = button('', () => {
    panel.hidden = !panel.hidden;
    toggle.setAttribute('aria-expanded', String(!panel.hidden));
    if (!panel.hidden) panel.querySelector('input')?.focus();
  }, { class: 'quiet', 'aria-expanded': 'false', 'aria-controls': 'refine', 'data-testid': 'refine-toggle' });
  toggle.append('Refine', said);
  shortcut('f', toggle, () => toggle.click());

  let facets: readonly Facet[] | undefined;
  let settings: Settings | undefined;
  store.watch((state) => {
    if (state.facets === facets && state.settings === settings) return;
    ({ facets, settings } = state);
    say(said, summary(state));
    topK.value = String(settings.topK);
    reset.hidden = !isFiltered(settings);
    const [byKind, byFolder, byFile] = facets;
    const chosen = settings.kinds;
    const focused = kinds.contains(document.activeElement) ? (document.activeElement as HTMLElement).dataset['kind'] : undefined;
    kinds.replaceChildren(...(byKind?.values ?? []).map(({ value, count }) => {
      const kind = String(value);
      const on = chosen.includes(kind);
      const toggled = on ? chosen.filter((other) => other !== kind) : [...chosen, kind];
      return button(`${kindLabel(kind)} ${count.toLocaleString('en')}`, () => set({ kinds: toggled }), { class: 'chip', 'aria-pressed': String(on), 'data-kind': kind });
    }));
    if (focused !== undefined) kinds.querySelector<HTMLElement>(`[data-kind="${CSS.escape(focused)}"]`)?.focus();
    kinds.hidden = kinds.childElementCount < 2 && chosen.length === 0;
    fill(folder, 'All folders', byFolder, settings.folder);
    fill(file, 'All files', byFile, settings.file);
    folders.hidden = folder.options.length < 2;
    files.hidden = file.options.length < 3 && settings.file === undefined;
  });
  return { toggle, panel };
}

/** What is set besides a question, for the button. */
function summary({ settings }: State): string {
  const { words: weight, kinds, folder, file } = settings;
  const parts = [
    ...(weight > 0 ? [`${Math.round(weight * 100)} % words`] : []),
    ...kinds.map(kindLabel),
    ...(folder === undefined ? [] : [folder]),
    ...(file === undefined ? [] : [file]),
  ];
  return parts.length === 0 ? '' : `: ${parts.join(', ')}`;
}

function words(store: Store, set: (change: Partial<Settings>) => void): HTMLElement {
  const range = el('input', { id: 'words', type: 'range', min: 0, max: 100, step: 5, 'data-testid': 'words', 'aria-describedby': 'words-said' });
  const said = el('span', { id: 'words-said', class: 'note' });
  range.addEventListener('input', () => set({ words: Number(range.value) / 100 }));
  store.watch(({ settings: { words: weight } }) => {
    const percent = Math.round(weight * 100);
    if (Number(range.value) !== percent) range.value = String(percent);
    range.setAttribute('aria-valuetext', `${percent} % words`);
    say(said, percent === 0 ? 'by meaning alone' : percent === 100 ? 'by words alone' : `${100 - percent} % meaning, ${percent} % words`);
  });
  return el('div', { class: 'row' }, el('label', { for: 'words' }, 'Meaning or words'), range, said);
}

function select(id: string, choose: (value: string | undefined) => void): HTMLSelectElement {
  const element = el('select', { id, 'data-testid': id });
  element.addEventListener('change', () => choose(element.value === '' ? undefined : element.value));
  return element;
}

/** Puts in what there is. What is chosen stays in, though there may be none of it under the other filters. */
function fill(element: HTMLSelectElement, all: string, facet: Facet | undefined, chosen: string | undefined): void {
  const values = (facet?.values ?? []).map(({ value, count }) => ({ value: String(value), label: `${String(value)} (${count.toLocaleString('en')})` }));
  if (chosen !== undefined && !values.some(({ value }) => value === chosen)) values.unshift({ value: chosen, label: `${chosen} (0)` });
  values.sort((a, b) => (a.value < b.value ? -1 : 1));
  element.replaceChildren(el('option', { value: '' }, all), ...values.map(({ value, label }) => el('option', { value }, label)));
  element.value = chosen ?? '';
}

/** Searching pictures by words, where the model has a half that reads them; and why not, where it has none. */

import { el, say } from '../dom.ts';
import type { PictureEngine } from '../pictures/engine.ts';

// Long enough that typing does not queue up searches, short enough to feel live.
const DEBOUNCE_MS = 250;

export function wordsSearch(pictures: PictureEngine): HTMLElement {
  const { store, finder } = pictures;
  const input = el('input', { id: 'picture-words', type: 'search', autocomplete: 'off', placeholder: 'Say what is in the picture', 'data-testid': 'picture-words' });
  const form = el('form', { role: 'search', class: 'search' },
    el('label', { for: 'picture-words', class: 'visually-hidden' }, 'What is in the picture'), input);
  const note = el('p', { class: 'note', 'data-testid': 'words-note' });
  const view = el('div', { class: 'words' }, form, note);
  let timer = 0;
  const ask = (): void => {
    clearTimeout(timer);
    void finder.words(input.value);
  };
  input.addEventListener('input', () => {
    clearTimeout(timer);
    timer = window.setTimeout(ask, DEBOUNCE_MS);
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    ask();
  });
  let asked = false;
  store.watch(({ model, words, finding: { items } }) => {
    view.hidden = items.length === 0 || model.kind !== 'ready';
    form.hidden = words?.kind !== 'ready';
    if (model.kind !== 'ready') return;
    if (!asked) {
      asked = true;
      queueMicrotask(() => void pictures.words());
    }
    switch (words?.kind) {
      case 'ready': return say(note, '');
      case 'loading': return say(note, 'Loading the half of the model that reads words …');
      case 'failed': return say(note, `Words cannot be searched: ${words.problem.title}. ${words.problem.advice}`);
      default:
        say(note, `${model.info.modelType} reads pictures only, so these are found by picture, not by words. A model of both, such as CLIP or SigLIP, is chosen with ?pictures= in the address.`);
    }
  });
  return view;
}

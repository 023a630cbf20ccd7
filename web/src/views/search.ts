/** The question, how many answers, and a few questions to try. */

import { button, el } from '../dom.ts';
import type { Engine } from '../engine.ts';
import { passageCount } from '../state.ts';
import type { Store } from '../state.ts';

// Long enough that typing does not queue up searches, short enough to feel live.
const DEBOUNCE_MS = 180;
const COUNTS = [3, 5, 10, 20, 50];

export function searchView(store: Store, engine: Engine): HTMLElement {
  const input = el('input', {
    id: 'query', type: 'search', 'data-testid': 'query', autocomplete: 'off', spellcheck: false,
    enterkeyhint: 'search', placeholder: 'Ask a question in your own words', 'aria-describedby': 'query-hint',
  });
  const select = el('select', { id: 'top-k', 'data-testid': 'top-k' },
    ...COUNTS.map((k) => el('option', { value: k, selected: k === store.state.topK }, String(k))),
  );
  const chips = el('div', { class: 'chips', 'aria-label': 'Questions to try', role: 'group' });
  const form = el('form', { role: 'search', class: 'search' },
    el('label', { for: 'query', class: 'visually-hidden' }, 'Your question'),
    el('div', { class: 'field' }, input, el('kbd', { 'aria-hidden': 'true' }, '/')),
    el('div', { class: 'row hint' },
      el('span', { id: 'query-hint' }, 'Results appear as you type. Arrow keys walk through them.'),
      el('label', { for: 'top-k' }, 'Show ', select),
    ),
    chips,
  );

  let timer = 0;
  const ask = (): void => {
    clearTimeout(timer);
    void engine.search(input.value);
  };
  input.addEventListener('input', () => {
    clearTimeout(timer);
    timer = window.setTimeout(ask, DEBOUNCE_MS);
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    ask();
  });
  select.addEventListener('change', () => {
    store.update({ topK: Number(select.value) });
    ask();
  });
  document.addEventListener('keydown', (event) => {
    if (!form.isConnected || event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    event.preventDefault();
    input.focus();
    input.select();
  });

  let offered: readonly string[] = [];
  let found = 0;
  store.watch((state) => {
    const { suggestions } = state;
    const passages = passageCount(state);
    form.hidden = passages === 0;
    form.classList.toggle('answered', state.search.asked !== '');
    if (passages !== found) {
      // A question that was typed before this text came in is asked again of all of it.
      found = passages;
      if (passages > 0 && input.value.trim() !== '') queueMicrotask(ask);
      if (passages === 0) input.value = '';
    }
    if (suggestions === offered) return;
    offered = suggestions;
    chips.replaceChildren(
      ...suggestions.map((question) =>
        button(question, () => {
          input.value = question;
          ask();
        }, { class: 'chip' }),
      ),
    );
  });
  return form;
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches('input, textarea, select');
}

/** The question, how to search, and a few questions to try. What is asked stands in the address. */

import { button, el } from '../dom.ts';
import type { Engine } from '../engine.ts';
import { fromHash, toHash } from '../finding/address.ts';
import { shortcut } from '../finding/shortcuts.ts';
import { passageCount } from '../state.ts';
import type { State, Store } from '../state.ts';
import { refineView } from './refine.ts';

// Long enough that typing does not queue up searches, short enough to feel live.
const DEBOUNCE_MS = 180;

export function searchView(store: Store, engine: Engine): HTMLElement {
  const input = el('input', {
    id: 'query', type: 'search', 'data-testid': 'query', autocomplete: 'off', spellcheck: false,
    enterkeyhint: 'search', placeholder: 'Ask a question in your own words', 'aria-describedby': 'query-hint',
    value: fromHash(location.hash)?.query ?? '',
  });
  const { toggle, panel } = refineView(store, engine);
  const chips = el('div', { class: 'chips', 'aria-label': 'Questions to try', role: 'group' });
  const form = el('form', { role: 'search', class: 'search' },
    el('label', { for: 'query', class: 'visually-hidden' }, 'Your question'),
    el('div', { class: 'field' }, input, el('kbd', { 'aria-hidden': 'true' }, '/')),
    el('div', { class: 'row hint' },
      el('span', { id: 'query-hint' }, 'Results appear as you type. Arrow keys walk through them, ? lists all keys.'),
      toggle,
    ),
    panel,
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
  shortcut('/', form, () => {
    input.focus();
    input.select();
  });

  let offered: readonly string[] = [];
  let found = 0;
  let written: readonly unknown[] = [];
  store.watch((state) => {
    const { suggestions, collection: { kind } } = state;
    const passages = passageCount(state);
    form.hidden = passages === 0 && kind !== 'closed' && kind !== 'opening';
    form.classList.toggle('answered', state.search.asked !== '');
    if (passages !== found) {
      // A question that was typed before this text came in is asked again of all of it.
      found = passages;
      if (passages > 0 && input.value.trim() !== '') queueMicrotask(ask);
      if (passages === 0 && kind === 'open') input.value = '';
    }
    const said = [state.search.asked, state.settings, state.collection.name];
    if (said.some((part, at) => part !== written[at])) {
      // At first the address is what was asked for.
      if (written.length > 0) writeAddress(state, input.value.trim());
      written = said;
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

  addEventListener('hashchange', () => {
    const asked = fromHash(location.hash);
    if (!asked) return writeAddress(store.state, input.value.trim());
    input.value = asked.query;
    void engine.collections.follow(asked).then(() => engine.set(asked.settings)).then(ask);
  });
  return form;
}

function writeAddress({ settings, collection: { name } }: State, query: string): void {
  if (document.body.dataset['page'] !== 'search') return;
  const hash = toHash({ query, collection: undefined, settings });
  // Which collection matters to a question, and to a bookmark of one.
  const whole = hash === '#search' ? hash : toHash({ query, collection: name, settings });
  if (whole !== (location.hash || '#search')) history.replaceState(null, '', whole);
}

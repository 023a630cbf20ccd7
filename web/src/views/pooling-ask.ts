/** The question that every pooler answers, how many hits to show, and how far the work is. */

import { button, el, say } from '../dom.ts';
import { isCurrent } from '../pooling/state.ts';
import type { CompareStore } from '../pooling/state.ts';
import type { Comparison } from '../pooling/study.ts';
import type { Store } from '../state.ts';

// As in the search view: typing should not queue up searches.
const DEBOUNCE_MS = 250;
const COUNTS = [5, 10, 20];

export function poolingAsk(page: Store, store: CompareStore, study: Comparison): HTMLElement {
  const input = el('input', {
    id: 'compare-query', type: 'search', 'data-testid': 'compare-query', autocomplete: 'off', spellcheck: false,
    enterkeyhint: 'search', placeholder: 'Ask a question, and compare what is found',
  });
  const select = el('select', { id: 'compare-k', 'data-testid': 'compare-k' },
    ...COUNTS.map((k) => el('option', { value: k, selected: k === store.state.k }, String(k))));
  const chips = el('div', { class: 'chips', 'aria-label': 'Questions to try', role: 'group' });
  const form = el('form', { role: 'search', class: 'search' },
    el('label', { for: 'compare-query', class: 'visually-hidden' }, 'Your question'),
    el('div', { class: 'field' }, input),
    chips,
    el('div', { class: 'row progress-line' }, progress(store, study),
      el('label', { for: 'compare-k', class: 'first-k' }, 'First ', select, ' of each')),
  );
  let timer = 0;
  const ask = (): void => {
    clearTimeout(timer);
    study.ask(input.value);
  };
  input.addEventListener('input', () => {
    clearTimeout(timer);
    timer = window.setTimeout(ask, DEBOUNCE_MS);
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    ask();
  });
  select.addEventListener('change', () => store.update({ k: Number(select.value) }));

  let offered: readonly string[] = [];
  page.watch(({ suggestions }) => {
    if (suggestions === offered) return;
    offered = suggestions;
    chips.replaceChildren(...suggestions.map((question) => button(question, () => {
      input.value = question;
      ask();
    }, { class: 'chip' })));
  });
  store.watch(({ question }) => void form.classList.toggle('answered', question !== ''));
  // What was asked of the search view is the first thing to compare.
  const { asked } = page.state.search;
  if (asked !== '') {
    input.value = asked;
    queueMicrotask(ask);
  }
  return form;
}

function progress(store: CompareStore, study: Comparison): HTMLElement {
  const label = el('span', { role: 'status', 'data-testid': 'compare-progress' });
  const cancel = button('Cancel', () => study.stop(), { class: 'quiet', 'data-testid': 'compare-cancel' });
  const resume = button('Go on', () => study.resume(), { class: 'quiet', 'data-testid': 'compare-resume' });
  const view = el('p', { class: 'row note' }, label, cancel, resume);
  store.watch(({ columns, question, stopped }) => {
    const embedding = columns.some(({ share }) => share !== undefined);
    const waits = columns.some((column) => !column.problem && !isCurrent(column, question));
    cancel.hidden = !embedding;
    resume.hidden = !stopped;
    if (stopped) say(label, 'Stopped.');
    else if (embedding) say(label, 'Reading your text under each pooler');
    else say(label, question === '' || waits ? '' : 'Done.');
  });
  return view;
}

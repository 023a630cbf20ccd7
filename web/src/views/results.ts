/** Ranked passages, each in its context. */

import type { Hit } from 'heatseek';

import { documentName } from '../collections/sources.ts';
import { button, counted, el, say } from '../dom.ts';
import type { Engine } from '../engine.ts';
import { isFiltered } from '../finding/settings.ts';
import { passageCount } from '../state.ts';
import type { State, Store } from '../state.ts';
import { read } from './reader.ts';
import { why } from './why.ts';
import '../why.css';

// About three lines either side: enough to place a passage, not enough to bury it.
const CONTEXT_CHARS = 240;

export function resultsView(store: Store, engine: Engine): HTMLElement {
  const summary = el('p', { class: 'summary', role: 'status', 'aria-live': 'polite', 'data-testid': 'result-count' });
  const list = el('ol', { class: 'results' });
  const view = el('section', { 'aria-label': 'Results' }, summary, list);
  let shown: readonly Hit[] = [];
  store.watch((state) => {
    const { search } = state;
    view.toggleAttribute('aria-busy', search.busy);
    view.dataset['asked'] = search.asked;
    say(summary, sentence(state));
    if (search.hits === shown) return;
    shown = search.hits;
    list.replaceChildren(...search.hits.map((hit, at) => item(hit, at + 1, list, store, engine)));
  });
  document.addEventListener('keydown', (event) => walk(event, list));
  return view;
}

function sentence(state: State): string {
  const { search, model, indexing, settings, collection } = state;
  const passages = passageCount(state);
  if (search.asked !== '') {
    const where = isFiltered(settings) ? ', where you look' : '';
    if (search.hits.length === 0) return where === '' ? 'Nothing found.' : 'Nothing found where you look. “Refine” says where that is.';
    return `The closest ${search.hits.length} of ${counted(passages, 'passage')}${where}`;
  }
  if (passages > 0 || (collection.kind !== 'open' && collection.kind !== 'new')) return '';
  if (indexing || model.kind === 'failed') return '';
  return 'Begin by giving it something to read: files of yours, or the sample.';
}

function item(hit: Hit, rank: number, list: HTMLElement, store: Store, engine: Engine): HTMLElement {
  const { state: { search } } = store;
  const { document: whole, chunk, score } = hit;
  const share = Math.max(0, Math.min(1, score));
  const bar = el('span', { class: 'bar', 'aria-hidden': 'true' });
  const found = el('mark', {}, whole.text.slice(chunk.start, chunk.end));
  bar.style.setProperty('--score', share.toFixed(3));
  const open = (): void => read(engine, store, rank - 1, (at) => focus(list, at));
  const [toggle, panel] = why(store, engine, search.asked, hit, found);
  const element = el('li', { 'data-testid': 'result', 'data-document': whole.id, 'data-rank': rank, tabindex: rank === 1 ? 0 : -1 },
    el('div', { class: 'margin' },
      el('span', { class: 'rank' }, String(rank)),
      el('span', { class: 'score', 'data-testid': 'result-score', title: search.fused ? 'Meaning and words together, each from 0 to 1' : 'Cosine similarity' }, score.toFixed(3)),
      bar,
    ),
    el('div', { class: 'passage' },
      el('h3', { class: 'source', 'data-testid': 'result-source' }, documentName(whole, chunk)),
      el('p', { 'data-testid': 'result-text' },
        before(whole.text, chunk.start),
        found,
        after(whole.text, chunk.end),
      ),
      el('div', { class: 'row' }, toggle, button('Open', open, { class: 'quiet', 'data-testid': 'open', 'aria-label': 'Open in its text' })),
      panel,
    ),
  );
  element.addEventListener('keydown', (event) => {
    if (event.target !== element || event.ctrlKey || event.metaKey || event.altKey) return;
    const action = { Enter: open, w: () => toggle.click() }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  return element;
}

function before(text: string, start: number): string {
  if (start <= CONTEXT_CHARS) return text.slice(0, start);
  const context = text.slice(start - CONTEXT_CHARS, start);
  return `…${context.slice(context.search(/\s/) + 1)}`;
}

function after(text: string, end: number): string {
  if (text.length - end <= CONTEXT_CHARS) return text.slice(end);
  return `${text.slice(end, end + CONTEXT_CHARS).replace(/\s+\S*$/, '')}…`;
}

/** Arrow keys move from the question to the results, through them, and back. */
function walk(event: KeyboardEvent, list: HTMLElement): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  const query = document.getElementById('query');
  const focused = document.activeElement;
  const at = [...list.children].findIndex((child) => child === focused);
  if (at < 0 && focused !== query) return;
  const next = at + step;
  if ((at < 0 && step < 0) || next >= list.children.length) return;
  event.preventDefault();
  if (next < 0) query?.focus();
  else focus(list, next);
}

/** Gives one result the focus; Tab goes past the others. */
function focus(list: HTMLElement, at: number): void {
  const target = list.children[at];
  if (!(target instanceof HTMLElement)) return;
  for (const child of list.children) (child as HTMLElement).tabIndex = child === target ? 0 : -1;
  target.focus();
  target.scrollIntoView({ block: 'nearest' });
}

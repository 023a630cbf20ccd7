/** Ranked passages, each in its context. */

import type { Hit } from 'heatseek';

import { counted, el, say } from '../dom.ts';
import type { Engine } from '../engine.ts';
import { sampleTitle } from '../sample.ts';
import { passageCount } from '../state.ts';
import type { State, Store } from '../state.ts';
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
    say(summary, sentence(state));
    if (search.hits === shown) return;
    shown = search.hits;
    list.replaceChildren(...search.hits.map((hit, at) => item(hit, at + 1, store, engine)));
  });
  document.addEventListener('keydown', (event) => walk(event, list));
  return view;
}

function sentence(state: State): string {
  const { search, model, indexing } = state;
  const passages = passageCount(state);
  if (search.asked !== '') {
    return search.hits.length === 0 ? 'Nothing found.' : `The closest ${search.hits.length} of ${counted(passages, 'passage')}`;
  }
  if (passages > 0) return '';
  if (indexing || model.kind === 'failed') return '';
  return 'Begin by giving it something to read: a file of yours, or the sample.';
}

function item(hit: Hit, rank: number, store: Store, engine: Engine): HTMLElement {
  const { state } = store;
  const { document: whole, chunk, score } = hit;
  const source = state.sources.find(({ documentIds }) => documentIds.includes(whole.id));
  const name = sampleTitle(whole.id) ?? source?.name ?? '';
  const share = Math.max(0, Math.min(1, score));
  const bar = el('span', { class: 'bar', 'aria-hidden': 'true' });
  const found = el('mark', {}, whole.text.slice(chunk.start, chunk.end));
  bar.style.setProperty('--score', share.toFixed(3));
  return el('li', { 'data-testid': 'result', 'data-document': whole.id, 'data-rank': rank, tabindex: rank === 1 ? 0 : -1 },
    el('div', { class: 'margin' },
      el('span', { class: 'rank' }, String(rank)),
      el('span', { class: 'score', 'data-testid': 'result-score', title: 'Cosine similarity' }, score.toFixed(3)),
      bar,
    ),
    el('div', { class: 'passage' },
      el('h3', { class: 'source', 'data-testid': 'result-source' }, name),
      el('p', { 'data-testid': 'result-text' },
        before(whole.text, chunk.start),
        found,
        after(whole.text, chunk.end),
      ),
      ...why(store, engine, state.search.asked, hit, found),
    ),
  );
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
  const items = [...list.children].filter((child): child is HTMLElement => child instanceof HTMLElement);
  const query = document.getElementById('query');
  const focused = document.activeElement;
  const at = items.findIndex((child) => child === focused);
  if (at < 0 && focused !== query) return;
  const next = at + step;
  const target = next < 0 ? query : items[next];
  if (!target || (at < 0 && step < 0)) return;
  event.preventDefault();
  for (const child of items) child.tabIndex = child === target ? 0 : -1;
  target.focus();
  target.scrollIntoView({ block: 'nearest' });
}

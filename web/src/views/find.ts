/** Search: the text to search, the question, the answers. */

import { el } from '../dom.ts';
import type { Engine } from '../engine.ts';
import type { Store } from '../state.ts';
import { corpusView } from './corpus.ts';
import { resultsView } from './results.ts';
import { searchView } from './search.ts';

export function findView(store: Store, engine: Engine): HTMLElement {
  return el('div', { class: 'find' }, corpusView(store, engine), searchView(store, engine), resultsView(store));
}

/** Compare pooling: one question, the same text, and what each pooler finds. */

import type { Store } from '../state.ts';
import { passageCount } from '../state.ts';
import { el } from '../dom.ts';
import type { Engine } from '../engine.ts';
import { CompareStore } from '../pooling/state.ts';
import { Comparison } from '../pooling/study.ts';
import { corpusView } from './corpus.ts';
import { poolingAsk } from './pooling-ask.ts';
import { poolingChoice } from './pooling-choice.ts';
import { poolingColumns } from './pooling-columns.ts';
import { poolingMatrix } from './pooling-matrix.ts';
import { poolingTokens } from './pooling-tokens.ts';
import '../text.css';
import '../pooling.css';

export function poolingView(page: Store, engine: Engine): HTMLElement {
  const store = new CompareStore();
  const study = new Comparison(engine, page, store);
  const comparison = el('div', {},
    poolingAsk(page, store, study),
    poolingChoice(store, study),
    poolingColumns(page, engine, store, study),
    poolingMatrix(store),
    poolingTokens(store),
  );
  page.watch((state) => {
    comparison.hidden = passageCount(state) === 0;
  });
  return el('section', { class: 'compare', 'aria-label': 'Compare pooling' }, corpusView(page, engine), comparison);
}

/** What attention is not, and the check: hide each word, and see how far the text's vector moves. */

import type { Occlusion } from 'heatseek';

import { button, el } from '../dom.ts';
import { legend } from '../draw/tint.ts';
import { largest, tintedText } from '../draw/tinted.ts';
import type { TextStore } from '../text/state.ts';
import type { Study } from '../text/study.ts';
import { unitsOf } from '../text/units.ts';

export function textCheck(store: TextStore, study: Study): HTMLElement {
  const prose = el('p', { class: 'prose', 'data-testid': 'hidden-text' });
  const about = el('p', { class: 'note' });
  const scale = el('div');
  const result = el('div', { role: 'status' }, prose, scale, about);
  const check = button('Check by hiding words', () => {
    check.disabled = true;
    void study.hide().finally(() => {
      check.disabled = false;
    });
  }, { 'data-testid': 'check' });
  const view = el('div', { class: 'honest' },
    el('p', {}, 'Attention shows where information was taken from. It is not an explanation: what a head looks at may not be used.'),
    check, result);
  let shown: Occlusion | undefined;
  store.watch(({ maps, hidden }) => {
    check.hidden = maps === undefined;
    result.hidden = hidden === undefined;
    if (!hidden || hidden === shown || hidden.layout.kind !== 'text') return;
    shown = hidden;
    const { data, layout } = hidden;
    const units = unitsOf(layout, false, true);
    const values = units.map(({ first }) => data[first] ?? 0);
    const most = largest(values);
    prose.replaceChildren(...tintedText(layout.text, units, values, most));
    scale.replaceChildren(legend('diverging', `−${most.toFixed(3)}`, most.toFixed(3), 'Fall of the cosine with the whole text’s vector'));
    about.textContent = 'Each token was hidden in turn and the text embedded again. The more the vector moved, the more that token mattered.';
  });
  return view;
}

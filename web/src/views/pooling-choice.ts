/** The poolers there are, in groups: what each computes, what to expect, and a button that adds it. */

import type { PoolerInfo } from 'heatseek';

import { button, el, say } from '../dom.ts';
import { grouped } from '../pooling/groups.ts';
import type { CompareStore } from '../pooling/state.ts';
import type { Comparison } from '../pooling/study.ts';

export function poolingChoice(store: CompareStore, study: Comparison): HTMLElement {
  const list = el('div', { class: 'pooler-groups' });
  const learned = el('p', { class: 'note' });
  const said = el('p', { class: 'visually-hidden', role: 'status' });
  const view = el('details', { class: 'choose-poolers', 'data-testid': 'choose-poolers' },
    el('summary', {}, 'Add a pooler'),
    el('p', { class: 'note' }, 'One can be added more than once, to compare its options. Its equation is told on pointing at it, and in its column.'),
    el('div', { class: 'pooler-list', 'data-testid': 'pooler-list' }, list), learned, said);
  const add = (name: PoolerInfo['name']): void => {
    study.add({ name, options: {} });
    say(said, `${name} was added: ${store.state.columns.length} poolers`);
  };
  let shown: readonly PoolerInfo[] = [];
  store.watch(({ poolers }) => {
    view.hidden = poolers.length === 0;
    if (poolers === shown) return;
    shown = poolers;
    list.replaceChildren(
      el('section', {}, el('h3', {}, 'The model’s own'), item('auto', '', 'what the model was made with', () => add('auto'))),
      ...grouped(poolers).map(({ name, poolers: some }) => el('section', {},
        el('h3', {}, name),
        ...some.map((pooler) => item(pooler.name, pooler.equation, pooler.expect, () => add(pooler.name))))));
    const names = poolers.filter(({ kind }) => kind === 'learned').map(({ name }) => name);
    say(learned, names.length > 0 ? `Only with learned weights, and not here: ${names.join(', ')}.` : '');
  });
  return view;
}

function item(name: string, equation: string, expect: string, add: () => void): HTMLElement {
  return el('div', { class: 'pooler' },
    button(name, add, { class: 'chip', title: equation, 'aria-label': `Add ${name}`, 'data-testid': `add-${name}` }),
    el('p', {}, expect));
}

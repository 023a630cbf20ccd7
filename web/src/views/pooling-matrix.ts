/** How much every two poolers agree: what their first hits have in common, and whether they order passages alike. */

import { el, say } from '../dom.ts';
import { legend, tint } from '../draw/tint.ts';
import { kendallTau, overlap } from '../pooling/agree.ts';
import { labelOf } from '../pooling/spec.ts';
import type { Column, CompareStore, Found } from '../pooling/state.ts';
import { DEPTH } from '../pooling/study.ts';
import { letter } from './pooling-head.ts';
import { named } from './pooling-words.ts';

interface Measure {
  readonly id: string;
  readonly name: (k: number) => string;
  readonly value: (a: Found, b: Found, k: number) => number | undefined;
  readonly signed: boolean;
}

const MEASURES: readonly Measure[] = [
  {
    id: 'overlap', name: (k) => `Overlap of the first ${k}`, signed: false,
    value: (a, b, k) => overlap(a.ranking, b.ranking, k),
  },
  {
    id: 'tau', name: () => 'Kendall’s tau of the ranks', signed: true,
    value: (a, b) => kendallTau(a.ranking, b.ranking),
  },
];

export function poolingMatrix(store: CompareStore): HTMLElement {
  const tables = el('div', { class: 'matrices' });
  const spoken = el('p', { class: 'spoken', 'aria-live': 'polite', 'data-testid': 'matrix-said' });
  const view = el('section', { class: 'agreement', 'aria-label': 'Agreement' }, el('h2', {}, 'How far they agree'), tables, spoken,
    el('p', { class: 'note' }, `Overlap is the share of the first hits that two poolers have in common. Tau compares the order of all passages, of the first ${DEPTH.toLocaleString('en')} of each where there are more: 1 is the same order, 0 no relation, −1 the reverse.`));
  let shown: readonly unknown[] = [];
  store.watch(({ columns, k }) => {
    const now = [k, ...columns.flatMap(({ spec, found }) => [labelOf(spec), found])];
    if (now.length === shown.length && now.every((part, at) => part === shown[at])) return;
    shown = now;
    view.hidden = columns.filter(({ found }) => found).length < 2;
    tables.replaceChildren(...MEASURES.map((measure) => table(measure, columns, k)));
    say(spoken, '');
  });
  const follow = ({ target }: Event): void => {
    if (target instanceof HTMLElement && target.title !== '') say(spoken, target.title);
  };
  tables.addEventListener('pointerover', follow);
  tables.addEventListener('focusin', follow);
  return view;
}

function table({ id, name, value, signed }: Measure, columns: readonly Column[], k: number): HTMLElement {
  const cell = (row: number, column: number): HTMLElement => {
    const [a, b] = [columns[row], columns[column]];
    if (!a || !b || row === column) return el('td', { class: 'itself' });
    // Answers to different questions are not compared.
    const number = a.found && b.found && a.found.question === b.found.question ? value(a.found, b.found, k) : undefined;
    const said = `${name(k)} of ${named(a, row)} and ${named(b, column)}: ${number?.toFixed(3) ?? 'not known yet'}`;
    const made = el('td', { title: said, 'data-testid': `${id}-cell` }, number === undefined ? '…' : number.toFixed(2).replace('-', '−'));
    if (number !== undefined) tint(made, number);
    return made;
  };
  return el('div', { class: 'scrolls' },
    el('table', { class: 'matrix', 'data-testid': id },
      el('caption', {}, name(k)),
      el('thead', {}, el('tr', {}, el('td'), ...columns.map((one, at) => el('th', { scope: 'col', title: labelOf(one.spec) }, letter(at))))),
      el('tbody', {}, ...columns.map((one, row) => el('tr', {},
        el('th', { scope: 'row' }, el('b', {}, letter(row)), ` ${labelOf(one.spec)}`),
        ...columns.map((_, column) => cell(row, column)))))),
    legend(signed ? 'diverging' : 'tint', signed ? '−1' : '0', '1', ''));
}

/** What each pooler weighs: the question's tokens, and those of the chosen passage, tinted under each. */

import { el, say } from '../dom.ts';
import { inText } from '../draw/pieces.ts';
import { legend, tint } from '../draw/tint.ts';
import { largest } from '../draw/tinted.ts';
import { labelOf } from '../pooling/spec.ts';
import { weighedKey } from '../pooling/state.ts';
import type { Column, CompareState, CompareStore, Weighed } from '../pooling/state.ts';
import { roving } from '../roving.ts';
import { unitsOf } from '../text/units.ts';
import { letter } from './pooling-head.ts';

export function poolingTokens(store: CompareStore): HTMLElement {
  const question = side('question', 'The question', (state) => state.question);
  const passage = side('passage', 'The chosen passage', (state) => state.chosen?.chunk.text ?? '');
  const hint = el('p', { class: 'note' }, 'Choose a passage above to see its tokens, too.');
  const view = el('section', { class: 'weights', 'aria-label': 'Token weights' },
    el('h2', {}, 'What each weighs'),
    legend('diverging', '−', '+', 'Weight, as a share of the pooler’s largest: its number is beside it'),
    question.element, passage.element, hint);
  store.watch((state) => {
    view.hidden = state.question === '' || state.columns.length === 0;
    hint.hidden = state.chosen !== undefined;
    question.draw(state);
    passage.draw(state);
  });
  return view;
}

interface Side {
  readonly element: HTMLElement;
  readonly draw: (state: CompareState) => void;
}

function side(id: string, name: string, textOf: (state: CompareState) => string): Side {
  const rows = el('div', { class: 'weight-rows', 'data-testid': `weights-${id}` });
  const spoken = el('p', { class: 'spoken', 'aria-live': 'polite', 'data-testid': `weights-said-${id}` });
  const element = el('section', {}, el('h3', {}, name), rows, spoken);
  let shown: readonly unknown[] = [];
  const draw = (state: CompareState): void => {
    const text = textOf(state);
    const all = state.columns.map((column) => ({ column, label: labelOf(column.spec), weighed: state.weighed.get(weighedKey(labelOf(column.spec), text)) }));
    element.hidden = text === '';
    const now = [text, ...all.flatMap(({ label, weighed }) => [label, weighed])];
    if (now.length === shown.length && now.every((part, at) => part === shown[at])) return;
    shown = now;
    rows.replaceChildren(...all.map(({ column, weighed }, at) => row(column, at, weighed)));
    say(spoken, '');
  };
  /** A token stands out under every pooler, and its weights are told. */
  const follow = ({ target }: Event): void => {
    const token = target instanceof HTMLElement ? target.dataset['token'] : undefined;
    const same = [...rows.querySelectorAll<HTMLElement>('[data-token]')].filter((one) => one.dataset['token'] === token);
    rows.querySelectorAll('.focused').forEach((one) => one.classList.remove('focused'));
    for (const one of same) one.classList.add('focused');
    const told = same.map((one) => `${one.dataset['place']} ${one.title}`);
    if (token !== undefined) say(spoken, `“${same[0]?.textContent ?? ''}”: ${told.join(', ')}`);
  };
  rows.addEventListener('pointerover', follow);
  rows.addEventListener('focusin', follow);
  return { element, draw };
}

function row({ spec, problem }: Column, place: number, weighed: Weighed | undefined): HTMLElement {
  const label = el('p', { class: 'whose' }, el('b', {}, letter(place)), ` ${labelOf(spec)}`);
  const told = (text: string): HTMLElement => el('div', { class: 'weight-row' }, label, el('p', { class: 'note' }, text));
  if (problem) return told('It has no answer.');
  if (!weighed) return told('…');
  const { layout, weights } = weighed;
  const tokens = layout.tokens.length;
  if (!weights || tokens === 0) return told('Gives no token weights: no token has a share of its own in the vector.');
  if (weights.length % tokens !== 0) return told('Weighs other tokens than the text has.');

  const prose = el('p', { class: 'prose', 'data-testid': 'weight-text' });
  const most = el('span', { class: 'amount', 'data-testid': 'weight-most' });
  const show = (vector: number): void => {
    const values = weights.subarray(vector * tokens, (vector + 1) * tokens);
    const top = largest(values);
    prose.replaceChildren(...pieces(weighed, values, top, letter(place)));
    roving(prose);
    say(most, `largest ${top.toFixed(3)}`);
  };
  show(0);
  const several = weights.length / tokens;
  return el('div', { class: 'weight-row' }, label, prose, el('div', { class: 'numbers' }, most, ...(several > 1 ? [vectors(several, show)] : [])));
}

/** Which of several vectors is shown. */
function vectors(count: number, show: (vector: number) => void): HTMLElement {
  const range = el('input', { type: 'range', min: 1, max: count, value: 1, 'data-testid': 'weight-vector' });
  const output = el('output', { class: 'amount' }, `1 of ${count}`);
  range.addEventListener('input', () => {
    say(output, `${range.value} of ${count}`);
    show(Number(range.value) - 1);
  });
  return el('label', { class: 'knob' }, 'vector', range, output);
}

/** The text with each token tinted and reachable by arrow keys. */
function pieces({ layout }: Weighed, values: Float32Array, most: number, place: string): (HTMLElement | string)[] {
  return inText(layout.text, unitsOf(layout, false, false), (shown, _, token) => {
    const value = (values[token] ?? 0).toFixed(4);
    const piece = el('button', {
      type: 'button', tabindex: -1, title: value, 'aria-label': `${shown} ${value}`, 'data-token': token, 'data-place': place,
    }, shown);
    tint(piece, most > 0 ? (values[token] ?? 0) / most : 0);
    return piece;
  });
}

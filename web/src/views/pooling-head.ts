/** The head of a column: which pooler, its knobs, what it is, and how far it is. */

import { button, el, say } from '../dom.ts';
import { knobsOf, written } from '../pooling/knobs.ts';
import type { Knob, Value } from '../pooling/knobs.ts';
import { labelOf, turned, valueOf } from '../pooling/spec.ts';
import type { Column, CompareState } from '../pooling/state.ts';
import type { Comparison } from '../pooling/study.ts';
import type { Engine } from '../engine.ts';

// A slider passes values on its way: only where it rests is the text embedded again.
const DEBOUNCE_MS = 300;

export interface Head {
  readonly element: HTMLElement;
  /** Shows the column in its place among all. */
  readonly draw: (column: Column, place: number, state: CompareState) => void;
}

/** `A`, `B`, and so on. */
export function letter(place: number): string {
  return place < 26 ? String.fromCharCode(65 + place) : String(place + 1);
}

export function columnHead({ id, spec }: Column, engine: Engine, study: Comparison): Head {
  const own = engine.model?.info.modules.find((module) => module.startsWith('Pooling'));
  const place = el('span', { class: 'place', 'aria-hidden': 'true' });
  const name = el('h3', { class: 'name' }, spec.name);
  const left = button('‹', () => study.move(id, -1), { class: 'quiet', title: 'Move to the left' });
  const right = button('›', () => study.move(id, 1), { class: 'quiet', title: 'Move to the right' });
  const remove = button('×', () => study.remove(id), { class: 'quiet', title: 'Remove', 'data-testid': 'remove-pooler' });
  const bar = el('progress', { max: 1, 'aria-label': `Reading your text under ${spec.name}` });
  const problem = el('p', { class: 'problem', 'data-testid': 'column-problem' });
  const about = el('p', { class: 'note' });
  const knobs = el('div', { class: 'knobs' });
  const element = el('header', { 'data-testid': 'column-head' },
    el('div', { class: 'row' }, place, name, left, right, remove),
    knobs, el('details', {}, el('summary', {}, 'What it is'), about), bar, problem);

  const sizes = engine.model?.info;
  let now = spec;
  knobs.append(...(sizes ? knobsOf(spec.name, sizes) : []).map((knob) => control(id, knob, valueOf(spec, knob), (value) => {
    now = turned(now, knob, value);
    study.turn(id, now);
  })));

  const draw = (column: Column, at: number, { columns, poolers }: CompareState): void => {
    say(place, letter(at));
    const label = labelOf(column.spec);
    remove.setAttribute('aria-label', `Remove ${label}`);
    left.setAttribute('aria-label', `Move ${label} to the left`);
    right.setAttribute('aria-label', `Move ${label} to the right`);
    left.disabled = at === 0;
    right.disabled = at === columns.length - 1;
    bar.hidden = column.share === undefined;
    if (column.share) bar.value = column.share;
    else bar.removeAttribute('value');
    problem.hidden = column.problem === undefined;
    say(problem, column.problem ? `${column.problem.title}. ${column.problem.advice}` : '');
    const info = poolers.find((pooler) => pooler.name === column.spec.name);
    const papers = info?.papers.map(({ title }) => title).join('; ');
    say(about, info
      ? [info.equation, info.expect, papers].filter(Boolean).join('. ')
      : `The model’s own pooling: ${own ?? 'as its files say'}.`);
  };
  return { element, draw };
}

function control(column: number, knob: Knob, value: Value, turn: (value: Value) => void): HTMLElement {
  const id = `knob-${column}-${knob.option}`;
  const at = Math.max(0, knob.values.findIndex((one) => written(one) === written(value)));
  const label = el('label', { for: id }, knob.option);
  if (knob.kind === 'switch') {
    const select = el('select', { id, 'data-testid': `knob-${knob.option}` },
      ...knob.values.map((one, index) => el('option', { value: index, selected: index === at }, written(one))));
    select.addEventListener('change', () => turn(knob.values[Number(select.value)] ?? knob.initial));
    return el('div', { class: 'knob' }, label, select);
  }
  const range = el('input', { id, type: 'range', min: 0, max: knob.values.length - 1, step: 1, value: at, 'data-testid': `knob-${knob.option}` });
  const output = el('output', { for: id, class: 'amount' });
  const chosen = (): Value => knob.values[Number(range.value)] ?? knob.initial;
  const tell = (): void => {
    say(output, written(chosen()));
    range.setAttribute('aria-valuetext', written(chosen()));
  };
  tell();
  let timer = 0;
  range.addEventListener('input', () => {
    tell();
    clearTimeout(timer);
    timer = window.setTimeout(() => turn(chosen()), DEBOUNCE_MS);
  });
  return el('div', { class: 'knob' }, label, range, output);
}

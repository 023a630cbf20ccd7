/** Layers down, heads across: a square for each head, coloured by a number that can be chosen. */

import type { Analysis } from 'heatseek';

import { el, say } from '../dom.ts';
import { rgb, shadeOf } from '../draw/heat.ts';
import { themeShades } from '../draw/theme.ts';
import { legend } from '../draw/tint.ts';
import { measuresOf } from '../heads/measures.ts';
import type { Measure } from '../heads/measures.ts';
import type { Subject } from '../heads/study.ts';

/** A drawing of an analysis in which heads can be picked. */
export interface HeadDrawing {
  readonly element: HTMLElement;
  readonly draw: (analysis: Analysis) => void;
  /** Marks the heads that the view above shows. */
  readonly mark: (subject: Subject) => void;
}

export function headTable(pick: (layer: number, head: number) => void): HeadDrawing {
  const select = el('select', { 'aria-label': 'Colour heads by', 'data-testid': 'measure' });
  const grid = el('div', { role: 'grid', class: 'head-table', 'aria-label': 'Layers down, heads across', 'data-testid': 'head-table' });
  const about = el('p', { class: 'note' });
  const scale = el('div', { 'data-testid': 'measure-scale' });
  const spoken = el('p', { class: 'spoken', 'aria-live': 'polite', 'data-testid': 'head-said' });
  const element = el('section', {}, el('h3', {}, 'Every head by one number'),
    el('p', { class: 'control' }, el('span', { 'aria-hidden': 'true' }, 'Colour by'), select), grid, scale, spoken, about);
  let analysis: Analysis | undefined;
  let buttons: readonly HTMLButtonElement[] = [];

  const colour = (): void => {
    const measures = analysis ? measuresOf(analysis) : [];
    const measure = measures.find(({ id }) => id === select.value) ?? measures[0];
    const values = analysis && measure?.values(analysis);
    if (!analysis || !measure || !values) return;
    const most = Math.max(...Array.from(values), 0);
    const shades = themeShades();
    buttons.forEach((button, index) => {
      const value = values[index] ?? 0;
      const number = `${button.dataset['name']}: ${measure.say(value, analysis as Analysis, index)}`;
      button.style.backgroundColor = rgb(shades[shadeOf(most > 0 ? value / most : 0)] ?? 0);
      button.title = number;
      button.setAttribute('aria-label', number);
    });
    scale.replaceChildren(legend('heat', '0', most.toFixed(3), measure.name));
    say(about, `The hotter, the ${measure.about}. Choose a head to see it above.`);
    say(spoken, extremes(measure, values, analysis.heads, analysis.layers));
  };
  select.addEventListener('change', colour);
  grid.addEventListener('pointerover', ({ target }) => {
    if (target instanceof HTMLButtonElement) say(spoken, target.title);
  });
  grid.addEventListener('focusin', ({ target }) => {
    if (target instanceof HTMLButtonElement) say(spoken, target.title);
  });
  grid.addEventListener('keydown', (event) => {
    const heads = analysis?.heads ?? 0;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: heads, ArrowUp: -heads }[event.key];
    const at = buttons.findIndex((button) => button === document.activeElement);
    const next = step === undefined || at < 0 ? undefined : buttons[at + step];
    if (!next) return;
    event.preventDefault();
    for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  });

  const draw = (next: Analysis): void => {
    analysis = next;
    const chosen = select.value;
    const measures = measuresOf(next);
    select.replaceChildren(...measures.map(({ id, name }) => el('option', { value: id }, name)));
    select.value = measures.some(({ id }) => id === chosen) ? chosen : (measures[0]?.id ?? '');
    const rows = next.layers.map((layer) => Array.from({ length: next.heads }, (_, head) => cell(layer, head, pick)));
    buttons = rows.flat();
    grid.style.setProperty('--heads', String(next.heads));
    const header = Array.from({ length: next.heads }, (_, head) => el('span', { role: 'columnheader' }, String(head)));
    grid.replaceChildren(el('div', { role: 'row' }, el('span'), ...header),
      ...rows.map((row, at) => el('div', { role: 'row' }, el('span', { role: 'rowheader' }, String(next.layers[at])), ...row)));
    const [first] = buttons;
    if (first) first.tabIndex = 0;
    colour();
  };
  const mark = ({ layer, heads }: Subject): void => {
    for (const button of buttons) {
      const here = Number(button.dataset['layer']) === layer && heads.includes(Number(button.dataset['head']));
      button.setAttribute('aria-selected', String(here));
    }
  };
  return { element, draw, mark };
}

function cell(layer: number, head: number, pick: (layer: number, head: number) => void): HTMLButtonElement {
  const button = el('button', {
    type: 'button', role: 'gridcell', tabindex: -1, 'data-layer': layer, 'data-head': head, 'data-name': `Layer ${layer}, head ${head}`,
  });
  button.addEventListener('click', () => pick(layer, head));
  return button;
}

/** Where the number is largest and smallest, in words. */
function extremes({ name }: Measure, values: ArrayLike<number>, heads: number, layers: readonly number[]): string {
  const all = Array.from(values);
  const said = (value: number): string => {
    const at = all.indexOf(value);
    return `${value.toFixed(3)} in layer ${layers[Math.floor(at / heads)]}, head ${at % heads}`;
  };
  return `${name}: from ${said(Math.min(...all))}, to ${said(Math.max(...all))}.`;
}

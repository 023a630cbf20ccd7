/** One bar cut into parts that make a whole, with a legend that says their numbers. */

import { el } from '../dom.ts';
import { milliseconds } from '../speed/stats.ts';

export interface Share {
  readonly id: string;
  readonly name: string;
  readonly ms: number;
}

export function shares(parts: readonly Share[]): HTMLElement {
  const total = parts.reduce((sum, { ms }) => sum + ms, 0) || 1;
  const bar = el('div', { class: 'shares', 'aria-hidden': 'true' }, ...parts.map(({ id, ms }) => {
    const part = el('span', { class: `part ${id}` });
    part.style.width = `${(100 * ms) / total}%`;
    return part;
  }));
  const legend = el('ul', { class: 'parts', 'data-testid': 'parts' }, ...parts.map(({ id, name, ms }) =>
    el('li', { 'data-part': id }, el('span', { class: `swatch ${id}`, 'aria-hidden': 'true' }), `${name} `, el('span', { class: 'amount' }, milliseconds(ms)))));
  return el('div', {}, bar, legend);
}

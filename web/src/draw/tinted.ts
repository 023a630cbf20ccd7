/** A text with each of its pieces tinted by a signed number. */

import { el } from '../dom.ts';
import type { Unit } from '../text/units.ts';
import { tint } from './tint.ts';

/**
 * The text as elements and what lies between them. A piece's tint is its value as a share of `most`; its title says
 * the value. Special pieces have no text of their own and show their names.
 */
export function tintedText(text: string, units: readonly Unit[], values: ArrayLike<number>, most: number): (HTMLElement | string)[] {
  let at = 0;
  const parts = units.flatMap((unit, index) => {
    const { special, start, end, label } = unit;
    const value = values[index] ?? 0;
    const piece = el('span', { class: special ? 'special' : 'piece', title: value.toFixed(4) }, special ? label : text.slice(start, end));
    tint(piece, most > 0 ? value / most : 0);
    if (special) return [index === 0 ? '' : ' ', piece, ' '];
    const between = text.slice(at, start);
    at = end;
    return [between, piece];
  });
  return [...parts, text.slice(at)];
}

/** The largest size among numbers. */
export function largest(...rows: readonly ArrayLike<number>[]): number {
  return rows.reduce((top, row) => Array.from(row).reduce((most, value) => Math.max(most, Math.abs(value)), top), 0);
}

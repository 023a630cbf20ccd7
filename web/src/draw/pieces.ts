/** A text in pieces that can be pressed, with what lies between them. */

import { el } from '../dom.ts';
import type { Unit } from '../text/units.ts';

/** Each unit as the button that `make` makes of what it shows. Lines may break between buttons, but not where they touch. */
export function inText(text: string, units: readonly Unit[], make: (shown: string, unit: Unit, index: number) => HTMLElement): (HTMLElement | string)[] {
  const parts: (HTMLElement | string)[] = [];
  let at = 0;
  units.forEach((unit, index) => {
    const { special, start, end, label } = unit;
    const piece = make(special ? label : text.slice(start, end), unit, index);
    const before = parts.at(-1);
    if (special) {
      piece.classList.add('special');
      parts.push(' ', piece, ' ');
      return;
    }
    if (at === start && before instanceof HTMLElement && before.classList.contains('word')) before.append(piece);
    else parts.push(text.slice(at, start), el('span', { class: 'word' }, piece));
    at = end;
  });
  return [...parts, text.slice(at)];
}

/**
 * Tints for text. CSS mixes them into the ground (`.tint` in text.css), so that light and dark need no redrawing: the
 * custom property `--tint` is the share of the hot colour, `--chill` that of the cold one.
 */

import { el } from '../dom.ts';
import { heatGradient } from './heat.ts';
import { onTheme, themeShades } from './theme.ts';

/** Tints `element` by a share from -1 (coldest) over 0 (none) to 1 (hottest). */
export function tint(element: HTMLElement, share: number): void {
  const bounded = Math.max(-1, Math.min(1, Number.isFinite(share) ? share : 0));
  element.classList.add('tint');
  element.style.setProperty('--tint', Math.max(0, bounded).toFixed(4));
  element.style.setProperty('--chill', Math.max(0, -bounded).toFixed(4));
}

/** A strip of the colours in use with what their ends stand for. */
export function legend(kind: 'heat' | 'tint' | 'diverging', low: string, high: string, what: string): HTMLElement {
  const strip = el('span', { class: `strip ${kind}`, 'aria-hidden': 'true' });
  if (kind === 'heat') {
    const paint = (): void => void (strip.style.background = heatGradient(themeShades()));
    paint();
    onTheme(paint);
  }
  return el('p', { class: 'legend' }, el('span', {}, what), el('span', { class: 'amount' }, low), strip, el('span', { class: 'amount' }, high));
}

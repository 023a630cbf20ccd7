/** Light or dark, and a call when that changes: what is drawn on a canvas must be drawn anew. */

import { PAPER_SHADES, SHADES } from './heat.ts';

const query = matchMedia('(prefers-color-scheme: dark)');

export function isDark(): boolean {
  return query.matches;
}

/** The colour map that suits the ground. */
export function themeShades(): Uint32Array {
  return isDark() ? SHADES : PAPER_SHADES;
}

/** Calls `redraw` after every change of theme. */
export function onTheme(redraw: () => void): void {
  query.addEventListener('change', redraw);
}

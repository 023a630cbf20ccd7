/** Lines between two rankings, from a passage's place in one to its place in the other. */

import { svg } from '../dom.ts';
import type { Move } from '../pooling/agree.ts';

/** Height of a hit in CSS pixels; pooling.css has the same. */
export const HIT = 76;
/** Between two columns, in CSS pixels; pooling.css has the same. */
export const GAP = 56;
/** What the other column does not show ends after so many pixels, in a ring. */
const STUB = 14;

export function middle(rank: number): number {
  return (rank - 0.5) * HIT;
}

/** The lines of all moves between columns that show `k` hits each. */
export function slopes(moves: readonly Move[], k: number): SVGSVGElement {
  const height = k * HIT;
  const drawing = svg('svg', { class: 'slopes', width: GAP, height, viewBox: `0 0 ${GAP} ${height}`, 'aria-hidden': 'true' });
  for (const move of moves) drawing.append(...line(move, k));
  return drawing;
}

function line({ name, from, to }: Move, k: number): SVGElement[] {
  const shown = { from: from !== undefined && from <= k, to: to !== undefined && to <= k };
  if (shown.from && shown.to) {
    const [start, end] = [middle(from ?? 0), middle(to ?? 0)];
    const way = start === end ? 'stays' : start > end ? 'rises' : 'falls';
    return [svg('path', {
      class: `slope ${way}`, 'data-passage': name, d: `M0 ${start} C${GAP / 2} ${start} ${GAP / 2} ${end} ${GAP} ${end}`,
    })];
  }
  const [way, y, end] = shown.from ? ['falls', middle(from ?? 0), STUB] as const : ['rises', middle(to ?? 0), GAP - STUB] as const;
  return [
    svg('path', { class: `slope stub ${way}`, 'data-passage': name, d: `M${shown.from ? 0 : GAP} ${y} L${end} ${y}` }),
    svg('circle', { class: `slope ring ${way}`, 'data-passage': name, cx: end, cy: y, r: 3 }),
  ];
}

/** What the lines between columns say, in words. */

import type { Hit } from 'heatseek';

import { el } from '../dom.ts';
import { moves } from '../pooling/agree.ts';
import type { Move } from '../pooling/agree.ts';
import { labelOf } from '../pooling/spec.ts';
import { passageOf } from '../pooling/state.ts';
import type { Column, CompareState } from '../pooling/state.ts';
import { letter } from './pooling-head.ts';

/** `A (auto)` */
export function named({ spec }: Column, place: number): string {
  return `${letter(place)} (${labelOf(spec)})`;
}

/** Where every column has a passage; what to do while none is marked. */
export function ranksOf(passage: string | undefined, { columns }: CompareState, title: (hit: Hit) => string): string {
  const hit = columns.flatMap(({ found }) => found?.hits ?? []).find((one) => passageOf(one) === passage);
  if (!hit) return '';
  const ranks = columns.flatMap(({ found }, place) => {
    if (!found) return [];
    const at = found.ranking.indexOf(passageOf(hit));
    return [`${letter(place)} ${at < 0 ? 'not found' : at + 1}`];
  });
  return `“${title(hit)}” ranks ${ranks.join(', ')}`;
}

/** For every two neighbours, what rises, falls, comes and goes among the first. */
export function changes({ columns, k }: CompareState, title: (hit: Hit) => string): HTMLElement[] {
  const titles = new Map(columns.flatMap(({ found }) => found?.hits.map((hit) => [passageOf(hit), title(hit)] as const) ?? []));
  return columns.flatMap((column, place) => {
    const before = columns[place - 1];
    if (!before?.found || !column.found || before.found.question !== column.found.question) return [];
    const changed = moves(before.found.ranking, column.found.ranking, k).filter(({ from, to }) => from !== to);
    return [el('section', {},
      el('h4', {}, `From ${named(before, place - 1)} to ${named(column, place)}`),
      changed.length === 0
        ? el('p', { class: 'note' }, `The first ${k} are the same, in the same order.`)
        : el('ul', {}, ...changed.map((move) => el('li', {}, `“${titles.get(move.name) ?? ''}” ${said(move, k)}`))))];
  });
}

function said({ from, to }: Move, k: number): string {
  const place = (rank: number | undefined): string => (rank === undefined ? 'nowhere' : String(rank));
  const note = to === undefined || to > k ? ', out of the first ' + k : from === undefined || from > k ? ', from behind the first ' + k : '';
  return `from ${place(from)} to ${place(to)}${note}`;
}

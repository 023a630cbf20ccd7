/** What each pooler finds, side by side, with a line from each passage's place in a column to its place in the next. */

import type { Hit } from 'heatseek';

import { documentName } from '../collections/sources.ts';
import { button, el, say } from '../dom.ts';
import { slopes } from '../draw/slopes.ts';
import type { Engine } from '../engine.ts';
import { moves } from '../pooling/agree.ts';
import { labelOf } from '../pooling/spec.ts';
import { isCurrent, passageOf } from '../pooling/state.ts';
import type { Column, CompareState, CompareStore } from '../pooling/state.ts';
import type { Comparison } from '../pooling/study.ts';
import type { Store } from '../state.ts';
import { columnHead, letter } from './pooling-head.ts';
import type { Head } from './pooling-head.ts';
import { changes, ranksOf } from './pooling-words.ts';

interface Drawn {
  readonly head: Head;
  readonly element: HTMLElement;
  readonly list: HTMLElement;
  /** What the list shows: drawn anew only when that is another. */
  shown: readonly unknown[];
}

export function poolingColumns(page: Store, engine: Engine, store: CompareStore, study: Comparison): HTMLElement {
  const grid = el('div', { class: 'columns', 'data-testid': 'columns' });
  const spoken = el('p', { class: 'spoken', role: 'status', 'data-testid': 'compare-said' });
  const words = el('div');
  const element = el('section', { 'aria-label': 'What each pooler finds' }, spoken,
    el('div', { class: 'scrolls' }, grid),
    el('p', { class: 'note key-of-lines' }, el('span', { class: 'rises' }, 'rises'), ' ', el('span', { class: 'falls' }, 'falls'),
      ' to the right; a line that ends in a ring leaves the hits shown. Point at a passage, or walk with arrow keys, to follow it; press it to see its tokens below.'),
    el('details', { 'data-testid': 'changes' }, el('summary', {}, 'The changes in words'), words));
  const drawn = new Map<number, Drawn>();
  // Its own columns' indexes have no metadata: the collection has.
  const title = ({ document: found, chunk }: Hit): string => documentName(engine.index?.get(found.id) ?? found, chunk);

  const choose = (hit: Hit): void => {
    const { chosen } = store.state;
    store.update({ chosen: chosen && passageOf(chosen) === passageOf(hit) ? undefined : hit });
    study.look();
  };
  const mark = (passage: string | undefined): void => {
    const strong = passage ?? (store.state.chosen && passageOf(store.state.chosen));
    grid.classList.toggle('marking', strong !== undefined);
    grid.querySelectorAll<HTMLElement | SVGElement>('[data-passage]').forEach((one) => one.classList.toggle('on', one.dataset['passage'] === strong));
    say(spoken, ranksOf(strong, store.state, title));
  };

  const draw = (state: CompareState): void => {
    const { columns, k, question } = state;
    for (const [id, { element: gone }] of drawn) {
      if (columns.some((column) => column.id === id)) continue;
      gone.remove();
      drawn.delete(id);
    }
    const focused = document.activeElement;
    columns.forEach((column, place) => {
      let one = drawn.get(column.id);
      if (!one) {
        const head = columnHead(column, engine, study);
        const list = el('ol', { 'data-testid': 'column-hits' });
        one = { head, list, shown: [], element: el('section', { class: 'column', 'data-testid': 'column' }, head.element, list) };
        drawn.set(column.id, one);
      }
      // Moving an element that stands where it should would take the focus off it.
      if (grid.children[place] !== one.element) grid.insertBefore(one.element, grid.children[place] ?? null);
      one.element.setAttribute('aria-label', `${letter(place)}: ${labelOf(column.spec)}`);
      one.element.toggleAttribute('data-waits', column.found !== undefined && !isCurrent(column, question));
      one.head.draw(column, place, state);
      list(one, column, columns[place - 1], place, k);
    });
    if (focused instanceof HTMLElement && focused !== document.activeElement && grid.contains(focused)) focused.focus();
    element.hidden = question === '' && columns.every(({ found }) => !found);
    words.replaceChildren(...changes(state, title));
    grid.querySelectorAll('.column button[data-passage]').forEach((one) =>
      one.setAttribute('aria-pressed', String(state.chosen !== undefined && one.getAttribute('data-passage') === passageOf(state.chosen))));
    mark(marked());
  };

  /** Fills a column's list, and the lines between it and the one on its left. */
  const list = (one: Drawn, { found, problem }: Column, before: Column | undefined, place: number, k: number): void => {
    const left = before?.found && found && before.found.question === found.question ? before.found : undefined;
    const shown = [found, left, k, problem, letter(place)];
    if (shown.every((part, at) => part === one.shown[at]) && one.shown.length > 0) return;
    one.shown = shown;
    const changed = left && found ? moves(left.ranking, found.ranking, k) : [];
    const places = new Map(changed.map((move) => [move.name, move.from]));
    one.list.replaceChildren(...(found?.hits ?? []).slice(0, k).map((hit, at) =>
      item(hit, at + 1, left && place > 0 ? { rank: places.get(passageOf(hit)), from: letter(place - 1) } : undefined)));
    one.element.querySelector('.slopes')?.remove();
    if (left) one.element.append(slopes(changed, k));
  };

  const item = (hit: Hit, rank: number, before: { rank: number | undefined; from: string } | undefined): HTMLElement => {
    const passage = passageOf(hit);
    const badge = before ? change(before.rank, rank, before.from) : [];
    const press = button('', () => choose(hit), { 'data-passage': passage, 'data-rank': rank, tabindex: rank === 1 ? 0 : -1 });
    press.append(
      el('span', { class: 'numbers' }, el('span', { class: 'rank' }, String(rank)), el('span', { class: 'score' }, hit.score.toFixed(3))),
      el('span', { class: 'what' },
        el('span', { class: 'title' }, el('b', {}, title(hit)), ...badge), el('span', { class: 'snippet' }, hit.chunk.text)));
    return el('li', { 'data-testid': 'hit' }, press);
  };

  /** The passage under the pointer or the focus. */
  const marked = (): string | undefined => grid.querySelector<HTMLElement>('button[data-passage]:is(:hover, :focus-visible)')?.dataset['passage'];
  const follow = ({ target }: Event): void => {
    const over = target instanceof Element ? target.closest<HTMLElement>('[data-passage]') : null;
    mark(over?.dataset['passage']);
  };
  grid.addEventListener('pointerover', follow);
  grid.addEventListener('focusin', follow);
  grid.addEventListener('pointerleave', () => mark(marked()));
  grid.addEventListener('focusout', () => mark(marked()));
  grid.addEventListener('keydown', (event) => walk(event, grid));
  store.watch(draw);
  return element;
}

/** How a passage came from its rank in the column before, as a sign and in words. */
function change(before: number | undefined, rank: number, from: string): HTMLElement[] {
  const by = before === undefined ? 0 : before - rank;
  const sign = before === undefined ? 'new' : by > 0 ? `▲${by}` : by < 0 ? `▼${-by}` : '';
  if (sign === '') return [];
  const words = before === undefined ? `not found by ${from}` : `${Math.abs(by)} ${by > 0 ? 'up' : 'down'} from ${from}`;
  const way = by < 0 ? 'falls' : 'rises';
  return [el('span', { class: `moved ${way}`, 'aria-hidden': 'true' }, sign), el('span', { class: 'visually-hidden' }, words)];
}

/** Arrow keys go up and down a column, and to the same passage of the next one, or the same place if it is not there. */
function walk(event: KeyboardEvent, grid: HTMLElement): void {
  const { activeElement: focused } = document;
  if (!(focused instanceof HTMLElement) || focused.dataset['rank'] === undefined) return;
  const down = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const across = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const lists = [...grid.querySelectorAll('ol')].map((list) => [...list.querySelectorAll<HTMLElement>('button')]);
  const column = lists.findIndex((buttons) => buttons.includes(focused));
  const place = Number(focused.dataset['rank']) - 1;
  const beside = lists[column + (across ?? 0)];
  const next = down !== undefined
    ? lists[column]?.[place + down]
    : across !== undefined
      ? (beside?.find(({ dataset }) => dataset['passage'] === focused.dataset['passage']) ?? beside?.[place])
      : undefined;
  if (!next || next === focused) return;
  event.preventDefault();
  for (const one of lists.find((buttons) => buttons.includes(next)) ?? []) one.tabIndex = one === next ? 0 : -1;
  next.focus();
  next.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}


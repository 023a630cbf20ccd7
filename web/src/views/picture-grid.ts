/** Every head of every layer as a small map, and all heads of a layer as one. Choosing one draws it over the picture. */

import { el } from '../dom.ts';
import { drawHeat, SHADES } from '../draw/heat.ts';
import type { PictureEngine } from '../pictures/engine.ts';
import { heatOf } from '../pictures/heat.ts';
import type { Maps } from '../pictures/maps.ts';
import type { Look } from '../pictures/state.ts';

const STEPS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
};

interface Cell {
  readonly button: HTMLButtonElement;
  readonly canvas: HTMLCanvasElement;
  readonly layer: number;
  readonly head: number | 'all';
}

export function pictureGrid({ store, looker }: PictureEngine): HTMLElement {
  const grid = el('div', { role: 'grid', class: 'heads-grid', 'aria-label': 'Layers down, heads across', 'data-testid': 'head-grid' });
  const note = el('p', { class: 'note' }, 'Layers down, heads across; the first column is all heads as one. Each map has its own scale.');
  const view = el('div', { class: 'heads-panel' }, el('div', { class: 'scroller' }, grid), note);
  let cells: readonly Cell[][] = [];

  const choose = ({ layer, head }: Cell): void => looker.change({ layer, head });
  grid.addEventListener('keydown', (event) => {
    const step = STEPS[event.key];
    const { look } = store.state.looking;
    if (!step) return;
    event.preventDefault();
    const column = look.head === 'all' ? 0 : look.head + 1;
    const cell = cells[look.layer + step[0]]?.[column + step[1]];
    if (!cell) return;
    choose(cell);
    cell.button.focus();
  });

  let shape = '';
  let drawn: { maps: Maps; look: Look } | undefined;
  store.watch(({ looking: { maps, look } }) => {
    view.hidden = maps === undefined;
    if (!maps) return;
    const size = `${maps.layers} ${maps.heads}`;
    if (size !== shape) {
      shape = size;
      drawn = undefined;
      cells = Array.from({ length: maps.layers }, (_, layer) => rowOfCells(layer, maps.heads, choose));
      grid.style.setProperty('--columns', String(maps.heads + 1));
      grid.replaceChildren(header(maps.heads), ...cells.map(rowElement));
    }
    for (const { button, layer, head } of cells.flat()) {
      const chosen = layer === look.layer && head === look.head;
      button.setAttribute('aria-selected', String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
    // Choosing another head changes no thumbnail.
    if (drawn && drawn.maps === maps && same(drawn.look, look)) return;
    drawn = { maps, look };
    for (const { canvas, layer, head } of cells.flat()) {
      const heat = heatOf(maps, { ...look, layer, head });
      // Of a large picture one layer is at hand at a time; the others keep what they show.
      if (heat) drawHeat(canvas, heat.values, heat.grid.columns, SHADES, (value) => value / (heat.high || 1));
    }
  });
  return view;
}

function same(a: Look, b: Look): boolean {
  return a.query === b.query && a.fusion === b.fusion && a.hideRegisters === b.hideRegisters && a.hideSinks === b.hideSinks;
}

function header(heads: number): HTMLElement {
  const names = ['all', ...Array.from({ length: heads }, (_, head) => String(head))];
  return el('div', { role: 'row' }, el('span'), ...names.map((name) => el('span', { role: 'columnheader' }, name)));
}

function rowOfCells(layer: number, heads: number, choose: (cell: Cell) => void): Cell[] {
  return (['all', ...Array.from({ length: heads }, (_, head) => head)] as const).map((head) => {
    const canvas = el('canvas', { width: 1, height: 1, 'aria-hidden': 'true' });
    const name = head === 'all' ? `Layer ${layer}, all heads` : `Layer ${layer}, head ${head}`;
    const button = el('button', { type: 'button', role: 'gridcell', 'aria-label': name, 'data-cell': `${layer} ${head}` }, canvas);
    const cell: Cell = { button, canvas, layer, head };
    button.addEventListener('click', () => choose(cell));
    return cell;
  });
}

function rowElement(cells: readonly Cell[], layer: number): HTMLElement {
  return el('div', { role: 'row' }, el('span', { role: 'rowheader' }, String(layer)), ...cells.map(({ button }) => button));
}

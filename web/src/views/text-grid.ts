/** All heads of all layers as small maps; choosing one goes to its lines. */

import { el } from '../dom.ts';
import { drawHeat } from '../draw/heat.ts';
import { onTheme, themeShades } from '../draw/theme.ts';
import { legend } from '../draw/tint.ts';
import type { TextState, TextStore } from '../text/state.ts';
import type { Drawing } from './text.ts';

/** More rows than this cannot be told apart in a thumbnail. */
const MOST_ROWS = 96;

/** How hot a weight is drawn. Most weights are small: the square root lets them be seen. */
export function gridShare(weight: number): number {
  return Math.sqrt(weight);
}

export function textGrid(store: TextStore): Drawing {
  const grid = el('div', { class: 'grid', role: 'group', 'aria-label': 'Layers down, heads across', 'data-testid': 'grid' });
  const element = el('div', {}, legend('heat', '0', '1', 'Weight, on a square-root scale'), grid);
  let drawn = '';
  let shape = '';
  const draw = (state: TextState): void => {
    const { maps, layer, heads, words, hideSpecial, fetched } = state;
    if (!maps) return;
    const size = `${maps.layers}x${maps.heads}`;
    if (size !== shape) {
      shape = size;
      drawn = '';
      grid.style.setProperty('--heads', String(maps.heads));
      grid.replaceChildren(...cells(store, maps.layers, maps.heads));
    }
    const canvases = [...grid.querySelectorAll('canvas')];
    canvases.forEach((canvas, at) => {
      const current = Math.floor(at / maps.heads) === layer && heads.includes(at % maps.heads);
      canvas.parentElement?.setAttribute('aria-current', String(current));
    });
    const key = `${fetched} ${words} ${hideSpecial}`;
    if (key === drawn) return;
    drawn = key;
    const n = maps.units(state).length;
    canvases.forEach((canvas, at) => {
      const map = maps.has(Math.floor(at / maps.heads)) ? maps.map(Math.floor(at / maps.heads), at % maps.heads, state) : undefined;
      // A layer that is not at hand any more keeps the map it had.
      if (!map) return;
      const small = shrink(map, n);
      drawHeat(canvas, small, Math.sqrt(small.length), themeShades(), gridShare);
    });
  };
  onTheme(() => {
    drawn = '';
    if (grid.isConnected) draw(store.state);
  });
  return { element, draw };
}

function cells(store: TextStore, layers: number, heads: number): HTMLElement[] {
  const buttons: HTMLButtonElement[] = [];
  const all: HTMLElement[] = [el('span', { class: 'corner' })];
  for (let head = 0; head < heads; head++) all.push(el('span', { 'aria-hidden': 'true' }, String(head)));
  for (let layer = 0; layer < layers; layer++) {
    all.push(el('span', { 'aria-hidden': 'true' }, String(layer)));
    for (let head = 0; head < heads; head++) {
      const button = el('button', { type: 'button', tabindex: buttons.length === 0 ? 0 : -1, 'aria-label': `Layer ${layer}, head ${head}` },
        el('canvas', { width: 1, height: 1 }));
      button.addEventListener('click', () => store.update({ layer, heads: [head], mode: 'lines' }));
      buttons.push(button);
      all.push(button);
    }
  }
  for (const [at, button] of buttons.entries()) {
    button.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: heads, ArrowUp: -heads }[event.key];
      const next = step === undefined ? undefined : buttons[at + step];
      if (!next) return;
      event.preventDefault();
      button.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  }
  return all;
}

/** A map of at most {@link MOST_ROWS} rows: of each block its highest weight, or thin stripes would vanish. */
export function shrink(map: Float32Array, n: number): Float32Array {
  if (n <= MOST_ROWS) return map;
  const small = new Float32Array(MOST_ROWS ** 2);
  const to = Array.from({ length: n }, (_, i) => Math.floor((i * MOST_ROWS) / n));
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const at = (to[i] ?? 0) * MOST_ROWS + (to[j] ?? 0);
      const weight = map[i * n + j] ?? 0;
      if (weight > (small[at] ?? 0)) small[at] = weight;
    }
  }
  return small;
}

/** All heads of all layers as small maps; choosing one goes to its lines. */

import { el } from '../dom.ts';
import { onTheme } from '../draw/theme.ts';
import { drawThumbnail } from '../draw/thumbnail.ts';
import { legend } from '../draw/tint.ts';
import type { Drawing } from '../text/drawing.ts';
import type { TextState, TextStore } from '../text/state.ts';

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
      if (map) drawThumbnail(canvas, map, n);
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

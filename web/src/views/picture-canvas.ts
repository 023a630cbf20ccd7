/** The picture with its heat. A patch that is clicked, or walked to with arrow keys, shows where it looks. */

import { el, say } from '../dom.ts';
import { heatGradient } from '../draw/heat.ts';
import { drawOverlay, patchAt, scaleFor } from '../draw/overlay.ts';
import { onTheme } from '../draw/theme.ts';
import type { PictureEngine } from '../pictures/engine.ts';
import { heatOf, hiddenOf, tokenName } from '../pictures/heat.ts';
import type { Maps } from '../pictures/maps.ts';
import type { Heat, Look, LookState } from '../pictures/state.ts';

const STEPS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
};

export function pictureCanvas(pictures: PictureEngine): HTMLElement {
  const { store, looker } = pictures;
  const canvas = el('canvas', {
    tabindex: 0, role: 'application', 'data-testid': 'overlay', 'aria-describedby': 'overlay-keys',
    'aria-label': 'The picture. Arrow keys move the patch that looks; Escape goes back to the CLS token.',
  });
  const spoken = el('p', { class: 'spoken', 'aria-live': 'polite', 'data-testid': 'overlay-said' });
  const keys = el('p', { class: 'note', id: 'overlay-keys' },
    'Click a patch to see where it looks, or walk with the arrow keys. Escape goes back to the CLS token.');
  const view = el('figure', { class: 'overlay' }, canvas, legend(pictures), spoken, keys);

  const choose = (event: PointerEvent): void => {
    const { picture, maps } = store.state.looking;
    if (!picture || !maps) return;
    const { left, top, width } = canvas.getBoundingClientRect();
    const enlarged = canvas.width / width;
    const { grid, crop, prefixTokens } = maps.layout;
    const patch = patchAt(grid, crop, scaleFor(picture.bitmap), (event.clientX - left) * enlarged, (event.clientY - top) * enlarged);
    if (patch !== undefined) looker.change({ query: prefixTokens.length + patch });
  };
  canvas.addEventListener('pointerdown', choose);
  canvas.addEventListener('pointermove', (event) => {
    if (event.buttons === 1) choose(event);
  });
  canvas.addEventListener('keydown', (event) => {
    const { maps, look } = store.state.looking;
    const query = maps && stepped(maps, look, event);
    if (query === undefined) return;
    event.preventDefault();
    looker.change({ query });
  });

  let drawn: LookState | undefined;
  const draw = (looking: LookState): void => {
    const { picture, maps, look } = looking;
    if (!picture || (drawn && picture === drawn.picture && maps === drawn.maps && look === drawn.look)) return;
    drawn = looking;
    const heat = maps && heatOf(maps, look);
    const patch = look.query - (maps?.layout.prefixTokens.length ?? 0);
    drawOverlay(canvas, { picture: picture.bitmap, heat, smooth: look.smooth, opacity: look.opacity, marked: patch >= 0 ? patch : undefined });
    say(spoken, maps && heat ? sentence(maps, look, heat) : '');
  };
  store.watch(({ looking }) => draw(looking));
  onTheme(() => {
    drawn = undefined;
    draw(store.state.looking);
  });
  return view;
}

/** The token to look from after a key. */
function stepped({ layout: { grid, prefixTokens } }: Maps, { query }: Look, { key }: KeyboardEvent): number | undefined {
  if (key === 'Escape') return 0;
  const step = STEPS[key];
  if (!step) return undefined;
  const first = prefixTokens.length;
  // From a token that is no patch, the first step goes to the middle.
  if (query < first) return first + Math.floor(grid.rows / 2) * grid.columns + Math.floor(grid.columns / 2);
  const patch = query - first;
  const row = Math.max(0, Math.min(grid.rows - 1, Math.floor(patch / grid.columns) + step[0]));
  const column = Math.max(0, Math.min(grid.columns - 1, (patch % grid.columns) + step[1]));
  return first + row * grid.columns + column;
}

/** What the drawing shows, in words. */
function sentence(maps: Maps, look: Look, heat: Heat): string {
  const { layout } = maps;
  const most = heat.values.indexOf(heat.high);
  const head = look.head === 'all' ? `${look.fusion} of all heads` : `head ${look.head}`;
  const hidden = hiddenOf(maps, look);
  const left = hidden.length > 0 ? ` Left out, and the rest scaled to the same sum: ${hidden.map((token) => tokenName(layout, token)).join('; ')}.` : '';
  return `Layer ${look.layer}, ${head}: the ${tokenName(layout, look.query)} looks most at the ${tokenName(layout, layout.prefixTokens.length + most)}, ${percent(heat.high)}.${left}`;
}

/** The colour map with its numbers, and what went to tokens that are no patches. */
function legend({ store }: PictureEngine): HTMLElement {
  const low = el('span', { class: 'amount' }, '0 %');
  const high = el('span', { class: 'amount', 'data-testid': 'overlay-high' });
  const strip = el('span', { class: 'strip', 'aria-hidden': 'true' });
  strip.style.background = heatGradient();
  const rest = el('span');
  const view = el('p', { class: 'legend' }, el('span', {}, 'Share of attention'), low, strip, high, rest);
  store.watch(({ looking: { maps, look } }) => {
    const heat = maps && heatOf(maps, look);
    view.hidden = heat === undefined;
    if (!heat) return;
    say(high, percent(heat.high));
    const onPatches = heat.values.reduce((sum, value) => sum + value, 0);
    say(rest, look.head === 'all' && look.fusion !== 'mean' ? '' : `${percent(onPatches)} on patches, the rest on ${maps.layout.prefixTokens.length === 1 ? 'the CLS token' : 'prefix tokens'}`);
  });
  return view;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.0995 ? 2 : 1)} %`;
}

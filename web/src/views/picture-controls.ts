/** Who looks, how heads become one, what is left out, and how the heat lies over the picture. */

import { el } from '../dom.ts';
import type { PictureEngine } from '../pictures/engine.ts';
import { tokenName } from '../pictures/heat.ts';
import type { Fusion } from '../pictures/maps.ts';
import type { ImageLayout, Look } from '../pictures/state.ts';

type Toggle = 'smooth' | 'hideRegisters' | 'hideSinks';

const FUSIONS: readonly (readonly [Fusion, string])[] = [['mean', 'mean'], ['max', 'maximum'], ['min', 'minimum']];

export function pictureControls(pictures: PictureEngine): HTMLElement {
  const registers = toggle(pictures, 'hideRegisters', 'Leave out registers', 'Their columns are removed, and the rest scaled to the same sum');
  const view = el('div', { class: 'look-controls', 'data-testid': 'picture-controls' },
    queryControl(pictures),
    fusionControl(pictures),
    toggle(pictures, 'hideSinks', 'Leave out sinks', 'Tokens that take more than 8 times their even share of all attention; the rest is scaled to the same sum'),
    registers,
    toggle(pictures, 'smooth', 'Smooth', 'Between the middles of patches, instead of one colour for each'),
    opacityControl(pictures),
  );
  pictures.store.watch(({ looking: { maps } }) => {
    view.hidden = maps === undefined;
    registers.hidden = !maps?.layout.prefixTokens.includes('register');
  });
  return view;
}

/** The tokens that are no patches, by name; patches are chosen on the picture. */
function queryControl({ store, looker }: PictureEngine): HTMLElement {
  const select = el('select', { id: 'picture-query', 'data-testid': 'picture-query' });
  select.addEventListener('change', () => looker.change({ query: Number(select.value) }));
  const patch = el('option', {});
  let shown: ImageLayout | undefined;
  store.watch(({ looking: { maps, look } }) => {
    if (!maps) return;
    const { layout } = maps;
    if (layout !== shown) {
      shown = layout;
      select.replaceChildren(...layout.prefixTokens.map((_, token) => el('option', { value: token }, tokenName(layout, token))), patch);
    }
    const prefix = look.query < layout.prefixTokens.length;
    patch.value = String(prefix ? layout.prefixTokens.length : look.query);
    patch.textContent = tokenName(layout, Number(patch.value));
    select.value = String(look.query);
  });
  return el('div', { class: 'control' }, el('label', { for: 'picture-query' }, 'Who looks'), select);
}

function fusionControl({ store, looker }: PictureEngine): HTMLElement {
  const select = el('select', { id: 'fusion', 'data-testid': 'fusion' }, ...FUSIONS.map(([value, name]) => el('option', { value }, name)));
  select.addEventListener('change', () => looker.change({ fusion: select.value as Fusion, head: 'all' }));
  store.watch(({ looking: { look } }) => {
    select.value = look.fusion;
  });
  return el('div', { class: 'control' }, el('label', { for: 'fusion' }, 'All heads as'), select);
}

function toggle({ store, looker }: PictureEngine, name: Toggle, label: string, title: string): HTMLElement {
  const input = el('input', { type: 'checkbox', 'data-testid': name });
  input.addEventListener('change', () => looker.change({ [name]: input.checked } as Partial<Look>));
  store.watch(({ looking: { look } }) => {
    input.checked = look[name];
  });
  return el('label', { class: 'control', title }, input, label);
}

function opacityControl({ store, looker }: PictureEngine): HTMLElement {
  const range = el('input', { type: 'range', id: 'opacity', min: 0, max: 1, step: 0.01, 'data-testid': 'opacity' });
  range.addEventListener('input', () => looker.change({ opacity: Number(range.value) }));
  store.watch(({ looking: { look } }) => {
    range.value = String(look.opacity);
  });
  return el('div', { class: 'control' }, el('label', { for: 'opacity' }, 'Heat'), range);
}

/** Layer, heads and what is shown of a text: the controls that all drawings share. */

import { button, el, say } from '../dom.ts';
import { headColour } from '../draw/heads.ts';
import { onTheme } from '../draw/theme.ts';
import { secondSentence } from '../text/lines.ts';
import type { Between, TextState, TextStore } from '../text/state.ts';
import type { Study } from '../text/study.ts';

const BETWEEN: readonly (readonly [Between, string])[] = [
  ['all', 'all tokens'],
  ['aa', 'first to first'],
  ['ab', 'first to second'],
  ['ba', 'second to first'],
  ['bb', 'second to second'],
];

export function textControls(store: TextStore, study: Study): HTMLElement {
  const view = el('div', { class: 'look-controls' },
    layerControl(store, study), headControl(store), toggles(store), betweenControl(store));
  store.watch(({ maps }) => {
    view.hidden = maps === undefined;
  });
  return view;
}

function layerControl(store: TextStore, study: Study): HTMLElement {
  const range = el('input', { type: 'range', id: 'layer', min: 0, max: 0, value: 0, 'data-testid': 'layer' });
  const output = el('output', { for: 'layer', class: 'amount' });
  range.addEventListener('input', () => {
    const layer = Number(range.value);
    store.update({ layer });
    void study.need(layer);
  });
  store.watch(({ maps, layer }) => {
    if (!maps) return;
    range.max = String(maps.layers - 1);
    range.value = String(layer);
    say(output, `${layer} of 0–${maps.layers - 1}`);
  });
  return el('div', { class: 'control' }, el('label', { for: 'layer' }, 'Layer'), range, output);
}

function headControl(store: TextStore): HTMLElement {
  const list = el('div', { class: 'heads', role: 'group', 'aria-label': 'Heads' });
  const all = button('All', () => store.update({ heads: everyHead(store.state) }), { class: 'quiet', 'data-testid': 'all-heads' });
  let shown = 0;
  const paint = (): void => {
    list.querySelectorAll<HTMLElement>('[data-head]').forEach((child, head) => child.style.setProperty('--head', headColour(head, shown)));
  };
  onTheme(paint);
  store.watch(({ maps, heads }) => {
    if (maps && maps.heads !== shown) {
      shown = maps.heads;
      list.replaceChildren(...everyHead(store.state).map((head) => headButton(store, head)), all);
      paint();
    }
    list.querySelectorAll('[data-head]').forEach((child, head) => child.setAttribute('aria-pressed', String(heads.includes(head))));
  });
  return el('div', { class: 'control' }, el('span', { title: 'Double-click picks one head alone' }, 'Heads'), list);
}

/** A click adds or takes away a head, a double click leaves it alone. */
function headButton(store: TextStore, head: number): HTMLElement {
  const toggle = button(String(head), () => {
    const { heads } = store.state;
    const left = heads.filter((other) => other !== head);
    if (left.length === heads.length) store.update({ heads: [...heads, head].sort((a, b) => a - b) });
    else if (left.length > 0) store.update({ heads: left });
  }, { 'aria-label': `Head ${head}`, 'data-head': head, 'data-testid': `head-${head}` });
  toggle.addEventListener('dblclick', () => store.update({ heads: [head] }));
  return toggle;
}

function everyHead({ maps }: TextState): number[] {
  return Array.from({ length: maps?.heads ?? 1 }, (_, head) => head);
}

function toggles(store: TextStore): HTMLElement {
  const words = el('input', { type: 'checkbox', 'data-testid': 'words' });
  const special = el('input', { type: 'checkbox', 'data-testid': 'hide-special' });
  // The units change, and what was chosen among them loses its place.
  words.addEventListener('change', () => store.update({ words: words.checked, pinned: undefined, hovered: undefined }));
  special.addEventListener('change', () => store.update({ hideSpecial: special.checked, pinned: undefined, hovered: undefined }));
  return el('div', { class: 'control' },
    el('label', { title: 'A split word gets what all of its pieces were given, and the mean of what they looked at' }, words, ' Whole words'),
    el('label', { title: 'Their share is left out, not spread over the others' }, special, ' Leave out [CLS] and [SEP]'),
  );
}

function betweenControl(store: TextStore): HTMLElement {
  const select = el('select', { id: 'between', 'data-testid': 'between' },
    ...BETWEEN.map(([value, name]) => el('option', { value }, name)));
  select.addEventListener('change', () => {
    const [value] = BETWEEN.find(([known]) => known === select.value) ?? ['all' as const];
    store.update({ between: value });
  });
  const control = el('div', { class: 'control' }, el('label', { for: 'between' }, 'Sentences'), select);
  store.watch(({ maps, between }) => {
    control.hidden = maps === undefined || secondSentence(maps.layout.text) === undefined;
    select.value = between;
  });
  return control;
}

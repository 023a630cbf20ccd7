/** Keeping what is shown: picture, drawing, numbers, or a page of its own. */

import { button, el } from '../dom.ts';
import { bertvizFile } from '../export/bertviz.ts';
import { htmlFile, pngFile, save, svgFile } from '../export/files.ts';
import { textScene } from '../export/text-scene.ts';
import { explain } from '../problems.ts';
import type { Store } from '../state.ts';
import type { TextMaps } from '../text/maps.ts';
import { pickedMaps } from '../text/picked.ts';
import type { TextState, TextStore } from '../text/state.ts';

export function textExport(page: Store, store: TextStore): HTMLElement {
  const kinds: readonly (readonly [string, string, (state: TextState, maps: TextMaps) => Blob | Promise<Blob>])[] = [
    ['png', 'A picture', (state, maps) => pngFile(textScene(state, maps))],
    ['svg', 'A drawing that can be edited', (state, maps) => svgFile(textScene(state, maps))],
    ['json', 'All maps at hand, as bertviz reads them', (_state, maps) => bertvizFile(maps)],
    ['html', 'A page of its own, with the numbers of what is shown', ownPage],
  ];
  const view = el('div', { class: 'row keep', role: 'group', 'aria-label': 'Keep what is shown' }, el('span', {}, 'Keep as'),
    ...kinds.map(([kind, title, make]) =>
      button(kind.toUpperCase(), () => {
        const { maps, mode } = store.state;
        if (!maps) return;
        void Promise.resolve(make(store.state, maps)).then(
          (file) => save(file, `heatseek-${mode}.${kind}`),
          (error: unknown) => page.complain(explain(error, `making the ${kind.toUpperCase()} file`)),
        );
      }, { class: 'chip', title, 'data-testid': `export-${kind}` }),
    ),
  );
  store.watch(({ maps }) => {
    view.hidden = maps === undefined;
  });
  return view;
}

function ownPage(state: TextState, maps: TextMaps): Blob {
  const { layer, heads, mode } = state;
  const units = maps.units(state);
  const n = units.length;
  const rows = (map: Float32Array): number[][] =>
    Array.from({ length: n }, (_, row) => Array.from(map.subarray(row * n, (row + 1) * n)));
  // The grid shows every head; the other drawings those that are picked.
  const whole = mode === 'grid';
  const about = whole ? 'All layers, from top to bottom, and heads, from left to right.' : `Layer ${layer}, heads ${heads.join(', ')}.`;
  const attention = whole
    ? Array.from({ length: maps.layers }, (_, l) => Array.from({ length: maps.heads }, (_, h) => rows(maps.map(l, h, state) ?? new Float32Array())))
    : [pickedMaps(state, maps).map(rows)];
  const numbers = { text: maps.layout.text, tokens: units.map(({ label }) => label), layers: whole ? 'all' : [layer], heads: whole ? 'all' : heads, attention };
  return htmlFile(textScene(state, maps), 'What the model looked at', [maps.layout.text, about], numbers);
}

/** Keeping what is shown: picture, drawing, numbers, or a page of its own. */

import { button, el } from '../dom.ts';
import { bertvizFile } from '../export/bertviz.ts';
import { htmlFile, pngFile, save, svgFile } from '../export/files.ts';
import { textScene } from '../export/text-scene.ts';
import { explain } from '../problems.ts';
import type { Store } from '../state.ts';
import type { TextMaps } from '../text/maps.ts';
import { heatRow, heatUnit, pickedMaps } from '../text/picked.ts';
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

/** The drawing with the numbers behind it. */
function ownPage(state: TextState, maps: TextMaps): Blob {
  const { layer, heads } = state;
  const about = {
    lines: `Layer ${layer}, heads ${heads.join(', ')}.`,
    grid: 'All layers, from top to bottom, and heads, from left to right.',
    neuron: `Layer ${layer}, head ${heads[0] ?? 0}.`,
    heat: state.trace === 'rollout' ? 'Rollout through all layers.' : `The mean of heads ${heads.join(', ')} in layer ${layer}.`,
  }[state.mode];
  return htmlFile(textScene(state, maps), 'What the model looked at', [maps.layout.text, about], shownNumbers(state, maps));
}

/** The numbers of what is shown, and no others. */
function shownNumbers(state: TextState, maps: TextMaps): object {
  const { layer, heads, mode } = state;
  const tokens = maps.units(state).map(({ label }) => label);
  const rows = (map: Float32Array): number[][] => tokens.map((_, at) => [...map.subarray(at * tokens.length, (at + 1) * tokens.length)]);
  const { text } = maps.layout;
  switch (mode) {
    case 'lines':
      return { text, tokens, layers: [layer], heads, attention: [pickedMaps(state, maps).map(rows)] };
    case 'grid': {
      const all = Array.from({ length: maps.layers }, (_, l) =>
        Array.from({ length: maps.heads }, (_, h) => rows(maps.map(l, h, state) ?? new Float32Array())));
      return { text, tokens, attention: all };
    }
    case 'neuron': {
      const { got, ...where } = state.neuron ?? {};
      const numbers = got && { q: [...got.q], k: [...got.k], scores: [...got.scores], probabilities: [...got.probabilities] };
      return { text, tokens: maps.units({ words: false, hideSpecial: false }).map(({ label }) => label), ...where, ...numbers };
    }
    case 'heat': {
      const token = heatUnit(state, maps.units(state));
      return { text, tokens, token, weights: [...(heatRow(state, maps, token) ?? [])] };
    }
    default:
      return mode satisfies never;
  }
}

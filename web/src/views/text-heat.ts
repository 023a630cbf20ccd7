/** The text itself, tinted by what one token looked at. */

import { el, say } from '../dom.ts';
import { inText } from '../draw/pieces.ts';
import { legend, tint } from '../draw/tint.ts';
import { roving } from '../roving.ts';
import type { Drawing } from '../text/drawing.ts';
import { heatRow, heatUnit } from '../text/picked.ts';
import type { TextState, TextStore } from '../text/state.ts';
import type { Study } from '../text/study.ts';
import type { Unit } from '../text/units.ts';

export function textHeat(store: TextStore, study: Study): Drawing {
  const said = el('p', { class: 'spoken', role: 'status' });
  const prose = el('p', { class: 'prose', 'data-testid': 'heat-text' });
  const scale = el('div');
  const element = el('div', {}, traceControl(store, study), said, prose, scale);
  let units: readonly Unit[] | undefined;
  const draw = (state: TextState): void => {
    const { maps } = state;
    if (!maps) return;
    const shown = maps.units(state);
    if (shown !== units) {
      units = shown;
      prose.replaceChildren(...marked(store, shown, maps.layout.text));
      roving(prose);
    }
    const unit = heatUnit(state, shown);
    const rolled = state.trace === 'rollout';
    if (rolled) void study.roll();
    const row = heatRow(state, maps, unit);
    if (!row) {
      say(said, 'Following attention through all layers');
      return;
    }
    const most = Math.max(...row, 0);
    prose.querySelectorAll('button').forEach((button, at) => {
      tint(button, most > 0 ? (row[at] ?? 0) / most : 0);
      button.dataset['weight'] = (row[at] ?? 0).toFixed(4);
      button.title = (row[at] ?? 0).toFixed(3);
      button.classList.toggle('focused', at === unit);
      button.setAttribute('aria-pressed', String(at === unit));
    });
    const name = `“${shown[unit]?.label ?? ''}”`;
    say(said, rolled
      ? `Where ${name} took from through all layers: rollout, half of each layer passed on unchanged`
      : `What ${name} looked at: the mean of the picked heads in layer ${state.layer}`);
    scale.replaceChildren(legend('tint', '0', most.toFixed(2), 'Weight'));
  };
  return { element, draw };
}

function traceControl(store: TextStore, study: Study): HTMLElement {
  const select = el('select', { id: 'trace', 'data-testid': 'trace' },
    el('option', { value: 'heads' }, 'the picked heads of this layer'),
    el('option', { value: 'rollout' }, 'all layers together (rollout)'));
  select.addEventListener('change', () => {
    store.update({ trace: select.value === 'rollout' ? 'rollout' : 'heads' });
    if (store.state.trace === 'rollout') void study.roll();
  });
  return el('p', { class: 'control' }, el('label', { for: 'trace' }, 'Tint by'), select);
}

/** Units as buttons, with the text between them. */
function marked(store: TextStore, units: readonly Unit[], text: string): (HTMLElement | string)[] {
  return inText(text, units, (shown, _, index) => {
    const piece = el('button', { type: 'button', tabindex: -1 }, shown);
    piece.addEventListener('click', () => store.update({ pinned: { side: 'from', unit: index }, hovered: undefined }));
    return piece;
  });
}

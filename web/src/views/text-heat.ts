/** The text itself, tinted by what one token looked at. */

import { el, say } from '../dom.ts';
import { legend, tint } from '../draw/tint.ts';
import { meanRow } from '../text/picked.ts';
import type { TextState, TextStore } from '../text/state.ts';
import { focusOf } from '../text/state.ts';
import type { Unit } from '../text/units.ts';
import type { Drawing } from './text.ts';
import { roving } from './text-lines.ts';

export function textHeat(store: TextStore): Drawing {
  const said = el('p', { class: 'spoken', role: 'status' });
  const prose = el('p', { class: 'prose', 'data-testid': 'heat-text' });
  const scale = el('div');
  const element = el('div', {}, said, prose, scale);
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
    // Without a choice, the first: CLS, or the first word.
    const unit = focusOf(state)?.unit ?? 0;
    const row = meanRow(state, maps, unit);
    const most = Math.max(...row, 0);
    prose.querySelectorAll('button').forEach((button, at) => {
      tint(button, most > 0 ? (row[at] ?? 0) / most : 0);
      button.dataset['weight'] = (row[at] ?? 0).toFixed(4);
      button.title = (row[at] ?? 0).toFixed(3);
      button.classList.toggle('focused', at === unit);
      button.setAttribute('aria-pressed', String(at === unit));
    });
    say(said, `What “${shown[unit]?.label ?? ''}” looked at: the mean of the picked heads in layer ${state.layer}`);
    scale.replaceChildren(legend('tint', '0', most.toFixed(2), 'Weight'));
  };
  return { element, draw };
}

/** Units as buttons, with the text between them. */
function marked(store: TextStore, units: readonly Unit[], text: string): (HTMLElement | string)[] {
  let at = 0;
  return units.flatMap((unit, index) => {
    const { special, start, end, label } = unit;
    const button = el('button', { type: 'button', tabindex: -1, class: special ? 'special' : '' }, special ? label : text.slice(start, end));
    button.addEventListener('click', () => store.update({ pinned: { side: 'from', unit: index }, hovered: undefined }));
    const between = special ? '' : text.slice(at, start);
    if (!special) at = end;
    return special ? [index === 0 ? '' : ' ', button, ' '] : [between, button];
  });
}

/** What attention is not, and the check: hide each patch, and see how far the picture's vector moves. */

import { button, el, say } from '../dom.ts';
import { heatGradient } from '../draw/heat.ts';
import { drawOverlay } from '../draw/overlay.ts';
import type { PictureEngine } from '../pictures/engine.ts';
import type { Check } from '../pictures/state.ts';

export function pictureCheck({ store, looker }: PictureEngine): HTMLElement {
  const check = button('Check by hiding patches', () => void looker.check(), { 'data-testid': 'picture-check' });
  const canvas = el('canvas', { role: 'img', 'aria-label': 'What hiding each patch did to the vector of the picture', 'data-testid': 'check-overlay' });
  const low = el('span', { class: 'amount' });
  const high = el('span', { class: 'amount', 'data-testid': 'check-high' });
  const strip = el('span', { class: 'strip', 'aria-hidden': 'true' });
  strip.style.background = heatGradient();
  const result = el('figure', { class: 'overlay' }, canvas,
    el('p', { class: 'legend' }, 'Fall of the cosine', low, strip, high),
    el('p', { class: 'note' }, 'Each patch was hidden in turn and the picture embedded again. The more the vector moved, the more that patch mattered.'));
  const view = el('div', { class: 'honest' },
    el('p', {}, 'Attention shows where information was taken from. It is not an explanation: what a head looks at may not be used.'),
    check, result);
  let shown: Check | undefined;
  store.watch(({ looking: { picture, maps, busy, check: found, look } }) => {
    check.hidden = maps === undefined;
    check.disabled = busy !== undefined;
    result.hidden = found === undefined;
    if (!found || !picture || found === shown) return;
    shown = found;
    drawOverlay(canvas, { picture: picture.bitmap, heat: found.heat, smooth: look.smooth, opacity: look.opacity });
    say(low, found.heat.low.toFixed(4));
    say(high, found.heat.high.toFixed(4));
  });
  return view;
}

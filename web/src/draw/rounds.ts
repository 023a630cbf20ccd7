/** Rounds as marks on a line, with a box from the lower to the upper quartile and a bar at the median. */

import { el } from '../dom.ts';
import { milliseconds, spread } from '../speed/stats.ts';

/** `most` milliseconds are as long as the line. */
export function strip(times: readonly number[], most: number): HTMLElement {
  const { median, quartiles: [low, high], least, most: worst } = spread(times);
  const at = (ms: number): string => `${(100 * ms) / most}%`;
  const box = el('span', { class: 'box' });
  Object.assign(box.style, { left: at(low), width: at(high - low) });
  const middle = el('span', { class: 'median' });
  middle.style.left = at(median);
  const marks = times.map((ms) => {
    const mark = el('span', { class: 'round' });
    mark.style.left = at(ms);
    return mark;
  });
  const words = `${times.length} rounds: median ${milliseconds(median)}, half of them from ${milliseconds(low)} to ${milliseconds(high)}, all from ${milliseconds(least)} to ${milliseconds(worst)}`;
  return el('div', { class: 'rounds', role: 'img', 'aria-label': words, title: words, 'data-testid': 'rounds' }, box, ...marks, middle);
}

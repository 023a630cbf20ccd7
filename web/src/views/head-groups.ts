/** Heads as dots: the nearer two lie, the more alike what they look at. The colour is their group. */

import { counted, el, svg } from '../dom.ts';
import { headColour } from '../draw/heads.ts';
import type { HeadDrawing } from './head-table.ts';

const SIZE = 240;
const MARGIN = 12;

export function headGroups(pick: (layer: number, head: number) => void): HeadDrawing {
  const plot = svg('svg', { role: 'img', class: 'head-groups', 'data-testid': 'head-groups' });
  const key = el('ul', { class: 'key' });
  const element = el('section', {}, el('h3', {}, 'Which heads are alike'), plot, key,
    el('p', { class: 'note' }, 'Each dot is a head; the nearer two are, the more alike what they look at (Jensen-Shannon distance, laid out flat).'));
  const draw: HeadDrawing['draw'] = ({ clusters: { position, label }, layers, heads }) => {
    const groups = Math.max(...label) + 1;
    const across = label.map((_, at) => position[at * 2] ?? 0);
    const down = label.map((_, at) => position[at * 2 + 1] ?? 0);
    const { place, width, height } = fitted(across, down);
    plot.setAttribute('viewBox', `0 0 ${width} ${height}`);
    const dots = label.map((group, at) => {
      const [layer, head] = [layers[Math.floor(at / heads)] ?? 0, at % heads];
      const [x, y] = place(across[at] ?? 0, down[at] ?? 0);
      const dot = svg('circle', { cx: x, cy: y, r: 4.5, fill: headColour(group, groups), 'data-layer': layer, 'data-head': head },
        svg('title', {}, `Layer ${layer}, head ${head}: group ${group + 1}`));
      dot.addEventListener('click', () => pick(layer, head));
      return dot;
    });
    plot.replaceChildren(...dots);
    const members = Array.from({ length: groups }, (_, group) => label.flatMap((other, at) => (other === group ? [`${layers[Math.floor(at / heads)]}.${at % heads}`] : [])));
    plot.setAttribute('aria-label', `${label.length} heads in ${groups} groups, listed below`);
    key.replaceChildren(...members.map((names, group) => {
      const dot = el('span', { class: 'dot', 'aria-hidden': 'true' });
      dot.style.backgroundColor = headColour(group, groups);
      return el('li', { title: `Layer.head: ${names.join(', ')}` }, dot, `Group ${group + 1}: ${counted(names.length, 'head')}`,
        el('span', { class: 'visually-hidden' }, `, layer.head ${names.join(', ')}`));
    }));
  };
  const mark: HeadDrawing['mark'] = ({ layer, heads }) => {
    for (const dot of plot.querySelectorAll('circle')) {
      const here = Number(dot.dataset['layer']) === layer && heads.includes(Number(dot.dataset['head']));
      dot.classList.toggle('picked', here);
    }
  };
  return { element, draw, mark };
}

/** Fits both axes into the drawing by one scale, so that distances stay true. */
function fitted(across: readonly number[], down: readonly number[]): { place: (x: number, y: number) => [number, number]; width: number; height: number } {
  const [left, right, top, foot] = [Math.min(...across), Math.max(...across), Math.min(...down), Math.max(...down)];
  const scale = (SIZE - 2 * MARGIN) / (Math.max(right - left, foot - top) || 1);
  return {
    place: (x, y) => [MARGIN + (x - left) * scale, MARGIN + (y - top) * scale],
    width: (right - left) * scale + 2 * MARGIN,
    height: (foot - top) * scale + 2 * MARGIN,
  };
}

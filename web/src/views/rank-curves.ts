/** How alike tokens become layer by layer, and which parts of the model keep them apart. */

import type { Analysis } from 'heatseek';

import { el, svg } from '../dom.ts';

const WIDTH = 360;
const HEIGHT = 210;
const LEFT = 34;
const RIGHT = 250;
const TOP = 10;
const BOTTOM = 178;
/** Labels are at least so far apart. */
const LINE = 14;
/** Smaller numbers are rounding, and drawn at the foot. */
const LEAST = 1e-8;

export function rankCurves({ rank }: Analysis): HTMLElement {
  const curves = [
    { name: 'whole model', values: rank.full },
    { name: 'no feed-forward', values: rank.noFeedForward },
    { name: 'no residual', values: rank.noResidual },
    { name: 'attention alone', values: rank.attentionOnly },
  ];
  const all = curves.flatMap(({ values }) => values).map((value) => Math.max(LEAST, value));
  const low = Math.floor(Math.log10(Math.min(...all)));
  // A little above a power of ten may stick out: a decade for it would be empty.
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...all)) - 0.05));
  const layers = Math.max(1, rank.full.length - 1);
  const x = (at: number): number => LEFT + ((RIGHT - LEFT) * at) / layers;
  const y = (value: number): number => TOP + ((BOTTOM - TOP) * (high - Math.log10(Math.max(LEAST, value)))) / (high - low);

  const plot = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', class: 'rank-curves', 'aria-label': 'Four curves on a log scale; their numbers are in the table below', 'data-testid': 'rank' });
  for (let power = low; power <= high; power++) {
    const level = y(10 ** power);
    plot.append(svg('line', { class: 'rule', x1: LEFT, x2: RIGHT, y1: level, y2: level }),
      svg('text', { x: LEFT - 5, y: level + 4, 'text-anchor': 'end' }, power === 0 ? '1' : `10${raised(power)}`));
  }
  const every = Math.ceil(layers / 6);
  for (let at = 0; at <= layers; at += every) plot.append(svg('text', { x: x(at), y: BOTTOM + 15, 'text-anchor': 'middle' }, String(at)));
  plot.append(svg('text', { x: (LEFT + RIGHT) / 2, y: BOTTOM + 29, 'text-anchor': 'middle' }, 'layers passed'));
  const ends = apart(curves.map(({ values }) => y(values.at(-1) ?? 1)));
  curves.forEach(({ name, values }, at) => {
    const points = values.map((value, layer) => `${x(layer).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
    plot.append(svg('polyline', { class: `curve curve-${at}`, points }),
      svg('text', { class: `label-${at}`, x: RIGHT + 6, y: (ends[at] ?? 0) + 4 }, name));
  });
  return el('section', {}, el('h3', {}, 'How alike tokens become'), plot,
    el('p', { class: 'note' }, 'The lower a curve, the more nearly all tokens are the same after so many layers; where one falls and the whole model does not, the part left out is what keeps tokens apart. What wavers near 10⁻⁷ is rounding.'),
    el('details', {}, el('summary', {}, 'The numbers'), el('div', { class: 'scrolls' }, numbers(curves))));
}

function numbers(curves: readonly { name: string; values: readonly number[] }[]): HTMLElement {
  const layers = curves[0]?.values ?? [];
  return el('table', { class: 'rank-numbers' },
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'layers'), ...curves.map(({ name }) => el('th', { scope: 'col' }, name)))),
    el('tbody', {}, ...layers.map((_, at) =>
      el('tr', {}, el('th', { scope: 'row' }, String(at)), ...curves.map(({ values }) => el('td', {}, (values[at] ?? 0).toPrecision(3)))))));
}

/** Heights in their order, moved so that none lies on another. */
function apart(heights: readonly number[]): number[] {
  const order = heights.map((height, at) => ({ height, at })).sort((a, b) => a.height - b.height);
  const placed: number[] = [];
  let next = -Infinity;
  for (const { height, at } of order) {
    placed[at] = Math.max(height, next);
    next = placed[at] + LINE;
  }
  // What runs out at the foot moves all up.
  const over = Math.max(0, Math.max(...placed) - BOTTOM);
  return placed.map((height) => height - over);
}

/** A power as superscript digits. */
function raised(power: number): string {
  return [...String(power)].map((digit) => (digit === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)])).join('');
}

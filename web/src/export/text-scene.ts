/** What "Look at text" shows, as SVG: the same numbers and colours as on the page. */

import { headColour } from '../draw/heads.ts';
import { drawSigned } from '../draw/heat.ts';
import { ROW, route, thickness } from '../draw/lines.ts';
import { drawThumbnail } from '../draw/thumbnail.ts';
import { linesOf, mayLook } from '../text/lines.ts';
import type { TextMaps } from '../text/maps.ts';
import { neuronRows } from '../text/neuron.ts';
import { heatRow, heatUnit, pickedMaps } from '../text/picked.ts';
import { focusOf } from '../text/state.ts';
import type { Mode, TextState } from '../text/state.ts';
import { Svg } from './svg.ts';

const LABEL = 160;
const GAP = 320;
const PAD = 16;

/** The drawing of `state`, for files. */
export function textScene(state: TextState, maps: TextMaps): Svg {
  const scenes: Record<Mode, (state: TextState, maps: TextMaps) => Svg> = { lines, grid, neuron, heat };
  return scenes[state.mode](state, maps);
}

function lines(state: TextState, maps: TextMaps): Svg {
  const units = maps.units(state);
  const n = units.length;
  const svg = new Svg(2 * (LABEL + PAD) + GAP, n * ROW + 2 * PAD);
  const { heads } = state;
  const drawn = linesOf(pickedMaps(state, maps), n, focusOf(state), mayLook(units, maps.layout.text, state.between));
  const left = PAD + LABEL;
  const right = left + GAP;
  for (const { from, to, slot, weight } of drawn.lines) {
    const points = route(from, to, slot, heads.length, GAP).map(([x, y]) => [left + x, PAD + y] as const);
    svg.line(points, headColour(heads[slot] ?? 0, maps.heads), thickness(heads.length), weight / drawn.most);
  }
  units.forEach(({ label }, at) => {
    const y = PAD + at * ROW + ROW / 2 + 5;
    svg.text(left - 6, y, label, { anchor: 'end' });
    svg.text(right + 6, y, label);
  });
  return svg;
}

function grid(state: TextState, maps: TextMaps): Svg {
  const cell = 64;
  const step = cell + 6;
  const svg = new Svg(maps.heads * step + 3 * PAD, maps.layers * step + 3 * PAD);
  const n = maps.units(state).length;
  for (let head = 0; head < maps.heads; head++) svg.text(2 * PAD + head * step + cell / 2, PAD, String(head), { size: 11, anchor: 'middle' });
  for (let layer = 0; layer < maps.layers; layer++) {
    const y = 1.5 * PAD + layer * step;
    svg.text(PAD, y + cell / 2, String(layer), { size: 11, anchor: 'middle' });
    for (let head = 0; head < maps.heads; head++) {
      const map = maps.map(layer, head, state);
      if (!map) continue;
      const canvas = document.createElement('canvas');
      drawThumbnail(canvas, map, n);
      svg.image(2 * PAD + head * step, y, cell, cell, canvas);
    }
  }
  return svg;
}

function neuron(state: TextState, maps: TextMaps): Svg {
  const strip = 192;
  const left = PAD + LABEL;
  if (!state.neuron) return new Svg(left, PAD);
  const { query, rows, mostVector, mostProduct } = neuronRows(state.neuron);
  const svg = new Svg(left + 2 * strip + 180, (rows.length + 2) * ROW + PAD);
  const labels = maps.units({ words: false, hideSpecial: false });
  const draw = (x: number, y: number, values: Float32Array, most: number): void => {
    const canvas = document.createElement('canvas');
    drawSigned(canvas, values, values.length, most);
    svg.image(x, y + 4, strip, ROW - 8, canvas);
  };
  svg.text(left - 6, PAD + 16, `query “${labels[state.neuron.query]?.label ?? ''}”`, { anchor: 'end' });
  draw(left, PAD, query, mostVector);
  const heads = ['its key k', 'q × k', 'sum ÷ √d', 'softmax'];
  const columns = [left, left + strip + 10, left + 2 * strip + 20, left + 2 * strip + 100];
  heads.forEach((name, at) => svg.text(columns[at] ?? 0, PAD + ROW + 16, name, { size: 11 }));
  rows.forEach(({ token, key, product, score, share }, at) => {
    const y = PAD + (at + 2) * ROW - 4;
    svg.text(left - 6, y + 16, labels[token]?.label ?? '', { anchor: 'end' });
    draw(columns[0] ?? 0, y, key, mostVector);
    draw(columns[1] ?? 0, y, product, mostProduct);
    svg.text(columns[2] ?? 0, y + 16, score.toFixed(3), { size: 12 });
    svg.text(columns[3] ?? 0, y + 16, share.toFixed(3), { size: 12 });
  });
  return svg;
}

function heat(state: TextState, maps: TextMaps): Svg {
  const font = { size: 20, family: 'serif' };
  const width = 720;
  const height = 34;
  const svg = new Svg(width, 0);
  const measure = document.createElement('canvas').getContext('2d');
  if (measure) measure.font = `${font.size}px ${font.family}`;
  const root = getComputedStyle(document.documentElement);
  const hot = `rgb(${root.getPropertyValue('--hot').trim()})`;
  const strongest = Number(root.getPropertyValue('--strongest'));
  const units = maps.units(state);
  const row = heatRow(state, maps, heatUnit(state, units)) ?? new Float32Array();
  const most = Math.max(...row, 0);
  let x = PAD;
  let y = PAD;
  units.forEach(({ start, label, special }, at) => {
    const text = special ? label : maps.layout.text.slice(start, units[at]?.end);
    const wide = measure?.measureText(text).width ?? text.length * font.size * 0.5;
    const touches = units[at - 1]?.end === start && !special;
    if (!touches && at > 0) x += font.size / 4;
    if (x + wide > width - PAD && !touches) {
      x = PAD;
      y += height;
    }
    svg.box(x, y, wide, height - 6, hot, most > 0 ? ((row[at] ?? 0) / most) * strongest : 0);
    svg.text(x, y + font.size, text, font);
    x += wide;
  });
  svg.height = y + height + PAD;
  return svg;
}

/** What "Look at text" shows, as SVG: the same numbers and colours as on the page. */

import { headColour } from '../draw/heads.ts';
import { drawHeat } from '../draw/heat.ts';
import { themeShades } from '../draw/theme.ts';
import { linesOf, mayLook } from '../text/lines.ts';
import type { TextMaps } from '../text/maps.ts';
import { meanRow, pickedMaps } from '../text/picked.ts';
import { focusOf } from '../text/state.ts';
import type { Mode, TextState } from '../text/state.ts';
import { gridShare, shrink } from '../views/text-grid.ts';
import { endOf, LEVEL, ROW } from '../views/text-lines.ts';
import { Svg } from './svg.ts';

const LABEL = 160;
const GAP = 320;
const PAD = 16;

/** The drawing of `state`, for files. */
export function textScene(state: TextState, maps: TextMaps): Svg {
  const scenes: Record<Mode, (state: TextState, maps: TextMaps) => Svg> = { lines, grid, heat };
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
    const start = PAD + endOf(from, slot, heads.length);
    const end = PAD + endOf(to, slot, heads.length);
    const points = [[left, start], [left + LEVEL, start], [right - LEVEL, end], [right, end]] as const;
    svg.line(points, headColour(heads[slot] ?? 0, maps.heads), Math.min(2, 16 / heads.length), weight / drawn.most);
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
      const small = shrink(map, n);
      drawHeat(canvas, small, Math.sqrt(small.length), themeShades(), gridShare);
      svg.image(2 * PAD + head * step, y, cell, cell, canvas);
    }
  }
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
  const row = meanRow(state, maps, focusOf(state)?.unit ?? 0);
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

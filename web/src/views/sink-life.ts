/** Tokens that soak up attention: from which layer, for how long, and what that makes of each layer. */

import type { Analysis, LayerGraph } from 'heatseek';

import { counted, el } from '../dom.ts';
import { tint } from '../draw/tint.ts';
import { tokenName } from '../pictures/heat.ts';
import { unitsOf } from '../text/units.ts';

/** More rows than this are for nobody to read. */
const MOST_SINKS = 12;

const SHAPES: Readonly<Record<LayerGraph['type'], string>> = {
  centralised: 'one token gets a large share (centralised)',
  bidirectional: 'the first and the last token get a large share together (bidirectional)',
  distributed: 'no token gets a large share (distributed)',
};

export function sinkLife(analysis: Analysis): HTMLElement {
  const { sinks, layers, graph } = analysis;
  const strongest = [...sinks].sort((a, b) => Math.max(...b.mass) - Math.max(...a.mass)).slice(0, MOST_SINKS);
  const left = sinks.length - strongest.length;
  const rows = strongest.map(({ token, firstLayer, lifetime, primary, mass }) => {
    const first = layers.indexOf(firstLayer);
    return el('tr', { 'data-token': token },
      el('th', { scope: 'row' }, nameOf(analysis, token)),
      ...mass.map((share, at) => {
        const cell = el('td', { title: share.toFixed(3), class: at >= first && at < first + lifetime ? 'held' : '' }, el('span', { class: 'visually-hidden' }, share.toFixed(2)));
        tint(cell, share);
        return cell;
      }),
      el('td', { class: 'life' }, `${lifetime > 1 ? `layers ${firstLayer} to ${layers[first + lifetime - 1]}` : `layer ${firstLayer}`}${primary ? ', to the end' : ''}`));
  });
  const table = el('table', { class: 'sinks', 'data-testid': 'sinks' },
    el('caption', { class: 'visually-hidden' }, 'Share of attention that each sink gets in each layer'),
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'token'), ...layers.map((layer) => el('th', { scope: 'col' }, String(layer))), el('th', { scope: 'col' }, 'sink in'))),
    el('tbody', {}, ...rows));
  return el('section', {}, el('h3', {}, 'Where attention sinks'),
    sinks.length > 0
      ? el('div', { class: 'scrolls' }, table)
      : el('p', { 'data-testid': 'sinks' }, 'No token gets far more than its share in any layer.'),
    el('p', { class: 'note' }, `${left > 0 ? `${counted(left, 'weaker sink')} left out. ` : ''}Tints are the share that a token gets from the others, layer by layer; a line below says that it is a sink there.`),
    el('ul', { class: 'shapes' }, ...shapesOf(layers, graph).map((line) => el('li', {}, line))));
}

/** Layers of one kind that follow each other, in a line each. */
function shapesOf(layers: readonly number[], graph: readonly LayerGraph[]): string[] {
  const runs: { type: LayerGraph['type']; from: number; to: number; most: number; least: number }[] = [];
  graph.forEach(({ type, sinkShare }, at) => {
    const layer = layers[at] ?? at;
    const run = runs.at(-1);
    if (run?.type === type) Object.assign(run, { to: layer, most: Math.max(run.most, sinkShare), least: Math.min(run.least, sinkShare) });
    else runs.push({ type, from: layer, to: layer, most: sinkShare, least: sinkShare });
  });
  return runs.map(({ type, from, to, most, least }) => {
    const [low, high] = [Math.round(least * 100), Math.round(most * 100)];
    return `${from === to ? `Layer ${from}` : `Layers ${from} to ${to}`}: ${SHAPES[type]}; the strongest gets ${low === high ? '' : `${low} to `}${high} %.`;
  });
}

function nameOf({ layout }: Analysis, token: number): string {
  return layout.kind === 'image' ? tokenName(layout, token).replace(/^patch in /, '') : (unitsOf(layout, false, false)[token]?.label ?? String(token));
}

/** Inside one head: a token's query vector, every key, their products, the sum, and the softmax over all. */

import { el, say } from '../dom.ts';
import { drawSigned } from '../draw/heat.ts';
import { onTheme } from '../draw/theme.ts';
import { legend } from '../draw/tint.ts';
import type { Drawing } from '../text/drawing.ts';
import type { TextMaps } from '../text/maps.ts';
import { neuronRows } from '../text/neuron.ts';
import type { NeuronRow } from '../text/neuron.ts';
import type { AskedNeuron, TextState, TextStore } from '../text/state.ts';
import type { Study } from '../text/study.ts';

export function textNeuron(store: TextStore, study: Study): Drawing {
  const select = el('select', { id: 'query-token', 'data-testid': 'query-token' });
  select.addEventListener('change', () => store.update({ pinned: unitOf(store.state, Number(select.value)), hovered: undefined }));
  const said = el('p', { class: 'spoken', role: 'status' });
  const body = el('tbody', { 'data-testid': 'neuron' });
  const queryStrip = el('canvas', { 'aria-hidden': 'true', 'data-testid': 'neuron-query' });
  const scale = el('div');
  const table = el('table', { class: 'neuron' },
    el('thead', {},
      el('tr', {}, el('th', { scope: 'row' }, 'query q'), el('td', {}, queryStrip), el('td'), el('td'), el('td')),
      el('tr', {}, ...['token', 'its key k', 'q × k', 'sum ÷ √d', 'softmax'].map((name) => el('th', { scope: 'col' }, name)))),
    body);
  const element = el('div', {}, el('p', { class: 'control' }, el('label', { for: 'query-token' }, 'Token that looks'), select), said,
    el('div', { class: 'scrolls' }, table), scale);
  let listed: TextMaps | undefined;
  let drawn: AskedNeuron | undefined;

  const draw = (state: TextState): void => {
    const { maps, layer, heads, neuron } = state;
    const [head] = heads;
    if (!maps || head === undefined) return;
    const labels = maps.units({ words: false, hideSpecial: false }).map(({ label }) => label);
    if (maps !== listed) {
      listed = maps;
      select.replaceChildren(...labels.map((label, at) => el('option', { value: at }, `${at} ${label}`)));
    }
    const token = tokenOf(state, maps);
    select.value = String(token);
    void study.neuron(layer, head, token);
    const current = neuron && neuron.layer === layer && neuron.head === head && neuron.query === token;
    say(said, current
      ? `“${labels[token] ?? ''}” in layer ${layer}, head ${head}${heads.length > 1 ? ', the first of those picked' : ''}: the larger the sum, the larger the share.`
      : 'Looking inside the head');
    if (!current || neuron === drawn) return;
    drawn = neuron;
    const { query, rows, left, mostVector, mostProduct } = neuronRows(neuron);
    drawSigned(queryStrip, query, query.length, mostVector);
    body.replaceChildren(...rows.map((row) => item(row, labels[row.token] ?? '', mostVector, mostProduct)));
    scale.replaceChildren(
      legend('diverging', `−${mostVector.toFixed(2)}`, mostVector.toFixed(2), 'Of q and k'),
      legend('diverging', `−${mostProduct.toFixed(2)}`, mostProduct.toFixed(2), 'Of their products'),
      ...(left > 0 ? [el('p', { class: 'note' }, `${left} tokens with smaller shares are left out.`)] : []),
    );
  };
  onTheme(() => {
    drawn = undefined;
    if (element.isConnected) draw(store.state);
  });
  return { element, draw };
}

function item({ token, key, product, score, share }: NeuronRow, label: string, mostVector: number, mostProduct: number): HTMLElement {
  const [keyStrip, productStrip] = [el('canvas', { 'aria-hidden': 'true' }), el('canvas', { 'aria-hidden': 'true' })];
  drawSigned(keyStrip, key, key.length, mostVector);
  drawSigned(productStrip, product, product.length, mostProduct);
  const bar = el('span', { class: 'bar', 'aria-hidden': 'true' });
  bar.style.setProperty('--score', share.toFixed(4));
  return el('tr', { 'data-token': token },
    el('th', { scope: 'row' }, label), el('td', {}, keyStrip), el('td', {}, productStrip),
    el('td', { class: 'amount' }, score.toFixed(3)), el('td', { class: 'amount' }, share.toFixed(3), bar));
}

/** The token that looks: the first of what is pinned, or the first after CLS. */
function tokenOf(state: TextState, maps: TextMaps): number {
  const { pinned } = state;
  const unit = pinned?.side === 'from' ? maps.units(state)[pinned.unit] : undefined;
  return unit?.first ?? Math.min(1, maps.tokens - 1);
}

/** What to pin so that `token` looks: with words or without special tokens, the unit it is in. */
function unitOf(state: TextState, token: number): TextState['pinned'] {
  const unit = state.maps?.units(state).findIndex(({ first, last }) => token >= first && token < last) ?? -1;
  return unit < 0 ? undefined : { side: 'from', unit };
}

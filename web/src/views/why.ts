/** Why a passage was found: its words and the question's tinted by what they add to the score, and which are alike. */

import type { ExplainedSide, Explanation, Hit } from 'heatseek';

import { button, el, say } from '../dom.ts';
import { drawSigned } from '../draw/heat.ts';
import { onTheme } from '../draw/theme.ts';
import { legend } from '../draw/tint.ts';
import { largest, tintedText } from '../draw/tinted.ts';
import type { Engine } from '../engine.ts';
import { explain } from '../problems.ts';
import type { Store } from '../state.ts';
import type { TextLayout } from '../text/maps.ts';
import { foldRow, unitsOf } from '../text/units.ts';
import type { Unit } from '../text/units.ts';

/** The button and, once pressed, what it opens. `passage` is where the hit's text stands, and is tinted itself. */
export function why(store: Store, engine: Engine, question: string, hit: Hit, passage: HTMLElement): [toggle: HTMLButtonElement, panel: HTMLElement] {
  const panel = el('div', { class: 'why', 'data-testid': 'why', hidden: true });
  const plain = [...passage.childNodes];
  const { fused } = store.state.search;
  let found: Explanation | undefined;
  const show = (open: boolean): void => {
    toggle.setAttribute('aria-expanded', String(open));
    panel.hidden = !open;
    passage.classList.toggle('weighed', open);
    if (!open) passage.replaceChildren(...plain);
    else if (found) fill(panel, passage, found, fused);
  };
  const toggle = button('Why?', () => {
    if (!panel.hidden) return show(false);
    show(true);
    if (found || !engine.model) return;
    say(panel, 'Weighing every word');
    engine.model.explain(question, hit.chunk.text).then(
      (explanation) => {
        found = explanation;
        if (!panel.hidden) show(true);
      },
      (error: unknown) => {
        show(false);
        store.complain(explain(error, 'weighing the words'));
      },
    );
  }, { class: 'quiet', 'aria-expanded': 'false', 'data-testid': 'why-toggle' });
  return [toggle, panel];
}

function fill(panel: HTMLElement, passage: HTMLElement, { score, query, passage: found, similarity, shape }: Explanation, fused: boolean): void {
  const sides = [weighed(query), weighed(found)] as const;
  const most = largest(...sides.map((side) => side?.values ?? []));
  const [asked, answer] = sides.map((side) => side && tintedText(side.layout.text, side.units, side.values, most));
  if (answer) passage.replaceChildren(...answer);
  const parts: HTMLElement[] = [];
  if (asked) parts.push(el('p', { class: 'asked', 'data-testid': 'why-query' }, ...asked));
  if (answer) {
    parts.push(
      legend('diverging', `−${most.toFixed(3)}`, most.toFixed(3), 'What a word adds to the score'),
      el('p', { class: 'note', 'data-testid': 'why-sum' }, `Over all tokens, those in brackets too, they sum to ${score.toFixed(3)}: ${fused ? 'the cosine, which is the meaning’s part of the score' : 'the score'}.`),
    );
  } else {
    parts.push(el('p', { class: 'note' }, 'This model does not sum over tokens, so no share of the score belongs to a word. What is alike can still be seen.'));
  }
  if (query?.layout.kind === 'text' && found.layout.kind === 'text') parts.push(alike(similarity, shape, query.layout, found.layout));
  panel.replaceChildren(...parts);
}

interface Weighed {
  readonly layout: TextLayout;
  readonly units: readonly Unit[];
  readonly values: Float32Array;
}

/** A side by words: the pieces of a word add up. */
function weighed(side: ExplainedSide | undefined): Weighed | undefined {
  if (side?.contributions === undefined || side.layout.kind !== 'text') return undefined;
  const units = unitsOf(side.layout, true, false);
  return { layout: side.layout, units, values: foldRow(side.contributions, units) };
}

/** Which tokens of the question are like which of the passage. Special tokens are like everything, and left out. */
function alike(similarity: Float32Array, [, columns]: readonly [number, number], query: TextLayout, passage: TextLayout): HTMLElement {
  const rows = unitsOf(query, false, true);
  const across = unitsOf(passage, false, true);
  const values = Float32Array.from({ length: rows.length * across.length }, (_, at) => {
    const row = rows[Math.floor(at / across.length)]?.first ?? 0;
    return similarity[row * columns + (across[at % across.length]?.first ?? 0)] ?? 0;
  });
  const canvas = el('canvas', { 'data-testid': 'why-similarity', role: 'img', 'aria-label': 'How alike each token of the question is to each of the passage' });
  const paint = (): void => drawSigned(canvas, values, across.length, 1);
  paint();
  onTheme(() => {
    if (canvas.isConnected) paint();
  });
  const said = el('p', { class: 'note', 'data-testid': 'why-pair' }, closest(values, rows, across));
  canvas.addEventListener('pointermove', ({ offsetX, offsetY }) => {
    const column = Math.floor((offsetX / canvas.clientWidth) * across.length);
    const row = Math.floor((offsetY / canvas.clientHeight) * rows.length);
    const value = values[row * across.length + column];
    if (value !== undefined) say(said, pair(rows[row], across[column], value));
  });
  canvas.addEventListener('pointerleave', () => say(said, closest(values, rows, across)));
  const map = el('div', { class: 'alike' },
    el('div', { class: 'across', 'aria-hidden': 'true' }, ...across.map(({ label }) => el('span', {}, label))),
    el('div', { class: 'down', 'aria-hidden': 'true' }, ...rows.map(({ label }) => el('span', {}, label))),
    canvas);
  map.style.setProperty('--across', String(across.length));
  map.style.setProperty('--down', String(rows.length));
  return el('details', {},
    el('summary', {}, 'Which words are alike'),
    el('div', { class: 'scrolls' }, map),
    legend('diverging', '−1', '1', 'Cosine of last hidden states'),
    said);
}

function closest(values: Float32Array, rows: readonly Unit[], across: readonly Unit[]): string {
  const best = values.indexOf(values.reduce((top, value) => Math.max(top, value), -1));
  return best < 0 ? '' : `Most alike: ${pair(rows[Math.floor(best / across.length)], across[best % across.length], values[best] ?? 0)}`;
}

function pair(asked: Unit | undefined, found: Unit | undefined, value: number): string {
  return `“${asked?.label ?? ''}” and “${found?.label ?? ''}” ${value.toFixed(2)}`;
}

/** Lines from tokens to what they looked at: opacity is the weight as a share of the strongest, colour the head. */

import { el, say } from '../dom.ts';
import { headColour } from '../draw/heads.ts';
import { onTheme } from '../draw/theme.ts';
import { legend, tint } from '../draw/tint.ts';
import { linesOf, mayLook } from '../text/lines.ts';
import type { Lines } from '../text/lines.ts';
import type { TextMaps } from '../text/maps.ts';
import { meanColumn, meanRow, pickedMaps } from '../text/picked.ts';
import { focusOf } from '../text/state.ts';
import type { Focus, TextState, TextStore } from '../text/state.ts';
import type { Unit } from '../text/units.ts';
import type { Drawing } from './text.ts';

/** Height of a token in CSS pixels; even, so that a line of two pixels lies on whole ones. text.css has the same. */
export const ROW = 24;
/** A line leaves and arrives level for so long: there its weight can be read off whatever its slope. */
export const LEVEL = 8;
/** Lines of several heads share this much of a row. */
const BAND = 16;
/** Browsers give up on canvases much longer. */
const LONGEST = 12_000;
const NAMED = 3;

export function textLines(store: TextStore): Drawing {
  const from = el('ol', { class: 'tokens from', 'aria-label': 'Tokens that look' });
  const to = el('ol', { class: 'tokens to', 'aria-label': 'Tokens that are looked at' });
  const canvas = el('canvas', { 'data-testid': 'lines', role: 'img', 'aria-label': 'Lines from tokens to what they looked at' });
  const spoken = el('p', { class: 'spoken', role: 'status', 'data-testid': 'spoken' });
  const scale = el('div', { 'data-testid': 'lines-legend' });
  const element = el('div', {}, spoken, el('div', { class: 'lines' }, from, canvas, to), scale);
  let units: readonly Unit[] | undefined;
  let tinted: readonly HTMLElement[] = [];

  const draw = (state: TextState): void => {
    const { maps, heads, between } = state;
    if (!maps) return;
    const shown = maps.units(state);
    if (shown !== units) {
      units = shown;
      from.replaceChildren(...shown.map((unit, at) => token(store, unit, { side: 'from', unit: at })));
      to.replaceChildren(...shown.map((unit, at) => token(store, unit, { side: 'to', unit: at })));
      roving(from);
      roving(to);
    }
    const picked = pickedMaps(state, maps);
    const focus = focusOf(state);
    const may = mayLook(shown, maps.layout.text, between);
    const lines = linesOf(picked, shown.length, focus, may);
    paint(canvas, lines, shown.length, heads.map((head) => headColour(head, maps.heads)));
    scale.replaceChildren(legend('tint', '0', lines.most.toFixed(3), 'Weight of a line'));
    for (const old of tinted) tint(old, 0);
    const others = focus && weights(state, maps, focus);
    tinted = focus && others
      ? tintOthers(others, focus.side === 'from' ? to : from, (other) => (focus.side === 'from' ? may(focus.unit, other) : may(other, focus.unit)))
      : [];
    mark(from, focus?.side === 'from' ? focus.unit : undefined, state);
    mark(to, focus?.side === 'to' ? focus.unit : undefined, state);
    say(spoken, picked.length < heads.length ? 'Reading this layer' : sentence(focus, others, shown, lines));
  };

  const again = (): void => {
    if (canvas.isConnected) draw(store.state);
  };
  onTheme(again);
  new ResizeObserver(again).observe(canvas);
  return { element, draw };
}

function token(store: TextStore, { label, special }: Unit, focus: Focus): HTMLElement {
  const button = el('button', { type: 'button', tabindex: -1, class: special ? 'special' : '' }, label);
  const set = (hovered: Focus | undefined): void => store.update({ hovered });
  button.addEventListener('pointerenter', ({ pointerType }) => {
    if (pointerType === 'mouse') set(focus);
  });
  button.addEventListener('pointerleave', () => set(undefined));
  button.addEventListener('focus', () => {
    if (button.matches(':focus-visible')) set(focus);
  });
  button.addEventListener('blur', () => set(undefined));
  button.addEventListener('click', () => {
    const { pinned } = store.state;
    const again = pinned?.side === focus.side && pinned.unit === focus.unit;
    store.update({ pinned: again ? undefined : focus, hovered: undefined });
  });
  return el('li', {}, button);
}

/** Arrow keys walk through a column; Tab goes past it. */
export function roving(list: HTMLElement): void {
  const buttons = [...list.querySelectorAll('button')];
  const [first] = buttons;
  if (first) first.tabIndex = 0;
  list.onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = buttons.findIndex((button) => button === document.activeElement);
    const next = step === undefined || at < 0 ? undefined : buttons[at + step];
    if (!next) return;
    event.preventDefault();
    for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  };
}

function mark(list: HTMLElement, focused: number | undefined, { pinned }: TextState): void {
  for (const old of list.querySelectorAll('.focused')) old.classList.remove('focused');
  const button = focused === undefined ? undefined : list.children[focused]?.querySelector('button');
  button?.classList.add('focused');
  for (const old of list.querySelectorAll('[aria-pressed=true]')) old.removeAttribute('aria-pressed');
  const side = list.classList.contains('from') ? 'from' : 'to';
  if (pinned?.side === side) list.children[pinned.unit]?.querySelector('button')?.setAttribute('aria-pressed', 'true');
}

/** The mean weight, over the picked heads, between the one in focus and every other. */
function weights(state: TextState, maps: TextMaps, { side, unit }: Focus): Float32Array {
  return side === 'from' ? meanRow(state, maps, unit) : meanColumn(state, maps, unit);
}

/** Tints the others by their weight, as a share of the highest of those that count. */
function tintOthers(all: Float32Array, list: HTMLElement, counts: (other: number) => boolean): HTMLElement[] {
  const most = all.reduce((top, weight, other) => (counts(other) && weight > top ? weight : top), 0);
  return [...list.querySelectorAll('button')].filter((button, other) => {
    if (counts(other)) tint(button, most > 0 ? (all[other] ?? 0) / most : 0);
    return counts(other);
  });
}

/** In words, for those who do not see lines. */
function sentence(focus: Focus | undefined, others: Float32Array | undefined, units: readonly Unit[], lines: Lines): string {
  if (!focus || !others) {
    const few = lines.lines.length < lines.all && lines.least > 1 / 256;
    return few
      ? `The strongest ${lines.lines.length.toLocaleString('en')} of ${lines.all.toLocaleString('en')} lines, from ${lines.least.toFixed(3)} up. Point at a token to see all of its own.`
      : 'Point at a token to see its lines alone; click to keep it.';
  }
  const name = (at: number): string => `“${units[at]?.label ?? ''}”`;
  const ranked = Array.from(others, (weight, at) => ({ weight, at })).sort((a, b) => b.weight - a.weight);
  const list = ranked.slice(0, NAMED).map(({ weight, at }) => `${name(at)} ${weight.toFixed(2)}`).join(', ');
  return focus.side === 'from' ? `${name(focus.unit)} looked most at ${list}` : `${name(focus.unit)} was looked at most by ${list}`;
}

/** The vertical middle of a line's end. */
export function endOf(unit: number, slot: number, slots: number): number {
  return unit * ROW + ROW / 2 + (slots === 1 ? 0 : ((slot + 0.5) / slots - 0.5) * BAND);
}

function paint(canvas: HTMLCanvasElement, { lines, most }: Lines, n: number, colours: readonly string[]): void {
  const width = canvas.clientWidth;
  const height = n * ROW;
  canvas.style.height = `${height}px`;
  const scale = Math.min(devicePixelRatio, LONGEST / Math.max(1, height));
  const across = Math.max(1, Math.round(width * scale));
  const down = Math.max(1, Math.round(height * scale));
  if (canvas.width !== across) canvas.width = across;
  if (canvas.height !== down) canvas.height = down;
  const context = canvas.getContext('2d');
  if (!context) return;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  context.lineWidth = Math.min(2, BAND / Math.max(1, colours.length));
  for (const { from, to, slot, weight } of lines) {
    context.globalAlpha = weight / most;
    context.strokeStyle = colours[slot] ?? '';
    const start = endOf(from, slot, colours.length);
    const end = endOf(to, slot, colours.length);
    context.beginPath();
    context.moveTo(0, start);
    context.lineTo(LEVEL, start);
    context.lineTo(width - LEVEL, end);
    context.lineTo(width, end);
    context.stroke();
  }
  context.globalAlpha = 1;
}

/** How far adding text has come, and what an earlier visit left to be done. */

import { button, counted, el, say } from '../dom.ts';
import type { Engine } from '../engine.ts';
import type { Store, Unfinished } from '../state.ts';

export function indexingView(store: Store, engine: Engine): HTMLElement {
  const label = el('span', { class: 'name' });
  const amount = el('span', { class: 'amount' });
  const bar = el('progress', { 'data-testid': 'index-progress', 'aria-label': 'Indexing', max: 1 });
  const cancel = button('Cancel', () => engine.intake.cancel(), { 'data-testid': 'cancel-indexing', class: 'quiet' });
  const view = el('div', { class: 'indexing' }, el('div', { class: 'row' }, label, amount, cancel), bar);
  const spoken = el('p', { class: 'visually-hidden', role: 'status' });
  const left = el('div', { class: 'unfinished' });
  let listed: readonly Unfinished[] = [];
  store.watch(({ indexing: now, model, unfinished, collection, passages }) => {
    if (unfinished !== listed) {
      listed = unfinished;
      left.replaceChildren(...unfinished.map((one) => item(one, engine)));
    }
    // Not every file is told: quarters are enough to hear, and the end.
    if (now || !view.hidden) say(spoken, now ? `Reading, ${Math.floor(now.share * 4) * 25} percent done.` : `${counted(passages, 'passage')} can be searched.`);
    view.hidden = now === undefined;
    if (!now) return;
    const awaited = model.kind !== 'ready' ? 'the model' : collection.kind === 'failed' ? 'the collection to be opened' : undefined;
    say(label, awaited === undefined ? `Reading ${now.name}` : `${now.name} waits for ${awaited}`);
    const speed = now.perSecond ? `${now.perSecond.toFixed(now.perSecond < 10 ? 1 : 0)} passages a second` : '';
    const done = now.total > 0 ? `${now.done.toLocaleString('en')} of ${now.total.toLocaleString('en')}${now.unit === 'files' ? ' files' : ''}` : '';
    say(amount, [done, speed, now.secondsLeft === undefined ? '' : timeLeft(now.secondsLeft)].filter(Boolean).join(' · '));
    if (now.share > 0) bar.value = now.share;
    else bar.removeAttribute('value');
  });
  return el('div', {}, left, view, spoken);
}

/** As exact as it can be known. */
export function timeLeft(seconds: number): string {
  if (seconds < 10) return 'a few seconds left';
  if (seconds < 90) return `about ${Math.round(seconds / 10) * 10} seconds left`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `about ${minutes} minutes left`;
  return `about ${Math.round(minutes / 60)} hours left`;
}

function item({ id, label, needs, left }: Unfinished, engine: Engine): HTMLElement {
  const go = needs === 'permission'
    ? button('Go on', () => void engine.intake.allow(id), { class: 'primary' })
    : button('Choose again', () => document.getElementById(needs === 'folder' ? 'choose-folder' : 'files')?.click());
  const words = needs === 'permission'
    ? `Not all of “${label}” has been read. The browser asks before it is read again.`
    : `${counted(left ?? 0, 'file')} of “${label}” ${left === 1 ? 'has' : 'have'} not been read. Choose or drop them again: what was read is passed over.`;
  return el('div', { class: 'problem row', 'data-testid': 'unfinished' },
    el('p', {}, words), go, button('Forget it', () => void engine.intake.dismiss(id), { class: 'quiet' }));
}

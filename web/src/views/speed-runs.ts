/** What was measured: a card for each side, with cold start, rounds and parts of a call apart. */

import { el } from '../dom.ts';
import { strip } from '../draw/rounds.ts';
import { shares } from '../draw/shares.ts';
import { STEPS, timeline } from '../draw/timeline.ts';
import type { Run, SpeedStore } from '../speed/state.ts';
import { milliseconds, spread } from '../speed/stats.ts';
import { deviceName } from './status.ts';

export function speedRuns(store: SpeedStore): HTMLElement {
  const cards = el('div', { class: 'runs' });
  let drawn: readonly Run[] = [];
  store.watch(({ runs }) => {
    if (runs === drawn) return;
    const scale = Math.max(1e-6, ...runs.flatMap((run) => run.rounds));
    const first = runs.find(({ rounds }) => rounds.length > 0);
    // A card whose run is the same may still have to change its scale.
    cards.replaceChildren(...runs.map((run) => card(run, scale, first)));
    drawn = runs;
  });
  return cards;
}

function card(run: Run, scale: number, first: Run | undefined): HTMLElement {
  const { name, refused, device, version, cold, rounds, parts, cosine } = run;
  const about = device ? [deviceName(device), device.dtype, device.kernels].filter(Boolean).join(' · ') : (version ?? '');
  const content: HTMLElement[] = [];
  if (refused) content.push(el('p', { class: 'note problem', 'data-testid': 'refused' }, refused));
  if (rounds.length > 0) content.push(warm(rounds, scale, first === run ? undefined : first));
  if (parts) {
    const { prepare, compute, readBack, total } = parts;
    content.push(section('Where a call’s time goes', shares([
      { id: 'prepare', name: 'Tokenise or prepare', ms: prepare },
      { id: 'compute', name: 'Compute', ms: compute },
      { id: 'read-back', name: 'Read back', ms: readBack },
      { id: 'other', name: 'Messages and turns', ms: Math.max(0, total - prepare - compute - readBack) },
    ])));
  }
  if (cold) {
    const steps = cold.steps.map(({ step, start, end }) => ({ name: STEPS[step], start, end }));
    const last = { name: 'First vector', start: cold.totalMs - cold.firstMs, end: cold.totalMs };
    const before = steps.length > 0 ? steps : [{ name: 'Fetch its code and model, and start it', start: 0, end: last.start }];
    content.push(section(`Cold start: ${milliseconds(cold.totalMs)} to the first vector`, timeline([...before, last], cold.totalMs)));
  }
  const right = cosine === undefined || refused ? [] : [el('p', { class: 'note' }, `Cosine of its vectors to the first side’s: ${cosine.toFixed(6)}`)];
  return el('article', { class: 'run', 'aria-label': name, 'data-testid': 'run' },
    el('h3', {}, name), el('p', { class: 'note', 'data-testid': 'run-device' }, about), ...content, ...right);
}

function warm(rounds: readonly number[], scale: number, first: Run | undefined): HTMLElement {
  const { median, quartiles: [low, high] } = spread(rounds);
  const line = el('p', { class: 'figure' }, el('strong', { 'data-testid': 'median' }, milliseconds(median)),
    el('span', { class: 'amount' }, ` half of ${rounds.length} rounds from ${milliseconds(low)} to ${milliseconds(high)}`));
  if (first) {
    // Within rounds: what disturbed one side for a while disturbed the other too.
    const ratios = rounds.map((ms, at) => ms / (first.rounds[at] ?? NaN)).filter(Number.isFinite);
    if (ratios.length > 0) line.append(el('span', { class: 'amount', 'data-testid': 'ratio' }, `; ${spread(ratios).median.toFixed(2)} times as long as ${first.name}`));
  }
  return section('Warm', line, strip(rounds, scale));
}

const section = (title: string, ...children: HTMLElement[]): HTMLElement => el('section', {}, el('h4', {}, title), ...children);

/** Measure: how long this machine takes, cold and warm, and where the time goes. */

import { button, el, say } from '../dom.ts';
import type { Engine } from '../engine.ts';
import { save } from '../export/files.ts';
import { explain, isAbort } from '../problems.ts';
import { measure } from '../speed/measure.ts';
import type { Addresses } from '../speed/measure.ts';
import { SpeedStore } from '../speed/state.ts';
import type { Plan } from '../speed/state.ts';
import { milliseconds, spread } from '../speed/stats.ts';
import type { Store } from '../state.ts';
import { speedForm } from './speed-form.ts';
import { speedRuns } from './speed-runs.ts';
import '../speed.css';

export function speedView(page: Store, _: Engine): HTMLElement {
  const store = new SpeedStore();
  let running = new AbortController();
  const start = (plan: Plan): void => {
    running = new AbortController();
    measure(store, plan, addresses(), running.signal).catch((error: unknown) => {
      if (!running.signal.aborted && !isAbort(error)) page.complain(explain(error, 'measuring'));
    });
  };
  const keep = button('Keep the numbers as JSON', () => save(new Blob([numbers(store)], { type: 'application/json' }), 'heatseek-speed.json'), { 'data-testid': 'export' });
  const note = el('p', { class: 'note' }, 'They stay in this browser unless you pass them on.');
  const kept = el('p', { class: 'row keep' }, keep, note);
  store.watch(({ runs, busy }) => {
    kept.hidden = runs.length === 0 || busy !== undefined;
  });
  return el('section', { class: 'speed', 'aria-label': 'Measure' },
    speedForm(store, start, () => running.abort()), working(store), speedRuns(store), kept, explained());
}

/** Where the models are that other views use too. */
function addresses(): Addresses {
  const asked = new URLSearchParams(location.search);
  const beside = (path: string): string => new URL(path, document.baseURI).href;
  return { text: asked.get('model') ?? beside('models/all-MiniLM-L6-v2/'), image: asked.get('pictures') ?? beside('models/dinov2-small/') };
}

/** How far it is, and once it is done what came out, in a sentence for those who hear the page. */
function working(store: SpeedStore): HTMLElement {
  const label = el('p', { 'aria-live': 'polite', 'data-testid': 'speed-status' });
  const bar = el('progress', { 'aria-label': 'Measuring', max: 1 });
  store.watch(({ busy, runs, ended, plan }) => {
    bar.hidden = busy === undefined;
    if (busy) bar.value = busy.share;
    // Every round would be too much to hear.
    if (busy) say(label, busy.doing.replace(/^Round .*/, 'Running the rounds'));
    else if (ended) {
      say(label, runs.filter(({ rounds }) => rounds.length > 0).map(({ name, rounds }) => `${name}: ${milliseconds(spread(rounds).median)}`).join('; ') || 'Nothing could be measured.');
    } else if (plan) say(label, 'Stopped. What was measured until then is below.');
  });
  return el('div', { class: 'working' }, label, bar);
}

/** Everything, with what it was measured on. */
function numbers(store: SpeedStore): string {
  const { plan, runs, ended } = store.state;
  const browser = { userAgent: navigator.userAgent, cores: navigator.hardwareConcurrency, isolated: crossOriginIsolated };
  return JSON.stringify({ ended, browser, plan, runs }, null, 2);
}

function explained(): HTMLElement {
  return el('details', {}, el('summary', {}, 'How this is measured'),
    el('p', {}, 'Every side is loaded once, in a new worker: its cold start is from that to the first vector. The model’s files are fetched before, and come from this browser’s own store, if it has room. What transformers.js fetches is in its start.'),
    el('p', {}, 'Then each side is called once a round, in turning order, with the same input. A call begins with texts or pixels and ends with vectors in this page. The picture of the rounds shows each of them; all pictures have one scale, which begins at 0.'),
    el('p', {}, 'The parts of a call are timed in calls of their own, because a GPU is then waited for once more. A side whose vectors are not those of the first side is not timed.'),
    el('p', {}, 'Other programs, other tabs and a battery that runs low disturb it. Close what you do not need.'));
}

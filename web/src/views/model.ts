/** How the model is doing: loading with bytes and stage, ready on which device and why, or failed. */

import type { Progress } from 'heatseek';

import { button, el, say } from '../dom.ts';
import type { ModelState } from '../state.ts';

const STAGES: Partial<Record<Progress['stage'], string>> = {
  download: 'Fetching the model',
  read: 'Reading the model',
  prepare: 'Preparing the device',
  'self-check': 'Checking the device’s arithmetic',
};

/** A model that can be loaded, whose state can be watched. */
export interface Loadable {
  readonly watch: (view: (model: ModelState) => void) => void;
  readonly load: () => void;
  readonly cancel: () => void;
}

export function modelView({ watch, load, cancel: stop }: Loadable): HTMLElement {
  const label = el('span', { 'aria-live': 'polite' });
  const amount = el('span', { class: 'amount' });
  const bar = el('progress', { 'data-testid': 'load-progress', 'aria-label': 'Loading the model', max: 1 });
  const cancel = button('Cancel', stop, { 'data-testid': 'cancel', class: 'quiet' });
  const start = button('Load the model', load);
  const note = el('p', { class: 'note' });
  const line = el('div', { class: 'row' }, label, amount, cancel, start);
  const view = el('section', { class: 'model', 'aria-label': 'Model' }, line, bar, note);

  watch((model) => {
    const { kind } = model;
    const loading = kind === 'loading';
    bar.hidden = cancel.hidden = amount.hidden = !loading;
    start.hidden = kind !== 'idle' && kind !== 'failed';
    line.hidden = kind === 'ready';
    note.hidden = kind === 'idle' || loading;
    note.className = kind === 'failed' ? 'note problem' : 'note';
    if (kind === 'failed') note.dataset['testid'] = 'error';
    else delete note.dataset['testid'];

    switch (kind) {
      case 'idle':
        say(label, 'The model is a download of about 90 MB.');
        break;
      case 'loading': {
        const { progress } = model;
        say(label, (progress && STAGES[progress.stage]) ?? 'Starting');
        say(amount, progress ? measured(progress) : '');
        if (progress && progress.total > 0) bar.value = progress.loaded / progress.total;
        else bar.removeAttribute('value');
        break;
      }
      case 'ready': {
        const { device } = model.info;
        note.hidden = device.fallback === undefined;
        // The reason is the engine's sentence; it may or may not end in a stop.
        if (device.fallback) say(note, `Running on the CPU: ${device.fallback.replace(/\.?$/, '.')} Results are the same.`);
        break;
      }
      case 'failed':
        say(label, 'The model is not loaded.');
        say(start, 'Try again');
        say(note, `${model.problem.title}. ${model.problem.advice}`);
        break;
      default:
        kind satisfies never;
    }
    view.hidden = kind === 'ready' && note.hidden;
  });
  return view;
}

function measured({ stage, loaded, total }: Progress): string {
  if (stage !== 'download') return '';
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
  return `${megabytes(loaded)} of ${megabytes(total)} MB`;
}

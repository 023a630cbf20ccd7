/** The line at the foot: which device, precision and kernels, how fast, how much. Always in view. */

import type { DeviceInfo } from 'heatseek';

import { counted, el, say } from '../dom.ts';
import { passageCount } from '../state.ts';
import type { ModelState, Store } from '../state.ts';

export function statusView(store: Store, footer: HTMLElement): void {
  const device = el('span', { 'data-testid': 'device-line', class: 'device' });
  const ms = el('span', { 'data-testid': 'search-ms', title: 'From the question to ranked passages: embedding it and scanning all of them' });
  const count = el('span');
  footer.append(device, ms, count);
  store.watch((state) => {
    footer.dataset['model'] = state.model.kind;
    say(device, deviceLine(state.model));
    say(ms, state.search.ms === undefined ? '' : `${state.search.ms.toFixed(1)} ms to embed and scan`);
    const passages = passageCount(state);
    say(count, passages > 0 ? counted(passages, 'passage') : '');
  });
}

/** `GPU · its name`. */
export function deviceName({ kind, name }: DeviceInfo): string {
  const label = kind === 'reference' ? kind : kind.toUpperCase();
  // The CPU's own name begins with “CPU”: once is enough.
  return name.startsWith(label) ? name : [label, name].filter(Boolean).join(' · ');
}

export function deviceLine(model: ModelState): string {
  switch (model.kind) {
    case 'idle':
      return 'model not loaded';
    case 'loading':
      return 'loading the model';
    case 'failed':
      return 'no model';
    case 'ready': {
      const { dtype, kernels } = model.info.device;
      return [deviceName(model.info.device), dtype, kernels].filter(Boolean).join(' · ');
    }
    default:
      return model satisfies never;
  }
}

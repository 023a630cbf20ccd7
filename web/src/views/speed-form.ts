/** What to measure: the work, devices, precisions, rounds, and whether transformers.js stands beside it. */

import { button, el, say } from '../dom.ts';
import type { Place, Plan, SpeedStore, Stored } from '../speed/state.ts';
import { WORKS } from '../speed/work.ts';

const SCRIPT = 'https://cdn.jsdelivr.net/npm/@huggingface/transformers@4.3.1';
const HUB = { text: 'Xenova/all-MiniLM-L6-v2', image: 'onnx-community/dinov2-small' };
const MOST_ROUNDS = 200;

export function speedForm(store: SpeedStore, start: (plan: Plan) => void, stop: () => void): HTMLElement {
  const work = el('select', { 'data-testid': 'work' }, ...WORKS.map(({ id, name }) => el('option', { value: id }, name)));
  const places: Record<Place, HTMLInputElement> = { gpu: box('gpu', true), cpu: box('cpu', true) };
  const dtypes: Record<Stored, HTMLInputElement> = { f32: box('f32', true), f16: box('f16', false), int8: box('int8', false) };
  const rounds = el('input', { type: 'number', min: 3, max: MOST_ROUNDS, value: 15, required: true, 'data-testid': 'rounds-wanted' });
  const peer = peerFields(work);
  const begin = el('button', { type: 'submit', class: 'primary', 'data-testid': 'measure' }, 'Measure');
  const cancel = button('Cancel', stop, { 'data-testid': 'stop' });
  const problem = el('p', { class: 'note', role: 'alert' });
  /** No GPU. */
  let without = false;
  const gpuNote = el('span', { class: 'note' });
  const form = el('form', { class: 'measure' },
    labelled('Work', work),
    group('Devices', labelledBox(places.gpu, 'WebGPU'), labelledBox(places.cpu, 'CPU'), gpuNote),
    group('Precision', labelledBox(dtypes.f32, 'f32'), labelledBox(dtypes.f16, 'f16, on a GPU that has it'), labelledBox(dtypes.int8, 'int8')),
    labelled('Rounds', rounds), peer.element,
    el('p', { class: 'row' }, begin, cancel), problem);

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const chosen = <T extends string>(all: Record<T, HTMLInputElement>): T[] => (Object.keys(all) as T[]).filter((name) => all[name].checked);
    const [at, stored] = [chosen(places), chosen(dtypes)];
    say(problem, at.length === 0 ? 'Choose a device.' : stored.length === 0 ? 'Choose a precision.' : '');
    if (at.length > 0 && stored.length > 0) {
      start({ work: work.value, places: at, dtypes: stored, rounds: rounds.valueAsNumber, peer: peer.source() });
    }
  });
  store.watch(({ busy }) => {
    begin.hidden = busy !== undefined;
    cancel.hidden = busy === undefined;
    for (const field of form.querySelectorAll('fieldset, select, input')) {
      (field as HTMLInputElement).disabled = busy !== undefined || (field === places.gpu && without);
    }
  });
  void hasAdapter().then((has) => {
    if (has) return;
    without = places.gpu.disabled = true;
    places.gpu.checked = false;
    say(gpuNote, 'This browser offers no WebGPU.');
  });
  return form;
}

/** Off until a visitor opens it and says yes. */
function peerFields(work: HTMLSelectElement): { element: HTMLElement; source: () => Plan['peer'] } {
  const wanted = el('input', { type: 'checkbox', 'data-testid': 'peer' });
  const script = el('input', { type: 'url', value: SCRIPT, 'data-testid': 'peer-script' });
  const model = el('input', { type: 'text', value: HUB.text, 'data-testid': 'peer-model' });
  const fields = el('div', { class: 'peer-fields' }, labelled('Its code', script), labelled('Its model (a hub id, or the address of a folder)', model));
  const show = (): void => {
    fields.hidden = !wanted.checked;
    script.required = model.required = wanted.checked;
  };
  wanted.addEventListener('change', show);
  work.addEventListener('change', () => {
    const reads = WORKS.find(({ id }) => id === work.value)?.reads ?? 'text';
    // What a visitor wrote stays.
    if (Object.values(HUB).includes(model.value)) model.value = HUB[reads];
  });
  show();
  const element = el('fieldset', { class: 'peer' }, el('legend', {}, 'Beside transformers.js'),
    labelledBox(wanted, 'Measure transformers.js too'),
    el('p', { class: 'note' },
      'This fetches its code from the address below, and its model, some 20 to 90 MB, from the hub: they learn your network address, as of any download. Its code runs in this page. Everything else here works without any network. No measurement is sent to anyone.'),
    fields);
  return { element, source: () => (wanted.checked ? { script: script.value, model: model.value.trim() } : undefined) };
}

function box(name: string, checked: boolean): HTMLInputElement {
  return el('input', { type: 'checkbox', checked, 'data-testid': `use-${name}` });
}

/** There may be a `navigator.gpu` that offers nothing. */
async function hasAdapter(): Promise<boolean> {
  const { gpu } = navigator as Navigator & { gpu?: { requestAdapter(): Promise<unknown> } };
  return Boolean(await gpu?.requestAdapter().catch(() => null));
}

const labelledBox = (input: HTMLInputElement, text: string): HTMLElement => el('label', { class: 'choice' }, input, ` ${text}`);
const labelled = (text: string, field: HTMLElement): HTMLElement => el('label', { class: 'field' }, el('span', {}, text), field);
const group = (name: string, ...children: HTMLElement[]): HTMLElement => el('fieldset', {}, el('legend', {}, name), ...children);

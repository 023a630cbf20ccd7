/** Look at text: what every token looked at, drawn in four ways. */

import { button, el, say } from '../dom.ts';
import type { Engine } from '../engine.ts';
import type { Host } from '../heads/study.ts';
import type { Store } from '../state.ts';
import type { Drawing } from '../text/drawing.ts';
import { TextStore } from '../text/state.ts';
import type { Mode } from '../text/state.ts';
import { Study } from '../text/study.ts';
import { headsPanel } from './heads.ts';
import { textCheck } from './text-check.ts';
import { textControls } from './text-controls.ts';
import { textExport } from './text-export.ts';
import { textGrid } from './text-grid.ts';
import { textHeat } from './text-heat.ts';
import { textLines } from './text-lines.ts';
import { textNeuron } from './text-neuron.ts';
import '../text.css';

const SAMPLES = [
  { name: 'Bees', text: 'The honeybee danced on the comb because it had found unbelievably sweet clover beyond the river.' },
  { name: 'Two sentences', text: 'The cat sat on the warm windowsill.\nIt purred because the sunlight made it sleepy.' },
  { name: 'One word, two senses', text: 'She sat on the bank of the river and thought about the bank that held her money.' },
] as const;

interface Tab {
  readonly mode: Mode;
  readonly name: string;
  readonly about: string;
  readonly drawing: Drawing;
}

export function textView(page: Store, engine: Engine): HTMLElement {
  const store = new TextStore();
  const study = new Study(engine, page, store);
  const tabs: readonly Tab[] = [
    { mode: 'lines', name: 'Lines', about: 'From each token to what it looked at: the stronger the line, the more.', drawing: textLines(store) },
    { mode: 'grid', name: 'All heads', about: 'Each square is one head’s map: a row for each token that looks, a column for each that is looked at. Choose one to see its lines.', drawing: textGrid(store) },
    { mode: 'neuron', name: 'Inside a head', about: 'How one head weighs the tokens: its query times each key, number by number, summed and made into shares.', drawing: textNeuron(store, study) },
    { mode: 'heat', name: 'Heat', about: 'The text itself, tinted by what the chosen token looked at.', drawing: textHeat(store, study) },
  ];
  const view = el('section', { class: 'look', 'aria-label': 'Look at text' },
    input(page, engine, study),
    textControls(store, study),
    panels(store, tabs),
    textExport(page, store),
    headsPanel(headsHost(page, engine, store, study)),
    textCheck(store, study),
  );
  return view;
}

function headsHost(page: Store, engine: Engine, store: TextStore, study: Study): Host {
  return {
    page,
    model: () => Promise.resolve(engine.model),
    subject: () => {
      const { maps, layer, heads } = store.state;
      return maps && { key: maps, input: study.text, layer, heads };
    },
    watch: (changed) => store.watch(changed),
    pick: (layer, head) => {
      store.update({ layer, heads: [head] });
      void study.need(layer);
    },
  };
}

function input(page: Store, engine: Engine, study: Study): HTMLElement {
  const area = el('textarea', { id: 'look-text', rows: 3, 'data-testid': 'look-text', spellcheck: false }, SAMPLES[0].text);
  const read = (): void => void study.read(area.value);
  const look = button('Look at it', read, { class: 'primary', 'data-testid': 'look' });
  area.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) read();
  });
  const samples = SAMPLES.map(({ name, text }) =>
    button(name, () => {
      area.value = text;
      read();
    }, { class: 'chip' }),
  );
  page.watch(({ model }) => {
    look.disabled = model.kind !== 'ready';
    if (model.kind === 'ready' && engine.model) read();
  });
  return el('div', { class: 'look-input' },
    el('label', { for: 'look-text' }, 'A text, or two sentences on two lines'),
    area,
    el('div', { class: 'row' }, look, el('div', { class: 'chips', role: 'group', 'aria-label': 'Texts to try' }, ...samples)),
  );
}

/** The ways to draw, as tabs; arrow keys move between them. */
function panels(store: TextStore, tabs: readonly Tab[]): HTMLElement {
  const buttons = tabs.map(({ mode, name }) =>
    button(name, () => store.update({ mode, hovered: undefined }), {
      role: 'tab', id: `tab-${mode}`, 'aria-controls': 'drawing', 'data-testid': `mode-${mode}`,
    }),
  );
  const list = el('div', { role: 'tablist', 'aria-label': 'Ways to draw', class: 'tabs' }, ...buttons);
  list.addEventListener('keydown', ({ key }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    const at = tabs.findIndex(({ mode }) => mode === store.state.mode);
    const next = step === undefined ? undefined : buttons[(at + step + tabs.length) % tabs.length];
    next?.focus();
    next?.click();
  });
  const about = el('p', { class: 'note' });
  const waiting = el('p', { class: 'note', role: 'status' });
  const panel = el('div', { id: 'drawing', role: 'tabpanel', 'data-testid': 'drawing' });
  let shown: Tab | undefined;
  store.watch((state) => {
    const tab = tabs.find(({ mode }) => mode === state.mode);
    const { maps, busy } = state;
    say(waiting, busy ?? '');
    waiting.hidden = busy === undefined;
    list.hidden = about.hidden = panel.hidden = maps === undefined;
    if (!tab) return;
    if (tab !== shown) {
      shown = tab;
      buttons.forEach((tabButton, at) => {
        const selected = tabs[at] === tab;
        tabButton.setAttribute('aria-selected', String(selected));
        tabButton.tabIndex = selected ? 0 : -1;
      });
      panel.setAttribute('aria-labelledby', `tab-${tab.mode}`);
      panel.replaceChildren(tab.drawing.element);
      say(about, tab.about);
    }
    if (maps) tab.drawing.draw(state);
  });
  return el('div', { class: 'panels' }, list, about, waiting, panel);
}

/** Puts the page together. `?device=auto|cpu|gpu` and `?model=URL` choose where and what to run. */

import { el } from './dom.ts';
import { Engine } from './engine.ts';
import { Store } from './state.ts';
import { corpusView } from './views/corpus.ts';
import { modelView } from './views/model.ts';
import { problemsView } from './views/problems.ts';
import { resultsView } from './views/results.ts';
import { searchView } from './views/search.ts';
import { statusView } from './views/status.ts';

const DEFAULT_MODEL = 'models/all-MiniLM-L6-v2/';
const DEVICES = ['auto', 'cpu', 'gpu'] as const;

const parameters = new URLSearchParams(location.search);
const store = new Store();

const asked = parameters.get('device') ?? 'auto';
const device = DEVICES.find((name) => name === asked);
if (!device) {
  store.complain({ title: `There is no device “${asked}”`, advice: 'Use ?device=auto, cpu or gpu. Running with auto.' });
}

// A hub id such as owner/name is left alone; the default is a folder beside this page.
const model = parameters.get('model') ?? new URL(DEFAULT_MODEL, document.baseURI).href;
const engine = new Engine(store, { model, device: device ?? 'auto' });

const app = document.getElementById('app') ?? document.body.appendChild(el('main'));
app.append(
  modelView(store, engine),
  problemsView(store),
  corpusView(store, engine),
  searchView(store, engine),
  resultsView(store),
);
statusView(store, document.getElementById('status') ?? document.body.appendChild(el('footer')));

// Someone who asked their browser to save data decides about 90 MB for themselves.
const { connection } = navigator as Navigator & { connection?: { saveData?: boolean } };
if (!connection?.saveData) void engine.loadModel();

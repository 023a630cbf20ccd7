/**
 * Puts the page together. `?device=auto|cpu|gpu`, `?dtype=auto|f32|f16|int8`, `?model=URL` and `?pictures=URL` choose where
 * and what to run.
 */

import { el } from './dom.ts';
import { Engine } from './engine.ts';
import { fromHash } from './finding/address.ts';
import { register } from './offline/register.ts';
import { pages } from './pages.ts';
import { Store } from './state.ts';
import { modelView } from './views/model.ts';
import { problemsView } from './views/problems.ts';
import { statusView } from './views/status.ts';

const DEFAULT_MODEL = 'models/all-MiniLM-L6-v2/';
const DEVICES = ['auto', 'cpu', 'gpu'] as const;
const DTYPES = ['f32', 'f16', 'int8', 'auto'] as const;

const parameters = new URLSearchParams(location.search);
const store = new Store();

const asked = parameters.get('device') ?? 'auto';
const device = DEVICES.find((name) => name === asked);
if (!device) {
  store.complain({ title: `There is no device “${asked}”`, advice: 'Use ?device=auto, cpu or gpu. Running with auto.' });
}

const wanted = parameters.get('dtype') ?? 'f32';
const dtype = DTYPES.find((name) => name === wanted);
if (!dtype) {
  store.complain({ title: `There is no precision “${wanted}”`, advice: 'Use ?dtype=f32, f16, int8 or auto. Running with f32.' });
}

// A hub id such as owner/name is left alone; the default is a folder beside this page.
const model = parameters.get('model') ?? new URL(DEFAULT_MODEL, document.baseURI).href;
const engine = new Engine(store, { model, device: device ?? 'auto', dtype: dtype ?? 'f32' });
engine.begin(fromHash(location.hash));

const app = document.getElementById('app') ?? document.body.appendChild(el('main'));
const lead = document.getElementById('lead') ?? el('p');
const footer = document.getElementById('status') ?? document.body.appendChild(el('footer'));
const aboutModel = modelView({
  watch: (view) => store.watch(({ model: state }) => view(state)),
  load: () => void engine.loadModel(),
  cancel: () => engine.cancelLoading(),
});

// Someone who asked their browser to save data decides about 90 MB for themselves.
const { connection } = navigator as Navigator & { connection?: { saveData?: boolean } };

const { nav, place } = pages(store, engine, (page) => {
  lead.textContent = page.lead;
  aboutModel.hidden = footer.hidden = !page.textModel;
  if (page.textModel && !connection?.saveData && store.state.model.kind === 'idle') void engine.loadModel();
});
app.append(aboutModel, problemsView(store), place);
app.before(nav);
statusView(store, footer);
register(store);

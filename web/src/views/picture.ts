/** Look at a picture: what patches looked at, drawn over the picture, and every head beside it. */

import { button, el, say } from '../dom.ts';
import type { Engine } from '../engine.ts';
import type { Host } from '../heads/study.ts';
import type { PictureEngine } from '../pictures/engine.ts';
import { pictureEngine } from '../pictures/engine.ts';
import type { Store } from '../state.ts';
import { headsPanel } from './heads.ts';
import { pictureCanvas } from './picture-canvas.ts';
import { pictureCheck } from './picture-check.ts';
import { pictureControls } from './picture-controls.ts';
import { pictureExport } from './picture-export.ts';
import { pictureGrid } from './picture-grid.ts';
import { pictureInput, pictureModel } from './picture-input.ts';
import '../text.css';
import '../picture.css';

export function pictureView(page: Store, engine: Engine): HTMLElement {
  const pictures = pictureEngine(page, engine.running);
  const { looker } = pictures;
  const open = (files: readonly File[]): void => {
    const [first] = files;
    if (first) void looker.open(first, first.name);
  };
  const input = pictureInput(page, pictures, { open, multiple: false, lead: 'Drop a picture here', note: 'Or paste one. It stays on this device.' });
  const studio = el('div', { class: 'studio' }, pictureCanvas(pictures), pictureGrid(pictures));
  const view = el('section', { class: 'look picture', 'aria-label': 'Look at a picture' },
    pictureModel(pictures), input, working(pictures), pictureControls(pictures), studio, pictureExport(page, pictures),
    headsPanel(headsHost(page, pictures)), pictureCheck(pictures),
  );
  pictures.store.watch(({ looking: { picture, maps } }) => {
    view.classList.toggle('filled', picture !== undefined);
    studio.hidden = picture === undefined;
    studio.classList.toggle('with-maps', maps !== undefined);
  });
  return view;
}

function headsHost(page: Store, pictures: PictureEngine): Host {
  const { store, looker } = pictures;
  return {
    page,
    model: () => pictures.pictures(),
    subject: () => {
      const { picture, maps, look: { source, layer, head } } = store.state.looking;
      return picture && maps && { key: picture, input: picture.blob, layer, heads: source === 'layer' && head !== 'all' ? [head] : [] };
    },
    watch: (changed) => store.watch(changed),
    pick: (layer, head) => looker.change({ source: 'layer', layer, head }),
  };
}

/** What is being computed, and the way to stop it. */
function working({ store, looker }: PictureEngine): HTMLElement {
  const label = el('span', { 'aria-live': 'polite', 'data-testid': 'picture-busy' });
  const bar = el('progress', { 'aria-label': 'Looking', max: 1 });
  const cancel = button('Cancel', () => looker.cancel(), { class: 'quiet' });
  const view = el('div', { class: 'working' }, el('div', { class: 'row' }, label, cancel), bar);
  store.watch(({ looking: { busy } }) => {
    // Space is kept: a line that comes and goes would move all below it.
    view.classList.toggle('idle', busy === undefined);
    say(label, busy?.doing ?? '');
    if (busy?.share === undefined) bar.removeAttribute('value');
    else bar.value = busy.share;
  });
  store.watch(({ looking: { picture } }) => {
    view.hidden = picture === undefined;
  });
  return view;
}


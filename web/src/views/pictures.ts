/** Find pictures: take them in, then search by one of them, by another, or by words. */

import { button, counted, el, say } from '../dom.ts';
import { heatGradient } from '../draw/heat.ts';
import { drawOverlay } from '../draw/overlay.ts';
import type { Engine } from '../engine.ts';
import type { PictureEngine } from '../pictures/engine.ts';
import { pictureEngine } from '../pictures/engine.ts';
import { decode, isProblem } from '../pictures/files.ts';
import type { FindState, Item, Match } from '../pictures/state.ts';
import type { Store } from '../state.ts';
import { pictureInput, pictureModel } from './picture-input.ts';
import { wordsSearch } from './pictures-words.ts';
import '../text.css';
import '../picture.css';

export function picturesView(page: Store, engine: Engine): HTMLElement {
  const pictures = pictureEngine(page, engine.running);
  const { finder, store } = pictures;
  const input = pictureInput(page, pictures, {
    open: (files) => void finder.add(files),
    multiple: true,
    lead: 'Drop pictures or a folder here',
    note: 'Hundreds are fine. They stay on this device.',
  });
  const view = el('section', { class: 'look pictures', 'aria-label': 'Find pictures' },
    pictureModel(pictures), input, progress(pictures), skipped(pictures), wordsSearch(pictures), answer(pictures), tiles(pictures));
  store.watch(({ finding }) => view.classList.toggle('filled', finding.items.length > 0));
  // Pictures that were dropped while the model could not be loaded wait for it.
  let was = store.state.model.kind;
  store.watch(({ model: { kind } }) => {
    if (kind === was) return;
    was = kind;
    if (kind === 'ready') queueMicrotask(() => void finder.resume());
  });
  return view;
}

function progress({ store, finder }: PictureEngine): HTMLElement {
  const count = el('strong', { 'data-testid': 'picture-count', 'aria-live': 'polite' });
  const label = el('span', { class: 'amount' });
  const bar = el('progress', { 'aria-label': 'Reading pictures', max: 1, 'data-testid': 'pictures-progress' });
  const cancel = button('Cancel', () => finder.cancel(), { class: 'quiet', 'data-testid': 'pictures-cancel' });
  const rest = button('Go on', () => void finder.resume(), { class: 'quiet' });
  const clear = button('Clear all', () => finder.clear(), { class: 'quiet', 'data-testid': 'pictures-clear' });
  const view = el('div', { class: 'working' }, el('div', { class: 'row' }, count, label, cancel, rest, clear), bar);
  store.watch(({ finding: { items, busy }, model }) => {
    const waiting = items.filter(({ vector }) => !vector).length;
    view.hidden = items.length === 0 && !busy;
    bar.hidden = cancel.hidden = busy === undefined;
    clear.hidden = busy !== undefined;
    rest.hidden = busy !== undefined || waiting === 0 || model.kind !== 'ready';
    say(count, counted(items.length, 'picture'));
    say(label, busy ? busy.doing : waiting > 0 ? `${waiting} not read yet` : '');
    if (busy?.share !== undefined) bar.value = busy.share;
  });
  return view;
}

/** Files that could not be used, each with the reason. */
function skipped({ store }: PictureEngine): HTMLElement {
  const list = el('ul');
  const title = el('summary');
  const view = el('details', { class: 'skipped', 'data-testid': 'skipped' }, title, list);
  let shown: FindState['skipped'] = [];
  store.watch(({ finding }) => {
    view.hidden = finding.skipped.length === 0;
    if (finding.skipped === shown) return;
    shown = finding.skipped;
    say(title, `${counted(shown.length, 'file')} left out`);
    list.replaceChildren(...shown.map(({ title: what, advice }) => el('li', {}, el('strong', {}, what), `. ${advice}`)));
  });
  return view;
}

/** What was asked, and the way back to all pictures. */
function answer({ store, finder }: PictureEngine): HTMLElement {
  const said = el('p', { class: 'summary', role: 'status', 'data-testid': 'pictures-said' });
  const image = el('img', { alt: '', class: 'asked' });
  const back = button('Show all', () => finder.forget(), { class: 'quiet' });
  const strip = el('span', { class: 'strip', 'aria-hidden': 'true' });
  strip.style.background = heatGradient();
  const legend = el('p', { class: 'legend' }, 'Patches: least alike', strip, 'most alike. Each picture has its own scale; its numbers are under it.');
  const view = el('div', { class: 'answer' }, el('div', { class: 'row' }, image, said, back), legend);
  store.watch(({ finding: { asked, matches, items } }) => {
    back.hidden = image.hidden = asked === undefined;
    legend.hidden = !matches.some(({ heat }) => heat);
    if (asked?.kind === 'picture') image.src = asked.thumbnail;
    else image.hidden = true;
    view.hidden = items.length === 0;
    const what = asked?.kind === 'picture' ? `“${asked.name}”` : `“${asked?.text ?? ''}”`;
    say(said, asked ? `${counted(matches.length, 'picture')}, the most like ${what} first` : 'Choose a picture to find those that are like it.');
  });
  return view;
}

/** All pictures, or the answer in order. Tiles are kept and moved, so that hundreds stay quick. */
function tiles(pictures: PictureEngine): HTMLElement {
  const { store } = pictures;
  const list = el('ol', { class: 'tiles', 'data-testid': 'tiles' });
  const made = new Map<string, Tile>();
  const tileOf = (item: Item): Tile => {
    const tile = made.get(item.id) ?? makeTile(pictures, item);
    made.set(item.id, tile);
    return tile;
  };
  let shown: { items: readonly Item[]; matches: readonly Match[]; asked: FindState['asked'] } | undefined;
  store.watch(({ finding: { items, matches, asked } }) => {
    if (shown && shown.items === items && shown.matches === matches && shown.asked === asked) return;
    shown = { items, matches, asked };
    const present = new Set(items.map(({ id }) => id));
    for (const id of made.keys()) if (!present.has(id)) made.delete(id);
    const wanted = asked
      ? matches.map((match) => tileOf(match.item).show(match.item, match))
      : items.map((item) => tileOf(item).show(item, undefined));
    const same = list.children.length === wanted.length && wanted.every((element, at) => list.children[at] === element);
    if (!same) list.replaceChildren(...wanted);
  });
  return list;
}

interface Tile {
  readonly show: (item: Item, match: Match | undefined) => HTMLElement;
}

function makeTile({ finder, looker }: PictureEngine, { id, name, thumbnail, blob }: Item): Tile {
  const image = el('img', { src: thumbnail, alt: name, loading: 'lazy', decoding: 'async' });
  const canvas = el('canvas', { 'aria-hidden': 'true' });
  const like = el('button', { type: 'button', class: 'tile', 'aria-label': `Find pictures like ${name}` }, image, canvas);
  like.addEventListener('click', () => void finder.like(id));
  const score = el('span', { class: 'score', title: 'Cosine similarity' });
  const range = el('span', { class: 'range' });
  const look = button('Look', () => {
    void looker.open(blob, name);
    location.hash = '#picture';
  }, { class: 'quiet', 'aria-label': `Look at ${name}` });
  const remove = button('×', () => finder.remove(id), { class: 'remove', 'aria-label': `Remove ${name}`, title: 'Remove' });
  const element = el('li', { 'data-picture': name },
    like, el('span', { class: 'name', title: name }, name), el('div', { class: 'row' }, score, look, remove), range);
  let drawn: Match['heat'];
  return {
    show(item, match) {
      like.disabled = item.vector === undefined;
      score.hidden = match === undefined;
      say(score, match ? match.score.toFixed(3) : '');
      const heat = match?.heat;
      canvas.hidden = heat === undefined;
      say(range, heat ? `patches ${heat.low.toFixed(2)} to ${heat.high.toFixed(2)}` : '');
      if (heat && heat !== drawn) void drawSmall(canvas, item, heat);
      drawn = heat;
      return element;
    },
  };
}

/** The small copy with its heat: the layout speaks of the pixels of the whole picture. */
async function drawSmall(canvas: HTMLCanvasElement, item: Item, heat: NonNullable<Match['heat']>): Promise<void> {
  const picture = await decode(item.blob, item.name);
  if (isProblem(picture)) return;
  drawOverlay(canvas, { picture: picture.bitmap, heat, smooth: false, opacity: 0.6 });
  picture.bitmap.close();
}

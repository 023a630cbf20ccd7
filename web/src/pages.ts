/** The views of the page, and which is shown: the part of the address after `#`. Each is fetched and built when first shown. */

import { el } from './dom.ts';
import type { Engine } from './engine.ts';
import type { Store } from './state.ts';

/** Builds a view. It is taken out of the document while another is shown, and put back as it was. */
export type View = (store: Store, engine: Engine) => HTMLElement;

interface Page {
  /** After `#` in the address. */
  readonly hash: string;
  readonly name: string;
  /** What one can do there, under the page's name. */
  readonly lead: string;
  /** Whether it works with the text model, which is then loaded and spoken of. */
  readonly textModel: boolean;
  readonly view: () => Promise<View>;
}

const PAGES: readonly [Page, ...Page[]] = [
  {
    hash: 'search',
    name: 'Search',
    lead: 'Ask your own text a question. It is searched by meaning, and it never leaves this browser.',
    textModel: true,
    view: async () => (await import('./views/find.ts')).findView,
  },
  {
    hash: 'pooling',
    name: 'Compare pooling',
    lead: 'Ask your own text a question under several poolers, and see where they agree.',
    textModel: true,
    view: async () => (await import('./views/pooling.ts')).poolingView,
  },
  {
    hash: 'text',
    name: 'Look at text',
    lead: 'See which words a model looked at while it read yours, head by head.',
    textModel: true,
    view: async () => (await import('./views/text.ts')).textView,
  },
  {
    hash: 'picture',
    name: 'Look at a picture',
    lead: 'See where a model looked in a picture, patch by patch and head by head.',
    textModel: false,
    view: async () => (await import('./views/picture.ts')).pictureView,
  },
  {
    hash: 'pictures',
    name: 'Find pictures',
    lead: 'Search your own pictures by what is in them. They never leave this browser.',
    textModel: false,
    view: async () => (await import('./views/pictures.ts')).picturesView,
  },
  {
    hash: 'speed',
    name: 'Measure',
    lead: 'See how long this machine takes, and where the time goes. No measurement leaves this browser.',
    textModel: false,
    view: async () => (await import('./views/speed.ts')).speedView,
  },
];

/** The links to all views, and the place where the chosen one is shown. */
export function pages(store: Store, engine: Engine, onShow: (page: Page) => void): { nav: HTMLElement; place: HTMLElement } {
  const links = PAGES.map(({ hash, name }) => el('a', { href: `#${hash}` }, name));
  const nav = el('nav', { 'aria-label': 'Views' }, ...links);
  const place = el('div', { id: 'view' });
  const built = new Map<Page, Promise<HTMLElement>>();
  let shown: Page | undefined;

  const show = async (): Promise<void> => {
    // Other anchors, such as the link that skips the navigation, leave the view as it is.
    // What is behind a question mark is for the view.
    const [name] = location.hash.split('?');
    const page = PAGES.find(({ hash }) => `#${hash}` === name) ?? shown ?? PAGES[0];
    if (page === shown) return;
    shown = page;
    links.forEach((link, at) => {
      if (PAGES[at] === page) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    });
    document.body.dataset['page'] = page.hash;
    document.title = page === PAGES[0] ? 'Heatseek' : `${page.name} · Heatseek`;
    onShow(page);
    let view = built.get(page);
    if (!view) {
      view = page.view().then((make) => make(store, engine));
      built.set(page, view);
    }
    try {
      const element = await view;
      // Another may have been chosen while this one was fetched.
      if (page === shown) place.replaceChildren(element);
    } catch {
      built.delete(page);
      if (page === shown) shown = undefined;
      store.complain({ title: `“${page.name}” could not be fetched`, advice: 'Check your connection and reload the page.' });
    }
  };
  addEventListener('hashchange', () => void show());
  void show();
  return { nav, place };
}

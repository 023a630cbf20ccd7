/** What is in the collection, and taking it out: files by themselves, or those of a folder together. */

import { button, el } from '../dom.ts';
import type { Engine } from '../engine.ts';
import type { Source, Store } from '../state.ts';

/** More would be a wall; filters and the list of files in “Refine” find the others. */
const MOST = 24;

/** A file, or the folder it came in. */
interface Group {
  readonly name: string;
  readonly files: readonly Source[];
}

export function sourcesView(store: Store, engine: Engine): HTMLElement {
  const view = el('ul', { class: 'sources', 'aria-label': 'Sources' });
  let listed: readonly Source[] | undefined;
  store.watch(({ sources }) => {
    if (sources === listed) return;
    listed = sources;
    const groups = grouped(sources);
    view.hidden = groups.length === 0;
    view.replaceChildren(...groups.slice(-MOST).reverse().map((group) => item(group, engine)));
    if (groups.length > MOST) view.append(el('li', { class: 'rest' }, `and ${groups.length - MOST} more`));
  });
  return view;
}

function grouped(sources: readonly Source[]): Group[] {
  const groups = new Map<string, Source[]>();
  for (const source of sources) {
    const [folder] = source.folders;
    const name = folder === undefined ? source.name : `${folder}/`;
    const group = groups.get(name);
    if (group) group.push(source);
    else groups.set(name, [source]);
  }
  return [...groups].map(([name, files]) => ({ name, files }));
}

function item({ name, files }: Group, engine: Engine): HTMLElement {
  const passages = files.map((file) => file.passages).reduce((sum, count) => (sum === undefined || count === undefined ? undefined : sum + count), 0);
  const label = files.length > 1 ? `${files.length.toLocaleString('en')} files` : '';
  return el('li', {},
    el('span', { class: 'name', title: name }, name),
    el('span', { class: 'amount' }, [label, passages?.toLocaleString('en')].filter(Boolean).join(' · ')),
    button('×', () => void engine.collections.remove(files.map(({ file }) => file)), { class: 'remove', 'aria-label': `Remove ${name}`, title: 'Remove' }),
  );
}

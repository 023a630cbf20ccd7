/** A passage where it stands in its text. */

import type { Hit } from 'heatseek';

import { documentName, metadataOf } from '../collections/sources.ts';
import { button, el, say } from '../dom.ts';
import type { Engine } from '../engine.ts';
import type { Store } from '../state.ts';
import { openDialog } from './dialog.ts';

/** Shown at either side at first: a browser lays out so much at once. About forty pages of a book. */
const AROUND_CHARS = 80_000;
/** Rows of a table, or items of a list, that are shown at either side. */
const AROUND_PARTS = 20;

/** Opens the reader at a hit of the list; `moved` is called with the place of the one that is shown last. */
export function read(engine: Engine, store: Store, first: number, moved: (at: number) => void): void {
  const { hits } = store.state.search;
  let at = first;
  const name = el('h2', { 'aria-live': 'polite' });
  const body = el('div', { class: 'text', tabindex: 0, 'aria-label': 'Text', 'data-testid': 'reader-text' });
  const place = el('span', { class: 'amount' });
  const step = (by: number): void => {
    if (hits[at + by]) show(at + by);
  };
  const earlier = button('←', () => step(-1), { 'aria-label': 'Result before', class: 'quiet' });
  const later = button('→', () => step(1), { 'aria-label': 'Result after', class: 'quiet' });

  const dialog = openDialog('Passage in its text', 'reader', el('div', { class: 'box' },
    el('div', { class: 'row' }, name, place, earlier, later,
      button('Close', () => dialog.close(), { class: 'quiet', 'data-testid': 'reader-close' })),
    body));
  dialog.addEventListener('keydown', (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    step(by);
  });
  dialog.addEventListener('close', () => moved(at));

  const show = (next: number): void => {
    const hit = hits[next];
    if (!hit) return;
    at = next;
    say(name, documentName(hit.document, hit.chunk));
    say(place, `${at + 1} of ${hits.length}`);
    earlier.disabled = at === 0;
    later.disabled = at === hits.length - 1;
    const [before, found, after] = inContext(engine, hit);
    const mark = el('mark', {}, found);
    body.replaceChildren(before, mark, after);
    mark.scrollIntoView({ block: 'center' });
  };
  show(first);
  body.focus({ preventScroll: true });
}

/** The passage and what is around it: of the document, and of what is before and after it in the same file. */
function inContext(engine: Engine, { id, document, chunk }: Hit): readonly [string, string, string] {
  const { text } = document;
  const { file, kind } = metadataOf(document);
  // Passages of the sample have nothing to do with each other.
  const source = kind === 'sample' ? undefined : engine.collections.source(file);
  const part = source?.documentIds.indexOf(id) ?? -1;
  const parts = (from: number, to: number): string[] => (part < 0 ? [] : (source?.texts.slice(Math.max(0, from), Math.max(0, to)) ?? []));
  const begin = Math.max(0, chunk.start - AROUND_CHARS);
  const end = Math.min(text.length, chunk.end + AROUND_CHARS);
  const before = [...(begin > 0 ? ['…'] : parts(part - AROUND_PARTS, part)), text.slice(begin, chunk.start)];
  const after = [text.slice(chunk.end, end), ...(end < text.length ? ['…'] : parts(part + 1, part + 1 + AROUND_PARTS))];
  return [before.join(begin > 0 ? '' : '\n\n'), text.slice(chunk.start, chunk.end), after.join(end < text.length ? '' : '\n\n')];
}

/**
 * What is asked, of which collection and how, as the part of the address after `#`, so that it can be kept as a bookmark
 * or sent to somebody with the same collection. Text itself is never in it.
 */

import { COUNTS, NO_SETTINGS } from './settings.ts';
import type { Settings } from './settings.ts';

/** What an address says. */
export interface Asked {
  readonly query: string;
  readonly collection: string | undefined;
  readonly settings: Settings;
}

/** `#search?q=…`; what is as it is without being said is left out. */
export function toHash({ query, collection, settings }: Asked): string {
  const { topK, words, kinds, folder, file } = settings;
  const said = new URLSearchParams();
  if (query !== '') said.set('q', query);
  if (collection !== undefined) said.set('in', collection);
  if (topK !== NO_SETTINGS.topK) said.set('k', String(topK));
  if (words !== NO_SETTINGS.words) said.set('words', String(words));
  for (const kind of kinds) said.append('kind', kind);
  if (folder !== undefined) said.set('folder', folder);
  if (file !== undefined) said.set('file', file);
  const text = said.toString();
  return text === '' ? '#search' : `#search?${text}`;
}

/** What a hash says; undefined of one that is no search's. What makes no sense in it is passed over. */
export function fromHash(hash: string): Asked | undefined {
  const [page, ...rest] = hash.replace(/^#/, '').split('?');
  if (page !== 'search' || rest.length === 0) return undefined;
  const said = new URLSearchParams(rest.join('?'));
  const words = Number(said.get('words') ?? NaN);
  return {
    query: said.get('q') ?? '',
    collection: said.get('in') || undefined,
    settings: {
      topK: COUNTS.find((count) => String(count) === said.get('k')) ?? NO_SETTINGS.topK,
      words: words >= 0 && words <= 1 ? words : NO_SETTINGS.words,
      kinds: said.getAll('kind'),
      folder: said.get('folder') || undefined,
      file: said.get('file') || undefined,
    },
  };
}

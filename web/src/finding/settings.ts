/** How to search: how many hits, how much words count, and where to look. */

import type { Filter } from 'heatseek';

/** Where to look; without any of it everywhere. */
export interface Filters {
  /** Kinds of text; none is all of them. */
  readonly kinds: readonly string[];
  readonly folder: string | undefined;
  readonly file: string | undefined;
}

/** What the visitor has set. */
export interface Settings extends Filters {
  readonly topK: number;
  /** How much words count beside meaning, 0 to 1. */
  readonly words: number;
}

/** How many hits may be asked for. */
export const COUNTS = [3, 5, 10, 20, 50] as const;

/** Meaning alone, everywhere. */
export const NO_SETTINGS: Settings = { topK: 5, words: 0, kinds: [], folder: undefined, file: undefined };

/** Fields of metadata that can be filtered by, in the order of {@link State.facets}. */
export const FACETS = ['kind', 'folders', 'file'] as const;
export type FacetField = (typeof FACETS)[number];

/** The condition on documents' metadata; `without` leaves out one field, as for counting what it could be. */
export function filterOf({ kinds, folder, file }: Filters, without?: FacetField): Filter | undefined {
  const filter = {
    ...(kinds.length > 0 && without !== 'kind' ? { kind: { $in: kinds } } : {}),
    ...(folder !== undefined && without !== 'folders' ? { folders: folder } : {}),
    ...(file !== undefined && without !== 'file' ? { file } : {}),
  };
  return Object.keys(filter).length === 0 ? undefined : filter;
}

/** Whether some of the text is left out. */
export const isFiltered = (filters: Filters): boolean => filterOf(filters) !== undefined;

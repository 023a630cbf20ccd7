/** Everything the page shows, in one object, and the one way to change it. */

import type { Facet, Hit, ModelInfo, Progress } from 'heatseek';

import type { Source } from './collections/sources.ts';
import { NO_SETTINGS } from './finding/settings.ts';
import type { Settings } from './finding/settings.ts';
import { Watched } from './watched.ts';

export type { Source } from './collections/sources.ts';

/** Something that went wrong, in words for people. */
export interface Problem {
  readonly title: string;
  readonly advice: string;
}

export type ModelState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'loading'; readonly progress: Progress | undefined }
  | { readonly kind: 'ready'; readonly info: ModelInfo }
  | { readonly kind: 'failed'; readonly problem: Problem };

/** The collection in view. It is made when the first text comes in, and opened once the model is there. */
export interface CollectionState {
  readonly name: string;
  readonly kind: 'new' | 'closed' | 'opening' | 'open' | 'failed';
}

/** What is being indexed. */
export interface Indexing {
  /** The file that is being read. */
  readonly name: string;
  /** How much of all that was added is done, 0 to 1; 0 until the first has been read. */
  readonly share: number;
  /** Files of several; else passages, or rows, of one. `total` is 0 until it is known. */
  readonly done: number;
  readonly total: number;
  readonly unit: 'files' | 'passages';
  /** Passages. */
  readonly perSecond: number | undefined;
  /** Until all is done; undefined until it can be told. */
  readonly secondsLeft: number | undefined;
}

/** What an earlier visit did not come to, and cannot go on with unasked. */
export interface Unfinished {
  readonly id: number;
  readonly label: string;
  /** A click for the browser to let us read again, or the files or their folder once more. */
  readonly needs: 'permission' | 'files' | 'folder';
  /** Files that are not in the collection yet, where that is known. */
  readonly left: number | undefined;
}

export interface SearchState {
  readonly busy: boolean;
  /** The question that `hits` answer; empty before the first. */
  readonly asked: string;
  readonly hits: readonly Hit[];
  /** Whether words counted, so that scores are no cosines. */
  readonly fused: boolean;
  /** Milliseconds from asking to ranked hits: embedding the question and scanning every passage. */
  readonly ms: number | undefined;
}

export interface State {
  readonly model: ModelState;
  readonly collection: CollectionState;
  /** Those that the browser keeps, by name. */
  readonly collections: readonly string[];
  readonly sources: readonly Source[];
  /** Passages that can be found now. */
  readonly passages: number;
  readonly indexing: Indexing | undefined;
  readonly unfinished: readonly Unfinished[];
  readonly search: SearchState;
  readonly settings: Settings;
  /** How many documents there are of each kind, folder and file, as the other filters leave them. */
  readonly facets: readonly Facet[];
  readonly suggestions: readonly string[];
  readonly problems: readonly Problem[];
}

export const NO_SEARCH: SearchState = { busy: false, asked: '', hits: [], fused: false, ms: undefined };

/** What the first collection is called. */
export const FIRST_COLLECTION = 'My text';

/** Passages that can be found now. */
export function passageCount({ passages }: State): number {
  return passages;
}

const INITIAL: State = {
  model: { kind: 'idle' },
  collection: { name: FIRST_COLLECTION, kind: 'new' },
  collections: [],
  sources: [],
  passages: 0,
  indexing: undefined,
  unfinished: [],
  search: NO_SEARCH,
  settings: NO_SETTINGS,
  facets: [],
  suggestions: [],
  problems: [],
};

export class Store extends Watched<State> {
  constructor() {
    super(INITIAL);
  }

  /** Adds a problem to those shown; the same one is not repeated. */
  complain(problem: Problem): void {
    const others = this.state.problems.filter((p) => p.title !== problem.title);
    this.update({ problems: [...others, problem] });
  }
}

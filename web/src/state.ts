/** Everything the page shows, in one object, and the one way to change it. */

import type { Hit, ModelInfo, Progress } from 'heatseek';

import { Watched } from './watched.ts';

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

/** A file, a pasted text or the sample: what people add and remove as one thing. */
export interface Source {
  readonly id: string;
  readonly name: string;
  readonly documentIds: readonly string[];
  /** The documents' texts, in the order of their ids. */
  readonly texts: readonly string[];
  readonly passages: number;
}

/** The source that is being indexed. `total` is 0 until the passages have been counted. */
export interface Indexing {
  readonly name: string;
  readonly loaded: number;
  readonly total: number;
  readonly perSecond: number | undefined;
  readonly waiting: number;
}

export interface SearchState {
  readonly busy: boolean;
  /** The question that `hits` answer; empty before the first. */
  readonly asked: string;
  readonly hits: readonly Hit[];
  /** Milliseconds from asking to ranked hits: embedding the question and scanning every passage. */
  readonly ms: number | undefined;
}

export interface State {
  readonly model: ModelState;
  readonly sources: readonly Source[];
  readonly indexing: Indexing | undefined;
  readonly search: SearchState;
  readonly topK: number;
  readonly suggestions: readonly string[];
  readonly problems: readonly Problem[];
}

export const NO_SEARCH: SearchState = { busy: false, asked: '', hits: [], ms: undefined };

/** Passages that can be found now. */
export function passageCount(state: State): number {
  return state.sources.reduce((sum, source) => sum + source.passages, 0);
}

const INITIAL: State = {
  model: { kind: 'idle' },
  sources: [],
  indexing: undefined,
  search: NO_SEARCH,
  topK: 5,
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

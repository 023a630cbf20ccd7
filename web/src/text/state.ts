/** Everything that "Look at text" shows, in one object: a drawing depends on it and on nothing else. */

import { Watched } from '../watched.ts';
import type { TextMaps } from './maps.ts';

/** How maps are drawn. */
export type Mode = 'lines' | 'grid' | 'heat';

/** Of two sentences on two lines: which may look at which. */
export type Between = 'all' | 'aa' | 'ab' | 'ba' | 'bb';

/** A token or word, and whether it looks or is looked at. */
export interface Focus {
  readonly side: 'from' | 'to';
  readonly unit: number;
}

export interface TextState {
  /** The maps at hand; none before the first text was read. */
  readonly maps: TextMaps | undefined;
  /** Grows whenever maps come in. */
  readonly fetched: number;
  readonly mode: Mode;
  readonly layer: number;
  /** The heads picked, ascending; empty only before the first text was read. */
  readonly heads: readonly number[];
  /** Split words as one. */
  readonly words: boolean;
  /** Leave `[CLS]`, `[SEP]` and their like out. */
  readonly hideSpecial: boolean;
  readonly between: Between;
  /** What a click or the keyboard chose, kept until chosen again. */
  readonly pinned: Focus | undefined;
  /** What the pointer is over. */
  readonly hovered: Focus | undefined;
  /** What is being waited for, in words. */
  readonly busy: string | undefined;
}

// The first layers of most encoders look at neighbours; a little further up more is to be seen.
const FIRST_LAYER = 2;

export class TextStore extends Watched<TextState> {
  constructor() {
    super({
      maps: undefined, fetched: 0, mode: 'lines', layer: FIRST_LAYER, heads: [], words: false, hideSpecial: false, between: 'all',
      pinned: undefined, hovered: undefined, busy: undefined,
    });
  }
}

/** The one whose lines are shown alone. */
export function focusOf({ hovered, pinned }: TextState): Focus | undefined {
  return hovered ?? pinned;
}

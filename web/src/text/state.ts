/** Everything that "Look at text" shows, in one object: a drawing depends on it and on nothing else. */

import type { Neuron, Occlusion } from 'heatseek';

import { Watched } from '../watched.ts';
import type { TextMaps } from './maps.ts';

/** How maps are drawn. */
export type Mode = 'lines' | 'grid' | 'neuron' | 'heat';

/** Of two sentences on two lines: which may look at which. */
export type Between = 'all' | 'aa' | 'ab' | 'ba' | 'bb';

/** A token or word, and whether it looks or is looked at. */
export interface Focus {
  readonly side: 'from' | 'to';
  readonly unit: number;
}

/** What tints the text: the picked heads of one layer, or attention multiplied through all layers. */
export type Trace = 'heads' | 'rollout';

/** What one head computed for one token. */
export interface AskedNeuron {
  readonly layer: number;
  readonly head: number;
  readonly query: number;
  readonly got: Neuron;
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
  readonly trace: Trace;
  /** Attention rolled out through all layers, T x T, once asked for. */
  readonly rollout: Float32Array | undefined;
  readonly neuron: AskedNeuron | undefined;
  /** What hiding each token did. */
  readonly hidden: Occlusion | undefined;
  /** What is being waited for, in words. */
  readonly busy: string | undefined;
}

/** What belongs to one text, and is fetched when asked for. */
export const NOT_ASKED = { rollout: undefined, neuron: undefined, hidden: undefined } as const;

// The first layers of most encoders look at neighbours; a little further up more is to be seen.
const FIRST_LAYER = 2;

export class TextStore extends Watched<TextState> {
  constructor() {
    super({
      maps: undefined, fetched: 0, mode: 'lines', layer: FIRST_LAYER, heads: [], words: false, hideSpecial: false, between: 'all',
      pinned: undefined, hovered: undefined, trace: 'heads', ...NOT_ASKED, busy: undefined,
    });
  }
}

/** The one whose lines are shown alone. */
export function focusOf({ hovered, pinned }: TextState): Focus | undefined {
  return hovered ?? pinned;
}

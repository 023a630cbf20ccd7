/** Attention at hand: all maps of a small picture, or parts of those of a large one. Never changed; grown by copies. */

import type { Attention } from 'heatseek';

import type { ImageLayout } from './state.ts';

/** How heads become one. */
export type Fusion = 'mean' | 'max' | 'min';

/** With more tokens than this, all maps of all layers take too much memory: 72 maps of 1370 tokens are 540 MB. */
export const MOST_TOKENS = 600;

/** Maps of some layers, [layers, H, T, T]. */
interface Part {
  readonly data: Float32Array;
  readonly layers: readonly number[];
}

export interface Shape {
  readonly layout: ImageLayout;
  readonly layers: number;
  readonly heads: number;
  readonly tokens: number;
}

export class Maps implements Shape {
  readonly layout: ImageLayout;
  readonly layers: number;
  readonly heads: number;
  readonly tokens: number;
  readonly #parts: readonly Part[];

  constructor({ layout, layers, heads, tokens }: Shape, parts: readonly Part[] = []) {
    this.layout = layout;
    this.layers = layers;
    this.heads = heads;
    this.tokens = tokens;
    this.#parts = parts;
  }

  /** With more layers. Of a large picture, only those that were added last are kept. */
  and({ data, layers }: Attention): Maps {
    const kept = this.tokens > MOST_TOKENS ? this.#parts.slice(-1) : this.#parts;
    return new Maps(this, [...kept, { data, layers }]);
  }

  /** Layers whose maps are at hand. */
  get present(): readonly number[] {
    return this.#parts.flatMap(({ layers }) => layers);
  }

  /** What `query` looked at in one head: shares of T tokens. */
  row(layer: number, head: number, query: number): Float32Array | undefined {
    const part = this.#parts.find(({ layers }) => layers.includes(layer));
    if (!part) return undefined;
    const { tokens } = this;
    const at = (part.layers.indexOf(layer) * this.heads + head) * tokens + query;
    return part.data.subarray(at * tokens, (at + 1) * tokens);
  }
}

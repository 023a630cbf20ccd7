/** Attention at hand: all maps of a small picture, or rows of a large one. Never changed; grown by copies. */

import type { Attention } from 'heatseek';

import type { ImageLayout } from './state.ts';

/** How heads become one. */
export type Fusion = 'mean' | 'max' | 'min';

/** With more tokens than this, all maps of all layers take too much memory: 72 maps of 1370 tokens are 540 MB. */
export const MOST_TOKENS = 600;

/** So many rows over all layers and heads are kept: of 1370 tokens each takes 0.4 MB. */
const MOST_ROWS = 64;

/** What one token looked at in all layers and heads, [L, H, 1, T]; without a query what all did, [L, H, T, T]. */
interface Part {
  readonly data: Float32Array;
  readonly query: number | undefined;
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
  /** Rows of rollout and flow, each of one token that looks, by name and token. */
  readonly #through: ReadonlyMap<string, Float32Array>;

  constructor({ layout, layers, heads, tokens }: Shape, parts: readonly Part[] = [], through: ReadonlyMap<string, Float32Array> = new Map()) {
    this.layout = layout;
    this.layers = layers;
    this.heads = heads;
    this.tokens = tokens;
    this.#parts = parts;
    this.#through = through;
  }

  /** With the rows of one token, or of all, which makes single ones needless. */
  and({ data }: Attention, query: number | undefined): Maps {
    const kept = query === undefined ? [] : this.#parts.slice(1 - MOST_ROWS);
    return new Maps(this, [...kept, { data, query }], this.#through);
  }

  /** With a row of rollout or flow. */
  andThrough(name: string, query: number, { data }: Attention): Maps {
    return new Maps(this, this.#parts, new Map(this.#through).set(`${name} ${query}`, data));
  }

  /** What reached `query` through all layers, if it has been computed. */
  through(name: string, query: number): Float32Array | undefined {
    return this.#through.get(`${name} ${query}`);
  }

  /** Whether the rows of all tokens are at hand. */
  get whole(): boolean {
    return this.#parts.some(({ query }) => query === undefined);
  }

  /** Tokens whose rows are at hand. */
  get queries(): readonly number[] {
    return this.whole ? Array.from({ length: this.tokens }, (_, i) => i) : this.#parts.flatMap(({ query }) => query ?? []);
  }

  /** What `query` looked at in one head: shares of T tokens. */
  row(layer: number, head: number, query: number): Float32Array | undefined {
    const part = this.#parts.find((other) => other.query === undefined || other.query === query);
    if (!part) return undefined;
    const { tokens } = this;
    const map = layer * this.heads + head;
    const at = part.query === undefined ? map * tokens + query : map;
    return part.data.subarray(at * tokens, (at + 1) * tokens);
  }
}

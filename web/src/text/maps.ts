/** The attention maps of one text at hand, layer by layer, as tokens or as words. */

import type { Attention, Layout } from 'heatseek';

import { fold, unitsOf } from './units.ts';
import type { Unit } from './units.ts';

export type TextLayout = Extract<Layout, { kind: 'text' }>;

/** Floats kept at most: 96 MiB, all six layers of MiniLM at 512 tokens. Beyond that the layer looked at longest ago goes. */
const MOST_FLOATS = 24 * 1024 * 1024;

/** What decides which rows and columns are shown. */
export interface Shown {
  readonly words: boolean;
  readonly hideSpecial: boolean;
}

export class TextMaps {
  readonly layout: TextLayout;
  readonly layers: number;
  readonly heads: number;
  /** By layer: its heads' maps, [H, T, T]. Least recently used first. */
  readonly #held = new Map<number, Float32Array>();
  #units: readonly Unit[] = [];
  #unitsKey = '';
  readonly #folded = new Map<number, Float32Array>();

  constructor(layout: TextLayout, layers: number, heads: number) {
    this.layout = layout;
    this.layers = layers;
    this.heads = heads;
  }

  get tokens(): number {
    return this.layout.tokens.length;
  }

  /** Keeps all layers of `attention`; they must have all heads. */
  add({ data, layers }: Attention): void {
    const each = this.heads * this.tokens ** 2;
    layers.forEach((layer, at) => this.#held.set(layer, data.subarray(at * each, (at + 1) * each)));
    for (const oldest of this.#held.keys()) {
      if (this.#held.size * each <= MOST_FLOATS || this.#held.size === 1) break;
      this.#held.delete(oldest);
    }
  }

  has(layer: number): boolean {
    return this.#held.has(layer);
  }

  /** Layers that are not at hand, and would fit. */
  get missing(): number[] {
    const fit = Math.max(1, Math.floor(MOST_FLOATS / (this.heads * this.tokens ** 2)));
    const missing = Array.from({ length: this.layers }, (_, layer) => layer).filter((layer) => !this.has(layer));
    return missing.slice(0, Math.max(0, fit - this.#held.size));
  }

  /** The rows and columns: tokens or words. */
  units({ words, hideSpecial }: Shown): readonly Unit[] {
    const key = `${words} ${hideSpecial}`;
    if (key !== this.#unitsKey) {
      this.#unitsKey = key;
      this.#units = unitsOf(this.layout, words, hideSpecial);
      this.#folded.clear();
    }
    return this.#units;
  }

  /** A head's map as the model made it, T x T. */
  raw(layer: number, head: number): Float32Array | undefined {
    const each = this.tokens ** 2;
    const held = this.#held.get(layer);
    if (!held) return undefined;
    this.#held.delete(layer);
    this.#held.set(layer, held);
    return held.subarray(head * each, (head + 1) * each);
  }

  /** A head's map over {@link units}, n x n, row-major: row i is what unit i looked at. */
  map(layer: number, head: number, shown: Shown): Float32Array | undefined {
    const raw = this.raw(layer, head);
    if (!raw) return undefined;
    const units = this.units(shown);
    // Without words and with every token, the map is what the model made: nothing to copy.
    if (units.length === this.tokens) return raw;
    const key = layer * this.heads + head;
    let folded = this.#folded.get(key);
    if (!folded) {
      folded = fold(raw, this.tokens, units);
      this.#folded.set(key, folded);
    }
    return folded;
  }
}

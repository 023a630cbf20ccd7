/** The arithmetic of one row of one head, laid out for drawing. */

import { largest } from '../draw/tinted.ts';
import type { AskedNeuron } from './state.ts';

/** More rows than this are for nobody to read: the strongest are shown. */
const MOST_ROWS = 64;

export interface NeuronRow {
  readonly token: number;
  readonly key: Float32Array;
  /** The query times the key, number by number. */
  readonly product: Float32Array;
  /** Their sum over the square root of the width. */
  readonly score: number;
  readonly share: number;
}

export interface NeuronRows {
  readonly query: Float32Array;
  readonly rows: readonly NeuronRow[];
  /** Tokens with smaller shares that are left out. */
  readonly left: number;
  /** The largest size among query and keys, and among products. */
  readonly mostVector: number;
  readonly mostProduct: number;
}

export function neuronRows({ got: { q, k, scores, probabilities } }: AskedNeuron): NeuronRows {
  const width = q.length;
  const all = Array.from(probabilities, (share, token): NeuronRow => {
    const key = k.subarray(token * width, (token + 1) * width);
    return { token, key, product: key.map((value, at) => value * (q[at] ?? 0)), score: scores[token] ?? 0, share };
  });
  const strongest = [...all].sort((a, b) => b.share - a.share).slice(0, MOST_ROWS);
  const rows = all.length > MOST_ROWS ? strongest : all;
  return {
    query: q,
    rows,
    left: all.length - rows.length,
    mostVector: largest(q, k),
    mostProduct: largest(...all.map(({ product }) => product)),
  };
}

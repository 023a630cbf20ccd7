/** Comparing inputs that have several vectors each. */
import { floats, invalid } from './coerce.js';
import type { Vectors } from './types.js';

/**
 * How well a document fits a query where both have several vectors: for each vector of the query the greatest dot
 * product with one of the document, added up (ColBERT's MaxSim; Khattab & Zaharia, 2020). An input without vectors
 * gives 0. Vectors of unequal width, or `data` that is not as long as `shape` says, are `invalid_input` errors.
 *
 * @param query what `embed` gave for one input, such as with `pooling: 'none'`
 * @param document the same of another
 *
 * @example
 * const [query, document] = [await model.embed('bees', several), await model.embed('a beehive', several)];
 * const score = maxSim(query, document); // several: { pooling: 'none', normalize: true }
 */
export function maxSim(query: Vectors, document: Vectors): number {
  const [queries, width] = shapeOf('query', query);
  const [documents, other] = shapeOf('document', document);
  if (other !== width) throw invalid('document.shape[1]', other, `the width of the query's vectors, ${width}`);
  if (documents === 0) return 0;
  let score = 0;
  for (let q = 0; q < queries; q++) {
    let most = -Infinity;
    for (let d = 0; d < documents; d++) most = Math.max(most, dot(query.data, q * width, document.data, d * width, width));
    score += most;
  }
  return score;
}

function dot(a: Float32Array, atA: number, b: Float32Array, atB: number, width: number): number {
  let sum = 0;
  for (let i = 0; i < width; i++) sum += (a[atA + i] as number) * (b[atB + i] as number);
  return sum;
}

function shapeOf(what: string, given: Vectors): readonly [number, number] {
  if (typeof given !== 'object' || given === null) throw invalid(what, given, 'vectors: { data, shape }');
  const { data, shape } = given;
  floats(`${what}.data`, data);
  if (!Array.isArray(shape) || shape.length !== 2) throw invalid(`${what}.shape`, shape, '[vectors, width]');
  const [rows, width] = shape as readonly [number, number];
  if (data.length !== rows * width) {
    throw invalid(`${what}.data.length`, data.length, `${rows} × ${width}, as its shape says`);
  }
  return shape as readonly [number, number];
}

/** Options of a search, made into what is posted. */
import { choice, count, fraction, invalid, number, options as checked } from './coerce.js';
import { json } from './json.js';
import type { SearchSettings } from './protocol.js';
import { defined } from './settings.js';
import type { Filter, HybridOptions, SearchOptions } from './types.js';

/** Words count as much as meaning unless you say otherwise. */
const WEIGHT = 0.5;
/** Cormack, Clarke & Büttcher, "Reciprocal Rank Fusion", 2009. */
const K = 60;

/** What was asked for, with the defaults; but for the second stage. */
export function searchSettings(given: SearchOptions): SearchSettings {
  return {
    topK: count('topK', given.topK, 1, 10),
    ...defined({
      filter: filter(given.filter),
      hybrid: hybrid(given.hybrid),
      perDocument: count('perDocument', given.perDocument, 1, undefined),
      threshold: number('threshold', given.threshold, undefined),
      diversity: fraction('diversity', given.diversity, 0) || undefined,
      oversampling: count('oversampling', given.oversampling, 1, undefined),
    }),
  };
}

/** A filter as JSON. Whether its operators exist, the engine knows. */
export function filter(given: Filter | undefined): string | undefined {
  if (given === undefined) return undefined;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw invalid('filter', given, 'an object');
  return json('filter', given);
}

function hybrid(given: boolean | HybridOptions | undefined): SearchSettings['hybrid'] | undefined {
  if (given === undefined || given === false) return undefined;
  if (typeof given !== 'boolean' && (typeof given !== 'object' || given === null)) throw invalid('hybrid', given, 'true, false or an object');
  const { weight, fusion, k } = checked('hybrid', given === true ? {} : given, ['weight', 'fusion', 'k']);
  const wanted = {
    fusion: choice('hybrid.fusion', fusion, ['rrf', 'scores'], 'rrf'),
    k: number('hybrid.k', k, K),
    weight: fraction('hybrid.weight', weight, WEIGHT),
  };
  if (wanted.k < 0) throw invalid('hybrid.k', k, 'a number, 0 or more');
  return wanted;
}

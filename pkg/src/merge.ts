/** Small calls done as one: which are alike, and whose is what of the answer. */
import type { Calls, Request } from './protocol.js';
import type { Embeddings, Precision } from './types.js';

type Embedded = Embeddings<Precision>;

/**
 * The same for calls that may be done as one: those that embed texts by the same settings, each text's part of the answer
 * its own. Undefined for calls that are done by themselves.
 */
export function mergeKey(request: Request): string | undefined {
  if (request.type !== 'embed') return undefined;
  const { timing, poolingWeights, precision, weights, hidden } = request.settings;
  // Steps over all vectors' range belong to a call; so does its time. What is large is not compared.
  if (timing || poolingWeights || weights || hidden || precision === 'int8' || precision === 'uint8') return undefined;
  return JSON.stringify(Object.entries(request.settings).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** How much there is to do for a call, in UTF-16 units of its texts. */
export function mergedSize(request: Request): number {
  return request.type === 'embed' ? request.texts.reduce((sum, text) => sum + text.length, 0) : 0;
}

/** The calls as one. */
export function merge(calls: readonly Calls['embed']['args'][]): Calls['embed']['args'] {
  return { texts: calls.flatMap(({ texts }) => texts), settings: (calls[0] as Calls['embed']['args']).settings };
}

/** Its answer taken apart again, for calls of so many texts each. */
export function unmerge({ data, shape, counts, tokens, truncated, warning }: Embedded, sizes: readonly number[]): Embedded[] {
  const width = shape[1];
  let [text, row] = [0, 0];
  return sizes.map((size) => {
    const [first, from] = [text, row];
    text += size;
    const of = counts?.slice(first, text);
    row += of ? of.reduce((sum, n) => sum + n, 0) : size;
    return {
      // Copied: each answer is transferred by itself.
      data: data.slice(from * width, row * width),
      shape: [row - from, width],
      tokens: tokens.slice(first, text),
      truncated: truncated.slice(first, text),
      ...(of && { counts: of }),
      ...(warning === undefined ? {} : { warning }),
    };
  });
}

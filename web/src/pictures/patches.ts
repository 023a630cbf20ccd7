/** Where a picture is like a vector: the cosine of the vector with each patch. */

import type { Model } from 'heatseek';

import { heatOfValues } from './heat.ts';
import type { Heat } from './state.ts';

/** Nothing where patches and vectors are of different spaces: CLIP compares vectors behind a projection. */
export async function patchHeat(model: Model, vector: Float32Array, picture: Blob, signal: AbortSignal): Promise<Heat | undefined> {
  if (model.info.embeddingDim !== model.info.hiddenSize) return undefined;
  const { hidden: [tokens] = [] } = await model.embed([picture], { hidden: true, signal });
  // Where the patches lie is told with maps; the smallest there is will do.
  const { layout } = await model.attention(picture, { layers: [0], reduce: 'mean', signal });
  if (!tokens || layout.kind !== 'image') return undefined;
  const width = vector.length;
  const cosines = Float32Array.from({ length: tokens.length / width }, (_, token) => {
    const row = tokens.subarray(token * width, (token + 1) * width);
    return cosine(row, vector);
  });
  return heatOfValues(cosines, layout);
}

function cosine(a: Float32Array, b: Float32Array): number {
  let product = 0;
  let left = 0;
  let right = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] ?? 0;
    const y = b[i] ?? 0;
    product += x * y;
    left += x * x;
    right += y * y;
  }
  return product / (Math.sqrt(left * right) || 1);
}

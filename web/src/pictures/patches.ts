/** Where a picture is like a vector: the cosine of the vector with each patch. */

import type { Model } from 'heatseek';

import { heatOfValues } from './heat.ts';
import type { Heat } from './state.ts';

export async function patchHeat(model: Model, vector: Float32Array, picture: Blob, signal: AbortSignal): Promise<Heat | undefined> {
  const { similarity, passage: { layout } } = await model.explain(vector, picture, { signal });
  return layout.kind === 'image' ? heatOfValues(similarity, layout) : undefined;
}

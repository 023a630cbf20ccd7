// What looking at attention costs: calls that are timed beside the plain embedding of the same picture.

/** Layers, by the names of cases, as `model.attention` takes them. */
export const LOOKS = {
  'one layer captured': { layers: [5] },
  'rollout, one query': { reduce: 'rollout', query: 0 },
  'rollout': { reduce: 'rollout' },
};

/** What a row of a map may differ from 1 by, and a rollout from the one computed here. */
const MAX_ERROR = 1e-5;

/** Throws unless every answer is right. */
export async function check(model, picture) {
  const maps = await model.attention(picture, { reduce: 'mean' });
  const rollout = await expectedRollout(maps);
  for (const [name, options] of Object.entries(LOOKS)) {
    const { data, shape } = await model.attention(picture, options);
    const tokens = shape[3];
    for (let start = 0; start < data.length; start += tokens) {
      const sum = data.subarray(start, start + tokens).reduce((a, b) => a + b, 0);
      if (!(Math.abs(sum - 1) <= MAX_ERROR)) throw new Error(`${name}: row ${start / tokens} sums to ${sum}`);
    }
    if (options.reduce !== 'rollout') continue;
    const worst = data.reduce((worst, value, i) => Math.max(worst, Math.abs(value - rollout[i])), 0);
    if (!(worst <= MAX_ERROR)) throw new Error(`${name}: ${worst} from the rollout of the maps`);
  }
}

/** Abnar & Zuidema's attention rollout in double precision: the product of (map + identity) / 2 of all layers. */
function expectedRollout({ data, shape: [layers, , tokens] }) {
  let product = Float64Array.from({ length: tokens * tokens }, (_, i) => (i % (tokens + 1) === 0 ? 1 : 0));
  for (let layer = 0; layer < layers; layer++) {
    const next = product.map((value) => value / 2);
    for (let row = 0; row < tokens; row++) {
      for (let through = 0; through < tokens; through++) {
        const weight = data[(layer * tokens + row) * tokens + through] / 2;
        for (let column = 0; column < tokens; column++) {
          next[row * tokens + column] += weight * product[through * tokens + column];
        }
      }
    }
    product = next;
  }
  return product;
}

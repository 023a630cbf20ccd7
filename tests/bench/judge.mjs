// Whether answers are right, before anything is timed.

/** f32 of both sides; below it one of the two is wrong and no time counts. */
const MIN_COSINE = 0.9999;
/** Our int8 to our f32: the design's bar. */
const MIN_INT8_COSINE = 0.99;
/** Per-tensor q8 reaches 0.92 to 0.97 on these models; what is below this computes something else. */
const MIN_Q8_COSINE = 0.8;

/** The least cosine between the rows of two answers; NaN where they do not match. */
export function cosine(a, b) {
  if (a.width !== b.width || a.data.length !== b.data.length || a.data.length === 0) return NaN;
  let worst = Infinity;
  for (let row = 0; row < a.data.length; row += a.width) {
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = row; i < row + a.width; i++) {
      ab += a.data[i] * b.data[i];
      aa += a.data[i] ** 2;
      bb += b.data[i] ** 2;
    }
    const found = ab / Math.sqrt(aa * bb);
    worst = found < worst || Number.isNaN(found) ? found : worst;
  }
  return worst;
}

/**
 * Compares the answers to a case. `ours` is refused with `why` if it is off; candidates of the peer that are off are left
 * out. f32 has two witnesses, us and transformers.js; int8 is compared with our own f32, which those rows compare in turn.
 */
export function judge(dtype, { ours, candidates, reference }) {
  const [bar, peerBar] = dtype === 'int8' ? [MIN_INT8_COSINE, MIN_Q8_COSINE] : [MIN_COSINE, MIN_COSINE];
  const truth = dtype === 'int8' ? reference : ours;
  const peers = candidates.map(({ peer, answer }) => ({ peer, cosine: cosine(answer, truth) }));
  const right = peers.filter((peer) => peer.cosine >= peerBar);
  // A graph that gave nothing says nothing of the others.
  const found = peers.map((peer) => peer.cosine).filter((cosine) => !Number.isNaN(cosine));
  const best = found.length ? Math.max(...found) : NaN;
  const own = dtype === 'int8' ? cosine(ours, reference) : best;
  if (!(own >= bar)) {
    const what = dtype === 'int8' ? 'our f32' : 'any graph of transformers.js';
    return { own, right: [], why: `cosine ${own.toFixed(6)} to ${what}, at least ${bar} is right: nothing was timed` };
  }
  if (!right.length) return { own, right, why: `transformers.js answers with a cosine of ${best.toFixed(4)} at best: nothing was timed` };
  return { own, right };
}

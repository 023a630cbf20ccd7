// The pages of a setting (model, device, dtype, threads): ours, transformers.js in each way it can be had, and the
// reference that answers are compared with.
import { open } from '../browser/chromium.mjs';
import { INPUTS, graphs } from './site.mjs';

/** f32 of both sides; below it one of the two is wrong and no time counts. */
const MIN_COSINE = 0.9999;
/** Our int8 to our f32: the design's bar. */
const MIN_INT8_COSINE = 0.99;
/** Per-tensor q8 reaches 0.92 to 0.97 on these models; what is below this computes something else. */
const MIN_Q8_COSINE = 0.8;

/**
 * The onnxruntime-web builds: transformers.js takes `.asyncify` by itself; that without a suffix is smaller and has no
 * WebGPU.
 */
const RUNTIMES = { webgpu: ['.asyncify'], wasm: ['.asyncify', ''] };

const PEER_DTYPES = { f32: 'fp32', int8: 'q8' };

export const ourSide = ({ model, device, dtype, threads }) => ({ side: 'ours', model, device, dtype, threads });

/** transformers.js with every graph and build. */
export const peerSides = ({ model, device, dtype, threads }) => graphs(model).flatMap((graph) => RUNTIMES[device].map((runtime) =>
  ({ side: 'peer', model, device, dtype: PEER_DTYPES[dtype], threads, graph, runtime, input: INPUTS[model] })));

/** The same graph on the smallest build there is for its device: what a page that counts bytes would take. */
export const smallest = (side) => ({ ...side, runtime: RUNTIMES[side.device].at(-1) });

/** What a candidate is called in a row. */
export const nameOf = ({ model, graph, runtime }) => `${graph === model ? 'plain' : 'fused'} graph, ${runtime ? runtime.slice(1) : 'plain'} build`;

/** A page of a side, with its model loaded. */
export async function start(browser, site, side) {
  const { page, context } = await open(browser);
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(site.address(side));
  await page.waitForFunction(() => window.loaded);
  const { info } = await page.evaluate(() => window.start());
  const call = (name, ...given) => page.evaluate(([n, g]) => window[n](...g), [name, given]);
  return { side, info, errors, close: () => context.close(), call };
}

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
  const right = peers.filter((found) => found.cosine >= peerBar);
  const best = peers.reduce((most, found) => Math.max(most, found.cosine), -1);
  const own = dtype === 'int8' ? cosine(ours, reference) : best;
  if (!(own >= bar)) {
    const what = dtype === 'int8' ? 'our f32' : 'any graph of transformers.js';
    return { own, right: [], why: `cosine ${own.toFixed(6)} to ${what}, at least ${bar} is right: nothing was timed` };
  }
  if (!right.length) return { own, right, why: `transformers.js answers with a cosine of ${best.toFixed(4)} at best: nothing was timed` };
  return { own, right };
}

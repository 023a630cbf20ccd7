// The pages of a setting (model, device, dtype, threads): ours, and transformers.js in each way it can be had.
import { open } from '../browser/chromium.mjs';
import { INPUTS, graphs } from './site.mjs';

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
